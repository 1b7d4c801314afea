"""Logins by a program of the user's, in the environment that `pip install 'viridian[cli]'` makes.

It is not the environment of the other tests: Kopf loads the official client wherever it finds it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.paths import REPOSITORY, cache_root

pytestmark = pytest.mark.needs_programs

EXEC = "client.authentication.k8s.io/v1"
LOGIN = """
import json, pathlib, sys
from viridian.ports.bearer_token import Token
from viridian.ports.connection import ApiConnection, ConnectionUnusable
try:
    found = ApiConnection.from_kubeconfig(pathlib.Path(sys.argv[1]))
except ConnectionUnusable as error:
    print(json.dumps({"unusable": str(error)}))
else:
    tokens = [found.read_token(), found.read_token()]
    print(json.dumps({"tokens": tokens, "printed": repr(found), "renews": Token(found).renew()}))
"""


def login(folder: Path, **program: Any) -> Mapping[str, Any]:
    """What a kubeconfig gives whose user logs in by this program: two readings of the token, or why there is none."""
    user = {"exec": {"apiVersion": EXEC, "interactiveMode": "Never", **program}}
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://here:6443/"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    python = cache_root() / "cli-venv" / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")}
    done = subprocess.run(
        [str(python), "-c", LOGIN, str(path)], env=environment, capture_output=True, text=True, check=True, cwd="/"
    )
    result: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def plugin(folder: Path, expires: str) -> dict[str, Any]:
    """A credential plugin, as managed clusters have them: it counts its calls."""
    program = folder / "plugin.py"
    program.write_text(
        "import json, pathlib\n"
        f"calls = pathlib.Path({str(folder / 'calls')!r})\n"
        "number = len(calls.read_text() if calls.exists() else '') + 1\n"
        "calls.write_text('x' * number)\n"
        f"status = {{'token': f'token-{{number}}', 'expirationTimestamp': '{expires}T00:00:00Z'}}\n"
        f"print(json.dumps({{'apiVersion': {EXEC!r}, 'kind': 'ExecCredential', 'status': status}}))\n"
    )
    return {"command": sys.executable, "args": [str(program)]}


def test_a_program_that_gives_nothing(tmp_path: Path) -> None:
    found = login(tmp_path, command="no-such-program")
    assert "`exec` in " in found["unusable"]
    assert "gives no credentials" in found["unusable"]


def test_a_login_by_a_program_whose_token_expires(tmp_path: Path) -> None:
    """What the program prints has expired already."""
    found = login(tmp_path, **plugin(tmp_path, "2020-01-01"))
    first, second = (int(token.removeprefix("token-")) for token in found["tokens"])
    assert second > first
    assert "token-" not in found["printed"]


def test_a_token_that_has_not_expired_is_kept(tmp_path: Path) -> None:
    found = login(tmp_path, **plugin(tmp_path, "2999-01-01"))
    assert found["tokens"] == ["token-1", "token-1"]
    assert found["renews"]
