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
	iova_t iova = request->iova;
	uint32_t beyond = request->len - 1u; /* a flushing read of 0 bytes is not plain */

	return iova < context->plain && !(request->type | request->privileged) &&
	       request->pasid == NO_PASID && ((iova + beyond) ^ iova) < 4096;
}

/* All structures have their tags at the same place in a key. */
static inline struct tlb_place place_of(const struct tlb *tlb, const struct vtd_context *context,
					iova_t iova, unsigned lg2)
{
	return tlb_place(tlb, (uint64_t)context->tag << VTD_TAG_SHIFT, iova, lg2);
}

/* ---- fetching ahead ----------------------------------------------------------------------- */

/* For some of the next n requests; answers for how many. */
static inline __attribute__((always_inline)) size_t
fetch_ahead(const struct vtd *vtd, const struct dma_request *requests, size_t n)
{
	size_t most = n < AHEAD_REQUESTS ? n : AHEAD_REQUESTS;

	for (size_t i = 0; i < most; i++) {
		uint32_t tag = vtd->devices[requests[i].device].context->tag;

		ahead_fetch(&vtd->ahead[ahead_slot(tag, requests[i].iova)], requests[i].iova);
	}
	return most;
}

/* ---- walks -------------------------------------------------------------------------------- */

/* The table of 4 KiB pages over iova and what is granted above it. */
struct plain_table {
	struct frame *frame;
	unsigned perm;
	bool found; /* through an entry below a pointer for 1 GiB; else there is a pointer to it */
};

/* From the table that the walk cache of 1 GiB regions points to. */
static __attribute__((noinline)) struct frame *
table_below(const struct vtd *vtd, const struct vtd_context *context, iova_t iova, unsigned *perm)
{
	const struct tlb *directories = vtd->walk[1];
	struct tlb_place place = place_of(directories, context, iova, 30);
	struct frame *frame;
	uint64_t at, data, entry;

	if (unlikely(!tlb_use(directories, &place, false, &at)))
		return NULL;
	data = directories->entries[at].data;
	entry = frame_word(directories->copies[at].table, (unsigned)bits(iova, 29, 21));
	if (unlikely((data & TLB_CHECK) || (entry & (vtd->reserved[0][1] | 1u << VTD_SS_PS)) ||
		     !(entry & TLB_PERM) || !memory_exists(vtd->memory, bits_at(entry, 51, 12))))
		return NULL;
	*perm = (unsigned)(data & entry);
	frame = vtd->ahead[ahead_slot(context->tag, iova)].frame;
	if (likely(frame && frame->pa == bits_at(entry, 51, 12)))
		return frame;
	return memory_frame(vtd->memory, bits_at(entry, 51, 12));
}

/* False: this is no plain walk. */
static inline __attribute__((always_inline)) bool find_table(const struct vtd *vtd,
							     const struct vtd_context *context,
							     iova_t iova, struct plain_table *table)
{
	const struct tlb *tables = vtd->walk[0];
	struct tlb_place place = place_of(tables, context, iova, 21);
	uint64_t at;

	table->found = !tlb_use(tables, &place, true, &at);
	if (table->found) {
		table->frame = table_below(vtd, context, iova, &table->perm);
		return table->frame;
	}
	table->frame = tables->copies[at].table;
	table->perm = (unsigned)tables->entries[at].data;
	return !(table->perm & TLB_CHECK);
}

/* Puts a copy in that agrees with truth. */
static inline __attribute__((always_inline)) void plain_fill(struct vtd *vtd, struct tlb *tlb,
							     const struct vtd_context *context,
							     iova_t iova, uint64_t data,
							     struct frame *table, unsigned lg2)
{
	struct tlb_place place = place_of(tlb, context, iova, lg2);
	struct tlb_copy copy = { .filled = vtd->iommu.event,
				 .table = table,
				 .space = context->space,
				 .page_lg2 = (uint8_t)lg2 };
	uint64_t at = tlb_take(tlb, &place);

	if (unlikely(tlb->entries[at].data & TLB_CHECK))
		vtd_copy_closes(vtd, tlb,
				&(struct tlb_at){ &tlb->entries[at].key, &tlb->entries[at].data,
						  &tlb->copies[at], &tlb->changed[at] });
	vtd->count.evictions += tlb->entries[at].data != 0;
	tlb_store(tlb, at, place.key, data, &copy);
}

static __attribute__((noinline)) void fill_pointer(struct vtd *vtd,
						   const struct vtd_context *context, iova_t iova,
						   const struct plain_table *table)
{
	plain_fill(vtd, vtd->walk[0], context, iova, table->frame->pa | table->perm, table->frame,
		   21);
	vtd->ahead[ahead_slot(context->tag, iova)] =
		(struct ahead){ table->frame, table->frame->words };
}

enum plain_answer { PLAIN_NOT, PLAIN_FROM_TABLE, PLAIN_FROM_DIRECTORY };

/*
 * The miss of a plain request: a walk of second-stage tables that begins at a pointer with a clear
 * check bit and ends at a 4 KiB page that grants the access. PLAIN_NOT: it is none, and nothing
 * was changed.
 */
