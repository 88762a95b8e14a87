/*
 * --verify: the software side of every window again, as a plain list of pieces that each update,
 * map and invalidation is held against one by one: no interval maps, no windows, no parts. Its sum of
 * bytes x ns must equal the detector's.
 */
#ifndef IOMMUSIM_ANALYSIS_VERIFY_WINDOWS_H
#define IOMMUSIM_ANALYSIS_VERIFY_WINDOWS_H

#include "sim/replay.h"

struct window_check;

int window_check_create(struct window_check **out);
void window_check_destroy(struct window_check *check); /* NULL is allowed */

void window_check_removed(struct window_check *check, const struct removal *removal);
void window_check_mapped(struct window_check *check, const struct domain *domain, iova_t first,
			 iova_t last, pa_t pa, unsigned perm, uint64_t time_ns);
void window_check_done(struct window_check *check, const struct replay *replay,
		       const struct inval_op *op);

/* What is still open ends at now_ns. False: a list ran out of memory, and the sums say nothing. */
bool window_check_finish(struct window_check *check, uint64_t now_ns, uint64_t *bytes,
			 unsigned __int128 *byte_ns);

#endif
