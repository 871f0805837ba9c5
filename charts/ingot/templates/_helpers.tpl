{{/* Names follow the release; labels do not: a Pod that carries MetalLB's labels would be taken for MetalLB, and Ingot
keeps still while that runs. */}}
{{- define "ingot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "ingot.fullname" -}}
{{- $name := include "ingot.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "ingot.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: ingot
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The functions below take a dict: root, component (node or controller), values (those of the component). */}}
{{- define "ingot.selector" -}}
app.kubernetes.io/name: ingot
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "ingot.podMetadata" -}}
{{- $labels := default dict .values.labels -}}
{{- if or (eq (toString (get $labels "app")) "metallb") (eq (toString (get $labels "app.kubernetes.io/name")) "metallb") -}}
{{- fail "labels: Pods with the labels of MetalLB (app, app.kubernetes.io/name) would be taken for MetalLB" -}}
{{- end -}}
labels:
  {{- merge (include "ingot.selector" . | fromYaml) $labels | toYaml | nindent 2 }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "ingot.serviceAccountName" -}}
{{- if .values.serviceAccount.create -}}
{{- default (printf "%s-%s" (include "ingot.fullname" .root) .component) .values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ingot.image" -}}
{{- .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* What both kinds of Pod have in front of their containers. The supervisor begins as root, gives each daemon a user
of its own, and takes every capability away from them. The watcher's group alone can read the token. */}}
{{- define "ingot.podSpec" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "ingot.serviceAccountName" . }}
terminationGracePeriodSeconds: 30
securityContext:
  {{- merge (deepCopy (default dict .values.securityContext)) (dict "runAsUser" 0 "fsGroup" 64101) | toYaml | nindent 2 }}
nodeSelector:
  {{ if semverCompare "<1.14-0" .root.Capabilities.KubeVersion.Version }}beta.{{ end }}kubernetes.io/os: linux
  {{- with .values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Options of ingotd that come from the environment; ingotctl inside of the Pod finds its run folder there too. */}}
{{- define "ingot.env" -}}
{{- range $name, $path := dict "INGOT_NAMESPACE" "metadata.namespace" "INGOT_NODE" "spec.nodeName" "INGOT_POD_NAME" "metadata.name" "INGOT_POD_UID" "metadata.uid" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $path }}
{{- end }}
- name: INGOT_RUN_DIR
  value: /run/ingot/{{ .component }}
{{- end -}}

{{/* Options of ingotd that both roles have. */}}
{{- define "ingot.args" -}}
- --role={{ .component }}
- --source=k8s
- --log-level={{ .values.logLevel }}
- --metrics=:{{ .root.Values.prometheus.metricsPort }}
{{- with .root.Values.loadBalancerClass }}
- --lb-class={{ . }}
{{- end }}
{{- with .root.Values.speaker.secretName }}
- --ml-secret-name={{ . }}
{{- end }}
{{- if .root.Values.coexist }}
- --coexist=true
{{- end }}
{{- end -}}

{{/* dict: probe, path, host (empty = the Pod's own address) */}}
{{- define "ingot.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .probe.port }}
  {{- with .host }}
  host: {{ . }}
  {{- end }}
initialDelaySeconds: {{ .probe.initialDelaySeconds }}
periodSeconds: {{ .probe.periodSeconds }}
timeoutSeconds: {{ .probe.timeoutSeconds }}
successThreshold: {{ .probe.successThreshold }}
failureThreshold: {{ .probe.failureThreshold }}
{{- end -}}

{{- define "ingot.probes" -}}
{{- if .values.livenessProbe.enabled }}
livenessProbe:
  {{- include "ingot.probe" (dict "probe" .values.livenessProbe "path" "/healthz" "host" .host) | nindent 2 }}
{{- end }}
{{- if .values.readinessProbe.enabled }}
readinessProbe:
  {{- include "ingot.probe" (dict "probe" .values.readinessProbe "path" "/readyz" "host" .host) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The names in values.yaml, for the notes; a test compares the two. */}}
{{- define "ingot.knownValues" -}}
chart: [coexist, controller, fullnameOverride, global, image, imagePullSecrets, loadBalancerClass, nameOverride, prometheus, rbac, speaker]
controller: [affinity, enabled, extraArgs, extraContainers, labels, livenessProbe, logLevel, nodeSelector, podAnnotations,
  podDisruptionBudget, priorityClassName, readinessProbe, replicas, resources, runtimeClassName, securityContext,
  serviceAccount, strategy, tolerations]
speaker: [affinity, bgpListen, enabled, excludeInterfaces, extraArgs, extraContainers, ignoreExcludeLB, labels, livenessProbe,
  logLevel, memberlist, nodeSelector, podAnnotations, priorityClassName, readinessProbe, resources, runtimeClassName, secretName,
  securityContext, serviceAccount, tolerateMaster, tolerations, updateStrategy]
{{- end -}}
