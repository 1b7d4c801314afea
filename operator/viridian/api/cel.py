"""The CEL rules of the two kinds, and what they say to the person whose manifest breaks them.

A message names what to write instead. Rules see one object only: what depends on others (no such model, no such
ModelDeployment, an unknown time zone) is answered by a condition.
"""

from __future__ import annotations

from typing import Final

from viridian.api.names import SERVER_CONTAINER
from viridian.api.schema import Rule, is_duration, seconds

# ---- shared ----------------------------------------------------------------------------------------------------------


def label(example: str) -> Rule:
    """Names that end up in labels and in names of objects."""
    return Rule(
        rule="self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message=f"write lower-case letters, digits and '-', beginning with a letter, such as {example}",
    )


def name_of(what: str, example: str) -> Rule:
    """The name of an object that others have made, which is a part of its address in the API."""
    return Rule(
        rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        message=f"write the name of {what}, such as {example}: lower-case letters, digits, '-' and '.'",
    )


def object_name(most: int, why: str) -> Rule:
    """Names of objects after which others are named."""
    return Rule(
        rule=f"self.metadata.name.size() <= {most} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message=f"choose a name of at most {most} lower-case letters, digits and '-', beginning with a letter: {why}",
        field_path=".metadata.name",
    )


# ---- where a model comes from ----------------------------------------------------------------------------------------

_SOURCES = "[has(self.registry), has(self.uri), has(self.uriSecretRef)]"
ONE_SOURCE: Final = Rule(
    rule=f"{_SOURCES}.filter(given, given).size() == 1",
    message="write exactly one of registry, uri and uriSecretRef",
    message_expression=(
        "has(self.registry) && has(self.uri) ? 'registry and uri exclude each other: remove one of them' : "
        "has(self.uriSecretRef) ? 'uriSecretRef stands in the place of registry and uri: leave one of them' : "
        "'say where the model comes from: registry: {name: churn, alias: candidate}, "
        "or uri and digest where there is no registry'"
    ),
)
URI_WITH_DIGEST: Final = Rule(
    rule="!(has(self.uri) || has(self.uriSecretRef)) || has(self.digest)",
    message="a uri needs a digest beside it, so that what is served cannot change unseen: digest: sha256:… (64 "
    "digits), the SHA-256 of the model's viridian/manifest.json",
    field_path=".digest",
)
DIGEST_WITH_URI: Final = Rule(
    rule="!has(self.digest) || has(self.uri) || has(self.uriSecretRef) || !has(self.registry)",
    message="digest belongs to uri: remove it; a version in the registry carries its own in the tag viridian.digest",
    field_path=".digest",
)
DIGEST: Final = Rule(
    rule="self.matches('^sha256:[0-9a-f]{64}$')",
    message="write sha256: and the 64 lower-case hexadecimal digits of the SHA-256 of viridian/manifest.json",
)
FEATURES_DIGEST: Final = Rule(
    rule="self.matches('^sha256:[0-9a-f]{64}$')",
    message="write sha256: and the 64 lower-case hexadecimal digits of the digest of the feature definition",
)
FEATURES_REF: Final = Rule(
    rule="self.matches('^[A-Za-z0-9._/:@-]+$')",
    message="write the name of the definition in letters, digits and . _ - / : @, such as churn or churn@3",
)
# An image is named as in a pod: host and path, and a tag or a digest.
_IMAGE = "oci://[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$"
URI: Final = Rule(
    rule=f"self.matches('^(mlflow-artifacts:/[^ ]+$|https?://[^ ]+$|file:///[^ ]+$|{_IMAGE})')",
    message="write mlflow-artifacts:/…, https://….tar.gz, oci://… or file:///…",
    message_expression=(
        "self.startsWith('models:/') ? "
        "'a model in the registry is written as registry: {name: churn, version: \"7\"}' : "
        "self.startsWith('oci://') ? "
        "'an image is written as oci://registry.example.com/models/churn:7, with a tag or @sha256: and 64 digits' : "
        "'Viridian can fetch mlflow-artifacts:/…, https://….tar.gz, oci://… and file:///…'"
    ),
)
# `https://user:password@host/…`, and `https://user:pass/word@host/…`, where the password holds what ends a host.
_NAMES_A_USER = "self.matches('^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*@|[^/?#@]*:[^/?#@]*[^0-9/?#@][^@]*@)')"
NO_USER: Final = Rule(
    rule=f"!{_NAMES_A_USER}",
    message="write the address without user and password, since all who may read this object would read them",
)
URI_WITHOUT_USER: Final = Rule(
    rule=NO_USER.rule,
    message="write the address without user and password, since all who may read this object would read them: put the "
    "whole address into a Secret and name it, uriSecretRef: {name: churn-model, key: uri}",
)
DATA_WITHOUT_USER: Final = Rule(
    rule=NO_USER.rule,
    message="write the address without user and password, since all who may read this object would read them: give "
    "them to the stage's container from a Secret, env: [{name: …, valueFrom: {secretKeyRef: …}}]",
)
MODEL_NAME: Final = Rule(
    rule="!self.contains('/') && !self.contains(':') && self.trim() != ''",
    message="write the registered model's name alone, without / and :; a version or alias has a field of its own",
)
ALIAS_OR_VERSION: Final = Rule(
    rule="has(self.alias) != has(self.version)",
    message="write exactly one of alias and version",
    message_expression=(
        "has(self.alias) ? 'alias and version exclude each other: follow an alias, or pin a version' : "
        "'say which version: alias: candidate follows an alias, version: \"7\" pins one'"
    ),
)
ALIAS: Final = Rule(
    rule="self.matches('^[A-Za-z0-9_-]+$')",
    message="MLflow allows letters, digits, '_' and '-' in an alias, such as candidate",
)
ALIAS_IS_FREE: Final = Rule(
    rule="!(self.lowerAscii() in ['champion', 'previous'])",
    message="Viridian itself moves the aliases champion and previous after the traffic: follow another one, "
    "such as candidate",
)
ALIAS_IS_NO_VERSION: Final = Rule(
    rule="!self.lowerAscii().matches('^(latest|v[0-9]+)$')",
    message="MLflow reserves latest, v1, v2, … and lets no alias have such a name: follow one that you set yourself, "
    'such as candidate, or pin version: "7"',
)
VERSION: Final = Rule(
    rule="self.matches('^[1-9][0-9]*$')",
    message='write the number that the registry gave to the version, as text: "7"',
)