static __attribute__((noinline)) enum plain_answer
plain_miss(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	   uint64_t event, struct dma_result *result)
{
	struct plain_table table;
	iova_t iova = request->iova;
	uint64_t leaf, grants, flags;

	if (unlikely(!vtd_second_alone(context) || vtd_in_interrupt_range(iova) ||
		     !find_table(vtd, context, iova, &table)))
		return PLAIN_NOT;
	leaf = frame_word(table.frame, (unsigned)bits(iova, 20, 12));
	table.perm &= TLB_READ | TLB_WRITE;
	grants = table.perm & leaf;
	if (unlikely((leaf & vtd->reserved[1][0]) || !grants || (request->access & ~grants) ||
		     vtd_in_interrupt_range(bits_at(leaf, 51, 12))))
		return PLAIN_NOT;
	vtd->iommu.event = event;
	if (table.found)
		fill_pointer(vtd, context, iova, &table);
	flags = context->entry_flags | (bit(leaf, VTD_SS_SNP) ? TLB_SNOOP : 0u);
	plain_fill(vtd, vtd->iotlb, context, iova,
		   bits_at(leaf, 51, 12) | grants | grants << TLB_NOW_SHIFT | flags, NULL, 12);
	*result = (struct dma_result){ .pa = bits_at(leaf, 51, 12) | (iova & 0xfff),
				       .perm = (uint8_t)grants,
				       .flags = (uint8_t)flags,
				       .page_lg2 = 12 };
	return table.found ? PLAIN_FROM_DIRECTORY : PLAIN_FROM_TABLE;
}

/* ---- the loop ----------------------------------------------------------------------------- */

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

/* The data word of the copy that covers iova, 0: none. Larger ones are found by any way. */
static inline __attribute__((always_inline)) uint64_t find_copy(const struct vtd *vtd,
								const struct vtd_context *context,
								iova_t iova, bool only_4k,
								unsigned *page_lg2)
{
	struct tlb_place place;
	struct tlb_hit hit;
	uint64_t data, at = 0;

	*page_lg2 = 12;
	if (likely(only_4k)) {
		place = place_of(vtd->iotlb, context, iova, 12);
		return tlb_use(vtd->iotlb, &place, true, &at) ? vtd->iotlb->entries[at].data : 0;
	}
	data = tlb_lookup_rare(vtd->iotlb, context->tag, iova, &hit);
	if (data)
		*page_lg2 = hit.page_lg2;
	return data;
}

struct loop {
	bool only_4k, walks; /* finds_plainly(), walks_plainly() */
	uint64_t answers[3]; /* by enum plain_answer */
};

/* A plain request; false: it needs a second look, and nothing was done but for the order of sets. */
static inline __attribute__((always_inline)) bool
serve_plain(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	    uint64_t event, struct loop *loop, struct dma_result *result)
{
	unsigned page_lg2;
	uint64_t data = find_copy(vtd, context, request->iova, loop->only_4k, &page_lg2);
	enum plain_answer answer;

	if (!data) {
		if (!loop->walks)
			return false;
		answer = plain_miss(vtd, request, context, event, result);
		loop->answers[answer]++;
		return answer != PLAIN_NOT;
	}
	if (unlikely((data & TLB_CHECK) || (request->access & ~(data >> TLB_NOW_SHIFT)) ||
		     (page_lg2 != 12 && vtd_in_interrupt_range(request->iova))))
		return false;
	*result = (struct dma_result){ .pa = bits_at(data, 51, 12) |
					     (request->iova & page_mask(page_lg2)),
				       .perm = data & TLB_PERM,
				       .flags = data & TLB_SNOOP,
				       .page_lg2 = (uint8_t)page_lg2,
				       .cached = 1 };
	return true;
}

static void note_counts(struct vtd *vtd, size_t n, size_t others, const struct loop *loop)
{
	uint64_t from_table = loop->answers[PLAIN_FROM_TABLE];
	uint64_t from_directory = loop->answers[PLAIN_FROM_DIRECTORY];
	uint64_t misses = from_table + from_directory;

	vtd->walks_often = misses > n / 2;
	vtd->count.requests += n;
	vtd->count.iotlb_hits += n - misses - others;
	vtd->count.iotlb_misses += misses;
	vtd->count.walk_hits[0] += from_table;
	vtd->count.walk_hits[1] += from_directory;
	vtd->count.walk_reads += from_table + 2 * from_directory;
	vtd->count.context_hits += n - others;
}

size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n)
{
	struct vtd *vtd = vtd_of(iommu);
	struct loop loop = { finds_plainly(vtd), walks_plainly(vtd), { 0 } };
	uint64_t clock = vtd->context_clock;
	size_t i, others = 0, fetched = vtd->walks_often ? 0 : n;

	if (!vtd->enabled)
		return untranslated(vtd, requests, results, n);
	vtd->attention = false;
	for (i = 0; i < n && !vtd->attention; i++) {
		const struct dma_request *request = &requests[i];
		struct vtd_context *context = vtd->devices[request->device].context;

		if (i == fetched)
			fetched += fetch_ahead(vtd, request, n - i);
		if (likely(is_plain(request, context))) {
			context->used = ++clock;
			if (serve_plain(vtd, request, context, first_event + i, &loop, &results[i]))
				continue;
		}
		vtd->iommu.event = first_event + i;
		vtd->context_clock = clock;
		others++;
		vtd_serve(vtd, request, &results[i]);
		vtd->iommu.refused |= results[i].outcome != OUTCOME_OK;
		clock = vtd->context_clock;
		loop.only_4k = finds_plainly(vtd);
		loop.walks = walks_plainly(vtd);
	}
	vtd->context_clock = clock;
	note_counts(vtd, i, others, &loop);
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
