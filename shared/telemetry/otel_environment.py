"""OpenTelemetry's own environment variables. They override the settings of Quoteway that mean the same.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Nothing of OpenTelemetry is
imported here: a process that traces nothing pays nothing.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_RATIOS = {"always_on": 1.0, "always_off": 0.0}
_PARENT_BASED = "parentbased_"


class Sampling(NamedTuple):
    """The share of requests that is traced, and whether a caller's decision is followed."""

    ratio: float
    follows_caller: bool


def tracing_is_wanted(fallback_url: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether spans are exported: a collector is set, and nothing switches tracing off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return bool(fallback_url or names_collector(environment))


def names_collector(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the specification's variables set a collector."""
    return any(environment.get(name) for name in _ENDPOINTS)


def sampling(fallback_ratio: float, environment: Mapping[str, str] = os.environ) -> Sampling:
    """Return the sampling in OTEL_TRACES_SAMPLER; if unset, `fallback_ratio` of the requests without a caller's
    decision.

    Raises ValueError for an invalid sampler or ratio, with a sentence that names the variable.
    """
    stated = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not stated:
        return Sampling(fallback_ratio, follows_caller=True)
    name = stated.removeprefix(_PARENT_BASED)
    follows_caller = stated.startswith(_PARENT_BASED)
    if name in _RATIOS:
        return Sampling(_RATIOS[name], follows_caller)
    if name != "traceidratio":
        known = "always_on, always_off, traceidratio, or one of these after parentbased_"
        raise ValueError(f"OTEL_TRACES_SAMPLER is {stated!r}; it must be {known}.")
    argument = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1.0"
    try:
        ratio = float(argument)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ValueError(f"OTEL_TRACES_SAMPLER_ARG is {argument!r}; it must be a number from 0 to 1.")
    return Sampling(ratio, follows_caller)
