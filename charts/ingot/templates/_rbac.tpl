{{/* Rules of both Roles. */}}
{{- define "ingot.configRules" -}}
# The configuration.
- apiGroups: [metallb.io]
  resources: [ipaddresspools, l2advertisements, bgpadvertisements, bgppeers, bfdprofiles, communities]
  verbs: [list, watch]
# Whether this component accepts the configuration.
- apiGroups: [metallb.io]
  resources: [configurationstates]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [metallb.io]
  resources: [configurationstates/status]
  verbs: [patch]
# Whether MetalLB's Pods still run here.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end -}}

{{/* Rule of both ClusterRoles, in any namespace but MetalLB's own: a Role there would need that namespace to exist. */}}
{{- define "ingot.findMetallb" -}}
{{- if ne .Release.Namespace "metallb-system" -}}
# Whether MetalLB's Pods run in metallb-system, the namespace where it usually is.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end -}}
{{- end -}}
