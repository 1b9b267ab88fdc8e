"""Reads an order's records at the vendors from outside Quoteway, for the demo and the tests.

Tryton is read in its own database, the simulators by their own APIs and journals. Nothing here goes through a tier.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from sandbox.landscape.landscape import Landscape

_SALES = """
SELECT sale.id, sale.number, sale.state, sale.party, sale.untaxed_amount_cache AS untaxed, sale.tax_amount_cache AS tax,
       sale.total_amount_cache AS total, currency.code AS currency
FROM sale_sale AS sale JOIN currency_currency AS currency ON currency.id = sale.currency
WHERE sale.reference = %s ORDER BY sale.id
"""
_LINES = """
SELECT product.code AS sku, line.quantity, line.unit_price, array_remove(array_agg(tax.name), NULL) AS taxes
FROM sale_line AS line
JOIN product_product AS product ON product.id = line.product
LEFT JOIN "sale_line-account_tax" AS line_tax ON line_tax.line = line.id
LEFT JOIN account_tax AS tax ON tax.id = line_tax.tax
WHERE line.sale = %s GROUP BY line.id, product.code ORDER BY line.id
"""


@dataclass(frozen=True)
class Sale:
    """A sale in Tryton's database."""

    sale_id: int
    party: int
    number: str
    state: str
    untaxed: Decimal
    tax: Decimal
    total: Decimal
    currency: str
    lines: list[tuple[str, Decimal, Decimal, list[str]]]


@dataclass(frozen=True)
class Oracle:
    """Reads the records of a landscape's vendors."""

    landscape: Landscape

    def sales(self, order_id: str) -> list[Sale]:
        """Return every sale in Tryton with that order's id, whatever its state."""
        url = self.landscape.postgres.url(self.landscape.tryton.database)
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return [self._sale(connection, row) for row in connection.execute(_SALES, [order_id]).fetchall()]

    def subscriptions(self, order_id: str) -> list[dict[str, Any]]:
        """Return every subscription in billing with one of that order's external ids, cancelled ones included."""
        key = (self.landscape.run_dir / "stripe.key").read_text().strip()
        answer = httpx.get(
            f"{self.landscape.url('stripe')}/v1/subscriptions",
            params={"status": "all", "limit": 100},
            headers={"Authorization": f"Bearer {key}"},
            timeout=10,
        )
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return [each for each in found if each["metadata"].get("quoteway_external_id", "").startswith(order_id)]

    def billing_invoices(self, subscription_id: str) -> list[dict[str, Any]]:
        """Return the invoices of a subscription."""
        key = (self.landscape.run_dir / "stripe.key").read_text().strip()
        answer = httpx.get(
            f"{self.landscape.url('stripe')}/v1/invoices",
            params={"subscription": subscription_id},
            headers={"Authorization": f"Bearer {key}"},
            timeout=10,
        )
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    def crm_orders(self, order_id: str) -> list[dict[str, Any]]:
        """Return every record of that order in Salesforce."""
        credentials = json.loads(Path(self.landscape.run_dir / "salesforce.json").read_text())
        base = self.landscape.url("salesforce")
        token = httpx.post(
            f"{base}/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": credentials["client_id"],
                "client_secret": credentials["client_secret"],
            },
            timeout=10,
        ).raise_for_status()
        fields = "Id, Order_Id__c, Status__c, ERP_Order_Number__c, Subscription__c, Failure_Reason__c, Order_Total__c"
        answer = httpx.get(
            f"{base}/services/data/v67.0/query",
            params={"q": f"SELECT {fields} FROM Quoteway_Order__c WHERE Order_Id__c = '{order_id}'"},  # noqa: S608 our id
            headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            timeout=10,
        )
        found: list[dict[str, Any]] = answer.raise_for_status().json()["records"]
        return found

    def published_events(self, subject: str) -> list[dict[str, Any]]:
        """Return Quoteway's own published events of that subject, in order."""
        url = self.landscape.postgres.url(self.landscape.database)
        query = "SELECT type, data FROM quoteway.events WHERE subject = %s AND published_at IS NOT NULL"
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(f"{query} ORDER BY sequence", [subject]).fetchall()

    def audit_entries(self, tenant: str, record: str) -> list[dict[str, Any]]:
        """Return the tenant's audit entries about a record, in order."""
        url = self.landscape.postgres.url(self.landscape.database)
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT entry FROM quoteway_audit.entries WHERE tenant = %s ORDER BY sequence", [tenant]
            ).fetchall()
        entries = [json.loads(entry) for (entry,) in rows]
        return [entry for entry in entries if entry.get("record") == record]

    def _sale(self, connection: psycopg.Connection[dict[str, Any]], row: dict[str, Any]) -> Sale:
        lines = connection.execute(_LINES, [row["id"]]).fetchall()
        return Sale(
            sale_id=row["id"],
            party=row["party"],
            number=row["number"],
            state=row["state"],
            untaxed=row["untaxed"],
            tax=row["tax"],
            total=row["total"],
            currency=row["currency"],
            lines=[
                (line["sku"], Decimal(str(line["quantity"])), line["unit_price"], sorted(line["taxes"]))
                for line in lines
            ],
        )
