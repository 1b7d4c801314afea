"""Condition types, condition reasons and event reasons: stable words that tools may rely on, each with its meaning."""

from __future__ import annotations

# ---- Condition types ----
READY = "Ready"  # users are served as well as the world allows
RECONCILING = "Reconciling"  # on the way to what the spec asks for
STALLED = "Stalled"  # no progress without a change by someone
MODEL_RESOLVED = "ModelResolved"  # the wanted model has become one immutable version
CHALLENGER_HEALTHY = "ChallengerHealthy"  # the judge's latest word about the challenger
ROLLBACK_UNTESTED = "RollbackUntested"  # no drill has passed since the latest one was planned
ROUTE_JOINED = "RouteJoined"  # the rule that spec.traffic.gateway.join names leads to the slots
PROVISIONAL = "Provisional"  # the champion was promoted before the outcomes of its answers were known
ROLLBACK_READY = "RollbackReady"  # a previous version could take the traffic at once
FEATURES_MATCH = "FeaturesMatch"  # servers have the feature definition of their version; there only while they have not
ORDERS_UNDERSTOOD = "OrdersUnderstood"  # what an order of a person names is there; there only while it is not
ADDRESSES_CURRENT = "AddressesCurrent"  # the champion's pods know registry and collector; there only while they do not
REGISTRY_SYNCED = "RegistrySynced"  # the registry has what was decided; there only while it has not
TRAIL_SYNCED = "TrailSynced"  # MLflow has the trail of audit; there only while it has not
EVENTS_DELIVERED = "EventsDelivered"  # the event sink has all events; there only while it has not

# With spec.monitoring; DataDrift to ReviewRequired are there where a monitor asks for them.
MONITORED = "Monitored"  # the newest complete window was judged
DATA_DRIFT = "DataDrift"  # inputs have moved away from the reference
PREDICTION_DRIFT = "PredictionDrift"  # answers have moved away from the reference
CONCEPT_DRIFT = "ConceptDrift"  # the model errs more than on its own holdout
DECAY = "Decay"  # the performance declines, or is beyond a limit
REVIEW_DUE = "ReviewDue"  # with spec.review: people should look at the whole model again
RECOVERY_OVERDUE = "RecoveryOverdue"  # with monitoring.recoverWithin: an incident has lasted longer than that
REVIEW_REQUIRED = "ReviewRequired"  # a person should look at what a monitor with action Review says

# ---- Reasons of ModelDeployment conditions ----
SERVING = "Serving"  # the champion has ready pods and all of the traffic
FIRST_DEPLOYMENT = "FirstDeployment"  # there is no champion yet
CHAMPION_UNAVAILABLE = "ChampionUnavailable"  # no pod of the champion is ready
ROLLING_OUT = "RollingOut"  # a challenger is on its way
SCALING = "Scaling"  # pods are being added, removed or replaced
PAUSED = "Paused"  # spec.rollout.paused
AWAITING_APPROVAL = "AwaitingApproval"  # the annotation viridian.dev/approve is awaited; also an outcome of a run
PROMOTION_HELD = "PromotionHeld"  # spec.hold freezes promotion
AWAITING_WINDOW = "AwaitingWindow"  # spec.rollout.window says when promotions may happen
DRILL_RUNNING = "DrillRunning"  # the fallback serves in a drill of the rollback
REVISION_REJECTED = "RevisionRejected"  # what the spec pins was rejected
VERSION_GONE = "VersionGone"  # the registry says that what the spec asks for is not there
INVALID_SPEC = "InvalidSpec"  # the spec cannot be carried out; the message says what to write
RESOURCE_NOT_ALLOWED = "ResourceNotAllowed"
TEMPLATE_NOT_ALLOWED = "TemplateNotAllowed"  # a pod template says more than --templates lets it say
NAME_TAKEN = "NameTaken"  # somebody else's object has the name of a child
APPLY_REFUSED = "ApplyRefused"  # the API server refuses an object: a policy, a quota, a webhook, missing rights
APPLY_UNAVAILABLE = "ApplyUnavailable"  # the API server cannot take an object at the moment, for a webhook that is down
ROUTE_NOT_READY = "RouteNotReady"  # a Gateway has not taken over the route, or not its newest split
GATEWAY_API_OFF = "GatewayApiOff"  # the spec asks for a Gateway, and the operator is installed without the Gateway API
UNKNOWN_STEP = "UnknownStep"  # viridian.dev/skip names no step of the rollout and no check
NO_KEY_OF_ORDERS = "NoKeyOfOrders"  # the champion's pods take orders by a key, and the operator has none any more
FORMER_ADDRESS = "FormerAddress"  # the operator was given another address of registry or collector since
PROBATION = "Probation"  # the new champion is still judged

