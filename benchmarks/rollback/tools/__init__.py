"""The tools that are compared, by name."""

from __future__ import annotations

from benchmarks.rollback.tool import Tool
from benchmarks.rollback.tools.argo_rollouts import ArgoRollouts
from benchmarks.rollback.tools.viridian_service import ViridianService

VIRIDIAN = {"service": ViridianService()}
"""By provider."""
_OTHERS: tuple[Tool, ...] = (ArgoRollouts(failure_limit=0), ArgoRollouts(failure_limit=2))
TOOLS: dict[str, Tool] = {tool.name: tool for tool in (*VIRIDIAN.values(), *_OTHERS)}
