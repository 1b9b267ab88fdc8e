"""The sandbox ERP's credentials: generated when its database is built, readable by their owner only."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

FILE_NAME = "tryton-credentials.json"


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """The gateway's access for one tenant: its REST key, and its companies' ids by legal entity code."""

    rest_key: str
    companies: dict[str, int]


@dataclass(frozen=True, slots=True)
class TrytonCredentials:
    """The administrator's password (for a person with a Tryton client), and the tenants' keys."""

    admin_login: str
    admin_password: str
    tenants: dict[str, TenantAccess]

    def write(self, path: Path) -> None:
        """Write the credentials to a file of mode 0600."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the credentials. Raises `OSError` if there are none."""
        found = json.loads(path.read_text())
        tenants = {name: TenantAccess(**access) for name, access in found["tenants"].items()}
        return cls(found["admin_login"], found["admin_password"], tenants)
