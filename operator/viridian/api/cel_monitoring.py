"""The CEL rules of `feedback` and `monitoring`, and what they say to the person whose manifest breaks them."""

from __future__ import annotations

from typing import Final

from viridian.api.schema import Rule, is_duration, seconds

# ---- feedback --------------------------------------------------------------------------------------------------------

HASH_NEEDS_KEY: Final = Rule(
    rule="has(self.hashKeySecretRef) || (!has(self.subject) && self.columns.hash.size() == 0)",
    message="hashes need a key, or their values could be guessed: make a Secret with 32 random bytes and "
    "name it, hashKeySecretRef: {name: churn-feedback}",
    field_path=".hashKeySecretRef",
)
DENY_OR_HASH: Final = Rule(
    rule="self.columns.hash.all(c, !(c in self.columns.deny))",
    message="a column stands in both deny and hash: deny keeps nothing of it, hash keeps a keyed hash; choose one",
    field_path=".columns",
)

# ---- monitors --------------------------------------------------------------------------------------------------------

KINDS: Final = ("drift", "predictionDrift", "performance", "estimatedPerformance", "conceptDrift", "decay")
_WRITTEN = ", ".join(f"has(self.{kind})" for kind in KINDS)
ONE_KIND: Final = Rule(
    rule=f"[{_WRITTEN}].filter(written, written).size() == 1",
    message=f"a monitor asks one question: write exactly one of {', '.join(KINDS)}, such as drift: {{}}; for two "
    "questions write two monitors",
)
ROLLBACK_RESTS_ON_OUTCOMES: Final = Rule(
    rule="self.action != 'Rollback' || has(self.performance) || has(self.conceptDrift) || has(self.decay)",
    message="inputs, predictions and estimates do not prove that the champion is worse than the version before it: "
    "write action: Review, or let a monitor of performance, conceptDrift or decay roll back",
    field_path=".action",
)
MONITOR_NAME: Final = Rule(
    rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    message="write lower-case letters, digits and '-', beginning with a letter, such as age-shift",
)
WHOLE_WINDOWS: Final = Rule(
    rule=(
        f"[self.window, self.season].exists(d, !({is_duration('d')})) || "
        f"({seconds('self.window')} > 0 && {seconds('self.season')} % {seconds('self.window')} == 0)"
    ),
    message="season must be a whole number of windows, so that windows a season apart can be compared: with window: 1h "
    "write season: 24h or 7d",
    field_path=".season",
)

RECOVERS_IN_WINDOWS: Final = Rule(
    rule=(
        f"!has(self.recoverWithin) || [self.window, self.recoverWithin].exists(d, !({is_duration('d')})) || "
        f"{seconds('self.recoverWithin')} >= {seconds('self.window')}"
    ),
    message="recoverWithin must be at least one window, since a monitor is judged once for each: with window: 1d write "
    "recoverWithin: 14d",
    field_path=".recoverWithin",
)

# ---- comparing distributions -----------------------------------------------------------------------------------------

_SHARES = "['KS', 'Missing', 'NewCategories', 'TotalVariation']"
COMPARISON: Final = (
    Rule(
        rule="!has(self.threshold) || has(self.statistic)",
        message="a threshold means something else for each statistic: write both, such as statistic: MeanShift, "
        "threshold: 0.5",
        field_path=".statistic",
    ),
    Rule(
        rule=f"!has(self.threshold) || !has(self.statistic) || !(self.statistic in {_SHARES}) || self.threshold < 1.0",
        message="for KS, Missing, NewCategories and TotalVariation the threshold is a share below 1, not a percentage: "
        "for 5 % write 0.05",
        field_path=".threshold",
    ),
    Rule(
        rule="!has(self.minSamples) || self.decision == 'Point' || self.minSamples >= 200",
        message="decision LowerBound needs minSamples of at least 200: below that its bound promises nothing; "
        "write minSamples: 500, or decision: Point",
        field_path=".minSamples",
    ),
)

# ---- metrics ---------------------------------------------------------------------------------------------------------

