"""The settings of the experience API, each from a QUOTEWAY_ variable of the same name."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.settings import SettingsError, variable


class ExperienceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the experience API needs to start."""

    issuer_metadata_url: Annotated[str, Meta(pattern="^https?://", description="the issuer's metadata address")]
    process_url: Annotated[str, Meta(pattern="^https?://", description="the process API's address")]
    experience_client_secret_file: Annotated[
        str, Meta(min_length=1, description="the file with this service's OAuth client secret")
    ]
    experience_client_id: Annotated[str, Meta(description="this service's OAuth client id")] = "experience-api"
    experience_audience: Annotated[str, Meta(description="the audience that callers' tokens must name")] = (
        "quoteway-experience"
    )
    process_audience: Annotated[str, Meta(description="the process API's audience")] = "quoteway-process"
    experience_host: Annotated[str, Meta(description="the address to listen on")] = "127.0.0.1"
    experience_port: Annotated[int, Meta(ge=0, le=65535, description="the port to listen on; 0 for a free one")] = 8001
    log_level: Annotated[
        str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")
    ] = "INFO"

    def __post_init__(self) -> None:
        self.client_secret()

    def client_secret(self) -> str:
        """The OAuth client secret. Raises SettingsError where its file cannot be read or is empty."""
        name = variable("experience_client_secret_file")
        try:
            secret = Path(self.experience_client_secret_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError([f"{name} is wrong, its file cannot be read: {error}"]) from error
        if not secret:
            raise SettingsError([f"{name} is wrong: {self.experience_client_secret_file} is empty"])
        return secret
