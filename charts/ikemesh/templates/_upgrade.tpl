{{/*
Refuses an upgrade that leaves out a minor version, before anything is changed. Where a chart is rendered without a
cluster nothing is installed as far as can be seen, and whoever applies it looks after that.
*/}}
{{- define "ikemesh.upgradeCheck" -}}
{{- $name := printf "%s-operator" (include "ikemesh.fullname" .) -}}
{{- $deployment := lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- $installed := dig "metadata" "labels" "app.kubernetes.io/version" "" $deployment -}}
{{- if $installed -}}
{{- $from := semver $installed -}}
{{- $to := semver .Chart.AppVersion -}}
{{- $majors := sub (int64 $to.Major) (int64 $from.Major) -}}
{{- $minors := sub (int64 $to.Minor) (int64 $from.Minor) -}}
{{- $why := "agents of both versions work side by side while nodes are updated, and only neighbouring versions are known to understand each other" -}}
{{- if and (eq $majors 0) (gt $minors 1) -}}
{{- $next := printf "%d.%d" (int64 $from.Major) (add (int64 $from.Minor) 1) -}}
{{- fail (printf "ikemesh %s is installed, and %s leaves out minor versions: %s. Upgrade to the newest %s first, wait for `kubectl --namespace %s rollout status daemonset/%s-agent`, and go on from there." $installed .Chart.AppVersion $why $next .Release.Namespace (include "ikemesh.fullname" .)) -}}
{{- else if or (gt $majors 1) (and (eq $majors 1) (gt (int64 $to.Minor) 0)) -}}
{{- $next := printf "%d.0" (add (int64 $from.Major) 1) -}}
{{- fail (printf "ikemesh %s is installed, and %s leaves out versions: %s. Upgrade to the last release of version %d, then to %s, and go on from there." $installed .Chart.AppVersion $why (int64 $from.Major) $next) -}}
{{- end -}}
{{- end -}}
{{- end -}}
