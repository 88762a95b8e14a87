/*
 * The path that every request takes.
 *
 * The loop itself serves what nearly all requests are: plain ones (untranslated, without a
 * PASID, within a page), that hit a copy with a clear check bit, or whose walk of second-stage
 * tables begins at a pointer with a clear check bit and ends at a 4 KiB page that grants the
 * access. Everything else goes to vtd_serve(); the loop changes nothing before it knows which.
 */
#include "hw/vtd/vtd_fill.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Untranslated, without a PASID, of user privilege, within a page. */
static inline bool is_plain(const struct dma_request *request, const struct vtd_context *context)
{
	uint64_t last = (request->iova & 0xfff) + (uint64_t)(request->len - 1u);

	return request->iova < context->plain && dma_is_usual(request) && last < 4096;
}

/* All structures have their tags at the same place in a key. */
static inline struct tlb_place place_of(const struct tlb *tlb, const struct vtd_context *context,
					iova_t iova, unsigned lg2)
{
	return tlb_place(tlb, context->tag_bits, iova, lg2);
}

/* What one call of vtd_translate() served. */
struct loop {
	const struct dma_request *first;
	uint64_t first_event;
	bool walks;			 /* walks_plainly() */
	uint64_t misses, from_directory; /* walks; those that began at a pointer for 1 GiB */
	uint64_t others;		 /* by vtd_serve() */
};

/* The answer that a copy of that data word gives. */
static inline __attribute__((always_inline)) void
answer(struct dma_result *result, uint64_t data, iova_t iova, unsigned page_lg2, bool cached)
{
	result->pa = bits_at(data, 51, 12) | (iova & page_mask(page_lg2));
	result->outcome = OUTCOME_OK;
	result->sees = SEES_OK;
	result->perm = data & TLB_PERM;
	result->flags = data & TLB_SNOOP;
	result->fault = 0;
	result->page_lg2 = (uint8_t)page_lg2;
	result->cached = cached;
}

/* ---- walks -------------------------------------------------------------------------------- */

/* The event that a request is. */
static inline uint64_t event_of(const struct loop *loop, const struct dma_request *request)
{
	return loop->first_event + (uint64_t)(request - loop->first);
}

/* Puts a copy in that agrees with truth. */
static inline __attribute__((always_inline)) void plain_fill(struct vtd *vtd, struct tlb *tlb,
							     const struct tlb_place *place,
							     uint64_t data,
							     const struct tlb_copy *copy)
{
	struct tlb_way *way = tlb_take(tlb, place);

	if (unlikely(way->data & TLB_CHECK)) {
		struct tlb_at gone = tlb_at_way(way);

		vtd->iommu.event = copy->filled;
		vtd_copy_closes(vtd, tlb, &gone);
	}
	tlb_store(tlb, way, place->key, data, copy);
}

/*
 * The end of a walk, at the table of 4 KiB pages, with what is granted above it. False: there is no
 * page that grants the access, and nothing was changed.
 */
static inline __attribute__((always_inline)) bool
plain_leaf(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	   const struct frame *table, uint64_t above, uint64_t *data)
{
	uint64_t leaf = frame_word(table, (unsigned)bits(request->iova, 20, 12));
	unsigned grants = (unsigned)(above & leaf) & (TLB_READ | TLB_WRITE);

	*data = bits_at(leaf, 51, 12) | (grants ^ TLB_PERM) << TLB_LOOK_SHIFT | grants |
		(leaf >> (VTD_SS_SNP - TLB_SNOOP_LG2) & TLB_SNOOP) | context->entry_flags;
	return likely(grants && !(request->access & ~grants)) &&
	       likely(!(leaf & vtd->reserved[1][0])) &&
	       likely(!vtd_in_interrupt_range(bits_at(leaf, 51, 12)));
}

static inline __attribute__((always_inline)) void
plain_page(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	   const struct tlb_place *place, struct loop *loop, uint64_t data,
	   struct dma_result *result)
{
	struct tlb_copy copy = { .filled = event_of(loop, request),
				 .space = context->space,
				 .page_lg2 = 12 };

	loop->misses++;
	plain_fill(vtd, vtd->iotlb, place, data, &copy);
	answer(result, data, request->iova, 12, false);
}

/* The table of 4 KiB pages that an entry of a table above points to. */
static inline struct frame *table_at(const struct vtd *vtd, pa_t pa, const struct ahead *ahead)
{
	if (likely(ahead->frame && ahead->frame->pa == pa))
		return ahead->frame;
	return memory_exists(vtd->memory, pa) ? memory_frame(vtd->memory, pa) : NULL;
}

