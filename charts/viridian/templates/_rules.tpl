{{- define "viridian.rules" -}}
# Exactly what the operator calls; tests/unit/install holds this list to its code.
# The two kinds are read; their specs are never written.
- apiGroups: [viridian.dev]
  resources: [modeldeployments, retrainpolicies]
  verbs: [get, list, watch]
- apiGroups: [viridian.dev]
  resources: [modeldeployments/status, retrainpolicies/status]
  verbs: [patch]
# What the collector asks the API server about: figures, and what may be kept. No request has this path.
- apiGroups: [viridian.dev]
  resources: [modeldeployments/feedback]
  verbs: [get, patch]
# Children name their owner with blockOwnerDeletion. Where the admission plugin OwnerReferencesPermissionEnforcement
# runs, as on OpenShift, only those who may set the owner's finalizers may do that. No finalizer is ever set.
- apiGroups: [viridian.dev]
  resources: [modeldeployments/finalizers, retrainpolicies/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- range .Values.training.resources }}
# Objects that do the work of stages: read by name, made, and deleted when their time is over.
- apiGroups: [{{ first (splitList "/" .apiVersion) }}]
  resources: [{{ .resource }}]
  verbs: [get, create, patch, delete]
{{- end }}
{{- if .Values.gatewayApi.enabled }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- end }}
{{- end }}
