"""In what order tests are handed out, and in which pieces."""

from __future__ import annotations

from pathlib import Path

from tests.support.schedule import APART, NODE, USUAL, longest_first, piece_of

ROOT = Path(__file__).parents[3]


def test_a_piece_is_a_file_or_one_test_of_a_file_whose_tests_stand_alone_or_all_that_needs_the_node() -> None:
    assert piece_of("tests/api/test_a.py::Test::test[x]") == "tests/api/test_a.py"
    assert piece_of(f"{APART[0]}::test[x]") == f"{APART[0]}::test[x]"
    assert piece_of("tests/cluster/test_a.py::test") == piece_of("tests/cluster/test_b.py::test") == NODE


def test_the_node_is_first_and_then_the_longest_piece_each_in_its_own_order() -> None:
    nodeids = ["short.py::a", "new.py::a", "long.py::a", "tests/cluster/x.py::a", "long.py::b", "short.py::b"]
    order = longest_first(nodeids, {"short.py": USUAL["file"] / 2, "long.py": USUAL["file"] * 2, NODE: 0})
    assert [nodeids[number] for number in order] == [
        "tests/cluster/x.py::a",
        "long.py::a",
        "long.py::b",
        "new.py::a",
        "short.py::a",
        "short.py::b",
    ]


def test_files_whose_tests_stand_alone_exist() -> None:
    assert [place for place in APART if not (ROOT / place).exists()] == []
