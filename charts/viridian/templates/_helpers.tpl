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
{{- else if ne .Release.Name "viridian" -}}http://{{ include "viridian.collectorName" . }}.{{ .Release.Namespace }}.svc:8090
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
