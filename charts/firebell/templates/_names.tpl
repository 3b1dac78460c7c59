{{- define "firebell.name" -}}
{{- if contains "firebell" .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-firebell" (.Release.Name | trunc 44 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "firebell.selector" -}}
app.kubernetes.io/name: firebell
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "firebell.labels" -}}
{{ include "firebell.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* What the operator does where policies live. */ -}}
{{- define "firebell.policyRules" -}}
- apiGroups: [firebell.dev]
  resources: [escalationpolicies]
  verbs: [get, list, watch]
- apiGroups: [firebell.dev]
  resources: [escalationpolicies/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- /* What it does where tickets live. */ -}}
{{- define "firebell.ticketRules" -}}
- apiGroups: [firebell.dev]
  resources: [tickets]
  verbs: [get, list, watch, delete]
- apiGroups: [firebell.dev]
  resources: [tickets/status]
  verbs: [patch]
- apiGroups: [firebell.dev]
  resources: [rcas]
  verbs: [get, list, watch, create]
- apiGroups: [firebell.dev]
  resources: [rcas/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, delete]
{{- end -}}

{{- /* The intake's pods are none of the operator's: another name. */ -}}
{{- define "firebell.intakeSelector" -}}
app.kubernetes.io/name: firebell-intake
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "firebell.intakeLabels" -}}
{{ include "firebell.intakeSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