RESOLVED = "Resolved"  # version, URI and digest are known
UNVERIFIED = "Unverified"  # the same without a digest or a signature: whatever lies at the URI is served
BAD_SIGNATURE = "BadSignature"  # the version is not what it was signed as
MODEL_NOT_FOUND = "ModelNotFound"  # the registry has no such model
ALIAS_NOT_FOUND = "AliasNotFound"  # the model has no such alias
VERSION_NOT_FOUND = "VersionNotFound"  # the model has no such version
VERSION_REPLACED = "VersionReplaced"  # the registry began anew: the pinned number is another version than the one here
REGISTRY_UNAVAILABLE = "RegistryUnavailable"  # the registry does not answer; what runs goes on
REGISTRY_REFUSED = "RegistryRefused"  # the registry answers and refuses
NOT_YOURS = "NotYours"  # the registered model belongs to other namespaces; the message says to which, and by what
REGISTRY_NOT_CONFIGURED = "RegistryNotConfigured"  # the operator was started without a registry

DEPLOYING = "Deploying"  # the challenger is not ready yet
HEALTHY = "Healthy"  # every metric passes
BREACHED = "Breached"  # a metric is beyond its bound
CHAMPION_BREACHES_TOO = "ChampionBreachesToo"  # both are beyond a bound, the challenger no more than the champion
NO_DATA = "NoData"  # too few samples to say anything
PROVIDER_ERROR = "ProviderError"  # the metrics source cannot be read
NOT_JUDGED = "NotJudged"  # no metrics are asked for, or no traffic yet

FALLBACK_READY = "FallbackReady"  # the former champion is warm
CHAMPION_IS_FALLBACK = "ChampionIsFallback"  # while a challenger is on trial, the champion itself is the way back
FALLBACK_UNAVAILABLE = "FallbackUnavailable"  # the former champion has no ready pod
NO_FALLBACK = "NoFallback"  # there is no former champion yet, or spec.fallback.replicas is 0

WINDOWS_JUDGED = "WindowsJudged"  # every window is judged once it is complete
STALE = "Stale"  # no window could be judged for longer than a window; the message says since when, and why
NO_COLLECTOR = "NoCollector"  # the operator was started without the address of a collector
COLLECTOR_UNAVAILABLE = "CollectorUnavailable"  # the collector does not answer; the rollout goes on
SINK_UNAVAILABLE = "SinkUnavailable"  # the event sink does not take an event; the message has its answer
COLLECTOR_REFUSED = "CollectorRefused"  # the collector answers and refuses
FEATURE_SHIFT = "FeatureShift"  # a feature, or a share of them, is beyond its threshold
PREDICTION_SHIFT = "PredictionShift"  # the predictions are beyond their threshold
MORE_ERRORS = "MoreErrors"  # a metric is worse than on the holdout by more than its threshold
DECLINING = "Declining"  # the trend of a metric is beyond its threshold
BEYOND_LIMIT = "BeyondLimit"  # a metric is beyond its limit, on mature labels
ESTIMATED_BEYOND_LIMIT = "EstimatedBeyondLimit"  # the same of an estimate without labels: provisional
WITHIN_THRESHOLDS = "WithinThresholds"  # nothing is beyond its threshold
INSUFFICIENT_DATA = "InsufficientData"  # too few values, labels or windows for any verdict
RECOVERED_IN_TIME = "RecoveredInTime"  # no incident has lasted longer than it may
RECOVERY_TOO_LATE = "RecoveryTooLate"  # the message says which incident, since when, and what to do
NOTHING_TO_REVIEW = "NothingToReview"  # no monitor with action Review has fired
REVIEW_NOT_DUE = "ReviewNotDue"  # the message says when the next one is
REVIEW_OVERDUE = "ReviewOverdue"  # the message says how to confirm one
REVIEWED = "Reviewed"  # a person has looked into what had fired: the annotation viridian.dev/reviewed says so

# ---- Reasons for which a revision is rejected ----
METRIC_BREACH = "MetricBreach"
WORSE_THAN_PROMISED = "WorseThanPromised"  # a monitor with action Rollback has fired, on known outcomes
FEATURE_SKEW = "FeatureSkew"  # its servers have another feature definition than the version was made with
SCHEMA_MISMATCH = "SchemaMismatch"  # it refuses requests that the champion answers; the message names the columns
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
REJECTED_BY_PERSON = "RejectedByPerson"
BLIND_TOO_LONG = "BlindTooLong"
EXPERIMENT_REJECTS = "ExperimentRejects"  # the verdict of an experiment; the message has its figures
EXPOSURE_LIMIT_REACHED = "ExposureLimitReached"  # spec.rollout.maxExposedRequests
DECISION_FAILED = "DecisionFailed"  # the operator could not decide about it, by a mistake of its own
ROLLED_BACK_BY_PERSON = "RolledBackByPerson"
REVERTED_BY_SPEC = "RevertedBySpec"  # spec.model names a former champion again, within the rollback window

