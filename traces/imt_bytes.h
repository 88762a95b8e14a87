/* Bytes that grow, for the writer of the native container. */
#ifndef IOMMUSIM_TRACES_IMT_BYTES_H
#define IOMMUSIM_TRACES_IMT_BYTES_H

#include <stdlib.h>

#include "traces/imt_format.h"

struct bytes {
	unsigned char *data;
	size_t n, max;
};

/* Room for more behind what is there; -1: no memory. */
static inline int bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t max = bytes->max ? bytes->max : 4096;
	unsigned char *data;

	if (bytes->n + more <= bytes->max)
		return 0;
	while (max < bytes->n + more)
		max *= 2;
	data = realloc(bytes->data, max);
	if (!data)
		return -1;
	bytes->data = data;
	bytes->max = max;
	return 0;
}

/* Into room that is there. */
static inline void bytes_append(struct bytes *bytes, const void *data, size_t n)
{
	if (bytes->data)
		memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
}

static inline void bytes_append_number(struct bytes *bytes, uint64_t value, size_t width)
{
	unsigned char raw[8];

	put64(raw, value);
	bytes_append(bytes, raw, width);
}

#endif