SECRET_NAME: Final = name_of("a Secret in this namespace", "model-signing")
ENTRY_OF_SECRET: Final = Rule(
    rule="self.matches('^[-._a-zA-Z0-9]+$') && !self.startsWith('.')",
    message="write an entry of the Secret: letters, digits, '-', '_' and '.', not beginning with '.'",
)
SECRET_KEY: Final = Rule(
    rule=ENTRY_OF_SECRET.rule,
    message="write an entry of the Secret, such as churn.pem, or leave key out to trust every entry",
)
URI_KEY: Final = Rule(
    rule=ENTRY_OF_SECRET.rule, message="write the entry of the Secret that holds the address, such as uri"
)

# ---- how it is served ------------------------------------------------------------------------------------------------

_NAMED_SERVER = f"self.template.spec.containers.exists(c, c.name == '{SERVER_CONTAINER}' && has(c.image))"
CUSTOM_SERVER: Final = Rule(
    rule="self.runtime != 'Custom' || "
    f"(has(self.template.spec) && has(self.template.spec.containers) && {_NAMED_SERVER})",
    message="runtime Custom needs the container that serves: "
    f"template: {{spec: {{containers: [{{name: {SERVER_CONTAINER}, image: ghcr.io/acme/server:1.4}}]}}}}",
    field_path=".template",
)

# ---- how a challenger becomes the champion ---------------------------------------------------------------------------

