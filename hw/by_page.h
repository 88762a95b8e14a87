/* A request page by page: the first byte's address and the first fault are its result. */
#ifndef IOMMUSIM_HW_BY_PAGE_H
#define IOMMUSIM_HW_BY_PAGE_H

#include "hw/iommu.h"

static inline __attribute__((always_inline)) void
by_page(const struct dma_request *request, struct dma_result *result,
	void (*serve)(void *ctx, const struct dma_request *page, struct dma_result *result),
	void *ctx)
{
	struct dma_request page = *request;
	uint32_t left = request->len;
	bool first = true;

	do {
		uint32_t room = 4096u - (uint32_t)(page.iova & 0xfff);
		struct dma_result one;

		page.len = left < room ? left : room;
		serve(ctx, &page, &one);
		if (first || (one.outcome != OUTCOME_OK && result->outcome == OUTCOME_OK))
			*result = one;
		first = false;
		left -= page.len;
		page.iova += page.len;
	} while (left);
}

#endif