/* The walk from a pointer for 1 GiB; otherwise as plain_miss(). */
static __attribute__((noinline)) bool
walk_from_directory(struct vtd *vtd, const struct dma_request *request,
		    const struct vtd_context *context, const struct tlb_place *place,
		    struct loop *loop, struct dma_result *result)
{
	iova_t iova = request->iova;
	struct tlb_place above = place_of(vtd->walk[1], context, iova, 30);
	struct tlb_way *way = tlb_use(vtd->walk[1], &above, true);
	struct ahead *ahead = &vtd->ahead[ahead_slot(context->tag, iova)];
	struct tlb_copy copy = { .space = context->space, .page_lg2 = 21 };
	uint64_t entry, perm, data;

	if (unlikely(!way || (way->data & TLB_CHECK)))
		return false;
	entry = frame_word(way->copy.table, (unsigned)bits(iova, 29, 21));
	perm = way->data & entry & (TLB_READ | TLB_WRITE);
	if (unlikely((entry & (vtd->reserved[0][1] | 1u << VTD_SS_PS)) || !(entry & TLB_PERM)))
		return false;
	copy.table = table_at(vtd, bits_at(entry, 51, 12), ahead);
	if (unlikely(!copy.table || !plain_leaf(vtd, request, context, copy.table, perm, &data)))
		return false;
	above = place_of(vtd->walk[0], context, iova, 21);
	copy.filled = event_of(loop, request);
	plain_fill(vtd, vtd->walk[0], &above, copy.table->pa | perm, &copy);
	*ahead = (struct ahead){ copy.table, copy.table->words };
	loop->from_directory++;
	plain_page(vtd, request, context, place, loop, data, result);
	return true;
}

/*
 * The miss of a plain request: a walk of second-stage tables that begins at a pointer with a clear
 * check bit and ends at a 4 KiB page that grants the access. False: it is none, and nothing
 * was changed but the order of walk caches.
 */
static __attribute__((noinline)) bool plain_miss(struct vtd *vtd, const struct dma_request *request,
						 const struct vtd_context *context,
						 const struct tlb_place *place, struct loop *loop,
						 struct dma_result *result)
{
	struct tlb_place above = place_of(vtd->walk[0], context, request->iova, 21);
	struct tlb_way *way = tlb_use(vtd->walk[0], &above, true);
	uint64_t data;

	if (!way)
		return walk_from_directory(vtd, request, context, place, loop, result);
	if (unlikely(way->data & TLB_CHECK) ||
	    !plain_leaf(vtd, request, context, way->copy.table, way->data, &data))
		return false;
	plain_page(vtd, request, context, place, loop, data, result);
	return true;
}

static size_t untranslated(struct vtd *vtd, const struct dma_request *requests,
			   struct dma_result *results, size_t n)
{
	vtd->count.requests += n;
	for (size_t i = 0; i < n; i++)
		results[i] = (struct dma_result){ .pa = requests[i].iova,
						  .perm = TLB_READ | TLB_WRITE,
						  .page_lg2 = 12 };
	return n;
}

/* 4 KiB pages alone in an IOTLB of the usual kind. */
static bool finds_plainly(const struct vtd *vtd)
{
	const struct tlb *iotlb = vtd->iotlb;

	return iotlb->plain && (!iotlb->count || iotlb->only_lg2 == 12);
}

static bool walks_plainly(const struct vtd *vtd)
{
	return vtd->iotlb->plain && vtd->walk[0] && vtd->walk[0]->plain && vtd->walk[1] &&
	       vtd->walk[1]->plain && !vtd->conflicts && !vtd->tables->freed_linked;
}

/*
 * A plain request. False: it needs a second look, and nothing was done but for the order of sets.
 * only_4k: finds_plainly(), known when this is compiled.
 */
static inline __attribute__((always_inline)) bool serve_plain(struct vtd *vtd, struct tlb *iotlb,
							      const struct dma_request *request,
							      const struct vtd_context *context,
							      bool only_4k, struct loop *loop,
							      struct dma_result *result)
{
	struct tlb_place place = place_of(iotlb, context, request->iova, 12);
	struct tlb_hit hit = { NULL, 12 };
	uint64_t data;

	if (only_4k)
		hit.way = tlb_use(iotlb, &place, true);
	else if (!tlb_lookup_rare(iotlb, context->tag, request->iova, &hit))
		hit.way = NULL;
	if (!hit.way)
		return loop->walks && vtd_second_alone(context) &&
		       !vtd_in_interrupt_range(request->iova) &&
		       plain_miss(vtd, request, context, &place, loop, result);
	data = hit.way->data;
	if (unlikely(data & (TLB_CHECK | (unsigned)request->access << TLB_LOOK_SHIFT)) ||
	    (!only_4k && hit.page_lg2 != 12 && vtd_in_interrupt_range(request->iova)))
		return false;
	answer(result, data, request->iova, hit.page_lg2, true);
	return true;
}

