"""How a tenant's companies in Tryton, or in what speaks as Tryton does, are connected."""

from pathlib import Path

from sandbox.vendors.tryton.credentials import TenantAccess
from sandbox.vendors.tryton.data import load_seed_data
from sandbox.vendors.vendor import Setting, connection_block


def company_blocks(
    seed: Path, access: TenantAccess, *, name: str, url: str, database: str, quota: dict[str, Setting]
) -> list[str]:
    """A block for each company of the seed's tenant."""
    data = load_seed_data(seed)
    return [
        connection_block(
            data.tenant,
            capability="erp",
            legal_entity=entity.code,
            adapter="tryton",
            url=url,
            database=database,
            company=access.companies[entity.code],
            currency=entity.currency,
            key=f"file:{name}.key",
            **quota,
        )
        for entity in data.legal_entities
    ]
