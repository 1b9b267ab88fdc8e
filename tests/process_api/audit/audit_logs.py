"""An audit log in a database of its own, and the commands that sign, verify, export and cut it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

from shared.audit.log import AuditLog
from tests.patience import HANG_S


@dataclass
class Log:
    """A log in a database of its own, and whoever signs and verifies it."""

    url: str
    folder: Path

    def __post_init__(self) -> None:
        self.writes = AuditLog(self.url)
        self.run("keygen", str(self.folder / "audit.key"))

    async def append(self, tenant: str, *texts: str) -> None:
        await self.writes.append({tenant: list(texts)})

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "shared.audit", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )

    def sign(self, folder: str = "checkpoints") -> "subprocess.CompletedProcess[str]":
        return self.run(
            "sign",
            "--once",
            QUOTEWAY_AUDIT_DATABASE_URL=self.url,
            QUOTEWAY_AUDIT_SIGNING_KEY_FILE=str(self.folder / "audit.key"),
            QUOTEWAY_AUDIT_CHECKPOINT_FOLDER=folder if folder == "-" else str(self.folder / folder),
        )

    def verify(self, *, checkpoints: bool = True) -> "subprocess.CompletedProcess[str]":
        signed = ["--checkpoints", str(self.folder / "checkpoints"), "--public-key", str(self.folder / "audit.key.pub")]
        return self.run("verify", "--database", self.url, *(signed if checkpoints else []))

    def tamper(self, *statements: str) -> None:
        """As somebody with every right in the database, who switches the triggers off first."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for table in ("entries", "heads"):
                connection.execute(f"ALTER TABLE quoteway_audit.{table} DISABLE TRIGGER ALL")
            for statement in statements:
                connection.execute(statement.encode())