_ERRORS = "['log-loss', 'brier', 'mae', 'rmse']"
_LIMITS = "has(self.min), has(self.max), has(self.relativeToBaseline)"
ONE_LIMIT: Final = Rule(
    rule=f"[{_LIMITS}].filter(written, written).size() == 1",
    message="write exactly one of min: 0.8, max: 0.2 and relativeToBaseline: -0.08",
)
LIMIT_ON_THE_RIGHT_SIDE: Final = Rule(
    rule=(
        "self.metric == 'bias' ? !has(self.relativeToBaseline) : "
        f"self.metric in {_ERRORS} ? "
        "!has(self.min) && (!has(self.relativeToBaseline) || self.relativeToBaseline > 0.0) : "
        "!has(self.max) && (!has(self.relativeToBaseline) || self.relativeToBaseline < 0.0)"
    ),
    message="the limit is on the side of better values: more is better for accuracy, precision, recall, f1, auc and r2",
    message_expression=(
        "self.metric == 'bias' ? "
        "'bias is best at 0, so a share of it says nothing: write min: -0.1 or max: 0.1' : "
        f"self.metric in {_ERRORS} ? "
        "self.metric + ' is better when lower: write max, such as max: 0.2, or relativeToBaseline above 0' : "
        "self.metric + ' is better when higher: write min, such as min: 0.8, or relativeToBaseline below 0, "
        "such as -0.08'"
    ),
)
ESTIMABLE: Final = Rule(
    rule="!(self.metric in ['mae', 'rmse', 'bias', 'r2'])",
    message="the performance of a model that predicts numbers cannot be estimated from its answers: use performance "
    "with labels, or predictionDrift",
    field_path=".metric",
)
HAS_A_REFERENCE: Final = Rule(
    rule="!has(self.metric) || self.metric != 'bias'",
    message="bias is best at 0, so a share of it says nothing: use performance with min or max, or another metric here",
    field_path=".metric",
)
ONE_SLOPE: Final = Rule(
    rule="has(self.perWindow) != has(self.relativePerWindow)",
    message="write exactly one of perWindow: -0.005 and relativePerWindow: -0.01",
)
SLOPE_ON_THE_RIGHT_SIDE: Final = Rule(
    rule=(
        "self.metric == 'bias' ? has(self.perWindow) && self.perWindow != 0.0 : "
        f"self.metric in {_ERRORS} ? "
        "(!has(self.perWindow) || self.perWindow > 0.0) && (!has(self.relativePerWindow) || "
        "self.relativePerWindow > 0.0) : "
        "(!has(self.perWindow) || self.perWindow < 0.0) && (!has(self.relativePerWindow) || "
        "self.relativePerWindow < 0.0)"
    ),
    message="decay goes towards worse values: below 0 for accuracy, precision, recall, f1, auc and r2, such as "
    "perWindow: -0.005; above 0 for log-loss, brier, mae and rmse, such as 0.005",
)

# ---- feedback and monitors together ----------------------------------------------------------------------------------

_LOOKS_AT = (
    "has(m.performance) ? m.performance.consecutive : has(m.conceptDrift) ? 1 : has(m.decay) ? m.decay.windows : 0"
)
_MATURES_IN = " : ".join(
    [
        *(
            f"has(m.{kind}) && has(m.{kind}.labelMaturity) ? m.{kind}.labelMaturity"
            for kind in ("performance", "conceptDrift", "decay")
        ),
        "self.feedback.labelMaturity",
    ]
)
# The oldest row that each monitor looks at, in seconds: one window more, since windows are judged after their end.
_OLDEST = (
    f"self.monitoring.monitors.filter(m, ({_LOOKS_AT}) > 0 && [{_MATURES_IN}].all(d, {is_duration('d')}))"
    f".map(m, [{_MATURES_IN}].map(d, {seconds('d')})[0] + (({_LOOKS_AT}) + 1) * {seconds('self.monitoring.window')})"
)
_KEPT_LONG_ENOUGH = (
    "!has(self.feedback) || !has(self.monitoring) || "
    f"[self.feedback.retention, self.monitoring.window].exists(d, !({is_duration('d')})) || "
    f"{_OLDEST}.all(oldest, oldest <= {seconds('self.feedback.retention')})"
)


def _digit(place: int) -> str:
    """CEL: that digit of n, nothing for a leading 0."""
    digit = f"n / {place} % 10"
    return f"'0123456789'.substring({digit}, n < {place} ? {digit} : {digit} + 1)"


# In place of `string(days)`, whose length the API server takes to be without bound, and so what it costs.
_DAYS = f"[({_OLDEST}.max() + 86399) / 86400].map(n, {' + '.join(map(_digit, (100, 10, 1)))})[0]"
OUTLIVES_ITS_LABELS: Final = Rule(
    rule=_KEPT_LONG_ENOUGH,
    message="rows would be deleted before they are judged: feedback.retention must be at least labelMaturity and the "
    "windows that the monitors look at",
    message_expression=(
        "'rows would be deleted before they are judged, since monitors wait for labelMaturity and then look at "
        "whole windows: ' + "
        f"({_OLDEST}.max() > 365 * 86400 ? 'nothing is kept beyond 365d, so shorten labelMaturity or window' : "
        f"'write retention: ' + {_DAYS} + 'd or more; beyond 90d the collector must keep rows as long (its "
        "--retention, Helm: collector.retention)')"
    ),
    field_path=".feedback.retention",
)
