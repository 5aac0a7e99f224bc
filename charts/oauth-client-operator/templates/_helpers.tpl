{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "operator.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of objects that two releases of the same name share a space of names for: the cluster, or a served namespace. */}}
{{- define "operator.uniqueName" -}}
{{- if eq (include "operator.fullname" .) .Release.Namespace -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- printf "%s.%s" (include "operator.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* Empty if two pods may run at the same time. */}}
{{- define "operator.alone" -}}
{{- if or (not .Values.leaderElection.enabled) (has "--leader-election=false" .Values.extraArgs) -}}
alone
{{- end -}}
{{- end -}}

{{- define "operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is required with serviceAccount.create=false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "operator.labels" -}}
{{- $own := dict
  "app.kubernetes.io/part-of" "oauth-client-operator"
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- mergeOverwrite (deepCopy .Values.commonLabels) $own (include "operator.selectorLabels" . | fromYaml) | toYaml -}}
{{- end -}}

{{- define "operator.podLabels" -}}
{{- mergeOverwrite (deepCopy .Values.commonLabels) .Values.podLabels (include "operator.selectorLabels" . | fromYaml) | toYaml -}}
{{- end -}}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The subject of every binding. */}}
{{- define "operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* What the operator may do in a namespace that it serves. */}}
{{- define "operator.namespacedRules" -}}
- apiGroups: [oauth-client-operator.dev]
  resources: [oauthclients]
  verbs: [get, list, watch, patch]
- apiGroups: [oauth-client-operator.dev]
  resources: [oauthproviders]
  verbs: [get, list, watch]
- apiGroups: [oauth-client-operator.dev]
  resources: [oauthclients/status, oauthproviders/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps] # certificate authorities of providers
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
