"""The tools that are compared, by name."""

from __future__ import annotations

from benchmarks.rollback.tool import Tool
from benchmarks.rollback.tools.argo_rollouts import ArgoRollouts
from benchmarks.rollback.tools.flagger import Flagger
from benchmarks.rollback.tools.viridian_gateway import ViridianGateway
from benchmarks.rollback.tools.viridian_service import ViridianService

VIRIDIAN: dict[str, ViridianService | ViridianGateway] = {"service": ViridianService(), "gateway": ViridianGateway()}
"""By provider."""
_OTHERS: tuple[Tool, ...] = (
    ArgoRollouts(failure_limit=0),
    ArgoRollouts(failure_limit=2),
    Flagger(threshold=1),
)
TOOLS: dict[str, Tool] = {tool.name: tool for tool in (*VIRIDIAN.values(), *_OTHERS)}
