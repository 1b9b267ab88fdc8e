"""The resources of a worker for its flows' steps."""

from dataclasses import dataclass

from process_api.database.store import Store
from process_api.engine.intents import Intents
from process_api.legal_entities import LegalEntities
from process_api.pricing.discount_policy import DiscountPolicy
from process_api.system_client import SystemClient


@dataclass(frozen=True)
class Resources:
    """The database, the systems' clients, and the rules: the same for every flow of a worker."""

    store: Store
    system: SystemClient
    intents: Intents
    policy: DiscountPolicy
    legal_entities: LegalEntities
