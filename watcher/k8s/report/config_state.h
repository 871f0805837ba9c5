/* ConfigurationState: what a component thinks of the configuration. One object of a fixed name per component;
 * never deleted by us. Pure. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_REPORT_CONFIG_STATE_H
#define INGOT_WATCHER_K8S_REPORT_CONFIG_STATE_H

#include "watcher/k8s/report/upkeep.h"

/* For upkeep_new. Keys are names of objects: CONFIG_STATE_CONTROLLER, and that of config_state_speaker.
 * Status: reports_json_config_status; a condition keeps the lastTransitionTime that is there while its status
 * stays. */
extern const struct upkeep_kind config_state_kind;

#define CONFIG_STATE_CONTROLLER "controller"
/* "speaker-NODE" into buf; returns buf. */
const char *config_state_speaker(const char *node, char buf[static OBJECT_KEY]);

#endif
