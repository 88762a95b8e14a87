/*
 * The table graph: which frame is a table, of what kind, and which live words point to it.
 *
 * Software's table writes go through tables_store(). It updates memory, keeps the parents of
 * every table, and climbs from the changed words to what they mean: a list of changes
 * (address space, input range, level) for the caches to be probed with. Configuration tables
 * (root, context, stream and device tables) are tables like others; their input is the device.
 *
 * An update is not reported where the old word was absent or where only ignored bits differ.
 * Accessed and dirty bits count as ignored when software sets them, not when it clears them.
 * Frames that are only reached over cut links keep their words; what a stale pointer reads
 * there is what the frame holds.
 */
#ifndef IOMMUSIM_HW_TABLES_H
#define IOMMUSIM_HW_TABLES_H

#include "hw/memory.h"

enum entry_kind { ENTRY_ABSENT, ENTRY_LEAF, ENTRY_TABLE };

/* What an entry means to the graph. */
struct entry_view {
	enum entry_kind kind;
	pa_t child;		       /* ENTRY_TABLE */
	const struct table_role *role; /* of the child */
	uint8_t level;		       /* of the child */
	uint8_t pages_lg2;	       /* a table of several pages that follow each other */
};

struct pt_entry;

/* A kind of table: second stage, context table, ... One constant per kind. */
struct table_role {
	const char *name;
	uint8_t words_lg2;  /* words of an entry, log2 */
	uint8_t unit_lg2;   /* input covered by an entry at level 0, log2 */
	uint8_t index_bits; /* further input bits per level */
	uint8_t frames_lg2; /* frames that a table of this kind fills, log2 */
	bool configuration; /* the input is a device id, not an address */
	bool yields;	    /* only watches a frame: a role of another kind takes its place */
	uint64_t meaning;   /* bits of a word that hardware looks at, A/D bits excluded */
	uint64_t state;	    /* accessed and dirty bits: software clearing them is an update */
	/* A word of level 0 is surely not absent with any of the first, or all of the second; 0: none say so. */
	uint64_t leaf_any, leaf_all;
	/* What an entry stands for; NULL: one word of a page-table format, as `decode` has it. An entry of one
	 * word is absent where that is 0. */
	struct entry_view (*view)(const uint64_t *words, unsigned level);
	struct pt_entry (*decode)(uint64_t raw, unsigned level);
};

/* One update as the caches must see it. */
struct table_change {
	uint32_t space;	      /* whose input range */
	bool configuration;   /* first and last are device ids */
	bool pointer;	      /* an old word pointed to a table, so pointers below are affected */
	uint8_t level;	      /* of the table that was written */
	uint64_t first, last; /* input range, inclusive */
	pa_t word;	      /* address of the first changed word */
	uint64_t old, now;    /* of that word */
	uint64_t cleared;     /* accessed and dirty bits that were cleared in any of the words */
	bool state_only;      /* nothing else was changed */
};

/* The only way up from a table to a root. */
struct table_path {
	const struct frame *frame; /* the table; NULL: none was looked for */
	uint64_t shape;		   /* of the graph when it was */
	uint64_t base;		   /* input at which the table begins in that root's space */
	uint32_t space; /* 0: there are several ways, or none, or their levels are in doubt */
};

enum { TABLE_PATHS = 16 };

struct tables {
	struct memory *memory;
	struct table_change *changes; /* of the last tables_store(); there is room for one */
	uint32_t n_changes, max_changes;
	uint32_t climbs;	  /* tables looked at for that */
	uint32_t spaces;	  /* numbered from 1 */
	uint64_t stores;	  /* words written so far */
	uint64_t hardware_writes; /* accessed and dirty bits that IOMMUs wrote themselves */
	uint64_t shape;		  /* counts up whenever a link, a root or a role comes or goes */
	struct table_path paths[TABLE_PATHS]; /* of tables written lately, by page number */
	bool freed_linked; /* a page was given back while a table word still pointed to it */
};

int tables_create(struct memory *memory, struct tables **out, struct err *err);
void tables_destroy(struct tables *tables); /* leaves the memory alone */

/* Makes the frame at pa a root: of a device table or of an address space. */
struct frame *tables_root(struct tables *tables, pa_t pa, const struct table_role *role,
			  unsigned level, struct err *err);

/*
 * The same for frame number `part` of a root that fills several. All of them are one address space:
 * `space` is that of the first one made, 0 for it. NULL: no memory.
 */
struct frame *tables_root_part(struct tables *tables, pa_t pa, const struct table_role *role,
			       unsigned level, unsigned part, uint32_t space);

/*
 * Writes words base, base + step, ... at pa; all in one frame. tables->changes then holds what
 * it means for caches, valid until the next store. -1: no memory, or more paths lead from roots
 * to the word than are followed (a million; hostile tables that point to each other).
 */
int tables_store(struct tables *tables, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		 struct err *err);
/* The same for words [index, index + count) of a frame that is known. */
int tables_store_over(struct tables *tables, struct frame *frame, unsigned index, unsigned count,
		      uint64_t base, uint64_t step, struct err *err);
/* The same for one word of leaves that nobody watches, where something was; frame->words is there. */
int tables_store_leaf(struct tables *tables, struct frame *frame, unsigned index, uint64_t value,
		      struct err *err);
static inline int tables_store_in(struct tables *tables, struct frame *frame, unsigned index,
				  unsigned count, uint64_t base, uint64_t step, struct err *err)
{
	if (count != 1 || !frame->words || !frame->node.leaves || frame->node.watch)
		return tables_store_over(tables, frame, index, count, base, step, err);
	if (frame->words[index])
		return tables_store_leaf(tables, frame, index, base, err);
	/* a leaf where nothing was changes no translation */
	tables->n_changes = 0;
	tables->stores++;
	return frame_set(frame, index, base);
}

/*
 * What the entry at pa stands for, whatever it holds: tables->changes lists every address space
 * and range it is reached by, as if it were to change to `value`. Nothing is written.
 */
int tables_where(struct tables *tables, pa_t pa, uint64_t value, struct err *err);

/*
 * From now on every change of that frame's words is told under the number in its node.watch too,
 * as if it were the root of an address space of its own. For tables that are reached in a way the
 * graph cannot follow, such as first-stage tables at addresses that a second stage translates.
 */
void tables_watch(struct tables *tables, struct frame *frame);

/* A new number for an address space that no frame is the root of. */
static inline uint32_t tables_new_space(struct tables *tables)
{
	return ++tables->spaces;
}

/* The page of a table goes back to its allocator as of `event`. */
void tables_free(struct tables *tables, pa_t pa, uint64_t event);
/* The page became a table of its new owner. */
void tables_reused(struct tables *tables, pa_t pa);

/* Input covered by one entry of a table of that role and level, log2. */
static inline unsigned role_span_lg2(const struct table_role *role, unsigned level)
{
	return role->unit_lg2 + role->index_bits * level;
}

#endif