# ---- Reasons of RouteJoined ----
JOINED = "Joined"
JOIN_AWAITS = "JoinAwaits"  # the first champion, or the end of a trial, comes before
ROUTE_NOT_FOUND = "RouteNotFound"
RULE_NOT_FOUND = "RuleNotFound"
ROUTE_NOT_AGREED = "RouteNotAgreed"  # the HTTPRoute lacks the label by which its owner agrees
ROUTE_TAKEN = "RouteTaken"  # another ModelDeployment has joined it
ROUTE_CONTESTED = "RouteContested"  # another writer changes the rule again and again

# ---- Reasons of RollbackUntested ----
DRILL_PASSED = "DrillPassed"
DRILL_FAILED = "DrillFailed"
DRILL_OVERDUE = "DrillOverdue"

# ---- Reasons of Provisional ----
LABELS_AWAITED = "LabelsAwaited"
OUTCOMES_CONFIRM = "OutcomesConfirm"
OUTCOMES_CONTRADICT = "OutcomesContradict"

# ---- Outcomes of a revision ----
PROMOTED = "Promoted"
REJECTED = "Rejected"
ROLLED_BACK = "RolledBack"
REINSTATED = "Reinstated"  # a former champion that has the traffic again, without steps

# ---- Events of a ModelDeployment ----
EVENT_ROLLOUT_STARTED = "RolloutStarted"
EVENT_STEP_ADVANCED = "StepAdvanced"
EVENT_EXPERIMENT_ENDED = "ExperimentEnded"
EVENT_HELD = "Held"
EVENT_ROUTE_NOT_JOINED = "RouteNotJoined"  # the message says what keeps the rule of the user's route from being joined
EVENT_ROUTE_EDITED = "RouteEdited"  # somebody else has changed what the operator owns of a route; it is put right
EVENT_BREACHED = "Breached"
EVENT_ROLLED_BACK = "RolledBack"
EVENT_PROMOTED = "Promoted"
EVENT_PROMOTABLE = "Promotable"
EVENT_REINSTATED = "Reinstated"
EVENT_ADOPTED = "Adopted"  # a Deployment that served before is the champion, until a version takes its place
EVENT_DRILL_STARTED = "DrillStarted"
EVENT_DRILL_PASSED = "DrillPassed"
EVENT_DRILL_FAILED = "DrillFailed"
EVENT_DRILL_ENDED = "DrillEnded"
EVENT_REJECTED = "Rejected"
EVENT_SUPERSEDED = "Superseded"
EVENT_AWAITING_APPROVAL = "AwaitingApproval"
EVENT_STALLED = "Stalled"
EVENT_ORDER_NOT_UNDERSTOOD = "OrderNotUnderstood"
EVENT_APPLY_UNAVAILABLE = "ApplyUnavailable"
EVENT_STATUS_NOT_WRITTEN = "StatusNotWritten"
EVENT_MODEL_UNRESOLVED = "ModelUnresolved"
EVENT_REGISTRY_NOT_SYNCED = "RegistryNotSynced"
EVENT_MONITOR_FIRED = "MonitorFired"
EVENT_MONITOR_QUIET = "MonitorQuiet"
EVENT_REVIEW_REQUIRED = "ReviewRequired"
EVENT_REVIEWED = "Reviewed"
EVENT_REVIEW_DUE = "ReviewDue"
EVENT_REVIEW_HELD = "ReviewHeld"
EVENT_MONITORING_BLIND = "MonitoringBlind"

EVENT_INCIDENT_RECURRED = "IncidentRecurred"
EVENT_RECOVERY_OVERDUE = "RecoveryOverdue"

# ---- Entries of the trail of audit, beside the outcomes of revisions and of runs ----
CREATED = "Created"  # the object was made, or was seen for the first time
SPEC_CHANGED = "SpecChanged"  # the API server took an edit of the spec
RUN_STARTED = "RunStarted"  # the record of a run was made
NEW_DATA = "NewData"  # a state of the data that no earlier entry names
NEW_CODE = "NewCode"  # training code or an image that the version before was not made with
INCIDENT_BEGAN = "IncidentBegan"  # a monitor fires
INCIDENT_RECOVERED = "IncidentRecovered"  # it is quiet again
INCIDENT_DROPPED = "IncidentDropped"  # the spec has no such monitor any more
INCIDENT_NOTED = "IncidentNoted"  # a person wrote what an incident came from

