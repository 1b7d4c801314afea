"""Whatever lies in an archive or a model's directory, it is read or refused in words: nothing else is raised."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated
from viridian.serving.bundle import contents
from viridian.serving.errors import FetchFailed, ServingError
from viridian.serving.fetch.sources import bring
from viridian.serving.fetch.transfer import Transfer

MOST = 1_000_000
COLUMNS = json.dumps([{"type": "double", "name": "x", "required": True}, {"type": "string", "name": "city"}])
DOCUMENT: dict[str, Any] = {
    "flavors": {
        "onnx": {"data": "model.onnx"},
        "sklearn": {"pickled_model": "m.skops", "serialization_format": "skops"},
    },
    "signature": {"inputs": COLUMNS, "outputs": None},
    "saved_input_example_info": {"serving_input_path": "example.json", "artifact_path": "example.json"},
    "metadata": {"viridian": {"largest": 1e9, "none": ["city"], "known": {"city": ["a", 1]}}},
}
MLMODEL = yaml.safe_dump(DOCUMENT).encode()
HOSTILE_YAML = [
    b"!!bool x", b"!!int ''", b"!!int 'x'", b"!!float ''", b"!!timestamp x", b"!!binary '*'", b"!!set {a}",
    b"? []\n: 1",
    b"!!python/object/apply:os.system [id]", b"2024-99-99", b"1:99:99", b".inf", b".nan", b"9" * 5000, b"{a: ",
    b"'../x'", b"\x00", b'"\\0"', b"a" * 300, b"[" * 200, b"- ", b": ", b"!!omap [a]", b"!!pairs [a]", b"<<: 1\n",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**400), st.just("x" * 300),
    st.sampled_from(["model.onnx", "../x", "/etc/passwd", "a\0b", "example.json", "[]", COLUMNS, "[{}]"]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["onnx", "sklearn", "data", "inputs", "viridian", "largest", "none", "known", "artifact_path", "type",
     "serving_input_path", "pickled_model", "serialization_format", "sklearn_version", "x"]
)  # fmt: skip
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("flavors", "signature", "saved_input_example_info", "metadata"), ANY)
)


def read(document: bytes, sample: bytes = b'{"inputs": [[1]]}') -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "MLmodel").write_bytes(document)
        (directory / "model.onnx").write_bytes(b"onnx")
        (directory / "example.json").write_bytes(sample)
        with contextlib.suppress(ServingError):
            contents.read(directory)


@given(mutated(MLMODEL, pieces=HOSTILE_YAML) | st.binary(max_size=60))
@example(b"flavors: !!bool x")
@example(b"flavors: !!int ''")
@example(b"flavors: !!timestamp x")
@example(b'flavors: {onnx: {data: "a\\0b"}}')
@example(b"flavors: {onnx: {data: " + b"a" * 300 + b"}}")
def test_any_mlmodel(document: bytes) -> None:
    read(document)


@given(DOCUMENTS)
@example({"flavors": {"onnx": {}}, "metadata": {"viridian": {"largest": 10**400}}})
@example({"flavors": {"onnx": {}}, "signature": {"inputs": "[" * 5000}})
def test_any_description(document: dict[str, Any]) -> None:
    read(yaml.safe_dump(document).encode())


@given(mutated(b'{"inputs": [[1.5, NaN, null]]}', pieces=[b"[" * 200, b"9" * 5000, b"\\ud800", b"1e999"]))
@example(b'{"a":' * 3000)
def test_any_example(sample: bytes) -> None:
    read(MLMODEL, sample)


def archive(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, **more: Any) -> bytes:
    """An uncompressed tar."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            for field, value in more.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return whole.getvalue()


VALID = archive(("m/MLmodel", b"flavors: {}"), ("m/model.onnx", b"onnx"), ("m/a/ü" + "x" * 120, b"long"))
PAX = archive(("m/x", b"1"), pax_headers={"path": "m/y", "size": "7", "mtime": "x", "comment": "z"})
HOSTILE_TAR = [
    b"../", b"/", b"\x80" + b"\xff" * 7, b"12 path=../x\n", b"9999999999 path=x\n", b"-1", b"1", b"2", b"L", b"x", b"g",
    b"S", b"ustar\x0000", b"GNU.sparse.map=1,2", b"size=99999999999\n", b"\x00" * 40,
]  # fmt: skip


def unpacked(content: bytes) -> None:
    """It is unpacked within the limit, or refused in words; the clock is not asked."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "m.tar.gz", Path(folder) / "model"
        source.write_bytes(content)
        target.mkdir()
        with contextlib.suppress(FetchFailed):
            bring(source.as_uri(), target, Transfer(0, MOST, {}), "")
        files = [path for path in target.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= MOST
        assert not any(path.is_symlink() for path in target.rglob("*"))
        assert sorted(path.name for path in Path(folder).iterdir()) == ["m.tar.gz", "model"], "nothing lies elsewhere"


@settings(max_examples=150)
@given(mutated(VALID, PAX, pieces=HOSTILE_TAR))
def test_any_archive(content: bytes) -> None:
    unpacked(gzip.compress(content, 1))


@given(mutated(gzip.compress(VALID, 1)) | st.binary(max_size=60))
def test_any_compressed_bytes(content: bytes) -> None:
    unpacked(content)


@pytest.mark.parametrize("cut", [20, 200, -1])
def test_a_damaged_stream_is_refused_in_words(tmp_path: Path, cut: int) -> None:
    whole = bytearray(gzip.compress(VALID))
    whole[12:40] = b"\xff" * 28
    (tmp_path / "m.tar.gz").write_bytes(whole[:cut])
    (tmp_path / "model").mkdir()
    with pytest.raises(FetchFailed, match=r"m\.tar\.gz is no \.tar\.gz that can be read"):
        bring((tmp_path / "m.tar.gz").as_uri(), tmp_path / "model", Transfer(0, MOST, {}), "")


NAMES = st.sampled_from(
    ["a", "a/b", "a/b/c", "A", "./a", "a/", "m/MLmodel", "x" * 300, "a\\b", "ü", "\udcff", "..", "a/../b"]
)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=4),
    st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"S"]),
)
def test_any_members(members: list[tuple[str, bytes]], kind: bytes) -> None:
    unpacked(gzip.compress(archive(*members, kind=kind, linkname="../x"), 1))
