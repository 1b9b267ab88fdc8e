"""The connections file: which vendor serves which tenant and legal entity, and how it is reached.

    [[connection]]
    tenant = "nordwind"
    capability = "erp"                  # erp, billing, crm or tax
    legal_entity = "NW-DE"              # "*" serves every legal entity of the tenant
    adapter = "tryton"                  # what follows are this adapter's own settings
    url = "http://127.0.0.1:8000"
    database = "tryton"
    company = 1
    currency = "EUR"
    key = "file:secrets/tryton-key"     # a secret is env:NAME or file:PATH, never the secret itself

    concurrency_max = 8                 # requests at once and (if the vendor counts them) requests a second, over all
    requests_per_second_max = 25        # our processes together; each adapter has defaults of its own
    settle_s = 15                       # time for a lost request to arrive; it is looked up after that
    attempts_max = 12                   # tries of a step in all; default: the process tier's setting

Paths are relative to the file's own folder. A file with faults is refused as a whole, with all faults listed.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import msgspec
from msgspec import Meta

from shared.canonical.wire import CountryCode, CurrencyCode, LegalEntityCode, TenantCode
from system_api.vendor.salesforce_map import SalesforceFields, SalesforceObjects

Capability = Literal["erp", "billing", "crm", "tax"]
EVERY_LEGAL_ENTITY = "*"
Url = Annotated[str, Meta(pattern=r"^https?://[^\s?#]+$")]
Text = Annotated[str, Meta(min_length=1)]


class ConnectionsError(Exception):
    """The connections file cannot be used. `faults` has one sentence for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Secret:
    """A secret from the environment or from a file; printing it shows nothing."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        """Hide the value: settings end up in logs and tracebacks."""
        return "Secret(…)"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of every connection. `legal_entity` is "*" if one connection serves them all."""

    capability_served: ClassVar[str]
    tenant: TenantCode
    capability: Capability
    legal_entity: Annotated[str, Meta(pattern=r"^(\*|[A-Z0-9][A-Z0-9-]{0,31})$")]
    adapter: str

    @property
    def name(self) -> str:
        """The connection's name for operators, tests and readiness: nordwind/erp/NW-DE."""
        return f"{self.tenant}/{self.capability}/{self.legal_entity}"


class VendorConnection(Connection, frozen=True, kw_only=True):
    """A connection to a vendor over the network, and what the vendor allows over it. `product`: the vendor's name."""

    product: ClassVar[str] = ""
    concurrency_max: Annotated[int, Meta(ge=1, le=1000)] = 8
    requests_per_second_max: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    settle_s: Annotated[int, Meta(ge=1, le=3600)] | None = None
    attempts_max: Annotated[int, Meta(ge=1, le=100)] | None = None


class TrytonConnection(VendorConnection, frozen=True, kw_only=True):
    """A company in a Tryton database. `currency` is the company's own; `payment_term` is that of new customers.

    `unit_price_digits` is the number of decimals of unit prices in Tryton (`price_decimal` in its section `product`).
    `sales_of_one_reference_max` is how many sales of one reference are searched for duplicates from late requests.
    `warehouse` is the name of the warehouse that orders are shipped from; a Tryton with a single warehouse needs none.
    """

    capability_served: ClassVar[str] = "erp"
    product: ClassVar[str] = "Tryton"
    url: Url
    database: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,63}$")]
    company: Annotated[int, Meta(ge=1)]
    currency: CurrencyCode
    key: Secret
    payment_term: Text = "30 days net"
    unit_price_digits: Annotated[int, Meta(ge=0, le=12)] = 4
    sales_of_one_reference_max: Annotated[int, Meta(ge=1, le=1000)] = 50
    warehouse: Text | None = None


class StripeConnection(VendorConnection, frozen=True, kw_only=True):
    """A Stripe account. `api_version` pins the shape of its answers.

    `webhook_secret` is that of its webhook endpoint; without one, webhooks are refused.
    """

    capability_served: ClassVar[str] = "billing"
    product: ClassVar[str] = "Stripe"
    key: Secret
    url: Url = "https://api.stripe.com"
    webhook_secret: Secret | None = None
    # Stripe, "Search": data freshness. After an outage the index lags behind writes by up to an hour.
    search_lag_s: Annotated[int, Meta(ge=60, le=86_400)] = 7200
    concurrency_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    # Stripe, "Rate limits": 100 a second in live mode, but 25 in a sandbox, and 25 for each endpoint.
    requests_per_second_max: Annotated[float, Meta(gt=0, le=10_000)] | None = 25.0
    api_version: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")] = "2026-10-28.endive"


class SalesforceConnection(VendorConnection, frozen=True, kw_only=True):
    """A Salesforce org, by its My Domain address: the only address for client credentials.

    `org_id` pins the connection to one org: a refreshed sandbox, which has production's settings, is then refused.
    `objects` and `fields` are the org's names of what Quoteway reads and writes (system_api/vendor/salesforce_map.py).
    `currency` is needed for a single-currency org whose Organization record does not show it.
    """

    capability_served: ClassVar[str] = "crm"
    product: ClassVar[str] = "Salesforce"
    url: Url
    client_id: Text
    client_secret: Secret
    # Salesforce, "API Request Limits": 25 concurrent requests of more than 20 s each; people need some of them.
    concurrency_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    api_version: Annotated[str, Meta(pattern=r"^v[1-9][0-9]{1,2}\.0$")] = "v67.0"
    org_id: Annotated[str, Meta(pattern=r"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$")] | None = None
    currency: CurrencyCode | None = None
    objects: SalesforceObjects = SalesforceObjects()
    fields: SalesforceFields = SalesforceFields()