# ---- Condition types of a RetrainPolicy, beside Ready, Reconciling and Stalled ----
DATA_QUALITY = "DataQuality"  # the data was good enough when it was last looked at
PAUSED_CONDITION = "Paused"  # no trigger starts a run at the moment
BUDGET_EXCEEDED = "BudgetExceeded"  # spec.budget is used up for now; there only while it is, also the reason

# ---- Reasons of RetrainPolicy conditions ----
WAITING = "Waiting"  # nothing is due
RUN_ACTIVE = "RunActive"  # a run is at work
SUSPENDED = "Suspended"  # spec.suspend
NOT_PAUSED = "NotPaused"  # triggers start runs
OBSERVING = "Observing"  # spec.mode is Observe: nothing is written but status and Events
RECOMMENDED = "Recommended"  # a run is due, and waits for a person to accept it
OVERRIDDEN = "Overridden"  # a person has ended the pause that bad data made
CIRCUIT_OPEN = "CircuitOpen"  # so many candidates were rejected in a row that a person should look
BLACKOUT = "Blackout"  # a window of spec.blackouts
MODEL_DEPLOYMENT_NOT_FOUND = "ModelDeploymentNotFound"  # spec.modelDeployment names nothing that exists
NOTHING_TO_HAND_OVER_TO = (
    "NothingToHandOverTo"  # the ModelDeployment follows no alias, so a new version changes nothing
)
COOLDOWN = "Cooldown"  # a run has ended too short a time ago for another one
ROLLOUT_ACTIVE = "RolloutActive"  # a challenger is on trial: what monitors find of the champion waits for its end
PROMETHEUS_NOT_CONFIGURED = "PrometheusNotConfigured"  # a trigger has a query, and the operator knows no Prometheus
RECEIVER_NOT_CONFIGURED = "ReceiverNotConfigured"  # a trigger waits for events, and the operator receives none
QUERY_UNANSWERED = "QueryUnanswered"  # the query of a trigger has no value, or Prometheus does not answer
NO_FEEDBACK = "NoFeedback"  # a trigger counts outcomes that nobody keeps
MONITOR_NOT_FOUND = "MonitorNotFound"  # a trigger names a monitor that the ModelDeployment does not have
DATA_UNRESOLVED = "DataUnresolved"  # the resolver of the data fails: whether there is new data is not known
KNOWN_VERSION_IS_BETTER = (
    "KnownVersionIsBetter"  # by the new weights of the objective, an existing version is better than the champion
)
RECENT_RUN = "RecentRun"  # a schedule leaves a time out, since a run has made a candidate shortly before
MONITOR_FIRED = "MonitorFired"  # a monitor with action PauseAutomation has fired, and is not quiet yet
MISSED = "Missed"  # it was too late to start a run when one could have started
INVALID_SCHEDULE = "InvalidSchedule"  # a trigger names no times; the others go on
DATA_QUALITY_FAILED = "DataQualityFailed"  # a stage found the data not good enough
DATA_ACCEPTED = "DataAccepted"  # the newest run that looked at the data used it
DATA_CHANGED = "DataChanged"  # spec.data or its content was changed after the data was found bad
DATA_NOT_CHECKED = "NotChecked"  # no run has looked at the data yet

CONTEXT_CONTRADICTED = "ContextContradicted"  # spec.context does not fit what is observed; there only while it is so
OBSERVED_OTHERWISE = "ObservedOtherwise"  # the message says which answer, and what was observed

# ---- Outcomes of a run, beside Rejected ----
HANDED_OVER = "HandedOver"  # the version passed the gate and got the alias that the ModelDeployment follows
SUPERSEDED = "Superseded"  # it passed the gate and waited for an approval when a newer candidate came
FAILED = "Failed"  # an error, after all retries
SKIPPED = "Skipped"  # the stage found nothing to do
FOREIGN_MODEL = "ForeignModel"  # it named a model that its own MLflow run did not log
CANCELLED = "Cancelled"  # its Job was deleted while it ran

# ---- Events of a RetrainPolicy ----
EVENT_RUN_STARTED = "RunStarted"
EVENT_STAGE_STARTED = "StageStarted"
EVENT_RUN_FAILED = "RunFailed"
EVENT_RUN_SKIPPED = "RunSkipped"
EVENT_RUN_CANCELLED = "RunCancelled"
EVENT_GATE_PASSED = "GatePassed"
EVENT_GATE_FAILED = "GateFailed"
EVENT_HANDED_OVER = "HandedOver"
EVENT_DATA_QUALITY_FAILED = "DataQualityFailed"
EVENT_BUDGET_EXCEEDED = "BudgetExceeded"
EVENT_RESUMED = "Resumed"
