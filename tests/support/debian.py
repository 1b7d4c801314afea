"""The programs that tests take from Debian's packages.

python -m tests.support.debian       installs what is missing; `make test` begins with it
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.host import apt_get

SERVICES = Path("/etc/systemd/system")
POSTGRES_SETTINGS = Path("/etc/postgresql-common/createcluster.conf")


class Missing(Exception):
    """A program that is not on this computer; the message says what to run."""


@dataclass(frozen=True)
class Program:
    """A program, the package that it comes in, and where that puts it if not on the PATH."""

    name: str
    package: str
    folders: str = ""
    """One for each version, below the root."""

    def find(self) -> Path:
        """The newest version on this computer."""
        versions = sorted(Path("/").glob(f"{self.folders}/{self.name}"), key=_numbers) if self.folders else []
        found = versions[-1] if versions else shutil.which(self.name)
        if not found:
            raise Missing(f"{self.name} is missing; on Debian run as root: python -m tests.support.debian")
        return Path(found).resolve()

    def is_missing(self) -> bool:
        try:
            self.find()
        except Missing:
            return True
        return False


INITDB = Program("initdb", "postgresql", folders="usr/lib/postgresql/*/bin")
CHROMIUM = Program("chromium", "chromium")
REGISTRY = Program("docker-registry", "docker-registry")
CHROMEDRIVER = Program("chromedriver", "chromium-driver")
PROMETHEUS = Program("prometheus", "prometheus")
PROMTOOL = Program("promtool", "prometheus")
ALERTMANAGER = Program("prometheus-alertmanager", "prometheus-alertmanager")
AMTOOL = Program("amtool", "prometheus-alertmanager")
CURL = Program("curl", "curl")
RSYNC = Program("rsync", "rsync")
JAVAC = Program("javac", "default-jdk-headless")
REDIS = Program("redis-server", "redis-server")
SERVERS = (REGISTRY, REDIS, PROMETHEUS, ALERTMANAGER)
"""Their packages begin a service where systemd runs, unless it is masked. It has the name of the program."""


def ensure(*programs: Program) -> None:
    """The programs are there afterwards, and no server of Debian's own has been set up."""
    packages = list(dict.fromkeys(program.package for program in programs if program.is_missing()))
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"install as root what Debian calls {' and '.join(packages)}, from your own distribution")
    if not POSTGRES_SETTINGS.exists():
        POSTGRES_SETTINGS.parent.mkdir(parents=True, exist_ok=True)
        POSTGRES_SETTINGS.write_text("create_main_cluster = false\n")
    for server in SERVERS:
        service = SERVICES / f"{server.name}.service"
        if server.is_missing() and not service.is_symlink():
            service.parent.mkdir(parents=True, exist_ok=True)
            service.symlink_to("/dev/null")  # how systemd knows a service that must not run
    try:
        apt_get(["apt-get", "install", "--yes", "--no-install-recommends", *packages])
    except LocalClusterError as error:
        raise Missing(str(error)) from error
    for program in programs:
        program.find()


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


if __name__ == "__main__":
    try:
        ensure(INITDB, CHROMIUM, CHROMEDRIVER, CURL, JAVAC, REGISTRY, PROMETHEUS, PROMTOOL, ALERTMANAGER, AMTOOL)
    except Missing as error:
        sys.exit(str(error))