class JurisdictionsConnection(Connection, frozen=True, kw_only=True):
    """A table of tax jurisdictions, and the country of each selling legal entity."""

    capability_served: ClassVar[str] = "tax"
    table: Path
    sellers: Annotated[dict[LegalEntityCode, CountryCode], Meta(min_length=1)]


# By the word in the file's `adapter`.
ADAPTER_KINDS: dict[str, type[Connection]] = {
    "tryton": TrytonConnection,
    "stripe": StripeConnection,
    "salesforce": SalesforceConnection,
    "jurisdictions": JurisdictionsConnection,
}


def load_connections(path: Path, environment: Mapping[str, str]) -> list[Connection]:
    """Return the connections in the TOML file at `path`, secrets read.

    Raises ConnectionsError with every fault of the file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConnectionsError([f"{path} cannot be read: {reason}."]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConnectionsError([f"{path} is not TOML: {error}."]) from error
    entries = document.get("connection")
    if not isinstance(entries, list) or not entries:
        raise ConnectionsError([f"{path} lists no connection: begin each with [[connection]]."])
    reader = _Reader(path.parent, environment)
    reader.refuse_unknown(document, {"connection"}, str(path))
    connections = [reader.read(entry, f"connection {number}") for number, entry in enumerate(entries, start=1)]
    made = [connection for connection in connections if connection is not None]
    reader.refuse_doubles(made)
    if reader.faults:
        raise ConnectionsError(reader.faults)
    return made


class _Reader:
    """Reads entries and collects their faults, so that one start reports them all."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._folder = folder
        self._environment = environment

    def read(self, entry: dict[str, Any], where: str) -> Connection | None:
        kind = ADAPTER_KINDS.get(str(entry.get("adapter")))
        if kind is None:
            self.faults.append(f"{where}: adapter is {entry.get('adapter')!r}; it can be {', '.join(ADAPTER_KINDS)}.")
            return None
        where = f"{where} ({entry['adapter']})"
        before = len(self.faults)
        self.refuse_unknown(entry, {field.name for field in msgspec.structs.fields(kind)}, where)
        values = self._values(kind, entry, where)
        capability = values.get("capability")
        if capability is not None and capability != kind.capability_served:
            self.faults.append(f"{where}: this adapter serves {kind.capability_served}, not {capability}.")
        return None if len(self.faults) > before else kind(**values)

    def refuse_unknown(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        self.faults += [f"{where}: {name} is not a setting here." for name in table if name not in known]

    def refuse_doubles(self, connections: list[Connection]) -> None:
        names = [connection.name for connection in connections]
        doubled = sorted({name for name in names if names.count(name) > 1})
        self.faults += [f"{name} is connected more than once; which one to use cannot be told." for name in doubled]

    def _values(self, kind: type[msgspec.Struct], entry: dict[str, Any], where: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            if field.name not in entry:
                if field.required:
                    self.faults.append(f"{where}: {field.name} is missing.")
                continue
            hint = hints[field.name]
            if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
                values[field.name] = self._table(hint, entry[field.name], f"{where}: {field.name}")
                continue
            try:
                values[field.name] = msgspec.convert(entry[field.name], hint, dec_hook=self._special)
            except msgspec.ValidationError as error:
                self.faults.append(f"{where}: {field.name}: {error}.")
        return values

    def _table(self, kind: type[msgspec.Struct], entry: Any, where: str) -> msgspec.Struct | None:
        """Return a table within the entry, read like the entry itself."""
        if not isinstance(entry, dict):
            self.faults.append(f"{where}: a table is needed, not {type(entry).__name__}.")
            return None
        before = len(self.faults)
        self.refuse_unknown(entry, {field.name for field in msgspec.structs.fields(kind)}, where)
        values = self._values(kind, entry, where)
        return None if len(self.faults) > before else kind(**values)

    def _special(self, kind: type[Any], raw: Any) -> Any:
        """Convert a value that TOML has no type for. Raises ValueError, whose text becomes the fault."""
        if kind is Secret:
            return self._secret(raw)
        if kind is Path and isinstance(raw, str) and raw:
            return self._folder / raw
        raise ValueError(f"a text is needed, not {type(raw).__name__}")

    def _secret(self, raw: Any) -> Secret:
        source, _, where = str(raw).partition(":")
        if not isinstance(raw, str) or source not in {"env", "file"} or not where:
            # The value is not repeated: it may be the secret itself.
            raise ValueError("name where the secret is, as env:NAME or file:PATH; the secret itself has no place here")
        if source == "env":
            text = self._environment.get(where, "").strip()
            missing = f"the environment variable {where} is not set"
        else:
            path = self._folder / where
            missing = f"the file {path} is empty"
            try:
                text = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"the file {path} cannot be read") from error
        if not text:
            raise ValueError(missing)
        return Secret(text)
