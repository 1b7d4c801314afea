"""Copy CRDs, admission policies, alerts and dashboards into the chart, which cannot read files outside of itself.

python charts/copy_crds.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "charts" / "viridian" / "files"
SOURCES: Final = {
    FILES / "crds": sorted((ROOT / "crds").glob("viridian.dev_*.yaml")),
    FILES / "admission": sorted((ROOT / "manifests" / "admission").glob("[!k]*.yaml")),
    FILES / "crds" / "governance": sorted((ROOT / "crds" / "governance").glob("viridian.dev_*.yaml")),
    FILES / "governance": [ROOT / "manifests" / "components" / "governance" / "policies.yaml"],
    FILES / "dashboards": sorted((ROOT / "manifests" / "components" / "dashboards").glob("*.json")),
    FILES / "alerts": [ROOT / "manifests" / "components" / "alerts" / "prometheusrule.yaml"],
}
"""Each folder of the chart, and the files of which it has copies."""


def wanted() -> dict[Path, str]:
    """Each file of the chart, and what must be in it."""
    return {target / source.name: source.read_text() for target, sources in SOURCES.items() for source in sources}


def stale() -> list[Path]:
    """Copies that are missing, superfluous, or not the same as their source."""
    copies = wanted()
    superfluous = [path for target in SOURCES for path in target.glob("*") if path.is_file() and path not in copies]
    different = [path for path, text in copies.items() if not path.exists() or path.read_text() != text]
    return sorted([*superfluous, *different])


def main() -> int:
    found = stale()
    if "--check" in sys.argv[1:]:
        for path in found:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not the copy it should be: run python charts/copy_crds.py\n")
        return 1 if found else 0
    for target in SOURCES:
        target.mkdir(parents=True, exist_ok=True)
    for path in found:
        path.unlink(missing_ok=True)
    for path, text in wanted().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
