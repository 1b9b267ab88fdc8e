"""The scenes: requests to the running sandbox that give every operation a real example."""

import base64
import json
import os
import signal
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import redis

from sandbox.contract_examples import drafts
from sandbox.contract_examples.busy import record_busy
from sandbox.contract_examples.recorder import Asked, Recorder, RecordingError
from sandbox.contract_examples.records import (
    ACME,
    DRAFT,
    ENTITY,
    OVER_LIMIT,
    QUOTE,
    TO_PARK,
    UNKNOWN_ACCOUNT,
    UNKNOWN_QUOTE,
    Parameters,
)
from sandbox.contract_examples.refusals import record_refusals
from sandbox.contract_examples.vendor_scenes import ask_the_vendors
from sandbox.fault_proxy.rules import Fault, Rule
from sandbox.landscape.connections_file import TENANT
from sandbox.landscape.landscape import Landscape
from sandbox.vendors.stripe.webhooks.delivery import signature
from shared.contract.examples import PROBLEMS
from shared.events import EVENTS

_WAIT_S = 60.0
_ENDED = {"booked", "rejected", "compensated", "parked"}


@dataclass
class Scenes:
    """The tiers, each with a recorder, and their landscape."""

    landscape: Landscape
    experience: Recorder
    process: Recorder
    system: Recorder
    order_id: str = ""
    published: dict[str, Any] = field(default_factory=dict)
    """The last event of each type."""

    def play(self) -> None:
        """Play all scenes; later ones use the records of earlier ones."""
        self.health()
        self.quotes()
        self.orders()
        self.accounts()
        self.identities()
        self.parked()
        self.tokens()
        self.webhooks()
        ask_the_vendors(self.system)
        self.outages()
        record_busy(self.landscape, self.experience, self.process)
        self.published = self.events()
        self.limits()

    def health(self) -> None:
        """Record each tier's health, live and ready."""
        for recorder in (self.experience, self.process, self.system):
            recorder.ask(Asked("getLiveness", "live", "The process runs"))
            self._until_known(recorder)
            recorder.ask(Asked("getReadiness", "ready", "Everything it depends on is there"))

    def quotes(self) -> None:
        """Record what a quote would cost, and what would keep it from being ordered."""
        for recorder in (self.experience, self.process):
            ask = "previewPricing"
            recorder.ask(Asked(ask, "orderable", "A quote that can be ordered", parameters={"quoteId": QUOTE}))
            recorder.ask(Asked(ask, "no_quote", "No such quote", 404, parameters={"quoteId": UNKNOWN_QUOTE}))
            recorder.ask(Asked(ask, "no_id", "Not a Salesforce id", 400, parameters={"quoteId": "quote-1"}))
            ask = "checkReadiness"
            recorder.ask(Asked(ask, "ready", "A quote that can be ordered", parameters={"quoteId": QUOTE}, body={}))
            recorder.ask(Asked(ask, "not_ready", "Everything there is to mend", parameters={"quoteId": DRAFT}, body={}))
            recorder.ask(Asked(ask, "no_quote", "No such quote", 404, {"quoteId": UNKNOWN_QUOTE}, {}))
            recorder.ask(Asked(ask, "no_id", "Not a Salesforce id", 400, {"quoteId": "quote-1"}, {}))

    def orders(self) -> None:
        """Record an order that is booked, one that is refused, and uses of the idempotency key."""
        body, key = {"quoteId": QUOTE, "quoteRevision": 1}, {"Idempotency-Key": "a4b7b2f0-acme-cold-chain"}
        for recorder, submit in ((self.experience, "submitOrder"), (self.process, "startOrderSubmission")):
            accepted = recorder.ask(Asked(submit, "accepted", "An accepted quote", 202, dict(key), body))
            self.order_id = accepted["orderId"]
            recorder.ask(Asked("getOrder", "under_way", "On its way", parameters={"orderId": self.order_id}))
            other = {**body, "quoteRevision": 2}
            recorder.ask(Asked(submit, "key_reused", "The key stands for another request", 422, dict(key), other))
            recorder.ask(Asked(submit, "no_key", "No Idempotency-Key", 400, body=body))
            draft, free = {**body, "quoteId": DRAFT}, {"Idempotency-Key": "never-claimed"}
            recorder.ask(Asked(submit, "not_accepted", "A quote nobody has accepted", 422, dict(free), draft))
            none = {**body, "quoteId": UNKNOWN_QUOTE}
            recorder.ask(Asked(submit, "no_quote", "No such quote", 404, dict(free), none))
            wrong = {"quoteId": "quote 1", "quoteRevision": 1}
            recorder.ask(Asked(submit, "wrong_id", "A quote id that is none", 400, {"Idempotency-Key": "k2"}, wrong))
            unknown = {**body, "discount": "5"}
            recorder.ask(
                Asked(submit, "unknown_field", "A field nobody knows", 400, {"Idempotency-Key": "k3"}, unknown)
            )
        refused = self._submit(OVER_LIMIT, "a4b7b2f0-tidewater")
        for recorder in (self.experience, self.process):
            self._ended(recorder, self.order_id)
            self._ended(recorder, refused)
            recorder.ask(Asked("getOrder", "booked", "Booked in every system", parameters={"orderId": self.order_id}))
            recorder.ask(Asked("getOrder", "rejected", "Refused by a system", parameters={"orderId": refused}))
            recorder.ask(Asked("getOrder", "no_order", "No such order", 404, {"orderId": "ord_unknown"}))
            recorder.ask(Asked("getOrder", "no_id", "Not an order id", 400, {"orderId": "a b"}))
        for recorder, submit in ((self.experience, "submitOrder"), (self.process, "startOrderSubmission")):
            recorder.ask(Asked(submit, "replayed", "The same request again", 202, dict(key), body))

    def accounts(self) -> None:
        """Record one customer across the systems."""
        for recorder in (self.experience, self.process):
            for operation in ("getAccountOverview", "getAccountOverviewV2", "getCreditStatus", "listInvoices"):
                if operation not in recorder.operations:
                    continue
                recorder.ask(Asked(operation, "customer", "A customer with orders", parameters={"accountId": ACME}))
                recorder.ask(Asked(operation, "no_account", "No such account", 404, {"accountId": UNKNOWN_ACCOUNT}))
                recorder.ask(Asked(operation, "no_id", "Not a Salesforce id", 400, {"accountId": "acme"}))
        paged: Parameters = {"accountId": ACME, "openOnly": True}
        self.experience.ask(Asked("listInvoices", "open", "Unpaid ones, by pages", parameters={**paged, "pageSize": 1}))
        self.process.ask(Asked("listInvoices", "open", "Unpaid ones, by pages", parameters={**paged, "limit": 1}))

    def identities(self) -> None:
        """Record an account's records in each system, and a decision on one."""
        account: Parameters = {"accountId": ACME}
        ask, shown = self.process.ask, "listCrossReferences"
        found = ask(Asked(shown, "linked", "A customer with orders", parameters=dict(account)))
        ask(Asked(shown, "no_account", "No such account", 404, {"accountId": UNKNOWN_ACCOUNT}))
        linked = {each["system"]: each["vendorId"] for each in found["crossReferences"]}
        erp, decide = f"erp:{ENTITY}", "relinkAccount"
        there: Parameters = {**account, "system": erp, "Idempotency-Key": "a4b7b2f0-relink"}
        reason = "Confirmed with the credit desk."
        body = {"vendorId": linked[erp], "reason": reason}
        ask(Asked(decide, "decided", "The customer that it is", 200, dict(there), body))
        other: Parameters = {**there, "Idempotency-Key": "a4b7b2f0-relink-2"}
        ask(Asked(decide, "not_there", "No such customer", 409, dict(other), {**body, "vendorId": "999999"}))
        ask(Asked(decide, "no_reason", "No reason given", 400, dict(other), {"vendorId": "new"}))
        ask(Asked(decide, "no_system", "Nothing of the account's", 404, {**other, "system": "erp:NW-XX"}, body))

    def parked(self) -> None:
        """Orders that stop because the ERP is away, and what an operator does about them."""
        with self._away("erp"):
            stopped, *others = [self._submit(quote_id, f"a4b7b2f0-{quote_id}") for quote_id in TO_PARK]
            for order_id in (stopped, *others):
                self._ended(self.process, order_id)
            self.experience.ask(Asked("getOrder", "parked", "Waits for a person", parameters={"orderId": stopped}))
            self.process.ask(Asked("listDeadLetters", "waiting", "Orders that wait", parameters={"limit": 100}))
            self.process.ask(Asked("getFlow", "parked", "Parked", parameters={"flowId": self._flow(stopped)}))
        flow, other, letter, edited = (self._flow(order_id) for order_id in (stopped, *others))
        done = self._flow(self.order_id)
        self.process.ask(Asked("listFlows", "newest", "The newest ones", parameters={"limit": 2}))
        self.process.ask(Asked("listOrders", "of_a_quote", "The orders of a quote", parameters={"quote": QUOTE}))
        self.process.ask(Asked("listOrders", "no_id", "Not a Salesforce id", 400, parameters={"account": "acme"}))
        self.process.ask(Asked("listFlows", "parked", "Only parked ones", parameters={"status": "parked"}))
        self.process.ask(Asked("getFlow", "done", "Done", parameters={"flowId": done}))
        self.process.ask(Asked("getFlow", "no_flow", "No such flow", 404, {"flowId": "flow_unknown"}))
        reason = {"reason": "The customer withdrew the order by phone."}
        self.process.ask(Asked("retryFlow", "again", "From where it stopped", 202, {"flowId": flow}, {}))
        self.process.ask(Asked("discardFlow", "give_up", "Give an order up", 202, {"flowId": other}, reason))
        self.process.ask(Asked("retryFlow", "not_parked", "It is done", 409, {"flowId": done}, {}))
        self.process.ask(Asked("discardFlow", "not_parked", "It is done", 409, {"flowId": done}, reason))
        self.process.ask(Asked("discardFlow", "no_reason", "No reason given", 400, {"flowId": done}, {}))
        corrected = {"reason": "Sales gave the discount back.", "quoteRevision": 1}
        self.process.ask(Asked("editFlow", "again", "With the quote read again", 202, {"flowId": edited}, corrected))
        self.process.ask(Asked("editFlow", "not_parked", "It is done", 409, {"flowId": done}, corrected))
        webhook: Parameters = {"deadLetterId": "stripe:evt_example"}
        self.process.ask(Asked("editDeadLetter", "webhook", "A webhook is what was signed", 409, webhook, corrected))
        self.process.ask(Asked("retryDeadLetter", "no_letter", "No such dead letter", 404, webhook))
        self.process.ask(Asked("discardDeadLetter", "give_up", "Give it up", 204, {"deadLetterId": letter}, reason))
        self.process.ask(Asked("discardDeadLetter", "not_dead", "Not any more", 409, {"deadLetterId": letter}, reason))
        self.process.ask(Asked("retryDeadLetter", "not_dead", "Not dead", 409, {"deadLetterId": done}))
        self._ended(self.process, stopped)

    def tokens(self) -> None:
        """Record the revocation of a token."""
        lost = {"tokenId": "b1f7c2d0-lost-laptop", "reason": "The laptop that held it was lost."}
        self.process.ask(Asked("revokeTokens", "one", "One token", 201, body=lost))
        both = {**lost, "subject": "005QW0000000009AAA"}
        self.process.ask(Asked("revokeTokens", "both", "A token and a subject", 400, body=both))
        self.process.ask(Asked("listTokenRevocations", "newest", "The newest one", parameters={"limit": 1}))
        self.process.ask(Asked("getRevokedTokens", "everything", "Everything", parameters={"after": 0}))

    def webhooks(self) -> None:
        """Record a webhook as Stripe sends it, and one with a foreign signature."""
        secret, event = self._webhook_secret(), self._stripe_event("customer.subscription.created")
        connection: Parameters = {"connection": f"{TENANT}.{ENTITY}"}
        now = int(time.time())
        signed, forged = (signature(key, now, event) for key in (secret, "whsec_of_somebody_else"))
        receive = "receiveStripeWebhook"
        genuine = {**connection, "Stripe-Signature": signed}
        self.process.ask(Asked(receive, "genuine", "Signed by Stripe", 202, genuine, event))
        self.process.ask(Asked(receive, "forged", "Signed by somebody else", 400,
                               {**connection, "Stripe-Signature": forged}, event))  # fmt: skip
        self.process.ask(Asked(receive, "not_connected", "No such connection", 404,
                               {"connection": "nobody.NW-DE", "Stripe-Signature": signed}, event))  # fmt: skip
        payload = base64.b64encode(event).decode()
        for name, summary, proof, status in (
            ("genuine", "Signed by Stripe", signed, 200), ("forged", "Signed by somebody else", forged, 422),
        ):  # fmt: skip
            self.system.ask(Asked("verifyBillingWebhook", name, summary, status, {"legalEntity": ENTITY},
                                  {"payload": payload, "signature": proof}))  # fmt: skip

    def outages(self) -> None:
        """Record a vendor that is down, a lost answer, a tier that does not answer, and the shared refusals."""
        account: Parameters = {"accountId": ACME}
        with self._away("erp"):
            for recorder in (self.experience, self.process):
                recorder.ask(Asked("getAccountOverview", "erp_away", "The ERP is away", parameters=account))
                if "getAccountOverviewV2" in recorder.operations:
                    recorder.ask(Asked("getAccountOverviewV2", "erp_away", "The ERP is away", parameters=account))
                recorder.ask(Asked("getCreditStatus", "erp_away", "The ERP is away", 503, account))
            self.system.ask(
                Asked("findCustomer", "erp_away", "The ERP is away", 503, {**account, "legalEntity": ENTITY})
            )
            self._until_found(self.system, "erp")
            self.system.ask(Asked("getReadiness", "vendor_away", "A vendor is away: everyone else is served"))
        order: Parameters = {"legalEntity": ENTITY, "externalId": "ord_lost"}
        found = self.system.send(Asked("findCustomer", "", "", parameters={**account, "legalEntity": ENTITY})).json()
        self.landscape.faults("erp").put(Rule(fault=Fault.lose_answer, methods=["POST", "PUT"]))
        self.system.ask(Asked("createOrder", "answer_lost", "The ERP's answer was lost", 504, dict(order),
                              drafts.order(found["vendorId"])))  # fmt: skip
        self.landscape.faults("erp").clear()
        body, key = {"quoteId": DRAFT, "quoteRevision": 1}, {"Idempotency-Key": "a4b7b2f0-draft"}
        with self._stopped("process"):
            self.experience.ask(
                Asked("submitOrder", "no_answer", "The process API does not answer", 504, dict(key), body)
            )
            self.experience.ask(Asked("getOrder", "no_answer", "The process API does not answer", 503,
                                      {"orderId": self.order_id}))  # fmt: skip
        with self._stopped("process"):
            self._until_found(self.experience, "process")
            self.experience.ask(
                Asked("getReadiness", "tier_away", "The next tier does not answer: what is remembered is still served")
            )
        with self._stopped("system"):
            self._until_found(self.process, "system")
            self.process.ask(Asked("getReadiness", "tier_away", "The next tier does not answer: orders are taken"))
        for recorder in (self.experience, self.process, self.system):
            self.landscape.processes[recorder.tier].stop()
            with self._stopped("issuer"):
                self.landscape.start_tier(recorder.tier)
                self._until_found(recorder, "issuer")
                recorder.ask(Asked("getReadiness", "issuer_away", "The issuer's keys are not known yet", 503))
        order_read = Asked("getOrder", "", "", parameters={"orderId": self.order_id})
        record_refusals(self.experience, reads=order_read, writes=Asked("submitOrder", "", ""),
                        narrow_token=token(self.landscape, "experience", "accounts:read"))  # fmt: skip
        record_refusals(self.process, reads=order_read, writes=Asked("startOrderSubmission", "", ""),
                        narrow_token=token(self.landscape, "process", "accounts:read"))  # fmt: skip
        record_refusals(self.system, reads=Asked("findQuote", "", "", parameters={"quoteId": QUOTE}),
                        writes=Asked("calculateTax", "", ""),
                        narrow_token=token(self.landscape, "system", "tax:read"))  # fmt: skip

    def limits(self) -> None:
        """Record a caller that exceeds its limit."""
        for recorder in (self.experience, self.process, self.system):
            self.landscape.processes[recorder.tier].stop()
            self.landscape.tier_settings = {**self.landscape.tier_settings, "QUOTEWAY_RATE_LIMITS": "client=2/minute"}
            self.landscape.start_tier(recorder.tier)
            asked = Asked("findQuote" if recorder is self.system else "previewPricing", "", "", 429, {"quoteId": QUOTE})
            for _ in range(20):
                answer = recorder.send(asked)
                if answer.status_code == asked.status:
                    break
            recorder.keep(PROBLEMS, "over_the_limit", "More requests than the client's share", answer, asked.status)

    def events(self) -> dict[str, Any]:
        """Return the last published event of each type, as it is in the tenant's stream."""
        self._cancel_at_stripe()
        found: dict[str, Any] = {}
        deadline = time.monotonic() + _WAIT_S
        with redis.Redis.from_url(self.landscape.redis.url) as client:
            while len(found) < len(EVENTS) and time.monotonic() < deadline:
                entries: Any = client.xrange(f"quoteway:events:{TENANT}")
                found = {event["type"]: event for event in (json.loads(fields[b"event"]) for _, fields in entries)}
                time.sleep(0.2)
        missing = {event.event_type for event in EVENTS} - set(found)
        if missing:
            raise RecordingError(f"no event was published of the types {sorted(missing)}")
        return found

    def _cancel_at_stripe(self) -> None:
        """Cancel the booked order's subscription in Stripe, as a person would, and let its webhook arrive."""
        order = self.process.send(Asked("getOrder", "", "", parameters={"orderId": self.order_id})).json()
        with self._stripe() as stripe:
            stripe.delete(f"/v1/subscriptions/{order['subscriptionIds'][0]}").raise_for_status()
        event = self._stripe_event("customer.subscription.deleted")
        proof = signature(self._webhook_secret(), int(time.time()), event)
        self.process.send(
            Asked("receiveStripeWebhook", "", "", 202,
                  {"connection": f"{TENANT}.{ENTITY}", "Stripe-Signature": proof}, event)
        ).raise_for_status()  # fmt: skip

    # -- helpers of the scenes ----------------------------------------------------------------------------------------

    def _submit(self, quote_id: str, key: str) -> str:
        answer = self.experience.send(
            Asked("submitOrder", "", "", 202, {"Idempotency-Key": key}, {"quoteId": quote_id, "quoteRevision": 1})
        )
        return str(answer.raise_for_status().json()["orderId"])

    def _ended(self, recorder: Recorder, order_id: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while True:
            order = recorder.send(Asked("getOrder", "", "", parameters={"orderId": order_id})).json()
            if order["status"] in _ENDED:
                return
            if time.monotonic() > deadline:
                raise RecordingError(f"{order_id} is still {order['status']} after {_WAIT_S:g} s")
            time.sleep(0.2)

    def _flow(self, order_id: str) -> str:
        order = self.process.send(Asked("getOrder", "", "", parameters={"orderId": order_id})).json()
        return str(order["flowId"])

    @contextmanager
    def _away(self, vendor: str) -> Iterator[None]:
        self.landscape.faults(vendor).put(Rule(fault=Fault.refuse))
        yield
        self.landscape.faults(vendor).clear()

    def _until_found(self, recorder: Recorder, name: str) -> None:
        """Wait until a tier's health reports that this is down; until then it repeats its last result."""
        for _ in range(300):
            if name in self._until_known(recorder):
                return
            time.sleep(0.1)
        raise RecordingError(f"{recorder.tier} never finds out that {name} is away")

    def _until_known(self, recorder: Recorder) -> set[str]:
        """Wait until a tier has checked everything once. Returns what is down."""
        for _ in range(300):
            health = recorder.send(Asked("getReadiness", "", "")).json()
            found = {**health["missing"], **health["degraded"]}
            if "yet" not in "".join(found.values()):
                return set(found)
            time.sleep(0.1)
        raise RecordingError(f"{recorder.tier} never finds out what is there")

    @contextmanager
    def _stopped(self, name: str) -> Iterator[None]:
        pid = self.landscape.processes[name].pid
        os.kill(pid, signal.SIGSTOP)
        yield
        os.kill(pid, signal.SIGCONT)

    def _webhook_secret(self) -> str:
        path = self.landscape.run_dir / "connections.toml"
        for each in tomllib.loads(path.read_text())["connection"]:
            if each.get("legal_entity") == ENTITY and "webhook_secret" in each:
                secret = str(each["webhook_secret"])
                return (path.parent / secret.removeprefix("file:")).read_text() if ":" in secret else secret
        raise RecordingError("no connection of the sandbox has a webhook_secret")

    def _stripe(self) -> httpx.Client:
        key = (self.landscape.run_dir / "stripe.key").read_text().strip()
        return httpx.Client(base_url=self.landscape.url("stripe"), headers={"Authorization": f"Bearer {key}"})

    def _stripe_event(self, kind: str) -> bytes:
        with self._stripe() as stripe:
            answer = stripe.get("/v1/events", params={"limit": 100}).raise_for_status()
        return msgspec.json.encode(next(event for event in answer.json()["data"] if event["type"] == kind))


def token(landscape: Landscape, tier: str, scope: str = "") -> str:
    """Return an access token for a tier, with everything that its caller there may have unless a scope is named."""
    client_id = {"experience": "salesforce-lightning", "process": "experience-api", "system": "process-api"}[tier]
    return _token(landscape, client_id, f"quoteway-{tier}", scope)


def operator_token(landscape: Landscape) -> str:
    """Return an operator's access token for the process tier."""
    return _token(landscape, "integration-operator", "quoteway-process", "")


def _token(landscape: Landscape, client_id: str, audience: str, scope: str) -> str:
    form = {"grant_type": "client_credentials", "audience": audience, "tenant": TENANT}
    if scope:
        form["scope"] = scope
    answer = httpx.post(
        f"{landscape.url('issuer')}/token", data=form, auth=(client_id, landscape.secret(client_id)), timeout=10
    )
    return str(answer.raise_for_status().json()["access_token"])