ONE_KIND_OF_STEP: Final = Rule(
    rule="[has(self.shadow), has(self.weight), has(self.approval), has(self.experiment)]"
    ".filter(kind, kind).size() == 1",
    message="a step is either a share of the traffic or a stop: write exactly one of weight: 10 and approval: {}, "
    "or shadow: 10 for copies of requests, or experiment: {outcome: Higher, smallestEffect: 0.01}",
)
SHADOW_BY_GATEWAY: Final = Rule(
    rule="(self.traffic.provider == 'Gateway' && !(has(self.traffic.gateway) && has(self.traffic.gateway.join))) || "
    "self.server.runtime == 'Builtin' || "
    "!self.rollout.steps.exists(s, has(s.shadow))",
    message="a runtime of your own copies no requests: write traffic: {provider: Gateway, gateway: {parentRefs: "
    "[{name: public}]}}, or a weight in place of shadow",
    field_path=".rollout.steps",
)
SHADOW_FIRST: Final = Rule(
    rule="self.map(s, has(s.shadow) ? 0 : has(s.weight) || has(s.experiment) ? 1 : -1)"
    ".filter(kind, kind >= 0).isSorted()",
    message="users meet the challenger from the first weight on: move the steps with shadow before it",
)
APPROVAL_ALONE: Final = Rule(
    rule=f"!has(self.approval) || (self.minRequests == 0 && (!({is_duration('self.duration')}) || "
    f"{seconds('self.duration')} == 0))",
    message="an approval ends when someone approves: move duration and minRequests into a step with a weight",
)
WEIGHTS_RISE: Final = Rule(
    rule=(
        "self.filter(s, has(s.weight) || has(s.experiment))"
        ".map(s, has(s.weight) ? s.weight : s.experiment.weight).isSorted() && "
        "self.filter(s, has(s.weight)).all(s, self.exists_one(o, has(o.weight) && o.weight == s.weight))"
    ),
    message="each weight must be above the one before it, such as 5, 25, 50; that of an experiment may be the same",
)
STEP_NAMES_UNIQUE: Final = Rule(
    rule="self.filter(s, has(s.name)).all(s, self.exists_one(o, has(o.name) && o.name == s.name))",
    message="two steps have the same name: give each its own, or leave the names out",
)
WINDOW_HOLDS_INTERVAL: Final = Rule(
    rule=(
        f"[self.interval, self.window].exists(d, !({is_duration('d')})) || "
        f"{seconds('self.window')} >= {seconds('self.interval')}"
    ),
    message="window must be at least as long as interval, or answers would be seen by no look at all",
    field_path=".window",
)

# ---- retraining ------------------------------------------------------------------------------------------------------

MODEL_DEPLOYMENT_STAYS: Final = Rule(
    rule="self == oldSelf",
    message="modelDeployment cannot be changed, since runs and their history belong to it: "
    "create another RetrainPolicy",
)


def _cron_field(value: str) -> str:
    item = rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


_MONTHS = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DAYS = "(?i:sun|mon|tue|wed|thu|fri|sat)"
_CRON = " +".join(
    _cron_field(value)
    for value in (
        "[0-5]?[0-9]",
        "([01]?[0-9]|2[0-3])",
        "(0?[1-9]|[12][0-9]|3[01])",
        f"(0?[1-9]|1[0-2]|{_MONTHS})",
        f"([0-7]|{_DAYS})",
    )
)
CRON: Final = Rule(
    rule=f"self.matches(r'^{_CRON}$')",
    message="write five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12), day of week (0-7, "
    'Sunday is 0 and 7), such as "0 3 * * 0"; @weekly and seconds are not known',
)
TIME_ZONE: Final = Rule(
    rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
    message="write a name of the IANA time zone database, such as UTC or Europe/Paris, not an offset",
)
STORAGE_SIZE: Final = Rule(
    rule="self.matches('^[0-9]{1,12}([.][0-9]{1,3})?(Ki|Mi|Gi|Ti|M|G|T)$') && !self.matches('^[0.]*[A-Za-z]*$')",
    message="write a size above 0 with its unit, such as 20Gi",
)
QUEUE: Final = Rule(
    rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message="write the name of a LocalQueue of Kueue in this namespace, such as ml-batch: lower-case letters, digits "
    "and '-'",
)
BOUNDS_IN_ORDER: Final = Rule(
    rule="!has(self.min) || !has(self.max) || self.min <= self.max",
    message="min is above max, so no candidate could ever pass: swap them, or leave one out",
)
THRESHOLDS_NEED_BOUNDS: Final = Rule(
    field_path=".metrics",
    rule="self.rule != 'Thresholds' || (self.metrics.size() > 0 && "
    "self.metrics.all(m, has(m.min) || has(m.max) || has(m.relativeToChampion)))",
    message="rule Thresholds judges by bounds alone: write at least one metric, and min or max for each, such as "
    "metrics: [{name: auc, min: 0.8}]",
)
SOME_RUNS: Final = Rule(
    rule="self >= 1",
    message="write at least 1; to let no trigger start a run, write spec.suspend: true",
)
SOME_HAND_OVERS: Final = Rule(
    rule="self >= 1",
    message="write at least 1; to hand nothing over without a person, write gate.approval: Required",
)
SOME_CPU_HOURS: Final = Rule(
    rule="self > 0.0",
    message="write more than 0, such as 12.5; to let no trigger start a run, write spec.suspend: true",
)
SPOT_PRICE_BESIDE_PRICE: Final = Rule(
    field_path=".spotPrice",
    rule="!has(self.spotPrice) || has(self.price)",
    message="spotPrice needs price beside it, for the hours on other nodes: price: 0.04",
)
