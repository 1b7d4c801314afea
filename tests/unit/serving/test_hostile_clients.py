"""Clients that want to harm a model server: each is stopped, costs little memory, and holds nobody else up."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import models
from tests.support.background import in_background
from tests.support.costs import MIB, Memory
from tests.support.hostile_client import MODES, Mode, Start, attack, flood_of_connections, longest_answer
from tests.support.server_process import ServerProcess, running

LIMIT = 8 * MIB
GROWTH = 20 * MIB
LARGEST = 100 * MIB
"""For reading and refusing a body of the largest size."""
CONNECTIONS = 200
EXTRA_CONNECTIONS = 100
SLOWEST = 1.0
"""Seconds that this server gives a request to arrive."""
PREDICTION = Start("/invocations", ("content-type: application/json",), b'{"inputs": [[5.1, 3.5, 1.4, 0.2]]}')
ORDINARY = Mode(lambda start: [start.whole(start.body, "connection: close")], frozenset({200}))
ORDER = Start("/connections/close", ("content-type: application/json",), b'{"forSeconds": 1}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    tmp = tmp_path_factory.mktemp("hostile")
    directory = models.write_onnx_mlflow(tmp / "model")
    bounds = {"read_seconds": str(SLOWEST), "max_body_bytes": str(LIMIT), "max_connections": str(CONNECTIONS)}
    with in_background(running(directory, tmp, **bounds)) as process:
        for port, start in ((process.port, PREDICTION), (process.management_port, ORDER)):
            attack(port, ORDINARY, start)
        yield process


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Reads for as long as a server does by default: large bodies arrive late when other tests have the cores."""
    tmp = tmp_path_factory.mktemp("patient")
    directory = models.write_onnx_mlflow(tmp / "model")
    with in_background(running(directory, tmp, max_body_bytes=str(LIMIT))) as process:
        attack(process.port, ORDINARY, PREDICTION)
        yield process


@pytest.fixture
def memory(server: ServerProcess) -> Memory:
    return Memory(server.process.pid)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("port", ["predictions", "management"])
