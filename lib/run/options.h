/* Every option of ingotd, as data: flag, environment variable, default, which daemons are told. ingotd parses
 * flags; children read the INGOT_... environment that the supervisor made for them. */
#ifndef INGOT_RUN_OPTIONS_H
#define INGOT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/run/topics.h"

/*  field, flag, environment, default, placeholder, told to, help */
#define OPTIONS(X)                                                                                           \
	X(role, "role", "INGOT_ROLE", "all", "node|controller|all", ALL_ROOMS, "which daemons run here")     \
	X(source, "source", "INGOT_SOURCE", "k8s", "k8s|dir:PATH", READS(WATCHER) | READS(STATUSD),          \
	  "where objects come from")                                                                         \
	X(node, "node", "INGOT_NODE", "", "NAME", ALL_ROOMS, "name of this node; default: the host's name")  \
	X(run_dir, "run-dir", "INGOT_RUN_DIR", "/run/ingot", "DIR", ALL_ROOMS, "folder for sockets")         \
	X(namespace, "namespace", "INGOT_NAMESPACE", "", "NAME", ALL_ROOMS,                                  \
	  "namespace of the metallb.io objects")                                                             \
	X(kubeconfig, "kubeconfig", "INGOT_KUBECONFIG", "", "FILE", READS(WATCHER),                          \
	  "how to reach the API server; default: as a Pod does")                                             \
	X(pod_name, "pod-name", "INGOT_POD_NAME", "", "NAME", READS(WATCHER),                                \
	  "name of the Pod that this is: it owns the status objects")                                        \
	X(pod_uid, "pod-uid", "INGOT_POD_UID", "", "UID", READS(WATCHER), "uid of that Pod")                 \
	X(state_dir, "state-dir", "INGOT_STATE_DIR", "/var/lib/ingot", "DIR", READS(WATCHER),                \
	  "what is known is kept there over a restart; empty: nowhere")                                      \
	X(coexist, "coexist", "INGOT_COEXIST", "false", "BOOL", READS(WATCHER),                              \
	  "work although MetalLB runs in this cluster")                                                      \
	X(gossip_bind, "gossip-bind", "INGOT_GOSSIP_BIND", "", "ADDRESS", READS(GOSSIPD),                    \
	  "address for gossip; default: the node's internal address, found from its Node object")            \
	X(gossip_port, "gossip-port", "INGOT_GOSSIP_PORT", "7946", "PORT", READS(GOSSIPD),                   \
	  "UDP and TCP port")                                                                                \
	X(gossip_key_file, "gossip-key-file", "INGOT_GOSSIP_KEY_FILE", "", "FILE", READS(GOSSIPD),           \
	  "file with the shared secret; default: the Secret of --ml-secret-name")                            \
	X(secret_name, "ml-secret-name", "INGOT_ML_SECRET_NAME", "memberlist", "NAME",                       \
	  READS(WATCHER) | READS(GOSSIPD), "Secret with the shared secret of gossip")                        \
	X(metrics, "metrics", "INGOT_METRICS", ":9120", "ADDRESS:PORT", READS(STATUSD),                      \
	  "metrics listener; without ADDRESS all of both families; empty or port 0 turns it off")            \
	X(health, "health", "INGOT_HEALTH", "127.0.0.1:17472", "ADDRESS:PORT", READS(STATUSD),               \
	  "health listener; empty or port 0 turns it off")                                                   \
	X(bgp_listen, "bgp-listen", "INGOT_BGP_LISTEN", "", "ADDRESS:PORT", READS(BGPD),                     \
	  "accept BGP connections there; empty: only dial out, as MetalLB does")                             \
	X(lb_class, "lb-class", "INGOT_LB_CLASS", "", "CLASS", ALL_ROOMS,                                    \
	  "serve only Services of this class")                                                               \
	X(ignore_exclude_lb, "ignore-exclude-lb", "INGOT_IGNORE_EXCLUDE_LB", "false", "BOOL",                \
	  READS(GOSSIPD) | READS(BGPD), "ignore the exclude-from-external-load-balancers label")             \
	X(log_format, "log-format", "INGOT_LOG_FORMAT", "logfmt", "logfmt|json", ALL_ROOMS, "log lines")     \
	X(log_level, "log-level", "INGOT_LOG_LEVEL", "info", "all|debug|info|warn|error|none", ALL_ROOMS,    \
	  "least level that is logged")                                                                      \
	X(uid_base, "uid-base", "INGOT_UID_BASE", "64100", "UID", ALL_ROOMS,                                 \
	  "first of the user ids that the daemons run as")                                                   \
	X(libexec, "libexec", "INGOT_LIBEXEC", "", "DIR", 0u,                                                \
	  "folder of the daemons; default: found beside ingotd")                                             \
	X(sandbox, "sandbox", "INGOT_SANDBOX", "on", "on|off", ALL_ROOMS, "off only for debugging")

struct options {
#define X(field, flag, env, value, placeholder, told, help) const char *field;
	OPTIONS(X)
#undef X
};

/* Fill from flags, else environment, else default. 0; -EINVAL with a sentence in error that names the flag. 1
 * when
 * --help or --version was given (text for stdout is in error then). Strings live as long as argv and environ;
 * paths may be relative there, ingotd makes them absolute for its children. */
int options_parse(int argc, char **argv, struct options *ret, char *error, unsigned long error_size);
/* Children: from the environment alone. */
int options_from_env(struct options *ret, char *error, unsigned long error_size);
bool options_bool(const char *value); /* "true", "1", "yes", "on" */
/* Daemons of a role, as READS() mask; 0 for an unknown role. */
unsigned options_daemons(const char *role);

#endif
