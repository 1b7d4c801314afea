"""Group, labels, annotations and the names of everything Viridian makes: public API, changed only with a migration."""

from __future__ import annotations

import hashlib
from enum import StrEnum

GROUP = "viridian.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MODEL_DEPLOYMENT = "ModelDeployment"
RETRAIN_POLICY = "RetrainPolicy"
GOVERNANCE_POLICY = "GovernancePolicy"  # parameters of admission; the operator itself reads none

# Labels. The selector labels of a slot are ours alone and immutable: user labels can never break a selector.
MODEL_DEPLOYMENT_LABEL = f"{GROUP}/model-deployment"
SLOT_LABEL = f"{GROUP}/slot"
REVISION_LABEL = f"{GROUP}/revision"
RETRAIN_POLICY_LABEL = f"{GROUP}/retrain-policy"
ADOPT_LABEL = (
    f"adopt.{GROUP}/model-deployment"  # on a Service or HTTPRoute of the user: which ModelDeployment may take it over
)
RUN_LABEL = f"{GROUP}/run"
STAGE_LABEL = f"{GROUP}/stage"
SPOT_LABEL = f"{GROUP}/spot"  # on the object of a stage that runs on spot nodes where there are any
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
RECEIVED_EVENT_LABEL = f"{GROUP}/received-event"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "viridian"

# What people and tools say to a ModelDeployment without editing its spec; each value names what it is about.
APPROVE_ANNOTATION = f"{GROUP}/approve"
PROMOTE_ANNOTATION = f"{GROUP}/promote"
SKIP_ANNOTATION = f"{GROUP}/skip"  # `<revision>/<step>`
REJECT_ANNOTATION = f"{GROUP}/reject"
ROLLBACK_ANNOTATION = f"{GROUP}/rollback"
RETRY_ANNOTATION = f"{GROUP}/retry"
RESTART_ANNOTATION = f"{GROUP}/restart"
DRILL_ANNOTATION = f"{GROUP}/drill"  # the champion that is to give its traffic to the fallback for a while
REVIEWED_ANNOTATION = f"{GROUP}/reviewed"
REVIEW_ANNOTATION = f"{GROUP}/review"  # the last review of the whole model: `<date> fits: <note>#<user>`
NOTE_ANNOTATION = f"{GROUP}/note"  # about an incident: `<id> <note>#<user>`
# … and to a RetrainPolicy: any value that was not used before starts one run.
RUN_ANNOTATION = f"{GROUP}/run"
# … and about a run: its id, a reason, and `#` with the user name. `approve` and `reject` have the same form there.
ACCEPT_ANNOTATION = f"{GROUP}/accept"
OVERRIDE_ANNOTATION = f"{GROUP}/override"

# What Viridian records on the objects that it owns.
INTENT_ANNOTATION = f"{GROUP}/intent"
TRAFFIC_ANNOTATION = f"{GROUP}/traffic"
ROUTE_ANNOTATION = f"{GROUP}/route"  # on the live Service: the HTTPRoute whose record it has a copy of
JOINED_ANNOTATION = f"{GROUP}/joined"  # on a route of the user: whose its rule is, and where it led before
JOINED_LABEL = f"{GROUP}/joined"  # beside it, so that such routes are found
JOINED_LABEL_VALUE = "true"
REVERTED_ANNOTATION = f"{GROUP}/reverted"  # that and why a slot was emptied to take the traffic from it
AUTOSCALED_ANNOTATION = f"{GROUP}/autoscaled"  # on a slot's Deployment: that the operator has made an autoscaler for it
OUTCOME_ANNOTATION = f"{GROUP}/outcome"
OWNER_ANNOTATION = f"{GROUP}/owner"  # on the record of a revision: uid of its ModelDeployment
SYNCED_ANNOTATION = f"{GROUP}/registry-synced"  # up to which outcome the registry has what became of a revision
FORMER_SYNCED_ANNOTATION = f"{GROUP}/told"  # the same, in releases before 0.11
# Addresses of registry and collector that a slot was given in the place of those of its revision's record.
ADDRESSES_ANNOTATION = f"{GROUP}/addresses"
TRIGGER_ANNOTATION = f"{GROUP}/trigger"
ENDING_ANNOTATION = f"{GROUP}/ending"  # on the object of a stage that is no Job: how its end is read
STAGES_ANNOTATION = f"{GROUP}/stages"  # on the record of a run: how far its stages are, and how they ended
MONITORING_ANNOTATION = f"{GROUP}/monitoring"  # on the record of the champion: the monitors' results, and the review
SCHEDULES_ANNOTATION = f"{GROUP}/schedules"  # since when each trigger of a RetrainPolicy counts
MONITOR_PAUSE_ANNOTATION = f"{GROUP}/monitor-pause"  # beside it: since when monitors paused automation, and until when
WAITING_CAUSES_ANNOTATION = f"{GROUP}/waiting-causes"  # beside it: what triggers found that still waits for a run
TRAIL_ANNOTATION = f"{GROUP}/trail"  # the journal: what of the trail of audit is in the cluster
TRAIL_LABEL = f"{GROUP}/trail"  # `waiting` on a journal with entries that MLflow has not
TRAIL_WAITING = "waiting"
DATA_ANNOTATION = f"{GROUP}/data"  # which states of its data a RetrainPolicy has seen

