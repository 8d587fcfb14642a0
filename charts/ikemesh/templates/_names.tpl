{{/* The beginning of the names of objects. With the longest suffix it is a label of DNS; what is cut off is hashed. */}}
{{- define "ikemesh.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- $name = default $name .Values.fullnameOverride -}}
{{- if gt (len $name) 48 -}}
{{- $name = printf "%s-%s" (trunc 39 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "ikemesh.nodesNamespace" -}}
{{- default (printf "%s-nodes" .Release.Name) .Values.nodesNamespace.name -}}
{{- end -}}

{{/* Labels by which objects find pods; they cannot change. Takes root and component. */}}
{{- define "ikemesh.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object. Takes root and component. */}}
{{- define "ikemesh.labels" -}}
{{ include "ikemesh.selector" . }}
app.kubernetes.io/part-of: ikemesh
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ikemesh.image" -}}
{{- $image := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- with .Values.image.digest -}}
{{- $image = printf "%s@%s" $image . -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* What an object that is kept says. Takes whether it is. */}}
{{- define "ikemesh.kept" -}}
{{- if . }}
helm.sh/resource-policy: keep
{{- end }}
{{- end -}}
