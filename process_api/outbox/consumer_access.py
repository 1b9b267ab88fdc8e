"""What an application may do that hears of events: read one tenant's stream, and nothing else of Redis.

    python -m process_api.outbox.consumer_access fulfilment --tenant nordwind --password-file fulfilment.password

prints the command with which an administrator makes the user, and writes the password where no one else reads it.
Managed services take the same rules as an access string.
"""

import argparse
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path

from process_api.outbox.event_delivery import stream_of

# To read, alone or as one of a group, to take over what a dead reader left, and to say what is done. No command here
# writes or removes an entry, or ends a group.
COMMANDS = (
    *("xread", "xreadgroup", "xack", "xpending", "xclaim", "xautoclaim", "xrange", "xrevrange", "xlen"),
    *("xinfo|stream", "xinfo|groups", "xinfo|consumers", "xgroup|create", "xgroup|createconsumer"),
    *("ping", "client|setname", "client|setinfo", "client|id"),
)
_NAME = re.compile(r"[a-z0-9-]{1,40}")


def access_rules(tenant: str) -> list[str]:
    """Return the ACL rules of a tenant's consumers: its stream, and the commands that read it. No channel, no password.

    Raises ValueError where that is no tenant's name.
    """
    if not _NAME.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is no tenant's name")
    return ["resetchannels", "resetkeys", f"~{stream_of(tenant)}", "-@all", *(f"+{command}" for command in COMMANDS)]


def user_command(name: str, tenant: str, password: str) -> list[str]:
    """Return the words of the command that makes a consumer's user, or makes it anew; its password only as a hash.

    Raises ValueError for a name that is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no consumer's name: small letters, digits and hyphens")
    digest = hashlib.sha256(password.encode()).hexdigest()
    return ["ACL", "SETUSER", name, "reset", "on", f"#{digest}", *access_rules(tenant)]


def main() -> int:
    """Print the command, and write the password. 2 where the names are wrong or the file is there already."""
    parser = argparse.ArgumentParser(
        prog="python -m process_api.outbox.consumer_access", description="A Redis user for a consumer of events."
    )
    parser.add_argument("name", help="the consumer, such as fulfilment")
    parser.add_argument("--tenant", required=True, help="whose events it reads")
    parser.add_argument("--password-file", required=True, type=Path, help="a new file, readable by its owner only")
    arguments = parser.parse_args()
    password = secrets.token_urlsafe(32)
    try:
        command = user_command(arguments.name, arguments.tenant, password)
        descriptor = os.open(arguments.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    sys.stdout.write(" ".join(command) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
