/* Files that the build puts into the program (cmake/embed.cmake). */
#ifndef INGOT_CTL_CRDS_H
#define INGOT_CTL_CRDS_H

#include <stddef.h>

struct embedded {
	const char *name; /* of the file, without ending; NULL = the end */
	const unsigned char *data;
	size_t len;
};

extern const struct embedded crds_embedded[]; /* charts/ingot/crds */

#endif
