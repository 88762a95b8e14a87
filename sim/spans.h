/*
 * Ranges that may overlap, found by address: each stretch of addresses with the same set of
 * ranges is one interval with a chain of notes. Used where many mappings name one page.
 */
#ifndef IOMMUSIM_SIM_SPANS_H
#define IOMMUSIM_SIM_SPANS_H

#include <stdbool.h>
#include <stdint.h>

struct imap_entry;
struct spans;

int spans_create(struct spans **out);
void spans_destroy(struct spans *spans);

/* (key, data) now covers [first, last]; the same pair may be added to a range once. */
int spans_add(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data);
void spans_remove(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data);

/* The note of a stretch that has no other. */
struct spans_note {
	uint64_t first, last, data;
	uint32_t key;
	struct imap_entry *place; /* the spans' own; void once they change */
};
/* That of the only stretch that overlaps [first, last], which lies within; false: it is not so. */
bool spans_only(const struct spans *spans, uint64_t first, uint64_t last, struct spans_note *note);
/* Takes it out. */
void spans_drop(struct spans *spans, const struct spans_note *only);

/* Every stretch and note that overlaps [first, last], in order of address. */
void spans_each(const struct spans *spans, uint64_t first, uint64_t last,
		void (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			      uint64_t data),
		void *ctx);

/*
 * The same with boundaries made at first and last: visit may change *data, and returns false to
 * have the note removed. -1: no memory (nothing was visited).
 */
int spans_update(struct spans *spans, uint64_t first, uint64_t last,
		 bool (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			       uint64_t *data),
		 void *ctx);

#endif
