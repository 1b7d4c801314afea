"""Which addresses go through the proxy of the environment, and that a registry is really asked through it."""

from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from viridian.ports.http_sessions import proxy_for
from viridian.ports.mlflow_api import Credentials, MlflowApi

PROXY = "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("address", "proxied"),
    [
        ("https://mlflow.example.org", True),
        ("http://mlflow.example.org", False),
        ("https://mlflow.ml.svc:5000", False),
        ("https://127.0.0.1:5000", False),
        ("https://[::1]:5000", False),
        ("https://localhost", False),
    ],
)
def test_which_addresses_go_through_a_proxy(address: str, proxied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "localhost,.svc")
    assert proxy_for(URL(address)) == (PROXY if proxied else None)


async def test_the_registry_is_asked_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode().splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    api = MlflowApi("http://mlflow.nowhere.example", Credentials(), 5.0)
    try:
        assert (await api.get("experiments/search")).done
    finally:
        await api.close()
        server.close()
    assert asked == ["GET http://mlflow.nowhere.example/api/2.0/mlflow/experiments/search HTTP/1.1"]
