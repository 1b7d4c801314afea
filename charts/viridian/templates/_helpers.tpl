{{- define "viridian.fullname" -}}
{{- if eq .Release.Name "viridian" -}}viridian-operator{{- else -}}{{ printf "%s-viridian-operator" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "viridian.serviceAccountName" -}}
{{- default (include "viridian.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{- define "viridian.selectorLabels" -}}
app.kubernetes.io/name: viridian
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "viridian.labels" -}}
{{ include "viridian.selectorLabels" . }}
app.kubernetes.io/part-of: viridian
{{ include "viridian.releaseLabels" . }}
{{- end }}

{{- define "viridian.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "viridian.collectorName" -}}
{{- if eq .Release.Name "viridian" -}}viridian-collector{{- else -}}{{ printf "%s-viridian-collector" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- /* Said only where it is not what the operator expects: the Service viridian-collector beside it. */ -}}
{{- define "viridian.collectorUrl" -}}
{{- if .Values.collector.url -}}{{ .Values.collector.url }}
{{- else if not .Values.collector.install -}}none
{{- else if or (ne .Release.Name "viridian") .Values.collector.tls.existingSecret -}}http{{ if .Values.collector.tls.existingSecret }}s{{ end }}://{{ include "viridian.collectorName" . }}.{{ .Release.Namespace }}.svc:8090
{{- end -}}
{{- end }}

{{- define "viridian.collectorSelectorLabels" -}}
app.kubernetes.io/name: viridian
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: collector
{{- end }}

{{- define "viridian.collectorLabels" -}}
{{ include "viridian.collectorSelectorLabels" . }}
app.kubernetes.io/part-of: viridian
{{ include "viridian.releaseLabels" . }}
{{- end }}

{{- /* Reference of an image: (list root "server" values-of-its-own). The registry has to be named, since none is published. */ -}}
{{- define "viridian.image" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $own := index . 2 }}
{{- $image := $root.Values.image }}
{{- $repository := $own.repository }}
{{- if not $repository }}
{{- $repository = printf "%s/%s" (required (include "viridian.noRegistry" $root) $image.registry) $name }}
{{- end }}
{{- $digest := ternary "" (get $image.digests $name) (not (empty $own.tag)) }}
{{- if $digest -}}{{ printf "%s@%s" $repository $digest }}
{{- else -}}{{ printf "%s:%s" $repository (coalesce $own.tag $image.tag $root.Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{- define "viridian.noRegistry" -}}


image.registry is not set, and no images of Viridian are published: where would a node pull them from?

  make images REGISTRY=registry.example.com/viridian      # in a checkout: builds and pushes them, prints their digests
  helm … --set image.registry=registry.example.com/viridian

Is a login needed to pull? --set 'imagePullSecrets[0].name=registry-login'. Does each node have the images
(kind load, python3 -m localcluster images load)? --set image.registry=viridian --set image.tag=dev
{{ end }}

{{- define "viridian.eventsName" -}}
{{- if eq .Release.Name "viridian" -}}viridian-events{{- else -}}{{ printf "%s-viridian-events" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "viridian.mlflowName" -}}
{{- if eq .Release.Name "viridian" -}}viridian-mlflow{{- else -}}{{ printf "%s-viridian-mlflow" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "viridian.mlflowUri" -}}
{{- if and .Values.mlflow.install .Values.mlflow.uri -}}
{{- fail "mlflow.install makes a server, and mlflow.uri names another one: set one of them" -}}
{{- else if .Values.mlflow.install -}}http://{{ include "viridian.mlflowName" . }}.{{ .Release.Namespace }}.svc:5000
{{- else -}}{{ .Values.mlflow.uri }}
{{- end -}}
{{- end }}

{{- define "viridian.mlflowSelectorLabels" -}}
app.kubernetes.io/name: viridian
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: mlflow
{{- end }}

{{- define "viridian.mlflowLabels" -}}
{{ include "viridian.mlflowSelectorLabels" . }}
app.kubernetes.io/part-of: viridian
{{ include "viridian.releaseLabels" . }}
{{- end }}

{{- /* Whether the cluster has ValidatingAdmissionPolicies. Without a cluster (helm template) only its version is known. */ -}}
{{- define "viridian.hasAdmissionPolicies" -}}
{{- $versions := .Capabilities.APIVersions }}
{{- if ternary ($versions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy")
  (semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version) ($versions.Has "v1/Pod") -}}true{{- end -}}
{{- end }}

{{- /* TCP ports anywhere that the operator calls: the API server's, and those of addresses that were given. */ -}}
{{- define "viridian.egressPorts" -}}
{{- $ports := concat (list 5000) .Values.networkPolicy.apiServerPorts }}
{{- range $address := compact (list .Values.mlflow.uri .Values.collector.url .Values.prometheus.url) }}
{{- $url := urlParse $address }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https"))) }}
{{- end }}
{{- $numbers := list }}
{{- range $ports }}{{ $numbers = append $numbers (printf "%05d" (int .)) }}{{ end }}
{{- $sorted := list }}
{{- range $numbers | uniq | sortAlpha }}{{ $sorted = append $sorted (trimPrefix "0" (trimPrefix "0" (trimPrefix "0" .)) | atoi) }}{{ end }}
{{- toJson $sorted }}
{{- end }}
