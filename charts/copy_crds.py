"""Copy the CRDs into the chart, which cannot read files outside of itself: `python charts/copy_crds.py [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "charts" / "viridian" / "files" / "crds"


def wanted() -> dict[Path, str]:
    """Each file of the chart, and what must be in it."""
    sources = sorted((ROOT / "crds").glob("viridian.dev_*.yaml"))
    return {TARGET / source.name: source.read_text() for source in sources}


def stale() -> list[Path]:
    """Copies that are missing, superfluous, or not the same as their source."""
    copies = wanted()
    superfluous = [path for path in TARGET.glob("*") if path not in copies]
    different = [path for path, text in copies.items() if not path.exists() or path.read_text() != text]
    return sorted([*superfluous, *different])


def main() -> int:
    found = stale()
    if "--check" in sys.argv[1:]:
        for path in found:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not a copy of crds/: run python charts/copy_crds.py\n")
        return 1 if found else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for path in found:
        path.unlink(missing_ok=True)
    for path, text in wanted().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
