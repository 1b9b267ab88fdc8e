"""The harness's scenarios by name, in the order in which they run."""

from sandbox.faults.answers_and_keys import lost_answers_5, lost_answers_20, one_key
from sandbox.faults.kills import crash_points, random_kills
from sandbox.faults.relay_kills import relay_kills
from sandbox.faults.run import Scenario
from sandbox.faults.two_workers import two_workers
from sandbox.faults.webhook_storm import webhooks

SCENARIOS: dict[str, Scenario] = {
    "random-kills": random_kills,
    "lost-answers-5": lost_answers_5,
    "lost-answers-20": lost_answers_20,
    "crash-points": crash_points,
    "one-key": one_key,
    "two-workers": two_workers,
    "webhooks": webhooks,
    "relay-kills": relay_kills,
}
