/*
 * Two stages of translation: every table of the first stage, and its output, is an address that
 * the second stage translates. For any two formats of hw/pt; reads only.
 *
 * The walk of the first stage comes out as a struct pt_walk whose tables are the frames in memory;
 * beside it stand the second-stage walks that found them, so that a model can tell which of
 * them refused and update accessed and dirty bits. A result combines both: the smaller page, the
 * permissions of both, execute as the first stage says.
 */
#ifndef IOMMUSIM_HW_PT_PT_NESTED_H
#define IOMMUSIM_HW_PT_PT_NESTED_H

#include "hw/pt/pt_walk.h"
#include "hw/tlb.h"

enum pt_nested_end {
	NESTED_FIRST,	/* in the first stage: the walk's status says how */
	NESTED_WIDE,	/* an intermediate address beyond the second stage's width */
	NESTED_REFUSED, /* the second stage did not translate, or does not allow the read */
};

/* The part of a two-stage walk that the second stage made. */
struct pt_nested {
	enum pt_nested_end end;
	bool output; /* what ended the walk was about its output, not about a table */
	pa_t ipa;    /* intermediate address that was translated last */
	struct pt_walk tables[PT_LEVELS]; /* by level of the first-stage table they found */
	pa_t table_ipa[PT_LEVELS];	  /* where the first stage says it is */
	struct pt_walk leaf;		  /* of the output */
};

/* The last second-stage walk that was made. */
static inline const struct pt_walk *pt_nested_last(const struct pt_nested *nested,
						   const struct pt_walk *walk)
{
	return nested->output ? &nested->leaf : &nested->tables[walk->level];
}

/* Translates ipa; false: that ends the walk. */
static inline bool pt_nested_second(const struct pt_format *format, const struct memory *memory,
				    const struct pt_root *root, pa_t last, pa_t ipa, bool output,
				    struct pt_walk *second, struct pt_nested *nested)
{
	nested->ipa = ipa;
	nested->output = output;
	if (ipa > last) {
		nested->end = NESTED_WIDE;
		return false;
	}
	pt_walk(format, memory, root, ipa, second);
	if (second->status == PT_OK && (output || (second->perm & TLB_READ)))
		return true;
	nested->end = NESTED_REFUSED;
	return false;
}

static inline void pt_nested_combine(iova_t iova, const struct pt_walk *second,
				     struct pt_walk *walk)
{
	unsigned page_lg2 = walk->page_lg2 < second->page_lg2 ? walk->page_lg2 : second->page_lg2;
	pa_t ipa = walk->pa | (iova & page_mask(walk->page_lg2));
	unsigned both = TLB_READ | TLB_WRITE;

	walk->pa = (second->pa | (ipa & page_mask(second->page_lg2))) & ~page_mask(page_lg2);
	walk->perm &= (uint8_t)(second->perm | ~both);
	walk->flags |= second->flags;
	walk->page_lg2 = (uint8_t)page_lg2;
}

/*
 * roots[0].table is the intermediate address of the first stage's top table; last is the highest
 * intermediate address. Memory that was never written reads as zero.
 */
static inline void pt_nested_walk(const struct pt_format *const formats[2],
				  const struct memory *memory, const struct pt_root roots[2],
				  pa_t last, iova_t iova, struct pt_walk *walk,
				  struct pt_nested *nested)
{
	static struct frame zeros = { .pa = UINT64_MAX
					    << FRAME_LG2 }; /* at no address that exists */
	struct pt_entry next = { .addr = roots[0].table, .level = roots[0].level };
	unsigned perm = roots[0].perm;
	struct frame *frame;

	walk->start = roots[0].level;
	nested->end = NESTED_FIRST;
	do {
		struct pt_walk *second = &nested->tables[next.level];

		walk->level = next.level;
		walk->status = PT_UNREADABLE;
		nested->table_ipa[next.level] = next.addr;
		if (!pt_nested_second(formats[1], memory, &roots[1], last, next.addr, false, second,
				      nested))
			return;
		walk->word = second->pa | (next.addr & page_mask(second->page_lg2));
		if (!memory_exists(memory, walk->word))
			return;
		frame = memory_frame(memory, walk->word);
	} while (pt_read(formats[0], &roots[0], iova, next.level, frame ? frame : &zeros, &perm,
			 &next, walk));
	if (walk->status != PT_OK)
		return;
	if (pt_nested_second(formats[1], memory, &roots[1], last,
			     walk->pa | (iova & page_mask(walk->page_lg2)), true, &nested->leaf,
			     nested))
		pt_nested_combine(iova, &nested->leaf, walk);
}

#endif
