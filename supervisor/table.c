/* The process table. Pure data; runs in the supervisor.
 *
 * Start: who has news before who waits for them; nobody waits for a predecessor to become ready. Stop: who
 * speaks to routers and neighbours first, while membership still tells the other nodes; then who decides,
 * then who writes what the others did, and last who reports it. */
#include "supervisor/table.h"

#include "lib/base/must.h"

const struct table_row table_rows[] = {
	{ DAEMON_WATCHER,
	  3,
	  false,
	  1000,
	  /* How a Pod finds the API server, and ways round a proxy that libcurl knows. */
	  { "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HTTPS_PROXY", "https_proxy", "NO_PROXY",
	    "no_proxy" } },
	{ DAEMON_GOSSIPD, 1, true, 100, { 0 } },
	{ DAEMON_ALLOCATOR, 2, false, 1000, { 0 } },
	{ DAEMON_L2D, 0, false, 1000, { 0 } },
	{ DAEMON_BGPD, 0, false, 1000, { 0 } },
	{ DAEMON_STATUSD, 4, false, 1000, { 0 } },
};
const size_t table_n_rows = ARRAY_LEN(table_rows);
