{{/* The trust domain, if it may be that: identities of nodes end in it, so that another one would be another mesh. */}}
{{- define "ikemesh.trustDomain" -}}
{{- $wanted := required "trustDomain must be set, once and for all: the name that the identities of this cluster's nodes end in, such as --set trustDomain=prod-1.ikemesh.internal. It must differ between clusters that trust one authority and be no name of the real DNS." .Values.trustDomain -}}
{{- $namespace := include "ikemesh.nodesNamespace" . -}}
{{- $name := printf "%s-trust-domain" (include "ikemesh.fullname" .) -}}
{{- $before := dig "data" "trustDomain" $wanted (lookup "v1" "ConfigMap" $namespace $name) -}}
{{- if ne $before $wanted -}}
{{- fail (printf "trustDomain is %s and cannot become %s: every node's identity ends in it, and a node with the old one would not believe a node with the new one. Leave it as it is; or uninstall the chart, delete the ConfigMap %s in the namespace %s, and install it anew." $before $wanted $name $namespace) -}}
{{- end -}}
{{- $wanted -}}
{{- end -}}
