"""The documents as the code makes them, and the applications that they describe."""

from typing import Any

import pytest

from openapi.documents import TierDocuments, tier_documents


@pytest.fixture(scope="session")
def tiers() -> list[TierDocuments]:
    """Every tier with its application and its documents, by name."""
    return tier_documents()


@pytest.fixture(scope="session")
def documents(tiers: list[TierDocuments]) -> dict[str, dict[str, Any]]:
    """Every document by its name, such as `experience-v1`."""
    return {name: document for tier in tiers for name, document in tier.documents.items()}
