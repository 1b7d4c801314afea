"""CEL rules of the gate and of the evaluation that it judges by."""

from __future__ import annotations

from typing import Final

from viridian.api.metric_names import ERRORS
from viridian.api.schema import Rule

_LESS_IS_BETTER = f"self.name.lowerAscii().matches('({'|'.join(ERRORS)})$')"
CONFIDENCE: Final = Rule(
    rule="self >= 0.8 && self <= 0.9999",
    message="write a share from 0.8 to 0.9999, such as 0.975, which is that of the usual 95 % interval",
)
TARGET_IS_A_CHANGE: Final = Rule(
    rule="self >= -1.0 && self != 0.0",
    message="write a share of the champion's number that is not 0: -0.2 for at least 20 % lower, 0.1 for at least "
    "10 % higher; to ask for any gain at all, write rule: Superior",
)
TARGET_IN_DIRECTION: Final = Rule(
    field_path=".relativeToChampion",
    rule="!has(self.relativeToChampion) || (self.relativeToChampion < 0.0) == "
    f"(has(self.direction) ? self.direction == 'Lower' : {_LESS_IS_BETTER})",
    message="relativeToChampion asks for a gain: where more is better, write a positive share; where less is better, "
    "a negative one, with direction: Lower unless the name shows it; to allow a loss, write margin in place of it",
)
SUPERIOR_NEEDS_METRICS: Final = Rule(
    field_path=".metrics",
    rule="self.rule != 'Superior' || self.metrics.size() > 0",
    message="rule Superior needs to know in what the candidate must be better: write at least one metric, such as "
    "metrics: [{name: auc}], and what may not get worse under guardRails",
)
APPROVAL_IF_SUPERIOR_NEEDS_METRICS: Final = Rule(
    field_path=".approval",
    rule="!has(self.approval) || self.approval != 'AutoIfSuperior' || self.metrics.size() > 0",
    message="AutoIfSuperior needs to know in what a candidate must be better: write at least one metric, such as "
    "metrics: [{name: auc}], or approval: Required",
)
GUARD_RAILS_ARE_OTHERS: Final = Rule(
    field_path=".guardRails",
    rule="self.guardRails.all(g, !self.metrics.exists(m, m.name == g.name))",
    message="a metric stands both under metrics and under guardRails: leave it in one of them",
)
HOLDOUT_OR_TEMPLATE: Final = Rule(
    rule="has(self.template) || has(self.resource) || has(self.holdout)",
    message="say how candidate and champion are compared: holdout: {uri: …, label: churned} for the built-in "
    "evaluation, or a template with a container of your own; or remove the stage: training.log compares them as well",
)
EVALUATION_RUNS_IN_PODS: Final = Rule(
    rule="!has(self.resource) || !(has(self.template) || has(self.holdout))",
    message="resource does the work of this stage alone: remove template and holdout, or remove resource",
)
HOLDOUT_DIGEST: Final = Rule(
    rule="self.matches('^sha256:[0-9a-f]{64}$')",
    message="write sha256: and 64 lower-case hexadecimal digits, as the tag viridian.holdout of a run shows them",
)
