"""A signer and a verifier of transaction tokens."""

from pathlib import Path

import httpx
import pytest

from shared.identity.token_keys import PublishedKeys
from shared.identity.transaction_token import JWKS_PATH, TransactionTokenSigner, TransactionTokenVerifier
from tests.shared.transaction_tokens import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "keys.json")


@pytest.fixture
def signer(publisher: Publisher) -> TransactionTokenSigner:
    return TransactionTokenSigner(publisher.keys, "experience-api", "quoteway")


@pytest.fixture
def verifier(publisher: Publisher) -> TransactionTokenVerifier:
    keys = PublishedKeys(
        "experience API",
        jwks_url=f"http://experience.test{JWKS_PATH}",
        transport=httpx.MockTransport(publisher.answer),
        refetch_min_s=0,
    )
    return TransactionTokenVerifier(keys, "experience-api", "quoteway")
