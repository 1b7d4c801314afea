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

{{- /* Where the dashboard finds the collector; empty where people do not label on it. */ -}}
{{- define "viridian.dashboardCollector" -}}
{{- if .Values.dashboard.labels.enabled -}}
{{- if .Values.collector.url -}}{{ .Values.collector.url }}
{{- else if .Values.collector.tls.existingSecret -}}https://{{ include "viridian.collectorName" . }}.{{ .Release.Namespace }}.svc:8090
{{- else if .Values.collector.install -}}http://{{ include "viridian.collectorName" . }}:8090
{{- else -}}{{ fail "dashboard.labels.enabled needs a collector: set collector.install or collector.url" }}
{{- end -}}
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
{{- $registry := $image.registry }}
{{- with $root.Values.global.imageRegistry }}
{{- $registry = default (printf "%s/viridian" .) $registry }}
{{- end }}
{{- $repository = printf "%s/%s" (required (include "viridian.noRegistry" $root) $registry) $name }}
{{- end }}
{{- $digest := ternary "" (get $image.digests $name) (not (empty $own.tag)) }}
{{- if $digest -}}{{ printf "%s@%s" $repository $digest }}
{{- else -}}{{ printf "%s:%s" $repository (coalesce $own.tag $image.tag $root.Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{- /* JSON of the Secrets with which images are pulled: those of all charts of a release first. */ -}}
{{- define "viridian.pullSecrets" -}}
{{- concat (default list .Values.global.imagePullSecrets) .Values.imagePullSecrets | uniq | toJson -}}
{{- end }}

{{- /* What a container needs that calls outside of the cluster: proxies, and the authorities of certificates. */ -}}
{{- define "viridian.outsideEnv" -}}
{{- with .Values.proxy }}
{{- with .http }}
- {name: HTTP_PROXY, value: {{ . | quote }}}
{{- end }}
{{- with .https }}
- {name: HTTPS_PROXY, value: {{ . | quote }}}
{{- end }}
{{- if or .http .https }}
- {name: NO_PROXY, value: {{ compact (list "localhost" "127.0.0.1" "::1" ".svc" ".svc.cluster.local" .noProxy) | join "," | quote }}}
{{- end }}
{{- end }}
{{- if .Values.caBundle.configMap }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" }}
- {name: {{ . }}, value: /etc/viridian/authorities/ca.crt}
{{- end }}
{{- end }}
{{- end }}

{{- /* Spread over zones and the like, of the pods with these labels: (list root "name of their labels"). */ -}}
{{- define "viridian.spread" -}}
{{- $root := index . 0 }}{{ $labels := include (index . 1) $root | fromYaml }}
{{- $constraints := list }}
{{- range $root.Values.topologySpreadConstraints }}
{{- $constraints = append $constraints (merge (dict) . (dict "labelSelector" (dict "matchLabels" $labels))) }}
{{- end }}
{{- if $constraints }}{{ toYaml $constraints }}{{ end }}
{{- end }}

{{- define "viridian.noRegistry" -}}


image.registry is not set, and no images of Viridian are published: where would a node pull them from?

  make images REGISTRY=registry.example.com/viridian      # in a checkout: builds and pushes them, prints their digests
  helm … --set image.registry=registry.example.com/viridian

Is a login needed to pull? --set 'imagePullSecrets[0].name=registry-login'. Does each node have the images
(kind load, python3 -m localcluster images load)? --set image.registry=viridian --set image.tag=dev
{{ end }}

{{- define "viridian.dashboardName" -}}
{{- if eq .Release.Name "viridian" -}}viridian-dashboard{{- else -}}{{ printf "%s-viridian-dashboard" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "viridian.dashboardSelectorLabels" -}}
app.kubernetes.io/name: viridian
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: dashboard
{{- end }}

{{- define "viridian.dashboardLabels" -}}
{{ include "viridian.dashboardSelectorLabels" . }}
app.kubernetes.io/part-of: viridian
{{ include "viridian.releaseLabels" . }}
{{- end }}

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
{{- range $address := compact (list .Values.mlflow.uri .Values.collector.url .Values.prometheus.url .Values.eventSink.url .Values.proxy.http .Values.proxy.https) }}
{{- $url := urlParse $address }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https"))) }}
{{- end }}
{{- $numbers := list }}
{{- range $ports }}{{ $numbers = append $numbers (printf "%05d" (int .)) }}{{ end }}
{{- $sorted := list }}
{{- range $numbers | uniq | sortAlpha }}{{ $sorted = append $sorted (trimPrefix "0" (trimPrefix "0" (trimPrefix "0" .)) | atoi) }}{{ end }}
{{- toJson $sorted }}
{{- end }}
