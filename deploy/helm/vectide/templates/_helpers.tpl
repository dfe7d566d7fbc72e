{{- define "vectide.name" -}}
{{- if contains "vectide" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-vectide" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "vectide.selector" -}}
app.kubernetes.io/name: vectide
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vectide.labels" -}}
{{ include "vectide.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vectide.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "vectide.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "vectide.probe" -}}
httpGet: {path: {{ .path }}, port: admin}
{{- range $key, $value := omit . "path" }}
{{ $key }}: {{ $value }}
{{- end }}
{{- end }}
