"""The pip settings and certificates of this computer, in the form in which a build may see them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
CA_INSIDE = "/run/secrets/ca"
# What says where packages come from. Paths of this computer mean nothing inside a build and are left out.
WANTED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")


def ca_bundle() -> Path | None:
    """The certificates that this computer trusts."""
    candidates = [os.environ.get(name, "") for name in CA_VARIABLES]
    for candidate in map(Path, filter(None, (*candidates, *CA_BUNDLES))):
        if candidate.is_file():
            return candidate
    return None


def secrets(folder: Path) -> dict[str, Path]:
    """Files for the Dockerfile's secrets; the configuration is written into `folder`, readable by its owner only."""
    configuration = folder / "pip.conf"
    configuration.touch(mode=0o600)
    bundle = ca_bundle()
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    configuration.write_text(render(listing.splitlines(), with_ca=bundle is not None))
    return {"pip": configuration, **({"ca": bundle} if bundle else {})}


def render(listing: Iterable[str], with_ca: bool) -> str:
    """A pip.conf out of the lines of `pip config list`, such as ``global.timeout='60'`` or ``:env:.proxy='…'``.

    Later lines win over earlier ones, and the environment over all files.
    """
    settings: dict[str, str] = {}
    for section, name, value in sorted(map(_parse, listing), key=lambda item: item[0] == ":env:"):
        if name in WANTED and section in {"global", "install", ":env:"}:
            settings[name.removeprefix("default-")] = value
    if with_ca:
        settings["cert"] = CA_INSIDE
    # pip reads its file with interpolation switched off, so a percent sign in a password needs no escape.
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def _parse(line: str) -> tuple[str, str, str]:
    key, _, value = line.partition("=")
    section, _, name = key.rpartition(".")
    text = value[1:-1].encode().decode("unicode_escape") if value[:1] in "'\"" else value
    return section, name, text.replace("\n", "\n    ")
