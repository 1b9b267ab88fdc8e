"""The published versions. To remove one, delete its folder, its import and its entry here."""

from experience_api.v1.version import V1
from experience_api.v2.version import V2
from shared.operations.versions import Version

VERSIONS: dict[str, Version] = {
    "v1": V1,
    "v2": V2,
}
