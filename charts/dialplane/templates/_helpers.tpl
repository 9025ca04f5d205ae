{{/* What selects our pods: it can never change. */}}
{{- define "dialplane.selector" -}}
app.kubernetes.io/name: dialplane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object. Those of the values come beside ours and never in their place. */}}
{{- define "dialplane.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "dialplane"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge (include "dialplane.selector" . | fromYaml) $own .Values.commonLabels) }}
{{- end }}

{{/* The same with further ones: (list $ labels). */}}
{{- define "dialplane.labelsWith" -}}
{{- toYaml (merge (include "dialplane.labels" (first .) | fromYaml) (last .)) }}
{{- end }}

{{/* Those of these values that are set, under their own names: (list values name…). */}}
{{- define "dialplane.given" -}}
{{- $values := first . }}
{{- range $name := rest . }}
{{- with get $values $name }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dialplane.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What selects the pods of the sandbox, which no selector of the operator's must. */}}
{{- define "dialplane.sandboxSelector" -}}
app.kubernetes.io/name: dialplane-sandbox
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of everything that is of the sandbox. */}}
{{- define "dialplane.sandboxLabels" -}}
{{- $own := merge (include "dialplane.sandboxSelector" . | fromYaml) (dict "dialplane.dev/sandbox" "true") }}
{{- toYaml (merge $own (include "dialplane.labels" . | fromYaml)) }}
{{- end }}

{{- define "dialplane.sandboxHost" -}}
dialplane-sandbox.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "dialplane.sandboxURL" -}}
http://{{ include "dialplane.sandboxHost" . }}:4010
{{- end }}

{{/* The operator's image is built without the sandbox. */}}
{{- define "dialplane.sandboxImage" -}}
{{- $tag := .Values.sandbox.image.tag | default (print (.Values.image.tag | default .Chart.AppVersion) "-sandbox") }}
{{- with .Values.sandbox.image.digest }}{{ $.Values.image.repository }}@{{ . }}{{ else }}{{ .Values.image.repository }}:{{ $tag }}{{ end }}
{{- end }}

{{/* The hosts that are reached without a proxy; the sandbox is in the cluster. */}}
{{- define "dialplane.noProxy" -}}
{{- $sandbox := and .Values.sandbox.enabled .Values.proxy.httpProxy }}
{{- list .Values.proxy.noProxy (ternary (include "dialplane.sandboxHost" .) "" (not (empty $sandbox))) | compact | join "," }}
{{- end }}

{{/* Where the authority of carrierCA comes from, as a volume; nothing without one. */}}
{{- define "dialplane.carrierCA" -}}
{{- with .Values.carrierCA.secretName }}
- name: carrier-ca
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.carrierCA.configMapName }}
- name: carrier-ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}

{{/* The operator's volumes, and where its container has them. */}}
{{- define "dialplane.volumes" -}}
{{- include "dialplane.carrierCA" . }}
{{- if .Values.metrics.secure.enabled }}
- name: metrics-tls
  secret:
    secretName: {{ .Values.metrics.secure.certificateSecretName }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dialplane.volumeMounts" -}}
{{- if include "dialplane.carrierCA" . }}
- name: carrier-ca
  mountPath: /etc/dialplane/carrier-ca
  readOnly: true
{{- end }}
{{- if .Values.metrics.secure.enabled }}
- name: metrics-tls
  mountPath: /etc/dialplane/metrics-tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name of the port that serves metrics. */}}
{{- define "dialplane.metricsPort" -}}
{{ ternary "https" "http" .Values.metrics.secure.enabled }}
{{- end }}

{{/* How the pods are spread: as the values say, each over our pods unless it says which; otherwise over nodes and zones where they can. */}}
{{- define "dialplane.spread" -}}
{{- $constraints := .Values.topologySpreadConstraints }}
{{- if and (not $constraints) (gt (int .Values.replicas) 1) }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
{{- end }}
{{- end }}
{{- range $constraints }}
{{- $ours := dict "labelSelector" (dict "matchLabels" (include "dialplane.selector" $ | fromYaml)) }}
{{ list (merge (deepCopy .) $ours) | toYaml }}
{{- end }}
{{- end }}

{{/* The ports of the URLs that the values name, and 443, where carriers and platforms are. */}}
{{- define "dialplane.ports" -}}
{{- $ports := list 443 }}
{{- range concat (list .Values.proxy.httpsProxy .Values.proxy.httpProxy) .Values.carriers.allowedEndpoints | compact }}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $ports = append $ports (int ($port | default (ternary 80 443 (eq $url.scheme "http")))) }}
{{- end }}
{{- range uniq $ports }}
- port: {{ . }}
{{- end }}
{{- end }}

{{/* A Role and its RoleBinding for the operator, of (the chart, their name, their namespace, the rules). */}}
{{- define "dialplane.role" -}}
{{- $chart := index . 0 }}

---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ index . 1 }}
  namespace: {{ index . 2 }}
  labels:
    {{- include "dialplane.labels" $chart | nindent 4 }}
rules:
  {{- toYaml (index . 3) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ index . 1 }}
  namespace: {{ index . 2 }}
  labels:
    {{- include "dialplane.labels" $chart | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ index . 1 }}
subjects:
  - kind: ServiceAccount
    name: {{ $chart.Values.serviceAccount.name }}
    namespace: {{ $chart.Release.Namespace }}
{{- end -}}
