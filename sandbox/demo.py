"""`make demo`: start the whole landscape, order a quote, show the result in every system, and stay up until Ctrl-C.

With ONCE=1 it plays the story, writes build/demo.json and exits. Ports are QUOTEWAY_DEMO_<NAME>_PORT (0: a free one).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from sandbox.issuer.user_token import user_token
from sandbox.landscape.connections_file import TENANT
from sandbox.landscape.landscape import Landscape
from sandbox.landscape.oracle import Oracle
from sandbox.landscape.ports import Ports
from sandbox.processes.process import ProcessError, require_free_port
from sandbox.processes.progress import Progress
from sandbox.running_demo import VENDORS, announced, build_folder
from sandbox.where_to_look import show_where_to_look

# Where demo.json and the run's files go.
BUILD = build_folder()
RUN_DIR = BUILD / "demo"
REPORT = BUILD / "demo.json"
ADA = "005QW0000000001"
QUOTE_ID = "0Q0QW0000000001"
ROUNDING_QUOTE_ID = "0Q0QW0000000008"
SIGNED = Decimal("85.03")
ONE_CURRENCY_QUOTE_ID = "0Q0SW0000000001"
ACCOUNT_ID = "001QW0000000001"
ENDED = {"booked", "rejected", "compensated", "parked"}
ORDER_TIMEOUT_S = 90
WEBHOOK_TIMEOUT_S = 30
CHECKPOINT_TIMEOUT_S = 30
_DEFAULT_PORTS = Ports(
    experience=8001, process=8002, system=8003, issuer=8010, salesforce=8011, stripe=8012, tryton=8013
)
_SERVED = ("experience", "process", "system", "issuer", "salesforce", "stripe", "tryton")


class StoryError(Exception):
    """A step of the story failed; the message says which, and why."""


@dataclass
class Story:
    """The story, step by step, and its report."""

    landscape: Landscape
    console: Console
    report: dict[str, Any] = field(default_factory=lambda: {"outcome": "failed", "steps": [], "ids": {}})
    order_id: str = ""

    def play(self) -> None:
        """Play the story. Raises StoryError at the first step that fails, for whatever reason."""
        self._step("A Salesforce user gets an access token", self._token)
        self._step("What the quote would cost in every system", self._preview)
        self._step("Submit the accepted quote", self._submit)
        self._step("Follow the order until it is booked", self._follow)
        self._step("Send the same request again: the same order", self._submit_again)
        self._step("Tryton's own database: one sale, confirmed", self._check_erp)
        self._step("Stripe: one subscription, active", self._check_billing)
        self._step("Stripe's webhook: verified, and published as an event", self._check_webhook)
        self._step("Salesforce: one record, with the ids", self._check_crm)
        self._step("A discount that rounds: the ERP books what was signed", self._rounding)
        self._step("Another tenant, whose org has one currency and no picklists", self._one_currency)
        self._step("The account at a glance", self._overview)
        self._step("The audit log: who ordered, signed and verified", self._check_audit)
        self.report["outcome"] = "booked everywhere, once each"

    def _step(self, title: str, act: Callable[[], str]) -> None:
        began = time.monotonic()
        entry: dict[str, Any] = {"step": title, "ok": False}
        self.report["steps"].append(entry)
        try:
            entry["detail"] = act()
            entry["ok"] = True
        except Exception as error:
            # Any error: a person is told which step failed, and where the logs are. The type is included, since a
            # KeyError's text is only the key.
            entry["detail"] = str(error) if isinstance(error, StoryError) else f"{type(error).__name__}: {error}"
            raise StoryError(f"{title}: {entry['detail']}") from error
        finally:
            entry["seconds"] = round(time.monotonic() - began, 3)
        self.console.print(f"[green]✓[/] {title} [dim]{entry['seconds']:.1f} s[/]")
        self.console.print(f"    {entry['detail']}", markup=False, soft_wrap=True)

    def _token(self) -> str:
        self.report["startedAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        token = ada_token(self.landscape)
        self._client = httpx.Client(
            base_url=self.landscape.url("experience"), headers={"Authorization": f"Bearer {token}"}, timeout=15
        )
        return f"for the experience API, in the name of Ada Sales ({ADA}), signed by the sandbox's issuer"

    def _preview(self) -> str:
        preview = self._answer("POST", f"/v1/quotes/{QUOTE_ID}/pricing-preview", 200)
        self.report["pricingPreview"] = preview
        return f"{len(preview['lines'])} lines, all within the discount policy"

    def _submit(self) -> str:
        accepted = self._submission()
        self.order_id = accepted["orderId"]
        self.report["ids"]["order"] = self.order_id
        return f"accepted as {self.order_id}; status at {accepted['statusUrl']}"

    def _follow(self) -> str:
        order = self.report["order"] = self._until_booked(self.order_id, self._client)
        return " → ".join(dict.fromkeys(entry["status"] for entry in order["timeline"]))

    def _until_booked(self, order_id: str, client: httpx.Client) -> dict[str, Any]:
        deadline = time.monotonic() + ORDER_TIMEOUT_S
        while True:
            order = self._answer("GET", f"/v1/orders/{order_id}", 200, client)
            if order["status"] == "booked":
                return order
            if order["status"] in ENDED:
                raise StoryError(f"the order is {order['status']}: {json.dumps(order)}")
            if time.monotonic() > deadline:
                raise StoryError(f"the order is still {order['status']} after {ORDER_TIMEOUT_S} s")
            time.sleep(0.25)

    def _submit_again(self) -> str:
        again = self._submission()
        if again["orderId"] != self.order_id or not again["replayed"]:
            raise StoryError(f"the second request became {again}")
        return "nothing was booked twice"

    def _check_erp(self) -> str:
        sales = Oracle(self.landscape).sales(self.order_id)
        self.report["erp"] = [
            {
                "id": sale.sale_id,
                "number": sale.number,
                "state": sale.state,
                "tax": str(sale.tax),
                "total": str(sale.total),
                "lines": [
                    {"sku": sku, "quantity": str(quantity), "unitPrice": str(price), "taxes": taxes}
                    for sku, quantity, price, taxes in sale.lines
                ],
            }
            for sale in sales
        ]
        if len(sales) != 1 or sales[0].state not in {"confirmed", "processing", "done"} or len(sales[0].lines) != 3:
            raise StoryError(f"Tryton holds {sales}")
        sale = sales[0]
        self.report["ids"]["erpOrder"] = sale.number
        sums = f"{sale.untaxed} + {sale.tax} tax = {sale.total} {sale.currency}"
        return f"sale {sale.number}, {len(sale.lines)} lines, {sums}"

    def _check_billing(self) -> str:
        subscriptions = Oracle(self.landscape).subscriptions(self.order_id)
        self.report["billing"] = subscriptions
        if [each["status"] for each in subscriptions] != ["active"]:
            raise StoryError(f"Stripe holds {[(each['id'], each['status']) for each in subscriptions]}")
        self.report["ids"]["subscription"] = subscriptions[0]["id"]
        items = ", ".join(
            f"{item['quantity']} x {item['price']['product']}" for item in subscriptions[0]["items"]["data"]
        )
        return f"{subscriptions[0]['id']}: {items}"

    def _check_webhook(self) -> str:
        """Wait for Stripe's webhook, which comes with a delay."""
        deadline = time.monotonic() + WEBHOOK_TIMEOUT_S
        while not (events := Oracle(self.landscape).published_events(f"{self.order_id}-month")):
            if time.monotonic() > deadline:
                raise StoryError(f"no webhook of Stripe's has become an event within {WEBHOOK_TIMEOUT_S} s")
            time.sleep(0.25)
        self.report["events"] = events
        first = events[0]
        return f"{first['type']}: {first['data']['externalId']} is {first['data']['status']}"

    def _check_crm(self) -> str:
        records = Oracle(self.landscape).crm_orders(self.order_id)
        self.report["crm"] = records
        if [record["Status__c"] for record in records] != ["booked"]:
            raise StoryError(f"Salesforce holds {records}")
        self.report["ids"]["crmRecord"] = records[0]["Id"]
        return f"{records[0]['Id']}: {records[0]['ERP_Order_Number__c']}, {records[0]['Subscription__c']}"

    def _rounding(self) -> str:
        """Order a quote with half a cent, which Salesforce rounds up and the ERP to even: the price sent makes both
        equal.
        """
        order = self._order(ROUNDING_QUOTE_ID, self._client)
        (sale,) = Oracle(self.landscape).sales(order["orderId"])
        (record,) = Oracle(self.landscape).crm_orders(order["orderId"])
        self.report["rounding"] = {"order": order, "erpUntaxed": str(sale.untaxed), "erpTotal": str(sale.total)}
        told = Decimal(str(record["Order_Total__c"]))
        if sale.untaxed != SIGNED or told != sale.total:
            raise StoryError(f"signed {SIGNED}, booked {sale.untaxed}, Salesforce is told {told} of {sale.total}")
        return f"1 × 89.50 less 5 %: signed {SIGNED}, booked {sale.untaxed}; with tax {sale.total} everywhere"

    def _one_currency(self) -> str:
        token = access_token(self.landscape, "suedwind-lightning", "quoteway-experience")
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.landscape.url("experience"), headers=headers, timeout=15) as client:
            order = self._order(ONE_CURRENCY_QUOTE_ID, client)
        (sale,) = Oracle(self.landscape).sales(order["orderId"])
        self.report["oneCurrency"] = {"order": order, "erpTotal": str(sale.total)}
        return f"no CurrencyIsoCode, country as free text; sale {sale.number} over {sale.total} {sale.currency}"

    def _order(self, quote_id: str, client: httpx.Client) -> dict[str, Any]:
        """Submit a quote and follow its order until it is booked."""
        body, headers = {"quoteId": quote_id, "quoteRevision": 1}, {"Idempotency-Key": f"demo-{quote_id}"}
        accepted = self._answer("POST", "/v1/orders", 202, client, json=body, headers=headers)
        return self._until_booked(accepted["orderId"], client)

    def _overview(self) -> str:
        overview = self._answer("GET", f"/v1/accounts/{ACCOUNT_ID}/overview", 200)
        self.report["overview"] = overview
        return f"{overview['accountName']}: credit, orders, invoices and subscriptions on one page"

    def _check_audit(self) -> str:
        """Wait for a checkpoint, which the signer exports with a delay, and verify the log."""
        entries = Oracle(self.landscape).audit_entries(TENANT, self.order_id)
        self.report["audit"] = {"entries": entries}
        submitted = [each for each in entries if each["operation"] == "submitOrder"]
        if not submitted or any(not each["onBehalfOf"].startswith(ADA) for each in submitted):
            raise StoryError(f"the audit log has {entries} of the order")
        latest = self.landscape.run_dir / "audit-checkpoints" / TENANT / "latest.checkpoint"
        deadline = time.monotonic() + CHECKPOINT_TIMEOUT_S
        while not latest.exists():
            if time.monotonic() > deadline:
                raise StoryError(f"no checkpoint was exported within {CHECKPOINT_TIMEOUT_S} s")
            time.sleep(0.1)
        command = [sys.executable, *self.landscape.audit_verification()]
        verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        said = verified.stderr.strip().splitlines()[-1:]
        self.report["audit"] |= {"verification": " ".join(said), "status": verified.returncode}
        if verified.returncode != 0:
            raise StoryError(f"the verification ended with {verified.returncode}: {verified.stderr.strip()}")
        return f"{len(submitted)} submissions of this order on behalf of {ADA}; {said[0]}"

    def _submission(self) -> dict[str, Any]:
        body = {"quoteId": QUOTE_ID, "quoteRevision": 1}
        headers = {"Idempotency-Key": "demo-acme-cold-chain"}
        return self._answer("POST", "/v1/orders", 202, json=body, headers=headers)

    def _answer(
        self, method: str, path: str, status: int, client: httpx.Client | None = None, **options: Any
    ) -> dict[str, Any]:
        answer = (client or self._client).request(method, path, **options)
        if answer.status_code != status:
            raise StoryError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found