# Field managers: one per purpose.
CHILDREN_MANAGER = "viridian"
ROLLOUT_MANAGER = "viridian-rollout"  # one reconciler's part of the status, here and in the next one
RETRAINING_MANAGER = "viridian-retraining"
REGISTRY_SYNC_MANAGER = "viridian-registry-sync"  # also the mark on a record that the registry knows its outcome
FORMER_STATUS_MANAGER = "viridian-status"  # all of the status, in releases before 0.11
RECORDS_MANAGER = "viridian-records"  # what became of something, noted on its record
TRAIL_MANAGER = "viridian-trail"  # what the status shows of the trail of audit
MONITORING_MANAGER = "viridian-monitoring"  # what the monitors found: in the status and on the champion's record

HTTP_PORT = "http"
MANAGEMENT_PORT = "management"
SERVER_CONTAINER = "server"
FETCH_CONTAINER = "fetch"
# Room for what is appended to the name of an object (`-preview`, `-green`, `-<8 digits>-<stage>`), now and later.
MAX_MODEL_DEPLOYMENT_NAME = 50
MAX_RETRAIN_POLICY_NAME = 40


_STAGE_WORDS = {"dataValidation": "validation"}


class Slot(StrEnum):
    """One of the two Deployments of a ModelDeployment."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Slot:
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE


def short_hash(*parts: str, length: int = 8) -> str:
    """Hexadecimal digest of the parts, the same on every computer; unambiguous about where one part ends."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:length]


def fraction(*parts: str) -> float:
    """A number from 0 up to but not with 1 that follows from the parts alone, evenly spread over many of them."""
    return int(short_hash(*parts), 16) / 16**8


def slot_deployment(name: str, slot: Slot) -> str:
    return f"{name}-{slot}"


def preview_service(name: str) -> str:
    return f"{name}-preview"


def network_policy(name: str) -> str:
    """Name of the NetworkPolicy of a ModelDeployment's pods; the bare name may well be one of the user's own."""
    return f"{name}-server"


def revision_record(name: str, revision: str) -> str:
    """Name of the ControllerRevision that records a revision for good."""
    return f"{name}-{revision}"


def run_record(policy: str, run: str) -> str:
    """Name of the ControllerRevision that records a run."""
    return f"{policy}-{run}"


def schedules_record(policy: str, uid: str) -> str:
    """Name of the ControllerRevision that records since when each schedule of this very policy holds."""
    return f"{policy}-schedules-{short_hash(uid)}"


def stage_resource(policy: str, run: str, stage: str) -> str:
    """Name of the object of another kind than Job that does the work of a stage.

    At most 47 characters: KubeRay and others append to the names of theirs. The id of the run makes it unique.
    """
    return f"{policy[:27]}-{run}-{_STAGE_WORDS.get(stage, stage.lower())}"


def run_claim(policy: str, run: str) -> str:
    """Name of the PersistentVolumeClaim of a run."""
    return f"{policy}-{run}-files"


def trail_journal(name: str, uid: str) -> str:
    """Name of the ControllerRevision that holds the journal of this very object."""
    return f"{name}-trail-{short_hash(uid)}"


def data_record(policy: str, uid: str) -> str:
    """Name of the ControllerRevision that records which states of its data this very policy has seen."""
    return f"{policy}-data-{short_hash(uid)}"


def stage_job(policy: str, run: str, stage: str) -> str:
    """Name of the Job of one stage of one run: the same cause twice names the same Job.

    At most 63 characters, since its pods have it as a label.
    """
    return f"{policy}-{run}-{_STAGE_WORDS.get(stage, stage.lower())}"
