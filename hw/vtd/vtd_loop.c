/*
 * The path that every request takes.
 *
 * The loop itself serves what nearly all requests are: plain ones (untranslated, without a
 * PASID, within a page), that hit a copy with a clear check bit, or whose walk of second-stage
 * tables begins at a pointer with a clear check bit and ends at a 4 KiB page that grants the
 * access. Everything else goes to vtd_serve(); the loop changes nothing before it knows which.
 */
#include "hw/records.h"
#include "hw/vtd/vtd_fill.h"
#include "hw/walked.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* All structures have their tags at the same place in a key. */
static inline struct tlb_place place_of(const struct tlb *tlb, const struct vtd_context *context,
					iova_t iova, unsigned lg2)
{
	return tlb_place(tlb, context->tag_bits, iova, lg2);
}

/* What one call of a run of records served. */
struct loop {
	const struct dma_run *run;
	bool walks;				      /* walks_plainly() */
	struct vtd_context *contexts[AHEAD_REQUESTS]; /* of the records that were looked at ahead */
	uint64_t misses, from_directory; /* walks; those that began at a pointer for 1 GiB */
};

/* The answer that a copy of that data word gives. */
static inline __attribute__((always_inline)) void
answer(struct dma_result *result, uint64_t data, iova_t iova, unsigned page_lg2, bool cached)
{
	dma_result_ok(result, bits_at(data, 51, 12) | (iova & page_mask(page_lg2)),
		      data & (TLB_PERM | TLB_SNOOP), page_lg2, cached);
}

/* ---- walks -------------------------------------------------------------------------------- */

static void copy_closes(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	vtd_copy_closes(ctx, tlb, at);
}

static __attribute__((noinline)) void fill_any(struct vtd *vtd, const struct walked *walked)
{
	vtd->iommu.event = walked->event;
	walked_fill_any(vtd->iotlb, vtd->walk[0], walked, copy_closes, vtd);
}

/* The copies that a walk leaves. What fill_any() is given is made for it alone: the usual *walked stays in registers. */
static inline __attribute__((always_inline)) void fill(struct vtd *vtd, const struct walked walked,
						       bool refills)
{
	if (unlikely(!walked_fill(vtd->iotlb, vtd->walk[0], &walked, refills)))
		fill_any(vtd,
			 &(struct walked){ walked.event, walked.space, walked.page, walked.data,
					   walked.pointer, walked.table, walked.perm });
}

/*
 * The end of a walk, at the table of 4 KiB pages, with what is granted above it: the data word of its
 * copy. False: there is no page that grants the access.
 */
static inline __attribute__((always_inline)) bool plain_leaf(const struct vtd *vtd,
							     const struct dma_record *record,
							     const struct vtd_context *context,
							     const struct frame *table,
							     uint64_t above, uint64_t *data)
{
	uint64_t leaf = frame_word(table, (unsigned)bits(record->iova, 20, 12));
	uint64_t page = bits_at(leaf, 51, 12), grants = above & leaf & (TLB_READ | TLB_WRITE);

	*data = page | context->page_flags[grants] |
		(leaf >> (VTD_SS_SNP - TLB_SNOOP_LG2) & TLB_SNOOP);
	return likely(grants) && likely(!(*data & tlb_look_for(record))) &&
	       likely(!(leaf & vtd->reserved[1][0])) && likely(!vtd_in_interrupt_range(page));
}

/* The miss of a request whose table of 4 KiB pages no cached pointer leads to; otherwise as plain_miss(). */
static inline __attribute__((always_inline)) uint64_t
walk_from_directory(struct vtd *vtd, struct loop *loop, const struct dma_record *record,
		    struct vtd_context *context, struct tlb_place page, struct tlb_place pointer)
{
	iova_t iova = record->iova;
	struct tlb_way *way =
		tlb_use_noted(vtd->walk[1], context->tag_bits, iova, 30, &context->pointer);
	struct ahead *ahead = &vtd->ahead[ahead_slot(context->ahead, iova)];
	uint64_t entry, perm, data;
	struct frame *table;

	if (unlikely(!way || (way->data & TLB_CHECK)))
		return 0;
	entry = frame_word(way->copy.table, (unsigned)bits(iova, 29, 21));
	if (unlikely((entry & (vtd->reserved[0][1] | 1u << VTD_SS_PS)) || !(entry & TLB_PERM)))
		return 0;
	perm = way->data & entry & (TLB_READ | TLB_WRITE);
	table = walked_table(vtd->memory, bits_at(entry, 51, 12), ahead);
	if (unlikely(!table || !plain_leaf(vtd, record, context, table, perm, &data)))
		return 0;
	loop->misses++;
	loop->from_directory++;
	fill(vtd,
	     (struct walked){ dma_run_event(loop->run, record), context->space, page, data, pointer,
			      table, perm },
	     false);
	return data;
}

/* Out of line, for streams that seldom come here. */
static __attribute__((noinline)) uint64_t
walk_from_directory_seldom(struct vtd *vtd, struct loop *loop, const struct dma_record *record,
			   struct vtd_context *context, struct tlb_place page)
{
	return walk_from_directory(vtd, loop, record, context, page,
				   place_of(vtd->walk[0], context, record->iova, 21));
}

/*
 * The miss of a plain request: a walk of second-stage tables that begins at a pointer with a clear
 * check bit and ends at a 4 KiB page that grants the access: the data word of its copy. 0: it is none,
 * and nothing was changed but the order of walk caches.
 */
