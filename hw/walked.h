/*
 * The copies that a walk of a model's loop leaves: of a 4 KiB page, and of the pointer to its table where
 * the walk began above. They agree with truth; nearly all replace copies that nobody waits for and are
 * made without a call.
 */
#ifndef IOMMUSIM_HW_WALKED_H
#define IOMMUSIM_HW_WALKED_H

#include "hw/ahead.h"
#include "hw/tlb.h"

struct walked {
	uint64_t event; /* that the request is */
	uint32_t space;
	struct tlb_place page; /* of the copy of the page, */
	uint64_t data;	       /* with this data word, VALID in it, */
	struct tlb_place pointer;
	struct frame *table; /* and of the pointer to this table; NULL: the walk began there */
	uint64_t perm;	     /* that the table is reached with */
};

/* The copy that a fill replaces is of the same size, and nobody waits to hear that it goes. */
static inline __attribute__((always_inline)) bool walked_replaces(const struct tlb_way *way,
								  unsigned page_lg2)
{
	return __builtin_expect(tlb_key_has_size(way->key, page_lg2), 1) &&
	       __builtin_expect(!(way->data & TLB_CHECK), 1);
}

/*
 * Makes the copies. refills, known when this is compiled: a page alone may also come into an empty way, as behind an
 * invalidation. False: what is in the ways is something else, and nothing was done.
 */
static inline __attribute__((always_inline)) bool
walked_fill(struct tlb *pages, struct tlb *pointers, const struct walked *walked, bool refills)
{
	uint64_t page = tlb_oldest(pages, walked->page.head), pointer = 0;

	if (walked->table)
		pointer = tlb_oldest(pointers, walked->pointer.head);
	if (!walked_replaces(tlb_ways(walked->page.head) + page, 12) &&
	    !(refills && !walked->table &&
	      tlb_refills(pages, tlb_ways(walked->page.head) + page, 12)))
		return false;
	if (walked->table && !walked_replaces(tlb_ways(walked->pointer.head) + pointer, 21))
		return false;
	if (walked->table)
		tlb_replace(pointers, tlb_take(pointers, &walked->pointer, pointer),
			    walked->pointer.key, walked->table->pa | walked->perm | TLB_VALID,
			    &(struct tlb_copy){ .filled = walked->event,
						.space = walked->space,
						.page_lg2 = 21,
						.table = walked->table });
	tlb_replace(pages, tlb_take(pages, &walked->page, page), walked->page.key, walked->data,
		    &(struct tlb_copy){
			    .filled = walked->event, .space = walked->space, .page_lg2 = 12 });
	return true;
}

/* The same whatever is in the way; closes() hears of each that has its check bit set. */
typedef void walked_closes(void *ctx, struct tlb *tlb, const struct tlb_at *at);
void walked_fill_any(struct tlb *pages, struct tlb *pointers, const struct walked *walked,
		     walked_closes *closes, void *ctx);

/* Looks the table of 4 KiB pages up that an entry leads to, and notes it; NULL: there is none. */
struct frame *walked_note_table(const struct memory *memory, pa_t pa, struct ahead *ahead);

/* That table, as most walks find it. */
static inline __attribute__((always_inline)) struct frame *
walked_table(const struct memory *memory, pa_t pa, struct ahead *ahead)
{
	struct frame *table = ahead->frame;

	if (__builtin_expect(!table || table->pa != pa, 0))
		return walked_note_table(memory, pa, ahead);
	return table;
}

#endif
