"""What one running org needs to know."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SalesforceSandboxSettings:
    """`instance_url` is this process's own address, without a trailing slash; token answers repeat it.

    `seed_dir` holds the data files; `credentials_file` the integration client's secrets, generated when it is missing.
    `daily_requests_max` is the day's API quota, `requests_per_second_max` stands for the limit on concurrent requests,
    `session_life_s` is how long an access token works, in seconds. `profiles` shape the org beside those that the seed
    names (profiles.py).
    """

    instance_url: str
    seed_dir: Path
    credentials_file: Path
    daily_requests_max: int = 100_000
    requests_per_second_max: int = 500
    session_life_s: int = 7200
    profiles: tuple[str, ...] = ()
