"""Kubeconfig files."""

from __future__ import annotations

import base64
from pathlib import Path

from localcluster.certs import Pair

TEMPLATE = """\
apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {name}
  context: {{cluster: {name}, user: {name}}}
"""


def render(name: str, server: str, ca: Path, client: Pair) -> str:
    """A file that needs no other file beside it."""
    return TEMPLATE.format(
        name=name, server=server, ca=_inline(ca), certificate=_inline(client.certificate), key=_inline(client.key)
    )


def write(path: Path, name: str, server: str, ca: Path, client: Pair) -> Path:
    """Readable by its owner only, since it holds a key, from the moment it exists."""
    path.touch(mode=0o600)
    path.write_text(render(name, server, ca, client))
    return path


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
