/*
 * One page walk for every table format: a loop that is inlined with a constant format, so that
 * no call is left in it. A format is a pure decode of one entry; reserved bits that depend on
 * the machine are masks in struct pt_root.
 *
 * Level 0 maps the smallest pages. The walk starts at any table: the root, or one that a walk
 * cache pointed to. Permissions are the AND over the entries read.
 */
#ifndef IOMMUSIM_HW_PT_PT_WALK_H
#define IOMMUSIM_HW_PT_PT_WALK_H

#include <stddef.h>

#include "hw/memory_view.h"

enum { PT_LEVELS = 6 };

enum pt_kind { PT_ABSENT, PT_MALFORMED, PT_TABLE, PT_LEAF };

/* What a raw entry means, in words that every format shares. */
struct pt_entry {
	enum pt_kind kind;
	uint8_t perm;	  /* what it grants: TLB_READ, TLB_WRITE, TLB_EXECUTE, TLB_USER bits */
	uint8_t level;	  /* PT_TABLE: of the table pointed to */
	uint8_t page_lg2; /* PT_LEAF */
	uint8_t flags;	  /* TLB_SNOOP and the like, carried into the copy */
	pa_t addr;
};

struct pt_format {
	const char *name;
	uint8_t granule_lg2;
	uint8_t index_bits; /* input bits each table decodes */
	struct pt_entry (*decode)(uint64_t raw, unsigned level);
	/* Software's side: a leaf (page_lg2 chosen by level) and a table pointer. */
	uint64_t (*leaf)(pa_t pa, unsigned perm, unsigned level);
	uint64_t (*table)(pa_t pa);
	const struct table_role *role;
	uint64_t
		dirty; /* bit of a leaf that hardware sets at a write; 0: none that the graph can follow */
};

/* Where a walk starts and what its machine requires. */
struct pt_root {
	pa_t table;
	struct frame *frame;		       /* of that table; NULL: the read fails */
	uint8_t level;			       /* of that table */
	uint8_t perm;			       /* granted by the levels above */
	const uint64_t (*reserved)[PT_LEVELS]; /* [leaf][level]: bits that must be 0 */
	struct memory_view *view; /* walks that do not snoop; NULL: what software wrote */
};

enum pt_status { PT_OK, PT_NOT_PRESENT, PT_RESERVED, PT_UNREADABLE };

struct pt_walk {
	enum pt_status status;
	uint8_t perm;	  /* AND over all levels read; PT_NOT_PRESENT: up to there */
	uint8_t page_lg2; /* PT_OK */
	uint8_t level;	  /* of the table where the walk ended */
	uint8_t start;	  /* level of the table it started from */
	uint8_t lowest;	  /* of the tables that walk caches may keep: set by the model */
	bool settled;	  /* no accessed bit would refuse the page: set by the model */
	bool dirties; /* a dirty bit was set, or has to be: set by the model, where bits are kept */
	uint8_t flags;
	pa_t pa;      /* PT_OK: page base */
	pa_t word;    /* address of the last entry read, or that could not be read */
	uint64_t raw; /* that entry */
	struct frame *tables[PT_LEVELS]; /* visited, by level; [start] is the first */
	uint8_t perms[PT_LEVELS];	 /* granted above each of them */
};

/* A word of a table as the unit reads it. */
static inline __attribute__((always_inline)) uint64_t
pt_word(struct memory_view *view, const struct frame *frame, unsigned index)
{
	uint64_t word = frame_word(frame, index);

	return view ? memory_view_word(view, frame->pa + index * 8ull, word) : word;
}

/* Reads one entry of the table in `frame` (NULL: cannot be read) at that level. True: it points to
 * the table that *next says; false: the walk ends here. */
static inline __attribute__((always_inline)) bool
pt_read(const struct pt_format *format, const struct pt_root *root, iova_t iova, unsigned level,
	struct frame *frame, unsigned *perm, struct pt_entry *next, struct pt_walk *walk)
{
	unsigned shift = format->granule_lg2 + format->index_bits * level;
	unsigned index = (unsigned)(iova >> shift) & (unsigned)page_mask(format->index_bits);
	struct pt_entry entry;

	walk->level = (uint8_t)level;
	if (!frame) {
		walk->status = PT_UNREADABLE;
		return false;
	}
	walk->tables[level] = frame;
	walk->perms[level] = (uint8_t)*perm;
	walk->raw = pt_word(root->view, frame, index);
	walk->word = frame->pa + index * 8ull;
	entry = format->decode(walk->raw, level);
	if (entry.kind == PT_ABSENT) {
		walk->perm = 0;
		walk->status = PT_NOT_PRESENT;
		return false;
	}
	if (entry.kind == PT_MALFORMED ||
	    (walk->raw & root->reserved[entry.kind == PT_LEAF][level])) {
		walk->status = PT_RESERVED;
		return false;
	}
	*perm &= entry.perm;
	if (entry.kind == PT_LEAF) {
		walk->status = PT_OK;
		walk->perm = (uint8_t)*perm;
		walk->page_lg2 = entry.page_lg2;
		walk->flags = entry.flags;
		walk->pa = entry.addr;
		return false;
	}
	*next = entry;
	return true;
}

/* The same, and finds the frame of the table pointed to, then in *frame. Returns its level;
 * negative: the walk ends here. */
static inline __attribute__((always_inline)) int
pt_step(const struct pt_format *format, const struct memory *memory, const struct pt_root *root,
	iova_t iova, unsigned level, struct frame **frame, unsigned *perm, struct pt_walk *walk)
{
	struct pt_entry entry;

	if (!pt_read(format, root, iova, level, *frame, perm, &entry, walk))
		return -1;
	*frame = memory_exists(memory, entry.addr) ? memory_frame(memory, entry.addr) : NULL;
	if (!*frame)
		walk->word = entry.addr;
	return entry.level;
}

static inline __attribute__((always_inline)) void pt_walk(const struct pt_format *format,
							  const struct memory *memory,
							  const struct pt_root *root, iova_t iova,
							  struct pt_walk *walk)
{
	struct frame *frame = root->frame;
	unsigned perm = root->perm;
	int level = root->level;

	walk->start = root->level;
	walk->word = root->table;
	if (__builtin_expect(level < 0, 0)) /* there is no such root */
		walk->status = PT_UNREADABLE;
	while (level > 0)
		level = pt_step(format, memory, root, iova, (unsigned)level, &frame, &perm, walk);
	/* where most walks end, made with a constant level; no format has tables below it */
	if (level == 0 && pt_step(format, memory, root, iova, 0, &frame, &perm, walk) >= 0)
		walk->status = PT_RESERVED;
}

#endif