/* Serves requests from the first on while they are plain; says how many. */
static inline __attribute__((always_inline)) size_t serve_run(struct vtd *vtd, struct loop *loop,
							      const struct dma_request *requests,
							      struct dma_result *results, size_t n,
							      bool only_4k)
{
	const struct dma_request *request = requests, *end = requests + n;
	const struct vtd_device *devices = vtd->devices;
	struct tlb *iotlb = vtd->iotlb;
	uint64_t clock = vtd->context_clock;

	for (; request < end; request++, results++) {
		struct vtd_context *context = devices[request->device].context;

		if (unlikely(!is_plain(request, context)))
			break;
		context->used = ++clock;
		if (unlikely(!serve_plain(vtd, iotlb, request, context, only_4k, loop, results)))
			break;
	}
	vtd->context_clock = clock;
	return (size_t)(request - requests);
}

/* The two ways in which runs are served, each compiled for its own. */
static __attribute__((noinline)) size_t serve_4k(struct vtd *vtd, struct loop *loop,
						 const struct dma_request *requests,
						 struct dma_result *results, size_t n)
{
	return serve_run(vtd, loop, requests, results, n, true);
}

static __attribute__((noinline)) size_t serve_sizes(struct vtd *vtd, struct loop *loop,
						    const struct dma_request *requests,
						    struct dma_result *results, size_t n)
{
	return serve_run(vtd, loop, requests, results, n, false);
}

static uint64_t copies_now(const struct vtd *vtd)
{
	return vtd->iotlb->count + (vtd->walk[0] ? vtd->walk[0]->count : 0);
}

static size_t serve(struct vtd *vtd, struct loop *loop, const struct dma_request *requests,
		    struct dma_result *results, size_t n)
{
	uint64_t copies = copies_now(vtd), fills = loop->misses + loop->from_directory;
	size_t served =
		(finds_plainly(vtd) ? serve_4k : serve_sizes)(vtd, loop, requests, results, n);

	fills = loop->misses + loop->from_directory - fills;
	vtd->count.evictions += fills - (copies_now(vtd) - copies);
	return served;
}

static void note_counts(struct vtd *vtd, size_t n, const struct loop *loop)
{
	vtd->walks_often = loop->misses > n / 2;
	vtd->count.requests += n;
	vtd->count.iotlb_hits += n - loop->misses - loop->others;
	vtd->count.iotlb_misses += loop->misses;
	vtd->count.walk_hits[0] += loop->misses - loop->from_directory;
	vtd->count.walk_hits[1] += loop->from_directory;
	vtd->count.walk_reads += loop->misses + loop->from_directory;
	vtd->count.context_hits += n - loop->others;
}

/* While most requests walk, the leaves of some of the next ones are fetched; answers up to where. */
static size_t stretch(const struct vtd *vtd, const struct dma_request *requests, size_t i, size_t n)
{
	if (!vtd->walks_often)
		return n;
	n = n - i < AHEAD_REQUESTS ? n : i + AHEAD_REQUESTS;
	for (; i < n; i++) {
		uint32_t tag = vtd->devices[requests[i].device].context->tag;

		ahead_fetch(&vtd->ahead[ahead_slot(tag, requests[i].iova)], requests[i].iova);
	}
	return n;
}

size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n)
{
	struct vtd *vtd = vtd_of(iommu);
	struct loop loop = { .first = requests, .first_event = first_event };
	size_t i = 0, end = 0;

	if (!vtd->enabled)
		return untranslated(vtd, requests, results, n);
	vtd->attention = false;
	while (i < n && !vtd->attention) {
		if (i == end)
			end = stretch(vtd, requests, i, n);
		loop.walks = walks_plainly(vtd);
		i += serve(vtd, &loop, requests + i, results + i, end - i);
		if (i == end)
			continue;
		vtd->iommu.event = first_event + i;
		loop.others++;
		vtd_serve(vtd, &requests[i], &results[i]);
		vtd->iommu.refused |= results[i].outcome != OUTCOME_OK;
		i++;
	}
	note_counts(vtd, i, &loop);
	return i;
}

void vtd_truth_result(struct iommu *iommu, const struct dma_request *request,
		      struct dma_result *result)
{
	struct vtd *vtd = vtd_of(iommu);

	if (!vtd->enabled) {
		untranslated(vtd, request, result, 1);
		vtd->count.requests--;
		return;
	}
	vtd_serve_truth(vtd, request, result);
}
