"""The faults on the way to a vendor, and the rules that select requests for them."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

LOG_ENTRIES_MAX = 10_000


class Fault(StrEnum):
    """What happens to a request. If it is forwarded, the vendor does the work."""

    lose_answer = "lose_answer"
    """Forwarded and done; the connection is held for `delay_s` and then closed without an answer."""
    arrive_late = "arrive_late"
    """The connection is closed at once, and the request arrives `delay_s` later (after the retry, if there is one),
    or on command.
    """
    cut_body = "cut_body"
    """Forwarded and done; half of the answer's body is sent."""
    delay = "delay"
    """Forwarded after `delay_s`, and answered."""
    refuse = "refuse"
    """The connection is reset; nothing is forwarded."""
    answer = "answer"
    """Answered with `status`, `content_type` and `content`; nothing is forwarded."""
    too_many_requests = "too_many_requests"
    """429 with Retry-After: `retry_after_s`; nothing is forwarded."""
    unavailable = "unavailable"
    """503; nothing is forwarded."""
    bad_gateway = "bad_gateway"
    """A proxy's 502, as a page of HTML; nothing is forwarded."""
    kill_before = "kill_before"
    """The process `pid` gets SIGKILL and the connection is reset; nothing is forwarded."""
    kill_after = "kill_after"
    """Forwarded and done, then the process `pid` gets SIGKILL, and no answer comes."""


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Selects requests for a fault. The first rule that matches applies.

    An empty `methods` means any; `path` and `body` are regular expressions searched for in them. Of the matching
    requests, the first `skip` pass, then `times` of them (None: all) meet the fault, each with `probability`.
    """

    fault: Fault
    methods: list[str] = []
    path: str = ""
    body: str = ""
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    skip: Annotated[int, Meta(ge=0)] = 0
    times: Annotated[int, Meta(ge=1)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    retry_after_s: Annotated[int, Meta(ge=0)] = 1
    status: Annotated[int, Meta(ge=200, le=599)] = 500
    content_type: str = "application/json"
    content: str = ""
    pid: Annotated[int, Meta(gt=1)] | None = None

    def __post_init__(self) -> None:
        for pattern in (self.path, self.body):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if self.fault in {Fault.kill_before, Fault.kill_after} and self.pid is None:
            raise ValueError(f"{self.fault} needs the pid to kill")

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Return whether the rule matches that request."""
        return (
            (not self.methods or method in self.methods)
            and re.search(self.path, path) is not None
            and re.search(self.body.encode(), body) is not None
        )


class Injected(msgspec.Struct, frozen=True):
    """A fault that happened: the request's number, and the vendor's status by then (0: no answer)."""

    number: int
    fault: Fault
    method: str
    path: str
    status: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy has done so far."""

    seed: int
    requests: int
    faults: dict[str, int]
    log: list[Injected]


class FaultPlan:
    """The current rules, the random generator (reproducible for the same seed and requests), and what happened."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 a repeatable choice, no secret
        self._rules: list[Rule] = []
        self._matched: Counter[int] = Counter()
        self._applied: Counter[int] = Counter()
        self._faults: Counter[str] = Counter()
        self._log: list[Injected] = []
        self._requests = 0

    def replace(self, rules: Sequence[Rule]) -> None:
        """Replace the rules."""
        self._rules = list(rules)
        self._matched.clear()
        self._applied.clear()

    def choose(self, method: str, path: str, body: bytes) -> tuple[int, Rule | None]:
        """Return the request's number, and the rule that applies to it."""
        self._requests += 1
        for index, rule in enumerate(self._rules):
            if not rule.matches(method, path, body):
                continue
            self._matched[index] += 1
            spent = rule.times is not None and self._applied[index] >= rule.times
            if spent or self._matched[index] <= rule.skip or self._random.random() >= rule.probability:
                continue
            self._applied[index] += 1
            return self._requests, rule
        return self._requests, None

    def happened(self, injected: Injected) -> None:
        """Record an injected fault."""
        self._faults[injected.fault] += 1
        if len(self._log) < LOG_ENTRIES_MAX:
            self._log.append(injected)

    def statistics(self) -> Statistics:
        """Return what has happened so far."""
        return Statistics(seed=self._seed, requests=self._requests, faults=dict(self._faults), log=list(self._log))
