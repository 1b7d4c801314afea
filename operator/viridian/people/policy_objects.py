"""A RetrainPolicy as it stands in the cluster, read for people.

A spec of another release is a msgspec.ValidationError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.core.lenient import readable
from viridian.retraining.workflow_defaults import effective, workflow_of


def spec_in_force(policy: Mapping[str, Any]) -> RetrainPolicySpec:
    """The spec, with the defaults that its workflow has once a version serves."""
    return msgspec.convert(effective(policy.get("spec"), workflow_of(policy, promoted=True)), RetrainPolicySpec)


def known_status(policy: Mapping[str, Any]) -> RetrainPolicyStatus:
    """What this release can read of the status; an empty one where the object has none."""
    return readable(policy.get("status") or {}, RetrainPolicyStatus) or RetrainPolicyStatus()