static inline __attribute__((always_inline)) uint64_t plain_miss(struct vtd *vtd, struct loop *loop,
								 const struct dma_record *record,
								 struct vtd_context *context,
								 struct tlb_place page, bool often)
{
	struct tlb_place pointer;
	struct tlb_way *way;
	uint64_t data;

	if (unlikely(!loop->walks || !vtd_second_alone(context) ||
		     vtd_in_interrupt_range(record->iova)))
		return 0;
	pointer = place_of(vtd->walk[0], context, record->iova, 21);
	way = tlb_use(vtd->walk[0], &pointer);
	if (!way)
		return often ? walk_from_directory(vtd, loop, record, context, page, pointer)
			     : walk_from_directory_seldom(vtd, loop, record, context, page);
	if (unlikely(way->data & TLB_CHECK) ||
	    !plain_leaf(vtd, record, context, way->copy.table, way->data, &data))
		return 0;
	loop->misses++;
	fill(vtd,
	     (struct walked){ .event = dma_run_event(loop->run, record),
			      .space = context->space,
			      .page = page,
			      .data = data },
	     !often);
	return data;
}

/* Out of line, for streams that often come here. */
static __attribute__((noinline)) uint64_t miss_often(struct vtd *vtd, struct loop *loop,
						     const struct dma_record *record,
						     struct vtd_context *context,
						     struct tlb_place page)
{
	return plain_miss(vtd, loop, record, context, page, true);
}

/* ---- the loop ------------------------------------------------------------------------------------ */

/* 4 KiB pages alone in an IOTLB of the usual kind. */
static bool finds_plainly(const struct vtd *vtd)
{
	const struct tlb *iotlb = vtd->iotlb;

	return iotlb->plain && (!iotlb->count || iotlb->only_lg2 == 12);
}

static bool walks_plainly(const struct vtd *vtd)
{
	return vtd->iotlb->plain && vtd->walk[0] && vtd->walk[0]->plain && vtd->walk[1] &&
	       vtd->walk[1]->plain_stamps && !vtd->conflicts && !vtd->tables->freed_linked;
}

/*
 * A plain request. False: it needs a second look, and nothing was done but for the order of sets.
 * only_4k: finds_plainly(), known when this is compiled.
 */
static inline __attribute__((always_inline)) bool serve_plain(struct vtd *vtd, struct loop *loop,
							      const struct dma_record *record,
							      struct vtd_context *context,
							      iova_t iova, bool only_4k, bool often,
							      struct dma_result *result)
{
	struct tlb_place place = tlb_place_page(vtd->iotlb, context->page_tag, iova);
	struct tlb_hit hit = { NULL, 12 };
	uint64_t data;

	if (only_4k)
		hit.way = tlb_use(vtd->iotlb, &place);
	else if (!tlb_lookup_rare(vtd->iotlb, context->tag, iova, &hit))
		hit.way = NULL;
	if (!hit.way) {
		data = often ? miss_often(vtd, loop, record, context, place)
			     : plain_miss(vtd, loop, record, context, place, false);
		if (unlikely(!data))
			return false;
		answer(result, data, iova, 12, false);
		return true;
	}
	data = hit.way->data;
	if (unlikely(data & tlb_look_for(record)) ||
	    (!only_4k && hit.page_lg2 != 12 && vtd_in_interrupt_range(iova)))
		return false;
	answer(result, data, iova, hit.page_lg2, true);
	return true;
}

#define PLAIN_UNIT struct vtd
#define PLAIN_CONTEXT struct vtd_context
#define PLAIN_CLOCK context_clock
#include "hw/plain_loop.h"

static uint64_t copies_now(const struct vtd *vtd)
{
	return vtd->iotlb->count + (vtd->walk[0] ? vtd->walk[0]->count : 0);
}

static void note_counts(struct vtd *vtd, size_t n, const struct loop *loop, uint64_t copies_before)
{
	uint64_t fills = loop->misses + loop->from_directory;

	if (n)
		vtd->looks_ahead = worth_looking_ahead(n, loop->misses);
	vtd->count.requests += n;
	vtd->count.iotlb_hits += n - loop->misses;
	vtd->count.iotlb_misses += loop->misses;
	vtd->count.walk_hits[0] += loop->misses - loop->from_directory;
	vtd->count.walk_hits[1] += loop->from_directory;
	vtd->count.walk_reads += fills;
	vtd->count.context_hits += n;
	vtd->count.evictions += fills - (copies_now(vtd) - copies_before);
}

size_t vtd_translate_plain(struct iommu *iommu, const struct dma_run *run,
			   struct dma_result *results)
{
	struct vtd *vtd = vtd_of(iommu);
	uint64_t copies = copies_now(vtd);
	struct loop loop;
	size_t n;

	if (!vtd->enabled)
		return 0;
	loop.run = run;
	loop.walks = walks_plainly(vtd);
	loop.misses = loop.from_directory = 0;
	n = serve_records(vtd, &loop, results);
	note_counts(vtd, n, &loop, copies);
	return n;
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

size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n)
{
	struct vtd *vtd = vtd_of(iommu);
	size_t i = 0;

	if (!vtd->enabled)
		return untranslated(vtd, requests, results, n);
	vtd->attention = false;
	while (i < n && !vtd->attention) {
		i += translate_as_records(iommu, first_event + i, requests + i, results + i, n - i);
		if (i == n)
			break;
		vtd->iommu.event = first_event + i;
		vtd->count.requests++;
		vtd_serve(vtd, &requests[i], &results[i]);
		vtd->iommu.refused |= results[i].outcome != OUTCOME_OK;
		i++;
	}
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
