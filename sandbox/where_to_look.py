"""What the demo prints at its end: who finds what where, each address and each command ready to be pasted."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from sandbox.engines.postgres_install import postgres_account, program_folder
from sandbox.engines.valkey import send_command
from sandbox.landscape.connections_file import TENANT
from sandbox.landscape.landscape import Landscape
from sandbox.vendors.tryton.credentials import FILE_NAME as TRYTON_CREDENTIALS

ROOT = Path(__file__).resolve().parents[1]
CONSUMER = "fulfilment"
_DATA = ROOT / "sandbox" / "data"
_SALES = "SELECT number, state, reference, total_amount_cache FROM sale_sale"
_BUILD_VARIABLE = "QUOTEWAY_DEMO_BUILD"


def show_where_to_look(landscape: Landscape, order_id: str, console: Console) -> None:
    """Print every address with what its reader wants of it. Secrets stay in files that only their owner may read."""
    page = _Page(landscape, console)
    console.print(f"[bold]Where to look.[/] The commands are for this folder: cd {shlex.quote(str(ROOT))}\n")
    page.for_salesforce_developers(order_id)
    page.for_operators()
    page.for_applications()
    page.for_platform_developers()
    page.for_the_curious()


class _Page:
    """The addresses of a landscape, by who reads them."""

    def __init__(self, landscape: Landscape, console: Console) -> None:
        self.landscape = landscape
        self._console = console

    def for_salesforce_developers(self, order_id: str) -> None:
        """The experience API: a token, the order of the story, and the quotes that teach."""
        url = self.landscape.url("experience")
        self._title("A Salesforce developer")
        self._line("interactive page", f"{url}/docs")
        self._line("for External Services", f"{url}/openapi/v1.salesforce.json")
        self._line("a token", python("-m", "sandbox.token", "--as", "ada"))
        self._say("another name than ada, bo, cy, operator … lists all; a token lives ten minutes")
        self._command("Ask for the order of the story:", self._curl("ada", f"{url}/v1/orders/{order_id}"))
        self._command(
            "Submit one of the quotes below (QUOTE=…), and follow its statusUrl:",
            f"QUOTE=0Q0QW0000000002; {self._curl('ada', f'{url}/v1/orders')} "
            '-H "Content-Type: application/json" -H "Idempotency-Key: try-$QUOTE" '
            '-d "{\\"quoteId\\":\\"$QUOTE\\",\\"quoteRevision\\":1}"',
        )
        for each in teaching_quotes():
            self._line(each["quote_id"], each["shows"])

    def for_operators(self) -> None:
        """The process API as an operator sees it, the logs, the audit log, and an outage to look at."""
        url = self.landscape.url("process")
        self._title("An operator")
        self._line("interactive page", f"{url}/docs")
        self._line("a token", python("-m", "sandbox.token", "--as", "operator"))
        self._line("logs", str(self.landscape.run_dir / "logs"))
        self._command(
            "Play an outage of stripe, salesforce or erp, and submit a quote meanwhile:",
            python("-m", "sandbox.outage", "stripe", "60"),
        )
        self._command("See what is under way:", self._curl("operator", f"{url}/v1/flows"))
        self._command("See what waits for a person:", self._curl("operator", f"{url}/v1/dead-letters"))
        self._command(
            "Verify the audit log by its signed checkpoints (change an entry first, and see it found):",
            shlex.join([sys.executable, *self.landscape.audit_verification()]),
        )

    def for_applications(self) -> None:
        """Events, for an application inside the company: its own Redis user, and an example that runs."""
        where = make_consumer(self.landscape)
        self._title(f"A developer of another application ({CONSUMER})")
        self._line("its Redis user", f"in {where}: reads the stream of {TENANT}, and nothing else")
        self._line("a token", python("-m", "sandbox.token", "--as", CONSUMER))
        self._command(
            "Hear of orders (docs/events.md):",
            python("docs/samples/event_consumer.py", end=f' "$(cat {shlex.quote(str(where))})" {TENANT} {CONSUMER}'),
        )

    def for_platform_developers(self) -> None:
        """The system API and our own database."""
        url = self.landscape.url("system")
        self._title("A developer of Quoteway")
        self._line("system API", f"{url}/docs")
        self._line("a token", python("-m", "sandbox.token", "--as", "process-api"))
        self._line("connections", str(self.landscape.run_dir / "connections.toml"))
        self._command("Look into Quoteway's database:", self._psql(self.landscape.database, "quoteway.url"))

    def for_the_curious(self) -> None:
        """The systems behind: what each really holds."""
        run_dir = self.landscape.run_dir
        self._title("The systems behind")
        for name in ("salesforce", "stripe", "issuer"):
            self._line(name, f"{self.landscape.url(name)}/_sandbox/journal")
            self._say("every write that it accepted, in its order")
        stripe_key = shlex.quote(str(run_dir / "stripe.key"))
        self._command(
            "Ask Stripe as its own clients do:",
            f'curl -s -u "$(cat {stripe_key}):" {self.landscape.url("stripe")}/v1/subscriptions',
        )
        self._line("Salesforce's client", f"{run_dir / 'salesforce.json'} (id and secret)")
        self._line("Tryton", f"{self.landscape.erp_server.url} for a Tryton client, database {self._erp_database}")
        self._say(f"login and password in {run_dir / TRYTON_CREDENTIALS}")
        self._command(
            "See Tryton's sales in its own database:",
            f'{self._psql(self._erp_database, "tryton.url")} -c "{_SALES}"',
        )

    @property
    def _erp_database(self) -> str:
        return str(self.landscape.erp_server.database)

    def _curl(self, who: str, address: str) -> str:
        token = python("-m", "sandbox.token", "--as", who)
        return f'curl -s -H "Authorization: Bearer $({token})" {shlex.quote(address)}'

    def _psql(self, database: str, file: str) -> str:
        private(self.landscape.run_dir / file, self.landscape.postgres.url(database))
        program = program_folder(postgres_account()) / "psql"
        return f'{shlex.quote(str(program))} "$(cat {shlex.quote(str(self.landscape.run_dir / file))})"'

    def _title(self, who: str) -> None:
        self._console.print(f"\n[bold]{who}[/]")

    def _line(self, name: str, what: str) -> None:
        self._print(f"  {name:<22} {what}")

    def _say(self, sentence: str) -> None:
        self._print(f"  {'':<22} ({sentence})")

    def _command(self, what: str, command: str) -> None:
        """Print a command at the beginning of a line of its own, so that a triple click takes it whole."""
        self._print(f"  {what}")
        self._print(command)

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)


def teaching_quotes() -> list[dict[str, str]]:
    """Return the quotes that each show one thing."""
    found: list[dict[str, str]] = tomllib.loads((_DATA / "teaching_quotes.toml").read_text())["quote"]
    return found


def make_consumer(landscape: Landscape, name: str = CONSUMER, tenant: str = TENANT) -> Path:
    """Make a consumer's Redis user, and return the file with its address. An administrator makes it the same way."""
    password_file = landscape.run_dir / f"consumer-{name}.password"
    password_file.unlink(missing_ok=True)
    made = subprocess.run(
        [
            *(sys.executable, "-m", "process_api.outbox.consumer_access", name),
            *("--tenant", tenant, "--password-file", str(password_file)),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    send_command(landscape.redis.url, *made.stdout.split())
    place = landscape.redis.url.rpartition("@")[2]
    address = f"redis://{name}:{quote(password_file.read_text())}@{place}"
    return private(landscape.run_dir / f"consumer-{name}.url", address)


def private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, and return its path."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def python(*words: str, end: str = "") -> str:
    """Return a command of this environment's Python that finds this demo, ready to be pasted in the repository."""
    program = Path(sys.executable)
    if program.is_relative_to(ROOT):
        program = program.relative_to(ROOT)
    build = os.environ.get(_BUILD_VARIABLE)
    environment = f"{_BUILD_VARIABLE}={shlex.quote(build)} " if build else ""
    return f"{environment}{shlex.join([str(program), *words])}{end}"
