"""Which systems a run of `make stack` is about.

python -m tests.support.stack.selected              prints the tests of all that have an example
python -m tests.support.stack.selected feast        … of one
python -m tests.support.stack.selected changed      … of those with other files than in their last good run
python -m tests.support.stack.selected due          … of these, and of the few that `make test` always runs
"""

from __future__ import annotations

import sys
from typing import Final

from localcluster.paths import REPOSITORY
from tests.support.stack import results
from tests.support.stack.systems import SYSTEMS, StackSystem, with_example

CHANGED: Final = "changed"
DUE: Final = "due"
ALWAYS: Final = ("great-expectations", "pytest")
"""They take a minute, and show that the contract of stages still fits systems whose examples did not change."""


class NoExample(Exception):
    """No system with an example has that name; the message says which have one."""


def selected(word: str) -> list[StackSystem]:
    """The systems that a word of the command line names; all of them for an empty one."""
    known = with_example()
    if not word:
        return known
    if word == CHANGED:
        return [system for system in known if is_to_be_run(system)]
    if word == DUE:
        return [system for system in known if system.slug in ALWAYS or is_to_be_run(system)]
    found = [system for system in known if system.slug == word]
    if not found:
        state = "has no example yet" if word in {system.slug for system in SYSTEMS} else "is no system"
        names = ", ".join(system.slug for system in known)
        raise NoExample(f"{word} {state}: write {CHANGED}, or one of {names}")
    return found


def is_to_be_run(system: StackSystem) -> bool:
    """Whether nothing shows that the example works as it is now."""
    result = results.read(system)
    return result is None or bool(result.failed) or result.files != system.digest()


if __name__ == "__main__":
    try:
        print(*(system.test.relative_to(REPOSITORY) for system in selected("".join(sys.argv[1:]))))
    except NoExample as error:
        sys.exit(str(error))
