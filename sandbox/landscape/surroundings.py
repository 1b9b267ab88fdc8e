"""What the settings of Quoteway's processes are written from: where everything of a landscape is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Served(Protocol):
    """A server of the landscape."""

    @property
    def url(self) -> str:
        """Its address."""


class DatabaseServer(Protocol):
    """The database server of the landscape."""

    def url(self, database: str) -> str:
        """The address of one of its databases."""


class Logins(Protocol):
    """The logins to a database."""

    def url_of(self, who: str) -> str:
        """The address with the login of a process in it."""


class Surroundings(Protocol):
    """A landscape, as what tells its processes of each other sees it."""

    @property
    def run_dir(self) -> Path:
        """Where its files lie."""

    @property
    def database(self) -> str:
        """Quoteway's own database in `postgres`."""

    @property
    def postgres(self) -> DatabaseServer:
        """The database server."""

    @property
    def redis(self) -> Served:
        """The cache."""

    @property
    def processes(self) -> Mapping[str, object]:
        """What has been started, by name."""

    @property
    def signing_keys(self) -> Path:
        """The experience API's own keys."""

    @property
    def tier_settings(self) -> Mapping[str, str]:
        """What was asked for instead of the defaults."""

    @property
    def logins(self) -> Logins:
        """The logins to Quoteway's own database."""

    @property
    def production_limits(self) -> bool:
        """Whether the rate limits are those of production."""

    def url(self, name: str) -> str:
        """The address of a process that serves."""

    def tier_url(self, name: str) -> str:
        """The address that a tier has or will have."""

    def reached_at(self, name: str) -> str:
        """The address at which Quoteway reaches a vendor or its own next tier."""
