"""The audit of the pins: ranges by the rules of their ecosystem, and a plain word where nothing is known."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from release import audit
from release.advisories import Unreadable, read
from release.audit import AFFECTED, CLEAN, NOTHING_TO_GO_BY, UNREADABLE, main
from release.pins import GO, PYPI, Pin, everything, locked, modules

Advisory = dict[str, Any]


def advisory(*events: dict[str, str], name: str = "aiohttp", ecosystem: str = PYPI, **more: Any) -> Advisory:
    return {
        "id": "PLANTED-1",
        "aliases": ["CVE-2026-0001"],
        "summary": "planted",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM" if ecosystem == PYPI else "SEMVER", "events": list(events)}],
            }
        ],
        **more,
    }


def is_about(tmp_path: Path, pin: Pin, *advisories: Advisory) -> bool:
    file = tmp_path / "advisories.json"
    file.write_text(json.dumps(advisories))
    return bool(audit.affected({"locks/x.txt": [pin]}, read(file)))


FROM, FIXED, LAST = "introduced", "fixed", "last_affected"


@pytest.mark.parametrize(
    ("version", "events", "affected"),
    [
        ("1.5", [{FROM: "0"}], True),
        ("1.5", [{FROM: "0"}, {FIXED: "1.5"}], False),
        ("1.4.9", [{FROM: "0"}, {FIXED: "1.5"}], True),
        ("1.10", [{FROM: "1.9"}, {FIXED: "1.11"}], True),
        ("1.9", [{FROM: "1.10"}], False),
        ("1.5", [{FROM: "1.0"}, {LAST: "1.5"}], True),
        ("1.5.1", [{FROM: "1.0"}, {LAST: "1.5"}], False),
        ("1.5rc1", [{FROM: "0"}, {FIXED: "1.5"}], True),
        ("1.5.post1", [{FROM: "0"}, {FIXED: "1.5"}], False),
        ("1.5+cpu", [{FROM: "1.5"}], True),
        ("1!1.0", [{FROM: "0"}, {FIXED: "2026.1"}], False),
        # Two ranges in one list of events, in any order.
        ("2.1", [{FIXED: "2.2"}, {FROM: "2.0"}, {FIXED: "1.5"}, {FROM: "0"}], True),
        ("1.9", [{FIXED: "2.2"}, {FROM: "2.0"}, {FIXED: "1.5"}, {FROM: "0"}], False),
        ("1.5", [{FROM: "0", FIXED: "1.4"}], False),
        ("1.5", [{FROM: "0"}, {FIXED: "next week"}], True),
    ],
)
def test_ranges_of_python_packages(version: str, events: list[dict[str, str]], affected: bool, tmp_path: Path) -> None:
    assert is_about(tmp_path, Pin(PYPI, "aiohttp", version), advisory(*events)) is affected


@pytest.mark.parametrize(
    ("version", "events", "affected"),
    [
        ("v1.10.0", [{FROM: "0"}, {FIXED: "1.9.0"}], False),
        ("v1.8.9", [{FROM: "1.2.0"}, {FIXED: "1.9.0"}], True),
        ("v1.9.0-rc.2", [{FROM: "0"}, {FIXED: "1.9.0-rc.10"}], True),
        ("v1.9.0-rc.10", [{FROM: "0"}, {FIXED: "1.9.0"}], True),
        ("v0.0.0-20250102033503-faa5f7b0171c", [{FROM: "0"}, {FIXED: "0.0.0-20250101000000-000000000000"}], False),
        ("v0.0.0-20240102033503-faa5f7b0171c", [{FROM: "0"}, {FIXED: "0.0.0-20250101000000-000000000000"}], True),
        ("v2.0.0+incompatible", [{FROM: "2.0.0"}], True),
    ],
)
def test_ranges_of_go_modules(version: str, events: list[dict[str, str]], affected: bool, tmp_path: Path) -> None:
    planted = advisory(*events, name="k8s.io/api", ecosystem=GO)
    assert is_about(tmp_path, Pin(GO, "k8s.io/api", version), planted) is affected


def test_single_versions_names_as_people_write_them_and_other_ecosystems(tmp_path: Path) -> None:
    listed = advisory(name="AioHTTP")
    listed["affected"][0] |= {"versions": ["1.5"], "ranges": []}
    assert is_about(tmp_path, Pin(PYPI, "aiohttp", "1.5"), listed)
    assert not is_about(tmp_path, Pin(PYPI, "aiohttp", "1.6"), listed)
    assert not is_about(tmp_path, Pin(PYPI, "aiohttp", "1.5"), advisory({FROM: "0"}, ecosystem="npm"))
    assert not is_about(tmp_path, Pin(PYPI, "yarl", "1.5"), advisory({FROM: "0"}))


def test_what_was_withdrawn_counts_no_more(tmp_path: Path) -> None:
    assert not is_about(tmp_path, Pin(PYPI, "aiohttp", "1.5"), advisory({FROM: "0"}, withdrawn="2026-01-01T00:00:00Z"))


def test_a_planted_advisory_about_a_real_pin_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "planted.json").write_text(json.dumps(advisory({FROM: "0"})))
    assert main([str(tmp_path)]) == AFFECTED
    said = capsys.readouterr().out
    version = next(pin.version for pin in everything()["locks/operator.txt"] if pin.name == "aiohttp")
    assert f"locks/operator.txt: aiohttp {version}: PLANTED-1, CVE-2026-0001: planted" in said


def test_a_zip_file_of_advisories_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("one.json", json.dumps(advisory({FROM: "0"}, name="k8s.io/api", ecosystem=GO)))
    assert main([str(tmp_path)]) == AFFECTED


def test_advisories_about_others_are_good_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.json").write_text(json.dumps(advisory({FROM: "0"}, name="left-pad")))
    assert main([str(tmp_path)]) == CLEAN
    assert "1 advisories, 0 of them about a pin" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "[]", json.dumps(advisory({FROM: "0"}, ecosystem="npm"))])
def test_without_advisories_nothing_is_known_and_it_says_so(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "one.json").write_text(content)
    assert main([str(tmp_path)]) == NOTHING_TO_GO_BY
    assert "nothing was audited" in capsys.readouterr().err


def test_no_path_and_a_wrong_path_are_no_advisories(tmp_path: Path) -> None:
    assert main([]) == NOTHING_TO_GO_BY
    assert main([str(tmp_path / "nowhere")]) == NOTHING_TO_GO_BY


@pytest.mark.parametrize("text", ["{", "{}", '{"id": "A", "affected": [{"package": {"ecosystem": "PyPI"}}]}', '["a"]'])
def test_an_advisory_that_cannot_be_read_ends_the_audit(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.json").write_text(text)
    assert main([str(tmp_path)]) == UNREADABLE
    assert "one.json" in capsys.readouterr().err
    with pytest.raises(Unreadable):
        read(tmp_path)


def test_every_lock_and_every_module_is_read() -> None:
    pins = everything()
    empty = [file for file, known in pins.items() if not known]
    assert empty == [], "a file without pins was not understood"
    assert {"locks/operator.txt", "locks/bench/bentoml.txt", "localcluster/modules/act/go.mod"} <= set(pins)
    kubernetes = {pin.name: pin.version for pin in pins["localcluster/modules/cluster/go.mod"]}
    assert kubernetes["k8s.io/api"] != "v0.0.0", "it is replaced by a version"


def test_a_lock_says_what_is_installed_in_an_image(tmp_path: Path) -> None:
    lock = tmp_path / "x.txt"
    digest = "a" * 64
    lock.write_text(
        f"Foo.Bar[x]==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{digest}\n"
        f"baz==2.0+cpu ; python_full_version < '3.12' \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{'b' * 64}\n"
    )
    assert locked(lock) == [
        Pin(PYPI, "foo-bar", "1.0", (digest,), everywhere=False),
        Pin(PYPI, "baz", "2.0+cpu", (digest, "b" * 64)),
    ]
    lock.write_text("foo>=1.0\n")
    with pytest.raises(ValueError, match="is no pin"):
        locked(lock)


def test_modules_that_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text(
        "module a.b/c\n\ngo 1.26.0\n\nrequire k8s.io/api v0.0.0 // indirect\nrequire (\n\tx.y/z v1.2.3\n)\n"
        "replace (\n\tk8s.io/api => k8s.io/api v0.37.2\n)\n"
    )
    assert list(modules(file)) == [Pin(GO, "k8s.io/api", "v0.37.2"), Pin(GO, "x.y/z", "v1.2.3")]
