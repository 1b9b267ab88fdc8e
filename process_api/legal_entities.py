"""The configuration of the legal entities: `legal_entities.toml`, typed; all faults are reported at start.

    [[legal_entity]]
    tenant = "nordwind"
    code = "NW-DE"
    timezone = "Europe/Berlin"          # business dates are days there
    language = "de"                     # of documents and e-mails
    currency = "EUR"                    # what its books are kept in
    shipping_sku = "SHIPPING"           # the product that a quote's shipping is booked as; without: refused
    rounding_sku = "ROUNDING"           # takes what cannot be priced to the cent; without: refused
    collection = "send_invoice"         # or charge_automatically, where the customer has a payment method
    days_until_due = 30
    customer_match = "strict"           # what makes a likely duplicate: or name_and_postal_code
    [legal_entity.payment_terms]        # the quote's words -> the ERP's term and the days that billing grants
    "Net 30" = { erp = "30 days net", days = 30 }

A legal entity that is not in the file has the defaults: UTC, English, no shipping or rounding product. The file's hash
is stored with each flow, so that its rules can be found later.
"""

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

from shared.canonical.wire import CurrencyCode, LegalEntityCode, Sku, TenantCode
from shared.settings import SettingsError

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Days = Annotated[int, Meta(ge=0, le=730)]


class PaymentTerm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quote's payment term: its name in the ERP, and the days until billing's invoices are due."""

    erp: Text
    days: Days


class LegalEntity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of one selling company. `payment_terms` maps the quote's words to the ERP's and billing's."""

    tenant: TenantCode
    code: LegalEntityCode
    timezone: Text = "UTC"
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    currency: CurrencyCode | None = None
    shipping_sku: Sku | None = None
    rounding_sku: Sku | None = None
    collection: Literal["send_invoice", "charge_automatically"] = "send_invoice"
    days_until_due: Days = 30
    customer_match: Literal["strict", "name_and_postal_code"] = "name_and_postal_code"
    payment_terms: dict[Text, PaymentTerm] = {}

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose days are its business dates."""
        return ZoneInfo(self.timezone)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    legal_entity: list[LegalEntity] = []


@dataclass(frozen=True)
class LegalEntities:
    """Every legal entity's rules, and the hash of their file."""

    entities: dict[tuple[str, str], LegalEntity] = field(default_factory=dict)
    digest: str = ""

    def of(self, tenant: str, code: str) -> LegalEntity:
        """Return the legal entity's rules; the defaults if it is not in the file."""
        return self.entities.get((tenant, code)) or LegalEntity(tenant=tenant, code=code)


def load_legal_entities(path: Path | None) -> LegalEntities:
    """Return the rules in the TOML file at `path`; none for None. Raises SettingsError with every fault in it."""
    if path is None:
        return LegalEntities()
    try:
        content = path.read_bytes()
        document = tomllib.loads(content.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} cannot be read: {error}."]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path} is not TOML: {error}."]) from error
    entries = document.pop("legal_entity", [])
    faults = [f"{path}: {name} is not a setting here." for name in document]
    entities: dict[tuple[str, str], LegalEntity] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        where = f"{path}: legal_entity {number}"
        try:
            entity = msgspec.convert(entry, LegalEntity)
        except msgspec.ValidationError as error:
            faults.append(f"{where}: {error}.")
            continue
        if entity.timezone not in available_timezones():
            faults.append(f"{where}: timezone {entity.timezone!r} is not in the time zone database.")
        if (entity.tenant, entity.code) in entities:
            faults.append(f"{where}: {entity.tenant} {entity.code} is there twice.")
        entities[entity.tenant, entity.code] = entity
    if faults:
        raise SettingsError(faults)
    return LegalEntities(entities, hashlib.sha256(content).hexdigest()[:16])


def check_legal_entities_file(path: str) -> None:
    """Raise ValueError with every fault of the file, for the list that a start prints. An empty path names no file."""
    try:
        load_legal_entities(Path(path) if path else None)
    except SettingsError as error:
        raise ValueError("; ".join(error.faults)) from error
