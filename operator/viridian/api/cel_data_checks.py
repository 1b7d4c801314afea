"""The CEL rules of built-in data checks, and what they say to the person whose manifest breaks them."""

from __future__ import annotations

from typing import Final

from viridian.api.schema import Rule

CHECK_KINDS: Final = (
    *("schema", "rowCount", "nulls", "range", "categories", "unique", "freshness", "labelRate", "leakage", "overlap"),
)
_WRITTEN = ", ".join(f"has(self.{kind})" for kind in CHECK_KINDS)
ONE_CHECK: Final = Rule(
    rule=f"[{_WRITTEN}].filter(written, written).size() == 1",
    message=f"an entry is one check: write exactly one of {', '.join(CHECK_KINDS)}, such as nulls: {{columns: [age]}}; "
    "for two checks write two entries",
)
CHECKS_OR_TEMPLATE: Final = Rule(
    rule="has(self.template) || has(self.resource) || self.checks.size() > 0",
    message="say how the data is looked at: checks: [{nulls: {columns: [age]}}], or a template with a container of "
    "your own; or remove the stage",
)
CHECKS_RUN_IN_PODS: Final = Rule(
    rule="!has(self.resource) || !(has(self.template) || self.checks.size() > 0)",
    message="resource stands in the place of template and checks: leave one of them",
)
NAMED_DATA: Final = Rule(
    rule="has(self.data) || !has(self.stages.dataValidation) || "
    "self.stages.dataValidation.checks.all(c, c.rows == 'Feedback')",
    message="checks look at the data that spec.data names: write data: {uri: …}, or rows: Feedback in each check",
    field_path=".stages.dataValidation",
)


RESOLVER_FOR_NEW_DATA: Final = Rule(
    rule="!self.triggers.exists(t, has(t.newData)) || (has(self.data) && has(self.data.resolver))",
    message="newData asks the resolver of the data, and there is none: write data: {uri: …, resolver: {}}",
    field_path=".data",
)


def one_limit(example: str) -> Rule:
    """At least one of min and max, in order."""
    return Rule(
        rule="(has(self.min) || has(self.max)) && (!has(self.min) || !has(self.max) || self.min <= self.max)",
        message=f"write min, max or both, and min not above max, such as {example}",
    )


ADDRESS_WITHOUT_QUERY: Final = Rule(
    rule="!self.contains('?') && !self.contains('@')",
    message="write the address without a query and without a user, since all who may read this object would read them",
)
