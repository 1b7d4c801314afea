"""Where the API server is and who we are there."""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from viridian.ports.bearer_token import TOKEN_SECONDS, Token
from viridian.ports.connection import ApiConnection, ConnectionUnusable

PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(folder: Path, *, user: Any = None, cluster: Any = None, context: Any = None, **top: Any) -> Path:
    config = {
        "current-context": "here",
        "contexts": [
            {"name": "there", "context": {"cluster": "c2", "user": "u"}},
            {"name": "here", "context": {"cluster": "c", "user": "u", **(context or {})}},
        ],
        "clusters": [
            {"name": "c2", "cluster": {"server": "https://there:6443"}},
            {"name": "c", "cluster": {"server": "https://here:6443/", **(cluster or {})}},
        ],
        "users": [{"name": "u", "user": user or {}}],
        **top,
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


class TestKubeconfig:
    def test_the_current_context(self, tmp_path: Path) -> None:
        found = ApiConnection.from_kubeconfig(kubeconfig(tmp_path, context={"namespace": "ml"}, user={"token": "t"}))
        assert (found.server, found.namespace, found.read_token()) == ("https://here:6443", "ml", "t")

    def test_another_context(self, tmp_path: Path) -> None:
        found = ApiConnection.from_kubeconfig(kubeconfig(tmp_path), "there")
        assert (found.server, found.namespace) == ("https://there:6443", "default")

    def test_certificates_as_text(self, tmp_path: Path) -> None:
        user = {"client-certificate-data": encoded(PEM), "client-key-data": encoded("key")}
        cluster = {"certificate-authority-data": encoded(PEM)}
        found = ApiConnection.from_kubeconfig(kubeconfig(tmp_path, user=user, cluster=cluster))
        assert (found.ca_data, found.certificate_data, found.private_key_data) == (PEM, PEM, "key")
        assert found.ca_path is None

    def test_certificates_as_files_beside_it(self, tmp_path: Path) -> None:
        user = {"client-certificate": "c.pem", "client-key": "/elsewhere/k.pem", "tokenFile": "token"}
        cluster = {"certificate-authority": "ca.pem"}
        found = ApiConnection.from_kubeconfig(kubeconfig(tmp_path, user=user, cluster=cluster))
        assert found.ca_path == tmp_path / "ca.pem"
        assert found.certificate_path == tmp_path / "c.pem"
        assert found.private_key_path == Path("/elsewhere/k.pem")
        assert found.token_path == tmp_path / "token"

    def test_a_server_that_is_not_verified(self, tmp_path: Path) -> None:
        found = ApiConnection.from_kubeconfig(kubeconfig(tmp_path, cluster={"insecure-skip-tls-verify": True}))
        assert found.ssl_context().verify_mode is ssl.CERT_NONE
        assert ApiConnection("https://x").ssl_context().verify_mode is ssl.CERT_REQUIRED

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"user": {"username": "me", "password": "secret"}}, "`username`"),
            ({"cluster": {"proxy-url": "http://proxy"}}, "`proxy-url`"),
            ({"cluster": {"server": ""}}, "no server"),
            ({"cluster": {"certificate-authority-data": "%%%"}}, "certificate-authority-data"),
            ({"context": {"cluster": "nowhere"}}, "no cluster 'nowhere'"),
            ({"current-context": ""}, "no current context"),
            ({"contexts": []}, "no context 'here'"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
        with pytest.raises(ConnectionUnusable, match=told) as caught:
            ApiConnection.from_kubeconfig(kubeconfig(tmp_path, **changes))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("user", [{"exec": {"command": "aws"}}, {"auth-provider": {"name": "oidc"}}])
    def test_without_the_official_client_it_says_what_to_install(self, tmp_path: Path, user: dict[str, Any]) -> None:
        with pytest.raises(ConnectionUnusable, match=re.escape("viridian[cli]")):
            ApiConnection.from_kubeconfig(kubeconfig(tmp_path, user=user))

    @pytest.mark.parametrize("text", ["- a list", "{", ""])
    def test_what_is_no_kubeconfig(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "config"
        path.write_text(text)
        with pytest.raises(ConnectionUnusable, match="config"):
            ApiConnection.from_kubeconfig(path)

    def test_one_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectionUnusable, match="cannot be read"):
            ApiConnection.from_kubeconfig(tmp_path / "nothing")


ENVIRONMENT = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class TestInCluster:
    def test_the_service_account(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("t\n")
        (tmp_path / "namespace").write_text("viridian")
        found = ApiConnection.in_cluster(ENVIRONMENT, tmp_path)
        assert (found.server, found.namespace) == ("https://10.96.0.1:443", "viridian")
        assert (found.ca_path, found.read_token()) == (tmp_path / "ca.crt", "t")

    def test_an_ipv6_address(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("t")
        found = ApiConnection.in_cluster({**ENVIRONMENT, "KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
        assert found.server == "https://[fd00::1]:443"

    def test_outside_of_a_cluster(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectionUnusable, match="name a kubeconfig"):
            ApiConnection.in_cluster({}, tmp_path)
        with pytest.raises(ConnectionUnusable):
            ApiConnection.in_cluster(ENVIRONMENT, tmp_path)


def test_secrets_are_not_printed() -> None:
    connection = ApiConnection("https://x", token="hush-token", private_key_data="hush-key")
    assert "hush" not in repr(connection)


def test_a_token_is_read_again_after_a_minute_whatever_its_file_says(tmp_path: Path) -> None:
    """Some volumes replace the content of a file without a trace in its times."""
    now = [0.0]
    reads: list[float] = []

    class Counted(ApiConnection):
        __slots__ = ()

        def read_token(self) -> str | None:
            reads.append(now[0])
            return super().read_token()

    (tmp_path / "token").write_text("t")
    token = Token(Counted("https://x", token_path=tmp_path / "token"), clock=lambda: now[0])
    for now[0] in (0.0, 1.0, TOKEN_SECONDS, TOKEN_SECONDS + 1):
        assert token.current() == "t"
    assert reads == [0.0, TOKEN_SECONDS]
