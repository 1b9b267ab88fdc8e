"""The system tier's connections file, block by block (its form is at the head of system_api/connections.py)."""

import json


def connection_block(tenant: str, **settings: str | int | dict[str, str]) -> str:
    """A block of the file. JSON's strings, numbers and (as inline tables) maps are TOML's too."""
    lines = ["[[connection]]", f'tenant = "{tenant}"']
    for name, value in settings.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{key} = {json.dumps(text)}" for key, text in value.items())
            lines.append(f"{name} = {{ {inner} }}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
