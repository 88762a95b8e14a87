#include "hw/walked.h"

static void fill(struct tlb *tlb, const struct tlb_place *place, uint64_t data,
		 const struct tlb_copy *copy, walked_closes *closes, void *ctx)
{
	struct tlb_way *way = tlb_take(tlb, place, tlb_oldest(tlb, place->head));

	if (way->data & TLB_CHECK) {
		struct tlb_at gone = tlb_at_way(way);

		closes(ctx, tlb, &gone);
	}
	tlb_store(tlb, way, place->key, data, copy);
}

void walked_fill_any(struct tlb *pages, struct tlb *pointers, const struct walked *walked,
		     walked_closes *closes, void *ctx)
{
	struct tlb_copy copy = { .filled = walked->event, .space = walked->space };

	if (walked->table) {
		copy.page_lg2 = 21;
		copy.table = walked->table;
		fill(pointers, &walked->pointer, walked->table->pa | walked->perm, &copy, closes,
		     ctx);
	}
	copy.page_lg2 = 12;
	copy.table = NULL;
	fill(pages, &walked->page, walked->data, &copy, closes, ctx);
}

struct frame *walked_note_table(const struct memory *memory, pa_t pa, struct ahead *ahead)
{
	struct frame *table = memory_exists(memory, pa) ? memory_frame(memory, pa) : NULL;

	if (table)
		*ahead = (struct ahead){ table, table->words };
	return table;
}
