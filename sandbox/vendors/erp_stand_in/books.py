"""The rules by which the stand-in keeps its books: what it takes, what it refuses, and what it writes in its journal.

Each rule is one that Tryton 8.2 showed; the adapter's contract tests hold both to it. As in Tryton, nothing here keeps
two sales from having the same reference: that is what the gateway has to see to.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.vendors.erp_stand_in.records import Records, Values
from sandbox.vendors.journal import Journal

PRICE_DIGITS = 4
"""Decimals of a unit price; finer ones are refused."""

_VAT_WEIGHTS = (1, 2, 1, 2, 1, 2, 1)
_SYMBOLS = {"EUR": "€", "USD": "$"}
# button: from which states, and to which
_BUTTONS = {
    "quote": ({"draft"}, "quotation"),
    "confirm": ({"quotation"}, "confirmed"),
    "process": ({"confirmed"}, "processing"),
    "draft": ({"quotation", "confirmed", "cancelled"}, "draft"),
    "cancel": ({"draft", "quotation"}, "cancelled"),
}


class RefusedError(Exception):
    """A business reason to say no: 400, with the sentence."""


class Books:
    """The companies' books."""

    def __init__(self, records: Records, journal: Journal) -> None:
        self.records = records
        self.journal = journal
        self._numbers: dict[str, int] = defaultdict(int)

    def create(self, model: str, values: Values, request_id: str) -> int:
        """Make a party or a sale with what belongs to it. Raises RefusedError; then nothing was made."""
        if model == "party.party":
            return self._create_party(values, request_id)
        if model == "sale.sale":
            return self._create_sale(values, request_id)
        raise RefusedError(f"You are not allowed to create records of {model}.")

    def update(self, model: str, record: Values, values: Values, request_id: str) -> None:
        """Change a party and what belongs to it. Raises RefusedError; then nothing was changed."""
        if model != "party.party":
            raise RefusedError(f"You are not allowed to change records of {model}.")
        identifiers = self._identifiers(values, record["name"])
        for target, field in (("party.address", "addresses"), ("party.identifier", "identifiers")):
            for operation, *arguments in values.get(field, []):
                for each in arguments[0] if operation == "write" else ():
                    (self.records.get(target, each) or {}).update(arguments[1])
        record["addresses"] += [self.records.add("party.address", each) for each in _created(values, "addresses")]
        record["identifiers"] += [self.records.add("party.identifier", each) for each in identifiers]
        record.update({name: value for name, value in values.items() if name not in {"addresses", "identifiers"}})
        self.records.index(model, record["id"])
        self.journal.record(
            action="updated",
            object_type=model,
            object_id=str(record["id"]),
            request_id=request_id,
            external_id=None,
            data={"code": record["code"], "name": record["name"]},
        )

    def press(self, model: str, record: Values, button: str, request_id: str) -> None:
        """Press a button. Raises RefusedError where the record's state does not allow it."""
        if model == "account.invoice" and button == "post":
            self._post(record, request_id)
            return
        if model != "sale.sale" or button not in _BUTTONS:
            raise RefusedError(f"There is no button {button} on {model}.")
        before, after = _BUTTONS[button]
        if record["state"] not in before:
            raise RefusedError(
                f"Sale {record['number'] or record['id']} is {record['state']}: you can not {button} it."
            )
        if button == "quote":
            record["number"] = record["number"] or self._next_number("sale")
        elif button == "confirm":
            self._set_date(record)
            self._check_credit(record)
        record["state"] = after
        if button == "process" and self._is_due(record):
            record["invoices"] = [self._invoice(record)]
        self._enter("sale.sale", record, after, request_id)

    def credit_amount(self, party: int, company: int) -> Decimal:
        """Return what a party owes: posted invoices, and confirmed sales that none was posted for yet."""
        owed = [
            invoice["amount_to_pay"]
            for invoice in self.records.search("account.invoice", [["party", "=", party], ["company", "=", company]])
            if invoice["state"] == "posted"
        ]
        for sale in self.records.search("sale.sale", [["party", "=", party], ["company", "=", company]]):
            invoices = [self.records.get("account.invoice", each) or {} for each in sale["invoices"]]
            if sale["state"] in {"confirmed", "processing"} and not any(each["state"] == "posted" for each in invoices):
                owed.append(sale["untaxed_amount"])
        return sum(owed, Decimal(0))

    # -- making ---------------------------------------------------------------------------------------------------

    def _create_party(self, values: Values, request_id: str) -> int:
        code = values["code"]
        if self.records.search("party.party", [["code", "=", code]], inactive=True):
            raise RefusedError("The code on party must be unique.")
        identifiers = self._identifiers(values, values["name"])
        whole = {
            **values,
            "addresses": [self.records.add("party.address", each) for each in _created(values, "addresses")],
            "identifiers": [self.records.add("party.identifier", each) for each in identifiers],
            "credit_limit_amount": values.get("credit_limit_amount", {}),
            "credit_amount": _CreditAmounts(self),
        }
        party = self.records.add("party.party", whole)
        whole["credit_amount"].party = party
        linked = next((each["code"] for each in identifiers if not each.get("type")), None)
        data = {"code": code, "name": values["name"]}
        self.journal.record(
            action="created",
            object_type="party.party",
            object_id=str(party),
            request_id=request_id,
            external_id=linked,
            data=data,
        )
        return party

    def _identifiers(self, values: Values, name: str) -> list[Values]:
        """Return the identifiers that a value asks for, each with the compact form of its code. Raises RefusedError."""
        identifiers = [{"type": None, **each} for each in _created(values, "identifiers")]
        for identifier in identifiers:
            code = identifier["code"]
            if identifier["type"] == "eu_vat" and not is_vat_number(code):
                raise RefusedError(f'The eu_vat "{code}" of party "{name}" is not valid.')
            compact = code if identifier["type"] is None else code.removeprefix("GB").replace("-", "")
            identifier["code_compact"] = compact
        return identifiers

    def _create_sale(self, values: Values, request_id: str) -> int:
        lines = _created(values, "lines")
        if self.records.get("party.party", values["party"]) is None:
            raise RefusedError('A value is required for field "Party" in "Sales".')
        coin = (self.records.get("currency.currency", values["currency"]) or {})["rounding"]
        for line in lines:
            line["quantity"] = _quantity(line["quantity"])
            if -int(line["unit_price"].normalize().as_tuple().exponent) > PRICE_DIGITS:
                raise RefusedError(f"The number of digits in {line['unit_price']} exceeds the limit of {PRICE_DIGITS}.")
            line["taxes"] = [tax for operation, ids in line["taxes"] if operation == "add" for tax in ids]
            line["amount"] = _rounded(Decimal(str(line["quantity"])) * line["unit_price"], coin)
        untaxed, tax = self._amounts(lines, coin)
        whole = {
            **values,
            "lines": [self.records.add("sale.line", {**line, "type": "line"}) for line in lines],
            "state": "draft",
            "number": None,
            "sale_date": None,
            "shipping_date": values.get("shipping_date"),
            "invoice_method": values.get("invoice_method", "order"),
            "invoices": [],
            "untaxed_amount": untaxed,
            "tax_amount": tax,
            "total_amount": untaxed + tax,
        }
        sale = self.records.add("sale.sale", whole)
        self._enter("sale.sale", {**whole, "id": sale}, "created", request_id)
        return sale

    def _amounts(self, lines: list[Values], coin: Decimal) -> tuple[Decimal, Decimal]:
        """Net and tax: tax is reckoned once for each tax from the sum of its lines, half to even."""
        untaxed, bases = Decimal(0), defaultdict[int, Decimal](Decimal)
        for line in lines:
            untaxed += line["amount"]
            for tax in line["taxes"]:
                bases[tax] += line["amount"]
        taxes = [
            _rounded((self.records.get("account.tax", tax) or {})["rate"] * base, coin) for tax, base in bases.items()
        ]
        return untaxed, sum(taxes, Decimal(0)).quantize(coin)

    # -- moving on ------------------------------------------------------------------------------------------------

    def _check_credit(self, sale: Values) -> None:
        party = self.records.get("party.party", sale["party"]) or {}
        limit = party["credit_limit_amount"].get(sale["company"])
        if limit is None:
            return
        over = self.credit_amount(sale["party"], sale["company"]) + sale["untaxed_amount"] - limit
        if over > 0:
            currency = (self.records.get("currency.currency", sale["currency"]) or {})["code"]
            symbol = _SYMBOLS.get(currency, currency)
            said = f'The party "{party["name"]}" will exceed their {symbol}{limit} credit limit by {symbol}{over}.'
            raise RefusedError(said)

    def _set_date(self, sale: Values) -> None:
        company = self.records.get("company.company", sale["company"]) or {}
        sale["sale_date"] = datetime.now(ZoneInfo(company["timezone"])).date()
        if sale["shipping_date"] is not None and sale["shipping_date"] < sale["sale_date"]:
            raise RefusedError(
                f'The value "{sale["shipping_date"]}" for field "Shipping Date" in record "{sale["id"]}" of "Sale" is '
                "not valid according to its domain."
            )

    def _is_due(self, sale: Values) -> bool:
        """Return whether processing makes an invoice.

        By fulfillment goods wait for their shipment, services for nothing.
        """
        if sale["invoice_method"] != "fulfillment":
            return bool(sale["invoice_method"] == "order")
        lines = [self.records.get("sale.line", each) or {} for each in sale["lines"]]
        return any((self.records.get("product.product", line["product"]) or {})["type"] != "goods" for line in lines)

    def _invoice(self, sale: Values) -> int:
        taken_over = ("party", "company", "currency", "untaxed_amount", "tax_amount", "total_amount")
        return self.records.add(
            "account.invoice",
            {
                **{name: sale[name] for name in taken_over},
                "type": "out",
                "state": "draft",
                "number": None,
                "invoice_date": None,
                "amount_to_pay": None,
                "lines_to_pay": [],
                "sales": [sale["id"]],
            },
        )

    def _post(self, invoice: Values, request_id: str) -> None:
        if invoice["state"] != "draft":
            raise RefusedError(f"Invoice {invoice['number']} is {invoice['state']}: you can not post it.")
        today = datetime.now(UTC).date()
        company = self.records.get("company.company", invoice["company"]) or {}
        party = self.records.get("party.party", invoice["party"]) or {}
        term = self.records.get("account.invoice.payment_term", party["customer_payment_term"]) or {}
        due = {"maturity_date": today + timedelta(days=term["days"])}
        invoice |= {
            "state": "posted",
            "number": f"{company['code']}-{today.year}-{self._next_number(company['code']):0>6}",
            "invoice_date": today,
            "amount_to_pay": invoice["total_amount"],
            "lines_to_pay": [self.records.add("account.move.line", due)],
        }
        self._enter("account.invoice", invoice, "posted", request_id)

    def _enter(self, model: str, record: Values, action: str, request_id: str) -> None:
        """Into the journal, with what the record holds now."""
        data: dict[str, Any] = {"state": record["state"], "number": record["number"]}
        data |= {"lines": len(record.get("lines", ())), "total": str(record["total_amount"]), "party": record["party"]}
        self.journal.record(
            action=action,
            object_type=model,
            object_id=str(record["id"]),
            request_id=request_id,
            external_id=record.get("reference"),
            data=data,
        )

    def _next_number(self, sequence: str) -> str:
        self._numbers[sequence] += 1
        return str(self._numbers[sequence])


