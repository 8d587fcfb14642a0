{{/* Arguments by which a program serves metrics by TLS, and to those only who may read them. */}}
{{- define "ikemesh.metricsAccessArgs" -}}
{{- with .Values.metrics }}
{{- if and .authentication.enabled (not .tls.secretName) }}
{{- fail "metrics.authentication.enabled needs metrics.tls.secretName: tokens would cross the network in the clear" }}
{{- end }}
{{- if .tls.secretName }}
- --metrics-tls=/etc/ikemesh/metrics-tls
{{- end }}
{{- if .authentication.enabled }}
- --metrics-authentication
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the certificate lies. Optional: encryption does not wait for what metrics need. */}}
{{- define "ikemesh.metricsTlsVolume" -}}
- name: metrics-tls
  secret: {secretName: {{ .Values.metrics.tls.secretName }}, optional: true}
{{- end -}}

{{- define "ikemesh.metricsTlsMount" -}}
- {name: metrics-tls, mountPath: /etc/ikemesh/metrics-tls, readOnly: true}
{{- end -}}

{{/* How Prometheus asks, in an endpoint of a monitor. */}}
{{- define "ikemesh.scrapeAccess" -}}
{{- with .Values.metrics }}
{{- if .tls.secretName }}
scheme: https
tlsConfig:
  serverName: {{ required "metrics.tls.serverName must be set, to a name in the certificate of metrics.tls.secretName" .tls.serverName }}
  ca:
    secret: {name: {{ default .tls.secretName .tls.authoritySecretName }}, key: ca.crt}
{{- end }}
{{- if .authentication.enabled }}
authorization:
  credentials: {name: {{ required "metrics.authentication.tokenSecretName must name the Secret with the token of Prometheus" .authentication.tokenSecretName }}, key: token}
{{- end }}
{{- end }}
{{- end -}}

{{/* Rights of a program that asks the API server who may read metrics. */}}
{{- define "ikemesh.metricsAccessRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}
