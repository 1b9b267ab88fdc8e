"""Builds the ERP's database once, keeps it in the user's cache as a stopped cluster, and copies it for every run.

There are two layers, because activating Tryton's modules takes most of a minute and entering the data takes seconds: a
cluster with the modules, which changes with the locked packages, and on top of it the golden one, which also changes
with the recipe and the sandbox's data.
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.engines.postgres import POSTGRES_URL_VARIABLE, ExternalPostgres, Postgres, PostgresEngine, copy_tree
from sandbox.processes.build_lock import build_folder, build_lock, keep_newest
from sandbox.processes.process import ProcessError, remove_when_done
from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.credentials import FILE_NAME, TrytonCredentials
from sandbox.vendors.tryton.data import DATA_FOLDER, SECOND_TENANT_FOLDER, load_seed_data
from sandbox.vendors.tryton.environment import lock_digest, tryton_cache, tryton_python
from sandbox.vendors.tryton.recipe import ADMIN_LOGIN, MODULES, seed
from sandbox.vendors.tryton.server import DATABASE, TrytonServer, tryton_variables, write_configuration

TEMPLATE = "tryton_template"
"""The database in the golden cluster that every run copies. Nothing connects to it."""

_CLUSTER, _PASSWORD = "cluster", "admin-password"
_RECIPE = ("recipe.py", "database.py", "data.py", "countries.py", "seed/*.py")
_DATA = ("company.toml", "customers.toml", "products.toml", "taxes.toml")
_DATA_OF_THE_SECOND = ("company.toml", "customers.toml", "products.toml")
_KEPT = 4
_OUTPUT_LINES_SHOWN = 15


def start_postgres_with_erp(
    data_dir: Path, progress: Progress, *, port: int = 0, durable: bool = True, database: str = DATABASE
) -> tuple[PostgresEngine | ExternalPostgres, TrytonCredentials]:
    """Start PostgreSQL with the ERP's database in it, ready for a `TrytonServer`. Returns the credentials too.

    A cluster that is already in `data_dir` is used as it is; otherwise it begins as a copy of the golden one. On a
    server named in `QUOTEWAY_SANDBOX_POSTGRES_URL`, the database is created, and its caller's to drop: name it with
    `run_database`.

    Raises:
        ProcessError: something could not be built or started; on such a server also where the database exists.
    """
    if os.environ.get(POSTGRES_URL_VARIABLE):
        external = ExternalPostgres(os.environ[POSTGRES_URL_VARIABLE])
        template, credentials = template_on_external(external, progress)
        external.create_database(database, template)
        return external, credentials
    engine = PostgresEngine(data_dir, port=port, durable=durable)
    if not engine.has_cluster:
        engine = PostgresEngine(data_dir, port=port, durable=durable, golden=golden_cluster(progress))
    with progress.step("Starting PostgreSQL"):
        engine.start()
        if not engine.has_database(database):
            engine.create_database(database, TEMPLATE)
    return engine, TrytonCredentials.read(engine.data_dir / FILE_NAME)


def golden_cluster(progress: Progress) -> Path:
    """Return a stopped cluster to start engines from; built first if it is missing.

    It contains the template database and, in the file `tryton-credentials.json`, the credentials.

    Raises:
        ProcessError: it could not be built.
    """
    python = tryton_python(progress)
    folder = tryton_cache() / f"golden-{recipe_digest()}"
    with _database_lock(progress):
        if not folder.exists():
            modules = _cluster_with_modules(python, progress)
            with build_folder(folder) as unfinished:
                _build_golden(modules, unfinished, progress)
            keep_newest(tryton_cache() / "golden-*", _KEPT)
        os.utime(folder)
    return folder / _CLUSTER


def template_on_external(postgres: ExternalPostgres, progress: Progress) -> tuple[str, TrytonCredentials]:
    """Return the template's name on an external server and its credentials; built there first if missing.

    Raises:
        ProcessError: it could not be built, or is there but was built by somebody else, whose credentials we lack.
    """
    python = tryton_python(progress)
    name = f"{TEMPLATE}_{recipe_digest()}"
    credentials_file = external_credentials_file(postgres, name)
    with _database_lock(progress):
        if not (postgres.has_database(name) and credentials_file.exists()):
            if postgres.has_database(name):
                raise ProcessError(f"The database {name} was built by another user. Drop it, and start again.")
            unfinished = f"{name}_unfinished"
            postgres.drop_database(unfinished)
            postgres.create_database(unfinished)
            password = secrets.token_urlsafe(24)
            with _work_folder() as folder:
                with progress.step("Activating Tryton's modules"):
                    _activate(python, postgres, unfinished, password, folder)
                with progress.step("Entering companies, products and customers over HTTP"):
                    credentials = _seed(postgres, unfinished, password, folder)
            credentials.write(credentials_file)
            postgres.rename_database(unfinished, name)
    return name, TrytonCredentials.read(credentials_file)


def external_credentials_file(postgres: ExternalPostgres, template: str) -> Path:
    """Return the file of this user's credentials for a template on an external server."""
    parts = urlsplit(postgres.url(template))
    where = hashlib.sha256(f"{parts.hostname}:{parts.port}/{template}".encode()).hexdigest()[:16]
    return tryton_cache() / f"external-{where}.json"


