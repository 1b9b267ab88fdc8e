"""The simulated Stripe account: its objects, its time, and what happened in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from sandbox.vendors.journal import Journal
from sandbox.vendors.stripe.clock import SandboxClock
from sandbox.vendors.stripe.settings import StripeSandboxSettings
from sandbox.vendors.stripe.store import Record, Store, new_id
from sandbox.vendors.stripe.wire import api_version
from sandbox.vendors.stripe.wire.errors import StripeError, no_such, rate_limited
from sandbox.vendors.stripe.wire.presentation import present
from sandbox.vendors.stripe.wire.search_index import SearchIndex

# Kinds that Stripe's errors call by another name.
_NOUNS = {
    "balance_transaction": "balance transaction",
    "payment_intent": "payment_intent",
    "payment_method": "PaymentMethod",
    "test_helpers.test_clock": "test clock",
}


@dataclass(frozen=True)
class Origin:
    """Who causes a change: a request, the account itself (`automatic`), or the seed."""

    request_id: str
    idempotency_key: str | None = None
    automatic: bool = False
    seeding: bool = False


@dataclass(frozen=True)
class _Happening:
    action: str
    record: Record
    event: Record | None


class Account:
    """One Stripe account.

    Changes happen inside `transaction`, which makes them, their events and their journal entries one thing.
    """

    def __init__(self, settings: StripeSandboxSettings) -> None:
        self.settings = settings
        self.clock = SandboxClock(settings.wall_clock)
        self.store = Store()
        self.journal = Journal(self.clock.moment)
        self.search = SearchIndex(self.clock, settings.search_lag_s)
        # Objects whose overdue work failed; it is not tried again.
        self.stuck: set[str] = set()
        self.deliver: Callable[[Record], None] = lambda _: None
        self._origin = Origin("req_none", automatic=True)
        self._happenings: list[_Happening] = []
        self._catching_up_at: int | None = None
        self._invoice_limiter = MovingWindowRateLimiter(MemoryStorage())
        self._invoice_limits = parse_many(settings.subscription_invoice_limit)

    # -- objects

    def fetch(self, kind: str, object_id: str, *, param: str = "id", status: int = 400) -> Record:
        """Return the record, a copy.

        Raises StripeError `resource_missing`; `status` is 404 when the id came in the URL.
        """
        record = self.store.get(kind, object_id)
        if record is None:
            raise no_such(_NOUNS.get(kind, kind), object_id, param=param, status=status)
        return record

    def fetch_live(self, kind: str, object_id: str, *, param: str = "id", status: int = 400) -> Record:
        """As `fetch`, and a deleted object is as good as none."""
        record = self.fetch(kind, object_id, param=param, status=status)
        if record.get("deleted"):
            raise no_such(kind, object_id, param=param, status=status)
        return record

    def new(self, kind: str, object_id: str, *, on_clock: str | None = None, **fields: Any) -> Record:
        """Return a record that is not stored yet, with what every object has; `on_clock` is the test clock it lives
        on.
        """
        created = self.now(on_clock)
        return {"id": object_id, "object": kind, "created": created, "livemode": self.settings.livemode} | fields

    # -- time

    def now(self, test_clock: str | None = None) -> int:
        """Unix seconds, as the customers on that test clock (or on none) see them."""
        if test_clock is not None:
            return int(self.fetch("test_helpers.test_clock", test_clock)["frozen_time"])
        return self._catching_up_at if self._catching_up_at is not None else int(self.clock.now())

    @contextmanager
    def catching_up(self, at: int) -> Iterator[None]:
        """Do overdue work of customers without a test clock at the time when it was due."""
        self._catching_up_at = at
        try:
            yield
        finally:
            self._catching_up_at = None

    # -- what happens

    @contextmanager
    def transaction(self, origin: Origin) -> Iterator[None]:
        """Keep all of the block's changes, events and journal entries, or none if it raises.

        A StripeError with `state_kept` is raised after the changes were kept.
        """
        self._origin = origin
        self._happenings = []
        declined: StripeError | None = None
        with self.store.transaction() as touched:
            try:
                yield
            except StripeError as error:
                if not error.state_kept:
                    raise
                declined = error
        for kind, object_id in touched:
            self.search.add(self.store.get(kind, object_id), kind, object_id)
        for happening in self._happenings:
            self._note_in_journal(happening, origin)
            if happening.event is not None:
                self.deliver(happening.event)
        if declined is not None:
            raise declined

    @contextmanager
    def automatically(self) -> Iterator[None]:
        """Run the block, inside an open transaction, as Stripe's own work: its events name no request."""
        asked = self._origin
        self._origin = replace(asked, automatic=True, idempotency_key=None)
        try:
            yield
        finally:
            self._origin = asked

    @contextmanager
    def dry_run(self) -> Iterator[None]:
        """Run the block inside an open transaction without keeping, reporting or counting anything of it."""
        changes, happenings = self.store.changes(), list(self._happenings)
        with self.automatically():
            try:
                yield
            finally:
                self.store.rollback(changes)
                self._happenings = happenings

    def emit(self, event_type: str, record: Record, *, previous: Mapping[str, Any] | None = None) -> None:
        """Something happened to an object: an event for the webhooks and an entry for the journal."""
        shown = present(self.store, record)
        data: Record = {"object": shown}
        if previous is not None:
            data["previous_attributes"] = dict(previous)
        event = self.new(
            "event",
            new_id("evt"),
            on_clock=record.get("test_clock"),
            api_version=api_version.DEFAULT,
            data=data,
            pending_webhooks=sum(1 for endpoint in self.subscribers(event_type)),
            request={
                "id": None if self._origin.automatic else self._origin.request_id,
                "idempotency_key": self._origin.idempotency_key,
            },
            type=event_type,
        )
        # How long it is kept is counted on the account's clock, whatever clock its object is on.
        event["_at"] = self.clock.now()
        self.store.put(event)
        self._happenings.append(_Happening(event_type.rsplit(".", 1)[-1], shown, event))

    def shown(self, record: Record) -> Record:
        """Return the record as Stripe shows it at this moment: what `emit_update` wants to have seen before a
        change.
        """
        return present(self.store, record)

    def emit_update(self, event_type: str, before: Record, record: Record) -> None:
        """As `emit`, with the attributes that changed since `before` was `shown`; nothing when none did."""
        new = self.shown(record)
        previous = {key: before.get(key) for key in new if before.get(key) != new[key]}
        if previous:
            self.emit(event_type, record, previous=previous)

    def note(self, action: str, record: Record) -> None:
        """As `emit`, for the changes of which Stripe tells no webhook."""
        self._happenings.append(_Happening(action, present(self.store, record), None))

    def subscribers(self, event_type: str) -> list[Mapping[str, Any]]:
        """Return the enabled webhook endpoints that want this type."""
        return [
            endpoint
            for endpoint in self.store.scan("webhook_endpoint")
            if endpoint["status"] == "enabled"
            and ("*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"])
        ]

    def count_new_invoice(self, subscription_id: str) -> None:
        """Stripe lets a request make ten invoices a minute and twenty a day for one subscription: 429 beyond."""
        if self._origin.automatic:
            return
        for limit in self._invoice_limits:
            if not self._invoice_limiter.hit(limit, subscription_id):
                raise rate_limited("resource-specific")

    def _note_in_journal(self, happening: _Happening, origin: Origin) -> None:
        shown = happening.record
        self.journal.record(
            action="seeded" if origin.seeding and happening.action == "created" else happening.action,
            object_type=shown["object"],
            object_id=str(shown.get("id", shown["object"])),  # the balance is the only one, and has no id
            request_id=origin.request_id,
            external_id=(shown.get("metadata") or {}).get(self.settings.external_id_key),
            idempotency_key=origin.idempotency_key,
            data=shown,
        )
