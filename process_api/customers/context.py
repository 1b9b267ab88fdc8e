"""What the steps about a customer need of a flow: any process whose context has it can use them."""

from collections.abc import Mapping
from typing import Any, Protocol

from process_api.database.store import Store
from process_api.engine.intents import Intents
from process_api.legal_entities import LegalEntity
from process_api.system_client import SystemClient
from shared.canonical import Account, Contact, Quote


class CustomerTerms(Protocol):
    """Who buys from whom: a quote states it, and so may any other record."""

    @property
    def account_id(self) -> str:
        """The account that buys."""

    @property
    def legal_entity(self) -> str:
        """The legal entity that sells."""

    @property
    def currency(self) -> str:
        """The currency that is charged in."""

    @property
    def bill_to(self) -> Contact | None:
        """Whom invoices go to."""


class CustomerContext(Protocol):
    """A flow whose customer has to be known to the ERP or to billing."""

    @property
    def flow_id(self) -> str:
        """The flow's id."""

    @property
    def tenant(self) -> str:
        """The tenant whose flow this is."""

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """What earlier steps found, by their names: `validate_customer` and `calculate_tax` are read here."""

    @property
    def customer_terms(self) -> CustomerTerms:
        """Who buys from whom."""

    @property
    def rules(self) -> LegalEntity:
        """The rules of the legal entity that sells."""

    @property
    def system(self) -> SystemClient:
        """The way to the systems."""

    @property
    def store(self) -> Store:
        """The database."""

    @property
    def intents(self) -> Intents:
        """What is written down before a system is written to."""

    async def account(self) -> Account:
        """Return the account as Salesforce states it now. Raises Rejected where there is none."""


class QuotedContext(CustomerContext, Protocol):
    """A flow about what a quote says."""

    @property
    def quote(self) -> Quote:
        """The quote."""


class CreditContext(Protocol):
    """A flow that adds to what the customer of a quote owes."""

    @property
    def tenant(self) -> str:
        """The tenant whose flow this is."""

    @property
    def quote(self) -> Quote:
        """The quote."""

    @property
    def system(self) -> SystemClient:
        """The way to the systems."""
