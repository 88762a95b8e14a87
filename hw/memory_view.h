/*
 * The memory view: what an IOMMU reads whose walks do not snoop the caches of CPUs (rules R3).
 *
 * Words that software writes stand in hw/memory.h at once: that is the software view, and truth. A view
 * keeps what memory still holds in their place until their cache line is written back. It exists
 * (memory.view) only where some unit reads through it; all others read words directly and pay nothing.
 *
 * Leaves out: cache lines that a unit prefetched, partial write-back of a line, and lines that come back into a
 * CPU's cache; a line that is invalidated without being written back stays behind, as nothing reaches memory.
 *
 * Memory follows the lines that are not written back. Not thread-safe.
 */
#ifndef IOMMUSIM_HW_MEMORY_VIEW_H
#define IOMMUSIM_HW_MEMORY_VIEW_H

#include "hw/memory.h"

enum { LINE_LG2 = 6, LINE_WORDS = 8 };

/* A word that memory holds otherwise than software wrote it. */
struct memory_behind {
	pa_t word;
	uint64_t memory, software;
	uint64_t event; /* that wrote it */
};

struct view_line {
	uint64_t number; /* 1 + address / 64; 0: none here */
	uint64_t words[LINE_WORDS], events[LINE_WORDS];
	uint8_t behind; /* bit per word */
};

struct memory_view {
	struct view_line *lines; /* open addressing, a power of two, at most half full */
	uint64_t n_buckets, n_lines;
	/* Words read behind since view_forget(): how many, and the first. */
	uint64_t n_met;
	struct memory_behind met;
};

/* Makes memory->view if there is none; memory_destroy() frees it. */
int memory_view_create(struct memory *memory, struct err *err);
void memory_view_destroy(struct memory_view *view); /* NULL is allowed */

/*
 * To be called before software writes base, base + step, ... at pa: memory keeps what it holds. A word that
 * comes to what memory holds is not behind any more. -1: no memory.
 */
int memory_view_hold(struct memory *memory, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		     uint64_t event);

/* The lines that have bytes in [first, last] reach memory. Cost: the smaller of lines there and lines behind. */
void memory_view_write_back(struct memory *memory, pa_t first, pa_t last);

/* What memory holds at pa, where software reads `software`; notes in view->met where they differ. */
uint64_t memory_view_behind(struct memory_view *view, pa_t pa, uint64_t software);

/* Hardware's own write. True: the word is behind, and memory's was replaced; false: an ordinary word. */
bool memory_view_store(struct memory_view *view, pa_t pa, uint64_t value);

static inline uint64_t memory_view_word(struct memory_view *view, pa_t pa, uint64_t software)
{
	return view && view->n_lines ? memory_view_behind(view, pa, software) : software;
}

static inline bool memory_view_met(const struct memory_view *view)
{
	return view && view->n_met;
}

static inline void memory_view_forget(struct memory_view *view)
{
	if (view)
		view->n_met = 0;
}

#endif
