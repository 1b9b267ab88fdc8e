"""The snippet of docs/sandbox-stripe.md runs as it is written, against a sandbox that is started as written there."""

from __future__ import annotations

import re
from typing import Any

from tests.sandbox.vendors.stripe.running_sandbox import KEY, ROOT, running_sandbox

PAGE = (ROOT / "docs" / "sandbox-stripe.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_snippet_runs_as_it_is_written() -> None:
    (snippet,) = blocks("python")
    written_key, written_url = "sk_test_anything_long", "http://127.0.0.1:8012"
    assert written_key in snippet
    with running_sandbox() as running:
        code = snippet.replace(written_key, KEY).replace(written_url, running.url)
        assert running.url in code
        names: dict[str, Any] = {}
        exec(code, names)  # noqa: S102 -- the documented code is what is tested
    assert names["upcoming"].total == names["invoices"][0].total > 0


def test_the_command_and_its_controls_are_those_of_the_sandbox() -> None:
    (command,) = blocks("sh")
    assert "QUOTEWAY_SANDBOX_STRIPE_KEY=sk_test_" in command
    assert "python -m sandbox.vendors.stripe --port" in command
    with running_sandbox() as running, running.http() as http:
        for method, path in re.findall(r"`(GET|POST) (/_sandbox/\w+)`", PAGE):
            assert http.request(method, path).status_code in {200, 400}, path
