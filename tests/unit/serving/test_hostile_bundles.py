"""Model versions that are made to harm whoever fetches or loads them: refused quickly, and with little memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from onnx import TensorProto, helper

from tests.support import models
from tests.support.documents import document
from viridian.api.manifest import MAX_FILES
from viridian.serving.bundle import contents, plain_yaml
from viridian.serving.errors import BundleRefused
from viridian.serving.execution import model
from viridian.serving.fetch.main import fetch, parse

MIB = 1024 * 1024
MOST_GROWTH = 50 * MIB

FETCHING = """
import re, sys, time
from pathlib import Path
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.main import fetch, parse

def peak():
    return int(re.search(r"^VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text(), re.M)[1]) * 1024

settings = parse([], {"VIRIDIAN_MODEL_URI": sys.argv[1], "VIRIDIAN_MODEL_DIR": sys.argv[2], **dict([sys.argv[3:5]])})
before, began = peak(), time.process_time()
try:
    fetch(settings, {})
    said = "fetched"
except FetchFailed as error:
    said = str(error)
print(peak() - before, time.process_time() - began, said)
"""


def fetched(tmp_path: Path, archive: Path, *setting: str) -> tuple[int, float, str]:
    """Growth of the process in bytes, its processor time, and what it said."""
    arguments = [archive.as_uri(), str(tmp_path / "target"), *(setting or ("A", ""))]
    done = subprocess.run([sys.executable, "-c", FETCHING, *arguments], capture_output=True, text=True, check=True)
    grown, seconds, said = done.stdout.strip().split(" ", 2)
    return int(grown), float(seconds), said


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def pax(size: int, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A header of so many bytes about what follows."""
    value = "x" * (size - len(f"{size} comment=\n"))
    return header("pax", kind, size) + padded(f"{size} comment={value}\n".encode())


def record(keyword: str, value: str) -> bytes:
    size = len(keyword) + len(value) + 5
    content = f"{size} {keyword}={value}\n".encode()
    assert len(content) == size
    return header("pax", tarfile.XHDTYPE, size) + padded(content)


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a million folders": (lambda: header("a", tarfile.DIRTYPE) * 1_000_000, "more than 20000 entries"),
    "a million files": (
        lambda: b"".join(header(f"f{number}") for number in range(MAX_FILES + 2)) + header("g") * 1_000_000,
        f"more than {MAX_FILES} files",
    ),
    "large headers": (lambda: (pax(8 * MIB) + header("a")) * 60, "headers (pax, long names) take more room"),
    "one endless header": (lambda: header("pax", tarfile.XHDTYPE, 2**40), "headers (pax, long names) take more room"),
    "many headers": (
        lambda: b"".join(pax(16_000) + header(f"f{number}") for number in range(2000)),
        "headers (pax, long names) take more room",
    ),
    "headers about all": (
        lambda: b"".join(pax(4000, tarfile.XGLTYPE) + header(f"f{number}") for number in range(2000)),
        "headers (pax, long names) take more room",
    ),
    "headers about headers": (lambda: pax(512) * 50_000, "no .tar.gz that can be read: RecursionError"),
    "a long name": (
        lambda: header("l", tarfile.GNUTYPE_LONGNAME, 8 * MIB) + b"x" * (8 * MIB),
        "headers (pax, long names) take more room",
    ),
    "a sparse file": (lambda: header("s", tarfile.GNUTYPE_SPARSE, 0), "sparse file"),
    "a size below nothing": (lambda: record("size", "-512") + header("a", size=512) + b"\0" * 512, ""),
    "a file of zeros": (lambda: header("zeros", size=8 * 2**30), "the model is larger than the limit of bytes"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_hostile_archive_costs_little(
    tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    make, words = ARCHIVES[kind]
    path = tmp_path / "m.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        assert archive.fileobj is not None
        archive.fileobj.write(make())
        if kind == "a file of zeros":
            for _ in range(64):
                archive.fileobj.write(b"\0" * MIB)
    grown, seconds, said = fetched(tmp_path, path, "VIRIDIAN_MAX_MODEL_BYTES", str(2**30))
    assert said != "fetched"
    assert words in said
    assert grown < MOST_GROWTH
    assert list((tmp_path / "target").iterdir()) == []
    record_property("a hostile archive is refused", f"{grown / MIB:3.0f} MiB, {seconds:5.2f} s of processor: {kind}")


def test_an_archive_with_ordinary_headers_is_fetched(tmp_path: Path) -> None:
    """Long names, and the word of all that git writes."""
    path = tmp_path / "m.tar.gz"
    name = "folder/" * 30 + "model.onnx"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": "a" * 40}) as archive:
        member = tarfile.TarInfo(name)
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    settings = parse([], {"VIRIDIAN_MODEL_URI": path.as_uri(), "VIRIDIAN_MODEL_DIR": str(tmp_path / "target")})
    fetch(settings, {})
    assert (tmp_path / "target" / name).read_bytes() == b"abc"


# ---- MLmodel ----

NESTED = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(30)) + "flavors: {}\n"
DOCUMENTS = {
    "aliases in aliases": NESTED,
    "an alias of itself": "flavors: &a {b: *a}\n",
    "a merge": "a: &a {b: 1}\nflavors: {<<: *a}\n",
    "a deep list": "a: " + "[" * 100_000,
    "a deep map": "{a: " * 100_000,
    "a deep block": "\n".join(" " * n + "a:" for n in range(3000)),
    "many values": "a: [" + "1, " * 2_000_000 + "]",
    "a number of many digits": "a: " + "1" * 1_000_000,
    "a number of many parts": "a: 1" + ":1" * 2_000_000,
    "a negative number of many parts": "a: -1" + ":1" * 2_000_000,
    "a tag": "a: !!int '1" + ":1" * 2_000_000 + "'",
    "a tag that makes objects": "a: !!python/object/apply:os.system [id]",
    "no end": "a: 'x",
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_hostile_mlmodel_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "MLmodel").write_text(DOCUMENTS[kind])
    with pytest.raises(BundleRefused, match="MLmodel is not"):
        contents.read(tmp_path)


def test_what_mlflow_writes_is_read() -> None:
    document = {
        "flavors": {"onnx": {"data": "model.onnx", "providers": ["CPUExecutionProvider"], "code": None}},
        "metadata": {"viridian": {"known": {"a": [1, 2.5, "x"]}, "largest": 1e12, "none": ["b"]}},
        "signature": {"inputs": json.dumps([{"name": f"column {n}", "type": "double"} for n in range(5000)])},
        "run_description": "2026 " + "a plain text that begins with a number and goes on for long " * 40,
        "utc_time_created": "2026-11-23 09:00:00.000000",
    }
    assert plain_yaml.load(yaml.safe_dump(document).encode()) == document


def test_an_example_that_stands_for_much_is_refused(tmp_path: Path) -> None:
    models.write_onnx_mlflow(tmp_path, example={"inputs": [models.FLOWER]})
    info = document((tmp_path / "MLmodel").read_text())["saved_input_example_info"]
    example = tmp_path / str(info.get("serving_input_path") or info["artifact_path"])
    example.write_text('{"inputs": [' + ",".join(["{}"] * 2_000_000) + "]}")
    with pytest.raises(BundleRefused, match="lists and objects"):
        contents.read(tmp_path)


# ---- ONNX ----


def with_data_at(location: str) -> bytes:
    """A graph whose weights lie in another file."""
    weights = TensorProto()
    weights.name, weights.data_type = "w", TensorProto.FLOAT
    weights.dims.extend([4, 4])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "64")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        [weights],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


OUTSIDE = ["../secret", "{tmp}/secret", "/proc/self/environ", "link", "folder/../../secret", "linked/secret"]


@pytest.mark.parametrize("location", OUTSIDE)
def test_weights_outside_of_the_model_are_not_read(tmp_path: Path, location: str) -> None:
    """onnxruntime refuses them by itself: this holds it to that."""
    (tmp_path / "secret").write_bytes(bytes(64))
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "folder").mkdir()
    (directory / "link").symlink_to(tmp_path / "secret")
    (directory / "linked").symlink_to(tmp_path)
    (directory / "model.onnx").write_bytes(with_data_at(location.format(tmp=tmp_path)))
    with pytest.raises(BundleRefused, match="cannot be loaded by onnxruntime"):
        model.load(directory, "m", "1", 1)


def test_weights_beside_the_graph_are_read(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(64))
    (tmp_path / "model.onnx").write_bytes(with_data_at("weights"))
    assert model.load(tmp_path, "m", "1", 1).outputs[0].values.tolist() == [[0.0] * 4]


SKOPS: dict[str, Callable[[], dict[str, bytes]]] = {
    "a bomb in its description": lambda: {"schema.json": b" " * (200 * MIB)},
    "a bomb beside it": lambda: {"schema.json": b"{}", "1.npy": bytes(200 * MIB)},
    "a description of too many objects": lambda: {"schema.json": b"[" + b"{}," * 3_000_000 + b"{}]"},
    "a description that is too deep": lambda: {"schema.json": b"[" * 100_000},
    "no description": lambda: {"1.npy": b""},
    "a description of something else": lambda: {"schema.json": b"[]"},
}


@pytest.mark.parametrize("kind", SKOPS)
def test_a_hostile_skops_file_is_refused(tmp_path: Path, kind: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in SKOPS[kind]().items():
            archive.writestr(name, content)
    with pytest.raises(BundleRefused, match=r"model\.skops"):
        model.load(tmp_path, "m", "1", 1)


@pytest.mark.parametrize("content", [b"", b"\x08" * 1000, b"\xff" * 100_000, b"\x0a" + b"\xff\xff\xff\xff\x07"])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleRefused):
        model.load(tmp_path, "m", "1", 1)