def access_token(landscape: Landscape, client_id: str, audience: str) -> str:
    """Return a fresh access token of one of the sandbox's clients."""
    answer = httpx.post(
        f"{landscape.url('issuer')}/token",
        data={"grant_type": "client_credentials", "audience": audience},
        auth=(client_id, landscape.secret(client_id)),
        timeout=10,
    ).raise_for_status()
    return str(answer.json()["access_token"])


def ada_token(landscape: Landscape) -> str:
    """Return a fresh access token for a sales user, obtained as Salesforce does: by a JWT bearer assertion."""
    return user_token(landscape.url("issuer"), landscape.run_dir / "issuer", ADA)


def chosen_ports() -> Ports:
    """Return the ports, each from its variable or its default.

    Raises ProcessError for an invalid port or one that is taken.
    """
    ports: dict[str, int] = {}
    for name in (*_SERVED, "postgres", "redis"):
        variable = f"QUOTEWAY_DEMO_{name.upper()}_PORT"
        text = os.environ.get(variable) or str(getattr(_DEFAULT_PORTS, name))
        if not text.isdigit() or int(text) > 65535:
            raise ProcessError(f"{variable} is {text!r}; it must be a port, 0 to 65535 (0 takes a free one).")
        ports[name] = int(text)
        if ports[name]:
            require_free_port(ports[name], f"the demo's {name} (set {variable} to another, or to 0)")
    return Ports(**ports)


