"""What clients in Python make of a server and a collector. Runs in the environment of locks/clients.txt.

    python python_clients.py '{"server": 8080, "collector": 8090, "token": "…", "limit": 1000000, …}'

Prints one JSON object a line: `client`, `does`, and `server`, `collector`: what was answered.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import numpy as np
import requests
import tritonclient.http
import tritonclient.http.aio
import urllib3
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

GIVEN = json.loads(sys.argv[1])
SERVER, COLLECTOR = f"http://127.0.0.1:{GIVEN['server']}", f"http://127.0.0.1:{GIVEN['collector']}"
PORTS = {"server": GIVEN["server"], "collector": GIVEN["collector"]}
URLS = {"server": SERVER + "/invocations", "collector": COLLECTOR + "/v1/outcomes"}
BODIES = {"server": GIVEN["body"].encode(), "collector": GIVEN["outcome"].encode()}
HEADERS = {
    "server": {"Content-Type": "application/json"},
    "collector": {"Content-Type": "application/json", "Authorization": f"Bearer {GIVEN['token']}"},
}
LARGE = b" " * (12 * GIVEN["limit"])
ROWS = np.array(GIVEN["rows"], np.float64)
SIDES = ("server", "collector")

ONE = "a body"
CHUNKS = "a body in chunks"
TWICE = "two requests on one connection"
TOO_LARGE = "a body of twelve times the limit, all sent before the answer is read"
TOO_LARGE_CHUNKS = "the same in chunks"
ELSEWHERE = "a large body to a path that is not there, then a request on the same client"


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 60_000):
        yield body[start : start + 60_000]


def told(client: str, does: str, **answers: Any) -> None:
    print(json.dumps({"client": client, "does": does, **answers}), flush=True)


def attempt(call: Callable[[], Any]) -> str:
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]


def generic(client: str, send: Callable[[str, str, Any], int]) -> None:
    """What each library for HTTP is asked to do; `send(side, url, body)` gives the status."""
    cases: dict[str, Callable[[str], Any]] = {
        ONE: lambda side: send(side, URLS[side], BODIES[side]),
        CHUNKS: lambda side: send(side, URLS[side], pieces(BODIES[side])),
        TWICE: lambda side: joined(send(side, URLS[side], BODIES[side]) for _ in range(2)),
        TOO_LARGE: lambda side: send(side, URLS[side], LARGE),
        TOO_LARGE_CHUNKS: lambda side: send(side, URLS[side], pieces(LARGE)),
        ELSEWHERE: lambda side: joined(
            send(side, url, body) for url, body in ((URLS[side] + "/nothing", LARGE), (URLS[side], BODIES[side]))
        ),
    }
    for does, case in cases.items():
        told(client, does, **{side: attempt(lambda case=case, side=side: case(side)) for side in SIDES})


def joined(statuses: Any) -> str:
    return ", ".join(map(str, statuses))


def standard_library() -> None:
    connections: dict[str, http.client.HTTPConnection] = {}

    def send(side: str, url: str, body: Any) -> int:
        # As most programs do: the whole body is sent before a byte of the answer is looked at.
        connection = connections.setdefault(side, http.client.HTTPConnection("127.0.0.1", PORTS[side], timeout=30))
        connection.request("POST", url.partition(f":{PORTS[side]}")[2], body, HEADERS[side])
        with connection.getresponse() as response:
            response.read()
            return response.status

    generic("Python http.client", send)


def with_requests() -> None:
    with requests.Session() as session:
        generic(
            "Python requests",
            lambda side, url, body: session.post(url, data=body, headers=HEADERS[side], timeout=30).status_code,
        )


def with_urllib3() -> None:
    with urllib3.PoolManager(timeout=30, retries=False) as pool:
        generic(
            "Python urllib3", lambda side, url, body: pool.request("POST", url, body=body, headers=HEADERS[side]).status
        )


def with_httpx() -> None:
    with httpx.Client(timeout=30) as client:
        generic(
            "Python httpx", lambda side, url, body: client.post(url, content=body, headers=HEADERS[side]).status_code
        )


def with_aiohttp() -> None:
    with asyncio.Runner() as runner:

        async def opened() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30))

        async def post(session: aiohttp.ClientSession, side: str, url: str, body: Any) -> int:
            async def slices() -> Any:
                for piece in body:
                    yield piece

            data = body if isinstance(body, bytes) else slices()
            async with session.post(url, data=data, headers=HEADERS[side]) as response:
                await response.read()
                return response.status

        session = runner.run(opened())
        generic("Python aiohttp", lambda side, url, body: runner.run(post(session, side, url, body)))
        runner.run(session.close())


def with_triton() -> None:
    module, name = tritonclient.http, "tritonclient"
    client = module.InferenceServerClient(f"127.0.0.1:{GIVEN['server']}")

    def infer(binary_in: bool, binary_out: bool, **more: Any) -> str:
        rows = module.InferInput("rows", list(ROWS.shape), "FP64")
        rows.set_data_from_numpy(ROWS, binary_data=binary_in)
        wanted = [module.InferRequestedOutput("label", binary_data=binary_out)]
        result = client.infer(GIVEN["model"], [rows], outputs=wanted, **more)
        return f"labels {result.as_numpy('label').tolist()}"

    def columns() -> str:
        inputs = []
        for number, column in enumerate(GIVEN["columns"]):
            inputs.append(module.InferInput(column, [len(ROWS)], "FP32"))
            inputs[-1].set_data_from_numpy(ROWS[:, number].astype(np.float32))
        return f"labels {client.infer(GIVEN['model'], inputs).as_numpy('label').tolist()}"

    cases = {
        "live, ready, model ready": lambda: joined(
            (client.is_server_live(), client.is_server_ready(), client.is_model_ready(GIVEN["model"]))
        ),
        "metadata": lambda: client.get_model_metadata(GIVEN["model"])["name"] and "answered",
        "infer, JSON both ways": lambda: infer(False, False),
        "infer, bytes both ways": lambda: infer(True, True),
        "infer, one tensor of bytes a column": columns,
        "infer with gzip": lambda: infer(True, True, request_compression_algorithm="gzip"),
        "infer of a model that is not there": lambda: client.infer("another", []),
        "infer, asynchronous": lambda: asyncio.run(triton_async()),
    }
    for does, case in cases.items():
        told(name, does, server=attempt(case))


async def triton_async() -> str:
    module = tritonclient.http.aio
    async with module.InferenceServerClient(f"127.0.0.1:{GIVEN['server']}") as client:
        rows = module.InferInput("rows", list(ROWS.shape), "FP64")
        rows.set_data_from_numpy(ROWS)
        result = await client.infer(GIVEN["model"], [rows])
        return f"labels {result.as_numpy('label').tolist()}"


async def with_kserve() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))

    async def infer(binary: bool) -> str:
        rows = InferInput("rows", list(ROWS.shape), "FP64")
        rows.set_data_from_numpy(ROWS, binary_data=binary)
        asked = InferRequest(model_name=GIVEN["model"], infer_inputs=[rows])
        result = await client.infer(SERVER, asked, model_name=GIVEN["model"])
        return f"labels {result.outputs[0].as_numpy().tolist()}"

    async def health() -> str:
        ready = await client.is_model_ready(SERVER, GIVEN["model"])
        return joined((await client.is_server_live(SERVER), await client.is_server_ready(SERVER), ready))

    for does, case in (
        ("live, ready, model ready", health),
        ("infer, JSON", lambda: infer(False)),
        ("infer, bytes", lambda: infer(True)),
    ):
        try:
            answer = await case()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"[:300]
        told("kserve", does, server=answer)


if __name__ == "__main__":
    standard_library()
    with_requests()
    with_urllib3()
    with_httpx()
    with_aiohttp()
    with_triton()
    asyncio.run(with_kserve())
