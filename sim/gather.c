/* The Linux iommu_iotlb_gather (drivers 3.5) and the range of a page-selective flush (4.1). */
#include <stdlib.h>

#include "sim/replay_private.h"

static void add_range(struct gather *gather, iova_t first, iova_t last)
{
	gather->start = first < gather->start ? first : gather->start;
	gather->end = last > gather->end ? last : gather->end;
}

/* add_page: another size, or a gap of at least one byte, syncs what was gathered. */
int gather_add_page(struct gather_list *list, iova_t iova, uint64_t size, struct err *err)
{
	struct gather *gather = list->n ? &list->items[list->n - 1] : NULL;
	iova_t end = iova + (size - 1);
	bool disjoint = gather && ((gather->end != UINT64_MAX && iova > gather->end + 1) ||
				   (end != UINT64_MAX && end + 1 < gather->start));

	if (gather && gather->pgsize == size && !disjoint) {
		add_range(gather, iova, end);
		return 0;
	}
	if (!list->items || list->n == list->max) {
		size_t max = list->max ? list->max * 2 : 4;
		struct gather *items = realloc(list->items, max * sizeof *items);

		if (!items)
			return err_no_memory(err, "a gather");
		list->items = items;
		list->max = max;
	}
	list->items[list->n++] = (struct gather){ iova, end, size };
	return 0;
}

int gather_widen(struct gather_list *list, iova_t first, iova_t last, struct err *err)
{
	if (!list->n)
		return gather_add_page(list, first, last - first + 1, err);
	add_range(&list->items[list->n - 1], first, last);
	return 0;
}

void gather_list_free(struct gather_list *list)
{
	free(list->items);
}

bool gather_block(const struct gather *gather, const struct run_config *run, iova_t *first,
		  iova_t *last)
{
	iova_t end = gather->end;
	unsigned mask = 0;
	uint64_t pages;

	/* Producer inclusive, consumer taking end - start for a size: the last page is left out. */
	if (run->gather_end == GATHER_INCLUSIVE && run->gather_consumer == GATHER_EXCLUSIVE) {
		if (end - gather->start < 4096)
			return false;
		end -= 4096;
	}
	if (run->psi_align == PSI_FOLDED) {
		while (mask < 52 && (gather->start >> 12 >> mask) != (end >> 12 >> mask))
			mask++;
	} else { /* the mask of the page count alone, the address cut to it */
		pages = (end >> 12) - (gather->start >> 12) + 1;
		while (mask < 52 && 1ull << mask < pages)
			mask++;
	}
	*first = gather->start & ~low_mask(12 + mask);
	*last = *first + low_mask(12 + mask);
	return true;
}