def main() -> int:
    """Run the demo. Returns 0 after a complete story, 1 after a failed step, 2 if it could not start."""
    console = Console(highlight=False)
    once = os.environ.get("ONCE", "") not in {"", "0"}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A shell ignores Ctrl-C's signal for background programs; anyone who sends it to this one means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ports = chosen_ports()
        BUILD.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(RUN_DIR, ignore_errors=True)
        landscape = Landscape(
            RUN_DIR,
            ports,
            Progress(),
            webhooks=True,
            second_tenant=True,
            proxied=frozenset(VENDORS),
            production_limits=True,
        )
        with landscape, announced(landscape):
            landscape.start_audit_signer()
            return _tell(landscape, console, once=once)
    except ProcessError as error:
        console.print(f"[red]The demo cannot start.[/] {escape(str(error))}", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return 0


def _tell(landscape: Landscape, console: Console, *, once: bool) -> int:
    story = Story(landscape, console)
    try:
        story.play()
    except StoryError as error:
        console.print(f"[red]✗ {escape(str(error))}[/]\nThe logs are in {landscape.run_dir / 'logs'}", soft_wrap=True)
        return 1
    finally:
        REPORT.write_text(json.dumps(story.report, indent=2) + "\n")
    console.print(f"\n[bold]{story.report['outcome']}[/] — the whole story is in {REPORT}\n", soft_wrap=True)
    if once:
        return 0
    show_where_to_look(landscape, story.order_id, console)
    console.print("\nEverything stays up until Ctrl-C.")
    return _stay_up(landscape, console)


def _stay_up(landscape: Landscape, console: Console) -> int:
    """Wait until something that was started ends by itself, and return the exit status."""
    while not (fallen := landscape.fallen()):
        time.sleep(1)
    console.print(f"[red]{', '.join(fallen)} ended by itself.[/] Logs: {landscape.run_dir / 'logs'}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