class _CreditAmounts:
    """A party's exposure by company, reckoned when it is asked for."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.party = 0

    def get(self, company: int | None) -> Decimal | None:
        return None if company is None else self._books.credit_amount(self.party, company)


def is_vat_number(number: str) -> bool:
    """Return whether the check digit of an Austrian number is right. Other states' numbers are taken as they are."""
    if not number.startswith("ATU"):
        return True
    digits = number.removeprefix("ATU")
    if len(digits) != len(_VAT_WEIGHTS) + 1 or not digits.isdecimal():
        return False
    products = [int(digit) * weight for digit, weight in zip(digits, _VAT_WEIGHTS, strict=False)]
    return (6 - sum(product // 10 + product % 10 for product in products)) % 10 == int(digits[-1])


def _rounded(amount: Decimal, coin: Decimal) -> Decimal:
    """To the currency's smallest coin, half to even, as Tryton rounds each line and each tax."""
    return (amount / coin).quantize(Decimal(1), ROUND_HALF_EVEN) * coin


def _created(values: Mapping[str, Any], field: str) -> list[Values]:
    """Return the records that a value such as `[["create", [{…}]]]` asks for."""
    commands = [command for command in values.get(field, []) if command[0] == "create"]
    return [dict(each) for _, records in commands for each in records]


def _quantity(value: float) -> float:
    """Return the quantity as the plain number that it is shown as: whole, since everything is sold by the unit."""
    if value != int(value):
        raise RefusedError(f"The number of digits in {value} exceeds the limit of 0.")
    return float(value)
