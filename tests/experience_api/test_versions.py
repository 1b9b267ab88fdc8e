"""How callers learn that a version will end."""

from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest

from experience_api import app as app_module
from experience_api.settings import ExperienceSettings
from experience_api.versions import VERSIONS
from shared.operations.versions import Version
from tests.app_lifespan import asgi_transport, running_app
from tests.experience_api.conftest import Experience, RecordedProcess
from tests.experience_api.recorded_answers import BOOKED_ORDER, ORDER_ID, problem
from tests.kept_audit_log import KeptAuditLog


@pytest.fixture
async def deprecated(
    settings: ExperienceSettings, caller_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Experience]:
    """The experience tier on the day when v1 is deprecated."""
    version = Version(VERSIONS["v1"].handlers, deprecation=date(2027, 1, 1), sunset=date(2028, 1, 1))
    monkeypatch.setitem(VERSIONS, "v1", version)
    process = RecordedProcess()
    app = app_module.create_app(
        settings, process_transport=httpx.MockTransport(process.answer), audit_log=KeptAuditLog()
    )
    async with (
        running_app(app),
        httpx.AsyncClient(transport=asgi_transport(app), base_url="http://experience.test") as client,
    ):
        yield Experience(app, client, process, caller_headers)


async def test_a_deprecated_version_says_so_in_headers_and_in_the_body(deprecated: Experience) -> None:
    deprecated.process.will_answer(BOOKED_ORDER)

    answer = await deprecated.get(f"/v1/orders/{ORDER_ID}")

    assert answer.headers["deprecation"] == "@1798761600"
    assert answer.headers["sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert answer.json()["warnings"] == [
        "This version is deprecated since 2027-01-01 and ends on 2028-01-01. Move to a newer one."
    ]


async def test_its_problems_say_so_too(deprecated: Experience) -> None:
    deprecated.process.will_answer(problem("not-found", 404, "There is no order."), 404)

    answer = await deprecated.get(f"/v1/orders/{ORDER_ID}")

    assert answer.status_code == 404
    assert answer.headers["deprecation"] == "@1798761600"


async def test_todays_version_is_not_deprecated(experience: Experience) -> None:
    experience.process.will_answer(BOOKED_ORDER)

    answer = await experience.get(f"/v1/orders/{ORDER_ID}")

    assert "deprecation" not in answer.headers
    assert "sunset" not in answer.headers
    assert answer.json()["warnings"] == []
