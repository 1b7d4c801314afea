"""In what order tests are handed out, and in which pieces."""

from __future__ import annotations

from pathlib import Path

from tests.support.schedule import APART, NODE, ON_SERVERS, USUAL, longest_first, next_piece, piece_of

ROOT = Path(__file__).parents[3]


def test_a_piece_is_a_file_or_one_test_of_a_file_whose_tests_stand_alone_or_all_that_needs_the_node() -> None:
    assert piece_of("tests/api/test_a.py::Test::test[x]") == "tests/api/test_a.py"
    assert piece_of(f"{APART[0]}::test[x]") == f"{APART[0]}::test[x]"
    assert piece_of("tests/cluster/test_a.py::test") == piece_of("tests/cluster/test_b.py::test") == NODE


def test_the_node_is_first_and_then_the_longest_piece_each_in_its_own_order() -> None:
    nodeids = ["short.py::a", "new.py::a", "long.py::a", "tests/cluster/x.py::a", "long.py::b", "short.py::b"]
    order = longest_first(nodeids, {"short.py": USUAL / 2, "long.py": USUAL * 2, NODE: 0})
    assert [nodeids[number] for number in order] == [
        "tests/cluster/x.py::a",
        "long.py::a",
        "long.py::b",
        "new.py::a",
        "short.py::a",
        "short.py::b",
    ]


def test_the_first_processes_take_what_waits_for_servers_and_the_others_what_computes() -> None:
    on_servers, computing = f"{ON_SERVERS[0]}test_a.py", "tests/unit/test_b.py"
    assert next_piece([NODE, computing, on_servers], 0) == NODE
    assert [next_piece([computing, on_servers], process) for process in range(4)] == [
        on_servers,
        on_servers,
        computing,
        computing,
    ]
    assert [next_piece([computing], process) for process in (0, 3)] == [computing, computing]
    assert [next_piece([on_servers], process) for process in (0, 3)] == [on_servers, on_servers]


def test_places_that_are_named_exist() -> None:
    assert [place for place in (*APART, *ON_SERVERS) if not (ROOT / place).exists()] == []
