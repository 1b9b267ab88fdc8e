"""`python -m sandbox.contract_examples`: run the whole sandbox, call every operation, and save the answers as examples.

The folders `<tier>/examples/` are overwritten. Then run `python -m openapi.generate --write`.
"""

import json
import secrets
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx

from sandbox.contract_examples.recorder import Recorder, RecordingError
from sandbox.contract_examples.records import ENTITY
from sandbox.contract_examples.scenes import Scenes, operator_token, token
from sandbox.landscape.landscape import Landscape
from sandbox.processes.process import ProcessError
from sandbox.processes.progress import Progress

_ROOT = Path(__file__).resolve().parents[2]
# Few attempts, so that an order parks soon while a system is down.
_TIER_SETTINGS = {
    "QUOTEWAY_STEP_ATTEMPTS_MAX": "3",
    "QUOTEWAY_STEP_BACKOFF_S": "0.2",
    "QUOTEWAY_STEP_BACKOFF_MAX_S": "1",
    "QUOTEWAY_SETTLE_S": "0.2",
}


def record(run_dir: Path, progress: Progress) -> None:
    """Record every tier's examples. Raises RecordingError or ProcessError with the reason."""
    landscape = Landscape(
        run_dir,
        progress=progress,
        tier_settings=_TIER_SETTINGS,
        proxied=frozenset({"erp", "salesforce", "stripe"}),
        # One scene after the other asks Stripe more often than it would allow.
        unthrottled=True,
    )
    with ExitStack() as stack:
        stack.callback(landscape.stop)
        landscape.start_vendors()
        _take_webhooks(run_dir / "connections.toml")
        with progress.step("Starting Quoteway: three tiers and a worker"):
            landscape.start_tiers()
        recorders = {}
        for tier in ("experience", "process", "system"):
            client = stack.enter_context(
                httpx.Client(
                    base_url=landscape.url(tier),
                    headers={"Authorization": f"Bearer {token(landscape, tier)}"},
                    timeout=30,
                )
            )
            recorders[tier] = Recorder(tier, client)
        operator = operator_token(landscape)
        recorders["process"].tokens = dict.fromkeys(("flows:read", "flows:write", "tokens:revoke"), operator)
        with progress.step("Asking every operation of every tier"):
            scenes = Scenes(landscape, recorders["experience"], recorders["process"], recorders["system"])
            scenes.play()
    for tier, recorder in recorders.items():
        kept = recorder.save(_ROOT / f"{tier}_api" / "examples")
        progress.note(f"{tier}: {kept} answers of {len(recorder.operations)} operations")
    folder = _ROOT / "process_api" / "examples" / "events"
    folder.mkdir(exist_ok=True)
    for name, event in scenes.published.items():
        (folder / f"{name}.json").write_text(json.dumps(event, indent=2) + "\n")
    missing = [f"{tier} {name}" for tier, recorder in recorders.items() for name in recorder.without()]
    if missing:
        raise RecordingError(f"no scene shows these succeed (sandbox/contract_examples/): {missing}")


def _take_webhooks(connections: Path) -> None:
    """Set a webhook secret if the sandbox has none, so that webhooks are accepted."""
    text = connections.read_text()
    if "webhook_secret" in text:
        return
    secret = connections.parent / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text(f"whsec_{secrets.token_hex(16)}")
    blocks = text.split("[[connection]]")
    for place, block in enumerate(blocks):
        if '"billing"' in block and f'"{ENTITY}"' in block:
            blocks[place] = block.rstrip("\n") + '\nwebhook_secret = "file:webhook.secret"\n'
    connections.write_text("[[connection]]".join(blocks))


def main() -> int:
    """Record. Returns 0 if every operation has its examples, 1 after a wrong answer, 2 without a sandbox."""
    run_dir = Path(tempfile.mkdtemp(prefix="quoteway-examples-"))
    try:
        record(run_dir, Progress())
    except RecordingError as error:
        print(f"{error}\nThe logs are in {run_dir / 'logs'}", file=sys.stderr)
        return 1
    except ProcessError as error:
        print(f"The sandbox does not start: {error}", file=sys.stderr)
        return 2
    shutil.rmtree(run_dir, ignore_errors=True)
    print("Now: python -m openapi.generate --write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
