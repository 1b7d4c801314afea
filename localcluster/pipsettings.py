"""The pip settings and certificates of this computer, in the forms in which a build and uv take them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
CA_INSIDE = "/run/secrets/ca"
# What says where packages come from. Paths of this computer mean nothing inside a build and are left out.
WANTED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")


def ca_bundle() -> Path | None:
    """The certificates that this computer trusts."""
    candidates = [os.environ.get(name, "") for name in CA_VARIABLES]
    for candidate in map(Path, filter(None, (*candidates, *CA_BUNDLES))):
        if candidate.is_file():
            return candidate
    return None


def secrets(folder: Path) -> dict[str, Path]:
    """Files for the Dockerfile's secrets; the settings are written into `folder`, readable by their owner only."""
    bundle = ca_bundle()
    found = listing()
    for_pip = _private(folder / "pip.conf", render(found, with_ca=bundle is not None))
    for_uv = _private(folder / "uv.sh", uv_assignments(found, with_ca=bundle is not None))
    return {"pip": for_pip, "uv": for_uv, **({"ca": bundle} if bundle else {})}


def _private(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def listing() -> list[str]:
    """The lines of `pip config list`, such as ``global.timeout='60'`` or ``:env:.proxy='…'``."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def render(listing: Iterable[str], with_ca: bool) -> str:
    """A pip.conf for a build."""
    settings = {name: value for name, value in _settings(listing).items() if name in WANTED}
    if with_ca:
        settings["cert"] = CA_INSIDE
    # pip reads its file with interpolation switched off, so a percent sign in a password needs no escape.
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def for_uv(listing: Iterable[str]) -> dict[str, str]:
    """The same settings as variables of uv, without folders of packages that do not exist: pip passes over them."""
    settings = _settings(listing)
    folders = [link for link in settings.get("find-links", "").split() if "://" in link or Path(link).exists()]
    values = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": settings.get("extra-index-url", ""),
        "UV_FIND_LINKS": ",".join(folders),
        "UV_INSECURE_HOST": settings.get("trusted-host", ""),
        "UV_HTTP_TIMEOUT": settings.get("timeout", ""),
        "HTTPS_PROXY": settings.get("proxy", ""),
    }
    return {name: " ".join(value.split()) for name, value in values.items() if value}


def uv_assignments(listing: Iterable[str], with_ca: bool) -> str:
    """The settings of uv for a build, one assignment of a shell on each line."""
    values = for_uv(listing)
    values.pop("UV_FIND_LINKS", None)  # mostly folders of this computer, which a build does not see
    if with_ca:
        values["SSL_CERT_FILE"] = CA_INSIDE
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _settings(listing: Iterable[str]) -> dict[str, str]:
    """Name and value of each. Later lines win over earlier ones, and the environment over all files."""
    found: dict[str, str] = {}
    for section, name, value in sorted(map(_parse, listing), key=lambda item: item[0] == ":env:"):
        if section in {"global", "install", ":env:"}:
            found[name.removeprefix("default-")] = value
    return found


def _parse(line: str) -> tuple[str, str, str]:
    key, _, value = line.partition("=")
    section, _, name = key.rpartition(".")
    text = value[1:-1].encode().decode("unicode_escape") if value[:1] in "'\"" else value
    return section, name, text.replace("\n", "\n    ")
