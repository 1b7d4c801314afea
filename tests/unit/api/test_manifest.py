"""The manifest of a version: one form, every file, nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.manifest import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    ManifestError,
    check_path,
    digest,
    parse,
    render,
    verify,
)

A, B = "a" * 64, "b" * 64
FILES = [("MLmodel", A), ("model.onnx", B)]
PATHS = st.text(st.characters(categories=["L", "N", "Zs"], include_characters="-_."), min_size=1).filter(
    lambda path: path not in (".", "..") and path.isprintable()
)


def document(entries: object) -> bytes:
    return json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_manifest_reads_back_and_proves_its_files() -> None:
    written = render([*reversed(FILES), ("viridian/manifest.json", A), ("viridian/manifest.sig", A)])
    assert parse(written) == dict(FILES)
    assert list(json.loads(written)) == ["MLmodel", "model.onnx"]
    verify(written, [*FILES, ("viridian/manifest.json", A), ("viridian/manifest.sig", B)], digest(written))


def test_without_a_promised_digest_the_files_are_checked_all_the_same() -> None:
    verify(render(FILES), FILES)
    with pytest.raises(ManifestError, match="differ from the manifest: 'MLmodel'"):
        verify(render(FILES), [("MLmodel", B), ("model.onnx", B)])


@given(st.dictionaries(PATHS, st.sampled_from([A, B]), min_size=1, max_size=5))
def test_what_render_writes_parse_takes(entries: dict[str, str]) -> None:
    """Unless two names differ by case alone, which both refuse."""
    if len({path.casefold() for path in entries}) == len(entries):
        assert parse(render(entries.items())) == entries


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([("MLmodel", A)], "names files that are missing: 'model.onnx'"),
        ([*FILES, ("extra.py", A)], "files are not in the manifest: 'extra.py'"),
        ([("MLmodel", A), ("model.onnx", A)], "files differ from the manifest: 'model.onnx'"),
        ([*FILES, ("mlMODEL", A)], "'MLmodel' and 'mlMODEL' differ by case alone"),
        ([*FILES, ("../escape", A)], "'../escape' is not a plain path"),
    ],
    ids=["missing", "extra", "changed", "case", "escape"],
)
def test_other_files_than_promised_are_refused(files: list[tuple[str, str]], complaint: str) -> None:
    with pytest.raises(ManifestError) as raised:
        verify(render(FILES), files)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (b"not json", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (document([]), "is not one JSON object"),
        (document({"a": 1}), "is not one JSON object"),
        (document({}), "names no file"),
        (document({"a": A.upper()}), "has no SHA-256"),
        (document({"/etc/passwd": A}), "is not a relative path"),
        (document({"a/../b": A}), "is not a plain path"),
        (document({"a\\b": A}), "is not a relative path"),
        (document({"a\n": A}), "is not a relative path"),
        (document({"a//b": A}), "is not a plain path"),
        (document({"Model": A, "model": A}), "differ by case alone"),
        (document({"viridian/manifest.json": A}), "names itself"),
        (b'{"a":"%s","a":"%s"}' % (A.encode(), B.encode()), "canonical form"),
        (b'{"a": "%s"}' % A.encode(), "canonical form"),
        (b'{"b":"%s","a":"%s"}' % (A.encode(), A.encode()), "canonical form"),
        (b'{"\\u0061":"%s"}' % A.encode(), "canonical form"),
        (b"[" * 100_000, "nested"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "larger than"),
        (document({f"{i}": A for i in range(MAX_FILES + 1)}), "may have 10000 files"),
    ],
)
def test_a_manifest_in_any_other_form_is_refused(written: bytes, complaint: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse(written)
    assert complaint in str(raised.value)


def test_another_digest_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ManifestError, match="was asked for"):
        verify(b"not even json", [], digest(render(FILES)))
    with pytest.raises(ManifestError, match="is not a digest"):
        verify(render(FILES), FILES, "md5:123")


def test_one_flipped_bit_is_another_digest() -> None:
    written = render(FILES)
    flipped = bytes([written[0] ^ 1]) + written[1:]
    assert digest(flipped) != digest(written)


@pytest.mark.parametrize("path", ["model.onnx", "a folder/with blanks", "ü/model 1.bin", "viridian/profile.json"])
def test_plain_paths_are_fine(path: str) -> None:
    check_path(path)


def test_a_file_listed_twice_cannot_be_written() -> None:
    with pytest.raises(ManifestError, match="listed twice"):
        render([("a", A), ("a", B)])


def test_long_lists_are_cut() -> None:
    with pytest.raises(ManifestError) as raised:
        verify(render([(f"f{i}", A) for i in range(9)]), [])
    assert str(raised.value).endswith("'f0', 'f1', 'f2' and 6 more")
