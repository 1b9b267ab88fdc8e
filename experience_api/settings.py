"""The settings of the experience API, each from a QUOTEWAY_ variable of the same name."""

from typing import Annotated

from msgspec import Meta

from shared.inbound.cors import check_origins
from shared.inbound.settings import InboundSettings
from shared.settings import SecretFile, SigningKeysFile, TrustDomain, read_secret


class ExperienceSettings(InboundSettings, frozen=True, kw_only=True):
    """What the experience API needs to start."""

    issuer_metadata_url: Annotated[str, Meta(pattern="^https?://", description="the issuer's metadata address")]
    process_url: Annotated[str, Meta(pattern="^https?://", description="the process API's address")]
    experience_client_secret_file: SecretFile
    experience_signing_keys_file: SigningKeysFile
    experience_client_id: Annotated[str, Meta(description="this service's OAuth client id")] = "experience-api"
    experience_audience: Annotated[str, Meta(description="the audience that callers' tokens must name")] = (
        "quoteway-experience"
    )
    process_audience: Annotated[str, Meta(description="the process API's audience")] = "quoteway-process"
    lightning_origins: Annotated[
        str,
        Meta(
            description="the exact origins of Lightning pages that may call from a browser, with commas, such as "
            "`https://acme.lightning.force.com`",
            extra={"check": check_origins},
        ),
    ] = ""
    experience_host: Annotated[str, Meta(description="the address to listen on")] = "127.0.0.1"
    experience_port: Annotated[int, Meta(ge=0, le=65535, description="the port to listen on; 0 for a free one")] = 8001
    trust_domain: TrustDomain = "quoteway"

    def client_secret(self) -> str:
        """Return the OAuth client secret. Raises SettingsError where its file cannot be read or is empty."""
        return read_secret(self.experience_client_secret_file, "experience_client_secret_file")
