"""The engines and the ERP that tests share: real ones, started when the first test asks for them."""

import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.engines.postgres import PostgresEngine, RedisEngine
from sandbox.landscape.tier_environment import TIMEZONE_VARIABLE
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.database import TEMPLATE, golden_cluster
from sandbox.vendors.tryton.server import DATABASE, TrytonServer
from tests.hang_report import tell_if_it_hangs
from tests.parallel import FolderScheduling, rank

_SERVER_FOLDERS = ("sandbox", "journeys", "faults", "fuzz")
_SERVER_FIXTURES = {"postgres", "redis_engine", "tryton", "books", "vendors", "running"}


class _Defects(logging.Handler):
    """What tiers in this process answered with a 500 during the test under way: each error and where it was raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            raised_at = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
            self.seen.append(f"{record.getMessage()}: {error!r} at {' > '.join(raised_at)}")


_defects = _Defects()


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the tiers' unexpected errors. Before a parallel run, build what it copies: its output is unseen."""
    os.environ.setdefault(TIMEZONE_VARIABLE, "UTC")
    logging.getLogger("shared.inbound.problem_answer").addHandler(_defects)
    if config.getoption("numprocesses", None) and not config.option.collectonly:
        golden_cluster(Progress(sys.stderr))


def pytest_runtest_setup() -> None:
    """Each test for itself."""
    _defects.seen.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in a failed test's line of the summary which defect a tier met: its log may be cut off, or be long."""
    report = yield
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    if report.failed and crash is not None and _defects.seen:
        first, _, rest = crash.message.partition("\n")
        crash.message = f"{first} [a tier's defect: {_defects.seen[-1]}]\n{rest}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server, so that `make unit` can leave it out: by where a test lies or what it asks for."""
    here = Path(__file__).parent
    items.sort(key=lambda item: rank(item.path.relative_to(here).parts[0]))
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        if folder in _SERVER_FOLDERS or _SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    """Share out a parallel run's tests by folders."""
    return FolderScheduling(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the ERP's cluster is copied from before the first test: no test's time limit allows for a build."""
    needed = any({"postgres", "books", "vendors"} & set(getattr(item, "fixturenames", ())) for item in session.items)
    if not needed or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        golden_cluster(Progress(sys.stderr))


@pytest.fixture(scope="session")
def run_dir() -> Iterator[Path]:
    """A folder for this run's data and logs, removed at the end. Only its name is open to other users: a PostgreSQL
    that root has to run as somebody else keeps its cluster in it."""
    folder = Path(tempfile.mkdtemp(prefix="quoteway-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(run_dir: Path) -> Iterator[PostgresEngine]:
    """PostgreSQL on a copy of the golden cluster. Tests create databases of their own in it."""
    engine = PostgresEngine(run_dir / "postgres", durable=False, golden=golden_cluster(Progress(quiet=True))).start()
    yield engine
    engine.destroy()


@pytest.fixture(scope="session")
def redis_engine(run_dir: Path) -> Iterator[RedisEngine]:
    """A Valkey of this run's own."""
    with RedisEngine(run_dir / "redis") as engine:
        yield engine


@pytest.fixture(scope="session")
def tryton(postgres: PostgresEngine, run_dir: Path) -> Iterator[TrytonServer]:
    """A Tryton on a fresh copy of the ERP's database."""
    postgres.create_database(DATABASE, TEMPLATE)
    credentials = TrytonCredentials.read(postgres.data_dir / FILE_NAME)
    with TrytonServer(postgres, run_dir=run_dir / "tryton", credentials=credentials) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Say what waits in a test that seems to hang, while it still does."""
    timer = tell_if_it_hangs(item.nodeid)
    try:
        return (yield)
    finally:
        timer.cancel()
