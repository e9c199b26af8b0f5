{{/* The value of a variable. A large whole number would otherwise be written as 5e+06. */}}
{{- define "progress-worker.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* Takes [root, component]. The rules and dashboards know the processes by this name. */}}
{{- define "progress-worker.selector" -}}
app.kubernetes.io/name: progress-{{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* Takes [root, component]: the name and labels of an object. */}}
{{- define "progress-worker.metadata" -}}
{{- $root := index . 0 -}}
name: {{ $root.Release.Name }}-{{ index . 1 }}
labels:
  {{- include "progress-worker.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: progress-worker
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "progress-worker.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The port on which a process answers, and the one for /metrics. */}}
{{- define "progress-worker.worker.port" -}}
{{ .Values.worker.settings.PROGRESS_WEB_PORT | default 6066 | int }}
{{- end }}
{{- define "progress-worker.api.port" -}}
{{ .Values.api.settings.PROGRESS_VIEW_PORT | default 8080 | int }}
{{- end }}
{{- define "progress-worker.api.metrics" -}}
{{ if .Values.api.settings.PROGRESS_VIEW_METRICS_PORT }}metrics{{ else }}http{{ end }}
{{- end }}

{{/*
A template of pods without rights. `component` is worker, api, migrate or topics; `settings` are its
variables, `pod` and `container` what only this component has, `rules` says if it reads the rule book.
*/}}
{{- define "progress-worker.pod" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .component -}}
{{- $ruleBook := and .rules $root.Values.ruleBook -}}
{{- $settings := .settings -}}
{{- if $ruleBook -}}
{{- $settings = merge (dict "PROGRESS_CATALOGUE_FILE" "/etc/progress-worker/rulebook.yaml") $settings -}}
{{- end -}}
metadata:
  {{- $annotations := deepCopy ($values.podAnnotations | default dict) }}
  {{- if $ruleBook }}
  {{- $_ := set $annotations "checksum/rule-book" (sha256sum $root.Values.ruleBook) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "progress-worker.selector" (list $root .component) | nindent 4 }}
    app.kubernetes.io/part-of: progress-worker
spec:
  {{- with .pod }}
  {{- . | nindent 2 }}
  {{- end }}
  automountServiceAccountToken: false
  {{- with $values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" }}
  {{- with index $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: {{ .component }}
      image: {{ include "progress-worker.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- .container | nindent 6 }}
      env:
        {{- range $variable, $value := $settings }}
        - name: {{ $variable }}
          value: {{ include "progress-worker.text" $value | quote }}
        {{- end }}
        {{- range $variable, $secret := $values.secrets }}
        - name: {{ $variable }}
          valueFrom:
            secretKeyRef:
              name: {{ $secret.name }}
              key: {{ $secret.key | default $variable }}
        {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if $ruleBook }}
        - name: rule-book
          mountPath: /etc/progress-worker
          readOnly: true
        {{- end }}
        {{- with $values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if $ruleBook }}
    - name: rule-book
      configMap:
        name: {{ $root.Release.Name }}-rule-book
    {{- end }}
    {{- with $values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Takes [root, component]: pods of a component go to several nodes where they can. */}}
{{- define "progress-worker.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "progress-worker.selector" . | nindent 8 }}
{{- end }}

{{/* Takes [root, component]: voluntary disruptions take one pod after the other. */}}
{{- define "progress-worker.disruption" -}}
{{- $root := index . 0 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "progress-worker.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ (index $root.Values (index . 1)).maxUnavailable }}
  selector:
    matchLabels:
      {{- include "progress-worker.selector" . | nindent 6 }}
{{- end }}

{{/*
A Job that runs before each install and upgrade: root, component, rank among the hooks, container and
settings.
*/}}
{{- define "progress-worker.hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "progress-worker.metadata" (list .root .component) | nindent 2 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .rank | quote }}
    # A job is immutable: the one before goes first. A job that failed stays, with its log.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 4
  activeDeadlineSeconds: 1800
  ttlSecondsAfterFinished: 600
  template:
    {{- include "progress-worker.pod" (dict "root" .root "component" .component "settings" .settings "pod" "restartPolicy: Never" "container" .container "rules" false) | nindent 4 }}
{{- end }}