def test_a_hostile_client_is_stopped_and_costs_little(
    server: ServerProcess, memory: Memory, port: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    number, start = (server.port, PREDICTION) if port == "predictions" else (server.management_port, ORDER)
    mode = MODES[name]
    with longest_answer(lambda: healthy(server.management_port)) as slowest, memory.growth_of_at_most(GROWTH):
        outcome = attack(number, mode, start)
    assert outcome.statuses[-1] in mode.statuses, outcome
    record_property(
        "longest wait for an answer of the server under attack", f"{1000 * max(slowest):5.0f} ms: {name} on {port}"
    )


@pytest.mark.parametrize("port", ["predictions", "management"])
def test_a_flood_of_connections_leaves_the_rest_alone(server: ServerProcess, memory: Memory, port: str) -> None:
    number, other = (server.port, server.management_port)[:: 1 if port == "predictions" else -1]
    with (
        memory.growth_of_at_most(GROWTH),
        flood_of_connections(number, CONNECTIONS + EXTRA_CONNECTIONS) as sockets,
    ):
        assert healthy(other)
        for connection in sockets:
            connection.settimeout(30)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    assert healthy(number), "and there is room again"


def full(before: str, piece: str, after: str) -> Callable[[], bytes]:
    """Makes a body of almost the largest size that is read."""
    room = (LIMIT - len(before) - len(after) - 1) // (len(piece) + 1)
    return lambda: f"{before}{','.join([piece] * room)}{after}".encode()


TENSOR = '{"name": "rows", "shape": [1, 4], "datatype": "FP64", "data": '
INFER = "/v2/models/the%20flowers/infer"
MANY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "records": ("/invocations", full('{"dataframe_records": [', "{}", "]}")),
    "records of one key": ("/invocations", full('{"dataframe_records": [', '{"a":1}', "]}")),
    "records as instances": ("/invocations", full('{"instances": [', "{}", "]}")),
    "empty rows": ("/invocations", full('{"inputs": [', "[]", "]}")),
    "rows of one value": ("/invocations", full('{"instances": [', "[0]", "]}")),
    "rows in rows": ("/invocations", full('{"instances": [', "[[]]", "]}")),
    "numbers": ("/invocations", full('{"inputs": [', "0", "]}")),
    "one long row": ("/invocations", full('{"inputs": [[', "0", "]]}")),
    "objects in a row": ("/invocations", full('{"inputs": [[', "{}", "]]}")),
    "rows of a frame": ("/invocations", full('{"dataframe_split": {"data": [', "[]", "]}}")),
    "columns of a frame": ("/invocations", full('{"dataframe_split": {"data": [[1]], "columns": [', "10", "]}}")),
    "the index of a frame": ("/invocations", full('{"dataframe_split": {"data": [], "index": [', "{}", "]}}")),
    "values of a column": ("/invocations", full('{"inputs": {"a": [', "{}", "]}}")),
    "columns by name": ("/invocations", full('{"inputs": {', '"a":0', "}}")),
    "parameters": ("/invocations", full('{"inputs": [[1]], "params": [', "{}", "]}")),
    "after a text that ends in a backslash": ("/invocations", full('{"inputs": ["\\\\",', "{}", "]}")),
    "data of a tensor": (INFER, full('{"inputs": [' + TENSOR + "[", "{}", "]}]}")),
    "rows of a tensor": (INFER, full('{"inputs": [' + TENSOR + "[", "[]", "]}]}")),
    "numbers of a tensor": (INFER, full('{"inputs": [' + TENSOR + "[", "0", "]}]}")),
    "tensors": (INFER, full('{"inputs": [', TENSOR + "0}", "]}")),
    "dimensions": (INFER, full('{"inputs": [{"name": "a", "datatype": "FP64", "data": [], "shape": [', "1000", "]}]}")),
    "parameters of a tensor": (INFER, full('{"inputs": [' + TENSOR + '[1], "parameters": {"a": [', "{}", "]}}]}")),
    "parameters of a request": (INFER, full('{"inputs": [], "parameters": {"a": [', "{}", "]}}")),
    "outputs": (INFER, full('{"inputs": [], "outputs": [', '{"name":""}', "]}")),
    "parameters of an output": (INFER, full('{"inputs":[],"outputs":[{"name":"a","parameters":{"a":[', "{}", "]}}]}")),
    "something unknown": (INFER, full('{"inputs": [], "more": [', "{}", "]}")),
    "lines of CSV": ("/invocations", lambda: b"a,b,c,d\n" + b"1\n" * (LIMIT // 2 - 4)),
    "fields of CSV": ("/invocations", lambda: b"a,b,c,d\n" + b"ab," * (LIMIT // 3 - 4)),
    "columns of CSV": ("/invocations", lambda: b"ab," * (LIMIT // 3 - 4)),
}
"""Bodies that stand for far more than they hold, by their form. Each is made when it is sent."""


@pytest.mark.parametrize("form", MANY)
def test_a_body_that_stands_for_much_is_refused_before_it_is_made(
    patient_server: ServerProcess, form: str, record_property: Callable[[str, object], None]
) -> None:
    memory = Memory(patient_server.process.pid)
    path, body = MANY[form]
    media = "text/csv" if "CSV" in form else "application/json"
    request = Start(path, (f"content-type: {media}", "connection: close")).whole(body())
    memory.reset_peak()
    before = memory.peak
    with longest_answer(lambda: healthy(patient_server.management_port)) as slowest:
        outcome = attack(patient_server.port, Mode(lambda _: [request], frozenset({400})), Start())
    grown = memory.peak - before
    assert outcome.statuses == (400,)
    assert grown < LARGEST, f"{grown / MIB:.0f} MiB"
    record_property("8 MiB that stand for much", f"{grown / MIB:5.0f} MiB, {1000 * max(slowest):5.0f} ms: {form}")


def test_large_bodies_that_stall_cost_no_more_than_their_room_and_small_ones_are_answered(
    server: ServerProcess, memory: Memory
) -> None:
    stalled = Mode(lambda start: [start.head(f"content-length: {LIMIT}") + b"\r\n", b" " * (LIMIT - 1)], frozenset())
    memory.reset_peak()
    before = memory.peak
    with ThreadPoolExecutor(32) as clients:
        ends = [clients.submit(attack, server.port, stalled, PREDICTION) for _ in range(32)]
        while not any(end.done() for end in ends):
            assert attack(server.port, ORDINARY, PREDICTION).statuses == (200,)
        statuses = {status for end in ends for status in end.result().statuses}
    assert statuses <= {408, 429}
    assert memory.peak - before < 8 * LIMIT + LARGEST


def test_eight_of_them_at_once(patient_server: ServerProcess) -> None:
    memory = Memory(patient_server.process.pid)
    path, body = MANY["records"]
    request = Start(path, ("content-type: application/json", "connection: close")).whole(body())
    mode = Mode(lambda _: [request], frozenset({400}))
    memory.reset_peak()
    before = memory.peak
    with longest_answer(lambda: healthy(patient_server.management_port)), ThreadPoolExecutor(8) as clients:
        outcomes = list(clients.map(lambda _: attack(patient_server.port, mode, Start()), range(8)))
    assert {outcome.statuses for outcome in outcomes} == {(400,)}
    assert memory.peak - before < 3 * LARGEST


WRONG: dict[str, tuple[str, Callable[[], bytes]]] = {
    "deep": ("/invocations", lambda: b"[" * 4_000_000),
    "deep objects": ("/invocations", lambda: b'{"inputs":' * 800_000),
    "not a number": ("/invocations", lambda: b'{"inputs": [[NaN, 1, 1, 1]]}'),
    "an infinite number": ("/invocations", lambda: b'{"inputs": [[1e999, 1, 1, 1]]}'),
    "a number of many digits": ("/invocations", lambda: b'{"inputs": [[' + b"9" * 4_000_000 + b", 1, 1, 1]]}"),
    "an exponent of many digits": ("/invocations", lambda: b'{"inputs": [[1e' + b"9" * 4_000_000 + b", 1, 1, 1]]}"),
    "half a character": ("/invocations", lambda: b'{"inputs": [["\xff", 1, 1, 1]]}'),
    "an open quote in CSV": ("/invocations", lambda: b'a,b\n"' + b"x" * 4_000_000),
    "a negative dimension": (
        INFER,
        lambda: b'{"inputs": [{"name":"rows","shape":[-1,4],"datatype":"FP64","data":[]}]}',
    ),
    "dimensions that overflow": (
        INFER,
        lambda: b'{"inputs": [{"name":"rows","shape":[4294967296,4294967296],"datatype":"FP64","data":[1]}]}',
    ),
    "more rows than there are": (
        INFER,
        lambda: b'{"inputs": [{"name":"rows","shape":[9000,4],"datatype":"FP64","data":[1]}]}',
    ),
    "a type that nobody knows": (
        INFER,
        lambda: b'{"inputs": [{"name":"rows","shape":[1,4],"datatype":"FP1","data":[1]}]}',
    ),
}
"""Bodies that are no question, by what is wrong."""


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_question_is_400_and_costs_little(patient_server: ServerProcess, kind: str) -> None:
    memory = Memory(patient_server.process.pid)
    path, made = WRONG[kind]
    body = made()
    media = "text/csv" if "CSV" in kind else "application/json"
    request = Start(path, (f"content-type: {media}", "connection: close")).whole(body)
    with (
        longest_answer(lambda: healthy(patient_server.management_port)),
        memory.growth_of_at_most(len(body) * 4 + GROWTH),
    ):
        assert attack(patient_server.port, Mode(lambda _: [request], frozenset({400})), Start()).statuses == (400,)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        # Of both ports: one has the first path, the other one the second, and either answers.
        connection.request("GET", "/healthz")
        return connection.getresponse().status in (200, 404)