def recipe_digest() -> str:
    """Return a digest of the locked packages, the recipe, the data, and the year, which fiscal years start from."""
    here = Path(__file__).resolve().parent
    files = [path for pattern in _RECIPE for path in sorted(here.glob(pattern))]
    files += [DATA_FOLDER / name for name in _DATA] + [SECOND_TENANT_FOLDER / name for name in _DATA_OF_THE_SECOND]
    return _digest(lock_digest().encode(), str(datetime.now(UTC).year).encode(), *(path.read_bytes() for path in files))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _cluster_with_modules(python: Path, progress: Progress) -> Path:
    """Return the lower layer. Call it with the lock held."""
    folder = tryton_cache() / f"modules-{_digest(lock_digest().encode(), ' '.join(MODULES).encode())}"
    if not folder.exists():
        with build_folder(folder) as unfinished, _work_folder() as work:
            password = secrets.token_urlsafe(24)
            with progress.step("Activating Tryton's modules (once; most of a minute)"), _cluster(work, None) as engine:
                engine.create_database(TEMPLATE)
                _activate(python, engine, TEMPLATE, password, work)
                engine.stop()
                _keep(engine, unfinished)
            _write_private(unfinished / _PASSWORD, password)
        keep_newest(tryton_cache() / "modules-*", 1)
    return folder


def _build_golden(modules: Path, target: Path, progress: Progress) -> None:
    password = (modules / _PASSWORD).read_text()
    with (
        progress.step("Entering companies, products and customers over HTTP"),
        _work_folder() as work,
        _cluster(work, modules / _CLUSTER) as engine,
    ):
        credentials = _seed(engine, TEMPLATE, password, work)
        engine.stop()
        _keep(engine, target)
    credentials.write(target / _CLUSTER / FILE_NAME)


def _activate(python: Path, postgres: Postgres, database: str, admin_password: str, work: Path) -> None:
    configuration, password_file = work / "tryton.conf", work / "password"
    write_configuration(configuration, postgres)
    _write_private(password_file, admin_password)
    command = [str(python), "-I", "-m", "trytond.cli.admin", "-d", database, "-u", *MODULES, "--activate-dependencies"]
    done = subprocess.run(
        [*command, "-p", "--login", ADMIN_LOGIN, "--email", "admin@example.com"],
        env={**tryton_variables(configuration), "TRYTONPASSFILE": str(password_file)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=work,
    )
    if done.returncode != 0:
        output = "\n".join(done.stdout.splitlines()[-_OUTPUT_LINES_SHOWN:])
        raise ProcessError(f"Tryton's modules could not be activated:\n{output}")


def _seed(postgres: Postgres, database: str, admin_password: str, work: Path) -> TrytonCredentials:
    with TrytonServer(postgres, database, run_dir=work) as server:
        others = (load_seed_data(SECOND_TENANT_FOLDER),)
        return seed(server.url, database, admin_password, load_seed_data(), others)


@contextmanager
def _cluster(work: Path, golden: Path | None) -> Iterator[PostgresEngine]:
    """Start an embedded server for building. Nothing is synced, since results of a failed build are discarded."""
    with PostgresEngine(work / _CLUSTER, durable=False, golden=golden) as engine:
        yield engine


def _keep(engine: PostgresEngine, folder: Path) -> None:
    target = folder / _CLUSTER
    target.mkdir(mode=0o700)
    copy_tree(engine.data_dir, target)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


@contextmanager
def _work_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="quoteway-tryton-"))
    remove_when_done(folder)  # even if this process is killed
    try:
        yield folder
    finally:
        PostgresEngine(folder / _CLUSTER).destroy()  # root's clusters are elsewhere
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database_lock(progress: Progress) -> Iterator[None]:
    with build_lock(
        tryton_cache() / "database.lock",
        lambda: progress.note("Another process is building the ERP's database: waiting for it …"),
    ):
        yield
