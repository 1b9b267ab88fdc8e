"""What a person does beside a running demo: copy addresses, mint tokens, submit quotes, play outages, hear events."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.where_to_look import teaching_quotes
from tests.journeys.org import Line, Org
from tests.patience import HANG_S
from tests.sandbox.demo_process import ROOT, Demo, ended, running_demo, submit

pytestmark = pytest.mark.servers
_OPEN = ("/docs", "/_sandbox/journal", ".salesforce.json")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


# -- addresses --------------------------------------------------------------------------------------------------------


def test_every_printed_address_is_on_one_line_and_answers(demo: Demo) -> None:
    addresses = [each for each in re.findall(r"http://\S+", demo.printed) if each.endswith(_OPEN)]

    assert len(addresses) == 7
    assert {each: httpx.get(each).status_code for each in addresses} == dict.fromkeys(addresses, 200)


def test_every_printed_request_can_be_pasted(demo: Demo) -> None:
    commands = [line for line in demo.printed.splitlines() if "curl " in line or "/psql" in line]
    assert len(commands) == 7
    for command in commands:
        entry = f"{command} </dev/null"  # psql without a command reads its input
        done = subprocess.run(entry, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S602 as a person pastes it
        assert done.returncode == 0, (command, done.stderr)
        if "curl" in command:
            assert "status" not in json.loads(done.stdout) or json.loads(done.stdout)["status"] in (
                "booked",
                "received",
            )


def test_what_lies_in_files_is_its_owners_only(demo: Demo) -> None:
    printed = [Path(found) for found in re.findall(r"\S+\.(?:json|url|key)(?=[\s)]|$)", demo.printed)]
    secret = [path for path in printed if path.is_absolute() and path.name != "demo.json"]
    assert {path.name for path in secret} >= {"salesforce.json", "tryton-credentials.json"}
    for path in [*secret, *(demo.build / "demo").glob("*.url")]:
        assert path.stat().st_mode & 0o077 == 0, path
        assert not path.is_relative_to(ROOT)


def test_callers_are_limited_as_in_production(demo: Demo) -> None:
    with demo.client("ada", "experience") as ada:
        answer = ada.get("/v1/accounts/001QW0000000001/credit-status")
    assert '"user";q=600;w=60' in answer.headers["RateLimit-Policy"]


# -- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "tier", "path"),
    [
        ("ada", "experience", "/v1/accounts/001QW0000000001/credit-status"),
        ("ADA.sales@nordwind.example", "experience", "/v1/accounts/001QW0000000001/credit-status"),
        ("005QW0000000001AAA", "experience", "/v1/accounts/001QW0000000001/credit-status"),
        ("eva", "experience", "/v1/accounts/001SW0000000001/credit-status"),
        ("operator", "process", "/v1/dead-letters"),
        ("fulfilment", "process", "/v1/accounts/001QW0000000001/credit-status"),
        ("process-api", "system", "/v1/crm/quotes/0Q0QW0000000001"),
    ],
)
def test_a_token_lets_its_caller_in(demo: Demo, who: str, tier: str, path: str) -> None:
    with demo.client(who, tier) as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text


def test_the_token_stands_alone_on_standard_output(demo: Demo) -> None:
    minted = demo.run("-m", "sandbox.token", "--as", "bo")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", minted.stdout)
    assert minted.stderr == ""


def test_a_wrong_name_lists_who_can_have_a_token(demo: Demo) -> None:
    refused = demo.run("-m", "sandbox.token", "--as", "nobody")
    assert (refused.returncode, refused.stdout) == (2, "")
    for name in ("ada", "bo", "cy", "eva", "operator", "fulfilment", "process-api"):
        assert f"\n  {name} " in refused.stderr


def test_a_tier_that_the_caller_may_not_call_is_refused(demo: Demo) -> None:
    refused = demo.run("-m", "sandbox.token", "--as", "ada", "--tier", "system")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "ada may call: experience; not the system API.\n"


@pytest.mark.parametrize("command", [("sandbox.token", "--as", "ada"), ("sandbox.outage", "stripe")])
def test_without_a_demo_a_command_says_where_none_runs(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    # What a demo that was killed leaves behind.
    (tmp_path / "demo" / "running.json").write_text('{"run_dir": "/", "urls": {}, "proxies": {}}')
    done = Demo(tmp_path, "").run("-m", *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"No demo runs here ({tmp_path})" in done.stderr
    assert "make demo" in done.stderr


# -- quotes that teach ------------------------------------------------------------------------------------------------


def test_every_teaching_quote_shows_what_is_said_of_it(demo: Demo) -> None:
    quotes = teaching_quotes()
    assert len(quotes) == 6
    with demo.client("ada", "experience") as ada:
        for quote in quotes:
            assert f"{quote['quote_id']}        {quote['shows']}" in demo.printed
            answer = submit(ada, quote["quote_id"])
            if quote["ends"] == "refused":
                assert answer.status_code == 422, (quote, answer.text)
                continue
            order = ended(ada, answer.raise_for_status().json()["orderId"])
            assert (order["status"], order.get("reasonCode", "")) == (quote["ends"], quote.get("reason_code", "")), (
                order
            )


# -- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_order_waits_for_a_vendors_return_which_ctrl_c_brings(demo: Demo, number: signal.Signals) -> None:
    with (
        Org(demo.found()) as org,
        demo.client("ada", "experience") as ada,
        demo.client("operator", "process") as operator,
        demo.started("-m", "sandbox.outage", "stripe", "600") as outage,
    ):
        outage.told("stripe answers 503 to everything for 600 s")
        quote_id = org.make_quote("acme", "EUR", [Line("MON-STD", "3", "4.90")])
        order_id = submit(ada, quote_id).raise_for_status().json()["orderId"]
        flow_id = operator.get(f"/v1/orders/{order_id}").json()["flowId"]
        deadline = time.monotonic() + HANG_S
        while "unavailable" not in (flow := operator.get(f"/v1/flows/{flow_id}").raise_for_status().text):
            assert time.monotonic() < deadline, flow
            time.sleep(0.2)
        assert outage.end(number) == 0
        outage.told("stripe is back")
        assert ended(ada, order_id)["status"] == "booked"


@pytest.mark.parametrize("how", ["unavailable", "reset", "lost"])
def test_an_outage_ends_by_itself_and_leaves_the_vendor_in_order(demo: Demo, how: str) -> None:
    done = demo.run("-m", "sandbox.outage", "salesforce", "1.5", "--how", how)
    assert done.returncode == 0, done.stderr
    assert "salesforce is away for 1 s more" in done.stdout
    assert "salesforce is back" in done.stdout
    with demo.client("process-api", "system") as process_api:
        assert process_api.get("/v1/crm/quotes/0Q0QW0000000001").status_code == 200


def test_a_second_outage_of_a_vendor_is_refused_while_one_is_played(demo: Demo) -> None:
    with demo.started("-m", "sandbox.outage", "erp", "600") as first:
        first.told("erp answers 503")
        second = demo.run("-m", "sandbox.outage", "erp", "1")
        assert first.end(signal.SIGINT) == 0
    assert second.returncode == 1
    assert "being played already" in second.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("paypal", "60"), "erp, salesforce, stripe"),
        (("stripe", "0"), "is no number of seconds from 1 to 3600"),
        (("stripe", "soon"), "is no number of seconds from 1 to 3600"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(demo: Demo, words: tuple[str, ...], said: str) -> None:
    done = demo.run("-m", "sandbox.outage", *words)
    assert done.returncode == 2
    assert said in done.stderr.replace("'", "")


# -- events -----------------------------------------------------------------------------------------------------------


def test_the_printed_example_hears_of_the_order_that_was_booked(demo: Demo) -> None:
    report = json.loads((demo.build / "demo.json").read_text())
    address = (demo.build / "demo" / "consumer-fulfilment.url").read_text()
    sample = "docs/samples/event_consumer.py"
    assert f'{sample} "$(cat {demo.build}/demo/consumer-fulfilment.url)" nordwind fulfilment' in demo.printed
    with demo.client("fulfilment", "process") as fulfilment:
        order = fulfilment.get(f"/v1/orders/{report['order']['orderId']}").raise_for_status().json()
    with demo.started(sample, address, "nordwind", "fulfilment") as consumer:
        consumer.told(
            f"order {order['orderId']} of account {order['accountId']}: quote {order['quoteId']}, "
            f"{order['total']['amount']} EUR, in the ERP as {report['ids']['erpOrder']}",
        )
        assert consumer.end(signal.SIGTERM) == 0
