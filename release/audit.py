"""`python -m release.audit PATH`: are there known faults in what the locks pin?

PATH has advisories in the OSV format. Exit codes: 0 none is about us, 1 some are, 2 an advisory cannot be read, 3 there
are no advisories, so that nothing is known.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from release.advisories import ECOSYSTEMS, Affected, Key, Unreadable, read
from release.pins import Pin, everything

CLEAN, AFFECTED, UNREADABLE, NOTHING_TO_GO_BY = 0, 1, 2, 3
NO_ADVISORIES = """\
nothing was audited: {what}.
  Name a file or a folder with advisories in the OSV format, for the ecosystems {ecosystems}, that somebody has brought
  here:  make audit ADVISORIES=path/to/advisories"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.audit", description=__doc__)
    parser.add_argument("path", nargs="?", default="", help="file, folder or zip file of advisories")
    path = parser.parse_args(arguments).path
    if not path:
        return _nothing("no advisories were named")
    if not Path(path).exists():
        return _nothing(f"there is no {path}")
    try:
        advisories = read(Path(path))
    except (Unreadable, OSError) as error:
        print(f"{error}; nothing was audited", file=sys.stderr)
        return UNREADABLE
    if not advisories:
        return _nothing(f"{path} has no advisory about a package of {' or '.join(ECOSYSTEMS)}")
    pins = everything()
    found = sorted(affected(pins, advisories))
    for line in found:
        print(line)
    number = sum(map(len, advisories.values()))
    audited = len({(pin.ecosystem, pin.name, pin.version) for known in pins.values() for pin in known})
    print(f"{audited} pinned packages, {number} advisories, {len(found)} of them about a pin")
    return AFFECTED if found else CLEAN


def affected(pins: Mapping[str, Iterable[Pin]], advisories: Mapping[Key, Iterable[Affected]]) -> set[str]:
    """A line for each pin and each advisory that is about it."""
    return {
        f"{file}: {pin.name} {pin.version}: {advisory}"
        for file, known in pins.items()
        for pin in known
        for advisory in advisories.get((pin.ecosystem, pin.name), ())
        if advisory.is_about(pin)
    }


def _nothing(what: str) -> int:
    print(NO_ADVISORIES.format(what=what, ecosystems=" and ".join(ECOSYSTEMS)), file=sys.stderr)
    return NOTHING_TO_GO_BY


if __name__ == "__main__":
    sys.exit(main())
