"""A real PostgreSQL on a Unix socket and a free port of 127.0.0.1, with a data folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from localcluster.ports import free_port
from tests.support.debian import INITDB

START_SECONDS = 60.0
STOP_SECONDS = 20.0
USER = "postgres"


def programs() -> Path:
    """The folder of the newest version on this computer."""
    return INITDB.find().parent


@dataclass(frozen=True)
class Postgres:
    """A running server; whoever may reach its socket may do everything."""

    port: int

    def url(self, database: str) -> str:
        """As the collector takes it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[str]:
        """The URL of a new, empty database, which is gone afterwards."""
        self._administer(f'CREATE DATABASE "{name}"')
        try:
            yield self.url(name)
        finally:
            self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        url = sa.make_url(self.url("postgres")).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@contextlib.contextmanager
def postgres(*, durable: bool) -> Iterator[Postgres]:
    """A server from the first line of the block until its end. Without `durable` it does not wait for the disk."""
    root = Path(tempfile.mkdtemp(prefix="viridian-postgres-"))
    try:
        _own(root)
        _run("initdb", "--pgdata", str(root / "data"), "--username", USER, "--auth", "trust", "--encoding", "UTF8")
        server = Postgres(free_port())
        process = _start(root, server, durable)
        try:
            _wait(server, process, root)
            yield server
        finally:
            # "Fast": connections are cut.
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _start(root: Path, server: Postgres, durable: bool) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(server.port),
        "unix_socket_directories": str(root),
        **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
    }
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    command = [*_as_user(), str(programs() / "postgres"), "-D", str(root / "data"), *flags]
    with (root / "server.log").open("wb") as log:
        return subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT)


def _wait(server: Postgres, process: subprocess.Popen[bytes], root: Path) -> None:
    ready = [str(programs() / "pg_isready"), "-h", "127.0.0.1", "-p", str(server.port)]
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)  # between two looks at the condition that is awaited
    raise RuntimeError(f"PostgreSQL did not start:\n{(root / 'server.log').read_text(errors='replace')[-2000:]}")


def _run(program: str, *arguments: str) -> None:
    command = [*_as_user(), str(programs() / program), *arguments]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
