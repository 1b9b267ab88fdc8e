"""OpenTelemetry's variables come first, libraries' spans go below ours, and off imports nothing."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis

from sandbox.engines.postgres import PostgresEngine, RedisEngine
from shared.telemetry.otel_environment import Sampling, sampling, tracing_is_wanted
from shared.telemetry.tracing import request_span, start_tracing, stop_tracing
from tests.observed.collector import Collector

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector
    stop_tracing()


def request(name: str = "request") -> Any:
    return request_span(name, [], {}, trust_caller=True)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, True),
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_the_specifications_switches_come_before_our_address(environment: dict[str, str], wanted: bool) -> None:
    assert tracing_is_wanted("http://collector", environment) is wanted
    assert not tracing_is_wanted("", environment)
    assert tracing_is_wanted("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", **environment}) is wanted


@pytest.mark.parametrize(
    ("sampler", "argument", "found"),
    [
        ("", "", Sampling(0.01, follows_caller=True)),
        ("always_on", "", Sampling(1.0, follows_caller=False)),
        ("parentbased_always_off", "", Sampling(0.0, follows_caller=True)),
        ("parentbased_traceidratio", "0.25", Sampling(0.25, follows_caller=True)),
        ("traceidratio", "", Sampling(1.0, follows_caller=False)),
    ],
)
def test_the_specifications_sampler_comes_before_our_ratio(sampler: str, argument: str, found: Sampling) -> None:
    assert sampling(0.01, {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}) == found


@pytest.mark.parametrize(
    ("sampler", "argument", "named"),
    [("jaeger_remote", "", "OTEL_TRACES_SAMPLER is"), ("traceidratio", "many", "OTEL_TRACES_SAMPLER_ARG is 'many'")],
)
def test_a_wrong_sampler_is_named(sampler: str, argument: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        sampling(0.01, {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})


def test_the_specifications_address_and_attributes_are_used(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=production")
    start_tracing("experience-api", NOWHERE, 1.0)
    with request():
        pass
    stop_tracing()

    resource = collector.wait_for(lambda span: span.name == "request").resource
    assert resource["service.name"] == "orders-eu"
    assert resource["deployment.environment.name"] == "production"
    assert resource["service.version"]
    assert len(resource["service.instance.id"]) == 36


async def test_the_database_and_redis_are_seen_below_a_request_and_never_by_themselves(
    collector: Collector, postgres: PostgresEngine, redis_engine: RedisEngine
) -> None:
    start_tracing("test", collector.url, 1.0)
    database = await psycopg.AsyncConnection.connect(postgres.url("postgres"))
    redis = Redis.from_url(redis_engine.url)
    async with database:
        await database.execute("SELECT 'polling'")
        await redis.get("polling")
        with request():
            await database.execute("SELECT %s::text", ["a person's name"])
            await redis.set("key", "another person's name")
    await redis.aclose()
    stop_tracing()

    of_request = collector.wait_for(lambda span: span.name == "request")
    assert {span.name for span in collector.spans} == {"request", "SELECT", "SET"}
    below = [span for span in collector.spans if span is not of_request]
    assert [span.parent_id for span in below] == [of_request.span_id] * 2
    assert "person" not in str([span.attributes for span in below])


def test_where_tracing_is_off_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, shared.telemetry.process_telemetry as t; t.start_telemetry(t.TelemetrySettings(), 'test');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
