/* The map of the house: every daemon, every topic and every request. An edge between daemons exists when it
 * stands in these tables, and nowhere else. docs/bus.md explains the columns. */
#ifndef INGOT_RUN_TOPICS_H
#define INGOT_RUN_TOPICS_H

/*  constant   program name   uid offset from --uid-base (never reuse) */
#define DAEMONS(X)                                                                                           \
	X(SUPERVISOR, "ingotd", 0)                                                                           \
	X(WATCHER, "watcher", 1)                                                                             \
	X(ALLOCATOR, "allocator", 2)                                                                         \
	X(GOSSIPD, "gossipd", 3)                                                                             \
	X(L2D, "l2d", 4)                                                                                     \
	X(BGPD, "bgpd", 5)                                                                                   \
	X(BFDD, "bfdd", 6)                                                                                   \
	X(STATUSD, "statusd", 7)                                                                             \
	X(CTL, "ingotctl", 8)
enum daemon_id {
#define X(constant, name, offset) DAEMON_##constant,
	DAEMONS(X)
#undef X
	    DAEMON_N
};
#define READS(d) (1u << DAEMON_##d)
#define ALL_ROOMS                                                                                            \
	(READS(WATCHER) | READS(ALLOCATOR) | READS(GOSSIPD) | READS(L2D) | READS(BGPD) | READS(STATUSD))
#define CONFIG_READERS (READS(ALLOCATOR) | READS(GOSSIPD) | READS(BGPD) | READS(STATUSD))

/*  constant        id   name                publisher  payload                   readers */
#define TOPICS(X)                                                                                            \
	X(SERVICES, 'S', "services", WATCHER, ingot__service, CONFIG_READERS)                                \
	X(ENDPOINTS, 'E', "endpoints", WATCHER, ingot__endpoint_slice, CONFIG_READERS)                       \
	X(NODES, 'N', "nodes", WATCHER, ingot__node, CONFIG_READERS)                                         \
	X(NAMESPACES, 'n', "namespaces", WATCHER, ingot__namespace, CONFIG_READERS)                          \
	X(SECRETS, 's', "secrets", WATCHER, ingot__secret, CONFIG_READERS)                                   \
	X(CONFIG_MAPS, 'c', "configmaps", WATCHER, ingot__config_map, CONFIG_READERS | READS(L2D))           \
	X(POOLS, 'p', "pools", WATCHER, ingot__ipaddress_pool, CONFIG_READERS)                               \
	X(L2_ADVERTISEMENTS, 'a', "l2advertisements", WATCHER, ingot__l2_advertisement, CONFIG_READERS)      \
	X(BGP_ADVERTISEMENTS, 'b', "bgpadvertisements", WATCHER, ingot__bgpadvertisement, CONFIG_READERS)    \
	X(BGP_PEERS_WANTED, 'P', "bgppeers", WATCHER, ingot__bgppeer, CONFIG_READERS)                        \
	X(BFD_PROFILES, 'f', "bfdprofiles", WATCHER, ingot__bfdprofile, CONFIG_READERS)                      \
	X(COMMUNITIES, 'C', "communities", WATCHER, ingot__community, CONFIG_READERS)                        \
	X(WATCHER_CONFIG, '0', "watcher_config", WATCHER, ingot__config_status, READS(STATUSD))              \
	X(SOURCE, 'o', "source", WATCHER, ingot__source_status, READS(STATUSD))                              \
	X(LEADER, 'l', "leader", WATCHER, ingot__leader, READS(ALLOCATOR) | READS(STATUSD))                  \
	X(ASSIGNMENTS, 'A', "assignments", ALLOCATOR, ingot__assignment, READS(WATCHER) | READS(STATUSD))    \
	X(POOL_STATUS, 'u', "pool_status", ALLOCATOR, ingot__pool_status, READS(WATCHER) | READS(STATUSD))   \
	X(ALLOCATOR_CONFIG, '1', "allocator_config", ALLOCATOR, ingot__config_status,                        \
	  READS(WATCHER) | READS(STATUSD))                                                                   \
	X(MEMBERS, 'M', "members", GOSSIPD, ingot__member, READS(WATCHER) | READS(L2D) | READS(STATUSD))     \
	X(OWNERSHIP, 'O', "ownership", GOSSIPD, ingot__ownership,                                            \
	  READS(WATCHER) | READS(L2D) | READS(STATUSD))                                                      \
	X(L2_SERVICES, 'v', "l2_services", GOSSIPD, ingot__l2_service_state,                                 \
	  READS(WATCHER) | READS(STATUSD))                                                                   \
	X(GOSSIPD_CONFIG, '2', "gossipd_config", GOSSIPD, ingot__config_status,                              \
	  READS(WATCHER) | READS(STATUSD))                                                                   \
	X(L2, '3', "l2", L2D, ingot__l2_announcement, READS(WATCHER) | READS(GOSSIPD) | READS(STATUSD))      \
	X(LINKS, 'L', "links", L2D, ingot__link, READS(GOSSIPD) | READS(BGPD) | READS(STATUSD))              \
	X(BGP_PEERS, 'B', "bgp_peers", BGPD, ingot__bgp_peer_state, READS(WATCHER) | READS(STATUSD))         \
	X(BGP_SERVICES, 'G', "bgp_services", BGPD, ingot__bgp_service_state,                                 \
	  READS(WATCHER) | READS(STATUSD))                                                                   \
	X(BGPD_CONFIG, '4', "bgpd_config", BGPD, ingot__config_status, READS(WATCHER) | READS(STATUSD))
enum topic {
#define X(constant, id, name, publisher, payload, readers) TOPIC_##constant,
	TOPICS(X)
#undef X
	    TOPIC_N
};

/* Requests. Server ROOM means: every daemon answers it (the skeleton does, lib/run/daemon.c). All are
 * idempotent: the idempotence column says what makes a repeat harmless. Deadline in ms; it is resent after a
 * reconnect until then. constant    name        server   callers                        request reply
 * deadline  idempotence */
#define REQUESTS(X)                                                                                          \
	X(SINCE, "since", ROOM, ALL_ROOMS, ingot__since_request, ingot__since_reply, 2000, "reads")          \
	X(SECRET, "secret", WATCHER, READS(BGPD) | READS(GOSSIPD), ingot__secret_request,                    \
	  ingot__secret_reply, 2000, "reads")                                                                \
	X(EXPLAIN, "explain", ROOM, READS(STATUSD) | READS(L2D), ingot__explain_request,                     \
	  ingot__explain_reply, 1000, "reads")                                                               \
	X(LOG_LEVEL, "log-level", ROOM, READS(STATUSD), ingot__log_level_request, ingot__log_level_reply,    \
	  1000, "the level itself")                                                                          \
	X(METRICS, "metrics", ROOM, READS(STATUSD), ingot__state_request, ingot__state_reply, 1000, "reads") \
	X(STATE, "state", STATUSD, READS(CTL), ingot__state_request, ingot__state_reply, 5000, "reads")
enum request_kind {
#define X(constant, name, server, callers, request, reply, deadline, idempotence) REQUEST_##constant,
	REQUESTS(X)
#undef X
	    REQUEST_N
};

const char *daemon_name(enum daemon_id d);
const char *topic_name(enum topic t);
enum daemon_id topic_publisher(enum topic t);
const char *request_name(enum request_kind r);

#endif
