"""A virtual environment from a lock, made by uv; uv comes first, by pip, from a lock of its own.

    python3 -m localcluster.environments <folder> <lock>      what the lock pins is there afterwards, and nothing else

It needs nothing but Python. uv does not read pip's settings, so it gets those that say where packages come from.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from localcluster import pipsettings
from localcluster.paths import REPOSITORY, cache_root

UV_LOCK = REPOSITORY / "locks" / "uv.txt"


def install(folder: Path, lock: Path) -> None:
    """The environment in the folder holds what the lock pins and nothing else; the project is installed later."""
    if not (folder / "bin" / "python").exists():
        uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    # Compiled now, so that no server compiles during its first start.
    flags = ("--quiet", "--compile-bytecode", "--require-hashes", "--python", str(folder / "bin" / "python"))
    uv("pip", "sync", *flags, str(lock))


def uv(*arguments: str) -> None:
    """One run of uv, with a cache inside the project's own."""
    bundle = pipsettings.ca_bundle()
    settings = pipsettings.for_uv(pipsettings.listing()) | {"UV_CACHE_DIR": str(cache_root() / "uv" / "cache")}
    certificates = {"SSL_CERT_FILE": str(bundle)} if bundle else {}
    # What the environment says to uv itself counts most.
    environment: Mapping[str, str] = {**certificates, **settings, **os.environ}
    subprocess.run([str(program()), *arguments], check=True, env=environment)


def program() -> Path:
    """uv itself, in the version that is pinned."""
    home = cache_root() / "uv" / "environment"
    complete = home / ".lock"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / ".making").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)  # two environments may be made at once
        if not complete.exists() or complete.read_text() != UV_LOCK.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            pip = (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes")
            subprocess.run([*pip, "-r", str(UV_LOCK)], check=True)
            complete.write_text(UV_LOCK.read_text())
    return home / "bin" / "uv"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    install(Path(sys.argv[1]), Path(sys.argv[2]))
