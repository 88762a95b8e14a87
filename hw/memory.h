/*
 * Simulated physical memory: the words that translation tables are made of.
 *
 * Only frames that were written or linked as tables exist; every other word below the limit
 * reads as zero, and a read at or above the limit fails, as an access outside of memory does.
 * A frame whose words form an arithmetic run (a table mapping contiguous pages) is kept as the
 * run until one word breaks it, so memory follows the shape of the tables.
 *
 * A struct frame stays where it is for the life of its memory: walk caches hold pointers to it.
 * Its `node` belongs to the table graph (hw/tables.h). Not thread-safe.
 */
#ifndef IOMMUSIM_HW_MEMORY_H
#define IOMMUSIM_HW_MEMORY_H

#include "hw/base/bits.h"
#include "hw/base/err.h"

enum { FRAME_LG2 = 12, FRAME_WORDS = 512 };

struct abort_range;
struct chunk;
struct frame;
struct memory_view;
struct table_role;

/* One live word that points to a table. */
struct table_link {
	struct frame *parent;
	uint16_t index; /* of the entry in the parent */
	uint16_t page;	/* of a table of several pages, which of them */
	uint8_t level;	/* of the table that is pointed to */
};

/* What the table graph knows of a frame. */
struct table_node {
	const struct table_role *role; /* NULL: not a table */
	uint8_t level;
	bool pinned : 1; /* a root: keeps its role without a parent */
	bool mixed : 1;	 /* linked with different roles or levels */
	bool leaves : 1; /* its words are leaves, one word each: nothing is linked from them */
	uint16_t part;	 /* which frame of its table, where tables fill several */
	uint32_t space;	 /* number of the address space it is the root of, or 0 */
	uint32_t watch;	 /* number under which all its changes are told, or 0 */
	uint32_t n_links, max_links;
	struct table_link link;	  /* the only one, while n_links is 1 */
	struct table_link *links; /* all, once there were two */
	uint64_t freed;		  /* 1 + event that gave the page back; 0: in use */
	uint64_t was_freed;	  /* the same of the last time, kept when it is in use again */
};

struct frame {
	_Alignas(64) pa_t pa; /* what a walk reads of it is in one line */
	uint64_t *words;      /* NULL while the frame is a run */
	uint64_t run_base, run_step;
	uint16_t run_first, run_count;
	uint16_t nonzero; /* words that are not 0 */
	struct table_node node;
};

/* The address stands beside the frame: a lookup reads one line. */
struct memory_bucket {
	pa_t pa;
	struct frame *frame; /* NULL: empty */
};

/* Public for the inline lookup below; everything else goes through the functions. */
struct memory {
	pa_t limit;
	struct memory_bucket *buckets; /* open addressing, a power of two, at most half full */
	uint64_t n_buckets, n_frames;
	struct chunk *chunks;
	struct abort_range *aborts; /* accesses that fail although below the limit */
	uint32_t n_aborts;
	struct memory_view *view; /* hw/memory_view.h; NULL: every unit reads what software wrote */
};

struct abort_range {
	pa_t first, last;
};

/* limit: the first physical address that does not exist. */
int memory_create(pa_t limit, struct memory **out, struct err *err);
void memory_destroy(struct memory *memory);

static inline uint64_t frame_word(const struct frame *frame, unsigned index)
{
	unsigned at;

	if (__builtin_expect(!!frame->words, 1))
		return frame->words[index];
	at = index - frame->run_first;
	return at < frame->run_count ? frame->run_base + at * frame->run_step : 0;
}

/* Sets one word; -1 on no memory. */
int frame_set_run_word(struct frame *frame, unsigned index, uint64_t value);
static inline int frame_set(struct frame *frame, unsigned index, uint64_t value)
{
	if (!frame->words)
		return frame_set_run_word(frame, index, value);
	frame->nonzero = (uint16_t)(frame->nonzero + (value != 0) - (frame->words[index] != 0));
	frame->words[index] = value;
	return 0;
}
/* Sets words [index, index + count) to base, base + step, ...; stays a run where it can. */
int frame_set_run(struct frame *frame, unsigned index, unsigned count, uint64_t base,
		  uint64_t step);

static inline uint64_t memory_hash(const struct memory *memory, pa_t pa)
{
	return ((pa >> FRAME_LG2) * 0x9e3779b97f4a7c15ull >> 20) & (memory->n_buckets - 1);
}

/* The frame that holds pa, or NULL if it was never made (its words are 0). */
static inline struct frame *memory_frame(const struct memory *memory, pa_t pa)
{
	pa_t base = pa & ~low_mask(FRAME_LG2);
	uint64_t at = memory_hash(memory, pa);

	while (memory->buckets[at].frame && memory->buckets[at].pa != base)
		at = (at + 1) & (memory->n_buckets - 1);
	return memory->buckets[at].frame;
}

/* The same, made when it is not there; NULL: no memory. */
struct frame *memory_make(struct memory *memory, pa_t pa);

static inline bool memory_exists(const struct memory *memory, pa_t pa)
{
	return pa < memory->limit;
}

/* Accesses to [first, last] fail from now on; -1: no memory. */
int memory_abort(struct memory *memory, pa_t first, pa_t last, struct err *err);

/* False: the access fails, *value is untouched. */
bool memory_read(const struct memory *memory, pa_t pa, uint64_t *value);
uint64_t memory_frames(const struct memory *memory);
/* Visits every frame that has bytes in [first, last]; its cost follows the smaller of pages and
 * frames. visit must make no frames. */
void memory_visit(const struct memory *memory, pa_t first, pa_t last,
		  void (*visit)(void *ctx, struct frame *frame), void *ctx);

#endif
