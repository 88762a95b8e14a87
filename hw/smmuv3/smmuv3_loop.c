/*
 * The path that every request takes.
 *
 * The loop itself serves what nearly all requests are: plain ones (untranslated, without a SubstreamID, no
 * instruction fetch, within a page) of single-stage contexts, that hit a copy with a clear check bit, or
 * whose walk, with the 4 KiB granule, begins at a pointer with a clear check bit and ends at a page of 4 KiB and
 * meets nothing special. Everything else (faults, contiguous sets, global entries, flag updates, copies in
 * doubt, freed tables) goes to smmu_serve_page(); the loop changes nothing but the order of sets before it
 * knows which.
 */
#include "hw/by_page.h"
#include "hw/smmuv3/smmuv3_perm.h"

#define SMMU_INLINE static inline __attribute__((always_inline))

/* Leaf bits that permissions are made of. */
#define LEAF_PERM                                                                                  \
	(1ull << ARM_AP1 | 1ull << ARM_AP2 | 1ull << ARM_DBM | 1ull << ARM_PXN | 1ull << ARM_UXN)
/* What a leaf must look like: valid, access flag set, no contiguous set. */
#define LEAF_CARE (3 | 1ull << ARM_AF | 1ull << ARM_CONTIGUOUS)
#define LEAF_PLAIN (3 | 1ull << ARM_AF)

/* What one call of smmu_translate() served. */
struct loop {
	const struct dma_request *first;
	uint64_t first_event;
	bool walks;			       /* walks_plainly() */
	uint64_t misses[2], from_directory[2]; /* walks by stage; those that began at 1 GiB */
	uint64_t others;		       /* by smmu_serve_page() */
};

static inline bool is_plain(const struct dma_request *request, const struct smmu_context *context)
{
	uint64_t last = (request->iova & 0xfff) + (uint64_t)(request->len - 1u);

	return request->iova < context->plain && dma_is_usual(request) && last < 4096 &&
	       !(request->access & ACCESS_EXECUTE);
}

/* All structures have their tags at the same place in a key. */
SMMU_INLINE struct tlb_place place_of(const struct tlb *tlb, const struct smmu_context *context,
				      iova_t iova, unsigned lg2)
{
	return tlb_place(tlb, context->tag_bits, iova, lg2);
}

/* The answer that a copy of that data word gives. */
SMMU_INLINE void answer(struct dma_result *result, const struct smmu_context *context,
			uint64_t data, unsigned perm, iova_t iova, unsigned page_lg2, bool cached)
{
	result->pa = bits_at(data, 51, 12) | (iova & page_mask(page_lg2));
	result->outcome = OUTCOME_OK;
	result->sees = SEES_OK;
	result->perm = (uint8_t)(perm | (data >> context->clean_shift & TLB_WRITE));
	result->flags = 0;
	result->fault = 0;
	result->page_lg2 = (uint8_t)page_lg2;
	result->cached = cached;
}

/* ---- walks -------------------------------------------------------------------------------------- */

static inline uint64_t event_of(const struct loop *loop, const struct dma_request *request)
{
	return loop->first_event + (uint64_t)(request - loop->first);
}

/* Puts a copy in that agrees with truth. */
SMMU_INLINE void plain_fill(struct smmu *smmu, struct tlb *tlb, const struct tlb_place *place,
			    uint64_t data, const struct tlb_copy *copy)
{
	struct tlb_way *way = tlb_take(tlb, place, tlb_oldest(tlb, place->head));

	if (unlikely((way->data & TLB_CHECK) != 0)) {
		struct tlb_at gone = tlb_at_way(way);

		smmu->iommu.event = copy->filled;
		smmu_copy_closes(smmu, tlb, &gone);
	}
	tlb_store(tlb, way, place->key, data, copy);
}

/* Attributes of a copy of the leaf: most leaves of a stream are alike. */
SMMU_INLINE uint64_t attributes(const struct smmu *smmu, struct smmu_context *context, uint64_t raw,
				uint64_t above)
{
	struct smmu_quick *quick = &context->quick;

	if (unlikely((raw & LEAF_PERM) != quick->leaf || above != quick->above)) {
		quick->leaf = raw & LEAF_PERM;
		quick->above = above;
		quick->perm = context->stage2 ? smmu_stage2_perm(smmu, &context->ste, raw)
					      : smmu_leaf_perm(context, raw, above);
	}
	return quick->perm;
}

/*
 * The end of a walk, at the table of 4 KiB pages, with what those above it leave. False: there is no
 * plain page that grants the access, and nothing was changed.
 */
SMMU_INLINE bool plain_leaf(struct smmu *smmu, const struct dma_request *request,
			    struct smmu_context *context, const struct frame *table, uint64_t above,
			    uint64_t *data)
{
	const struct smmu_quick *quick = &context->quick;
	uint64_t raw = frame_word(table, (unsigned)bits(request->iova, 20, 12)), perm;
	unsigned allowed;

	if (unlikely((raw & (LEAF_CARE | quick->leaf_care)) != (LEAF_PLAIN | quick->leaf_want) ||
		     (bits_at(raw, 47, 12) & quick->beyond)))
		return false;
	perm = attributes(smmu, context, raw, above);
	allowed = (unsigned)(perm >> context->shift) & TLB_PERM;
	*data = bits_at(raw, 47, 12) | perm | quick->mark;
	return likely(allowed && !(request->access & ~allowed));
}

SMMU_INLINE void plain_page(struct smmu *smmu, const struct dma_request *request,
			    const struct smmu_context *context, const struct tlb_place *place,
			    struct loop *loop, uint64_t data, struct dma_result *result)
{
	struct tlb_copy copy = { .filled = event_of(loop, request),
				 .space = context->quick.space,
				 .page_lg2 = 12 };

	loop->misses[context->stage2]++;
	plain_fill(smmu, smmu->tlb, place, data, &copy);
	answer(result, context, data, (unsigned)(data >> context->shift) & TLB_PERM, request->iova,
	       12, false);
}

/* The walk from a pointer for 1 GiB; otherwise as plain_miss(). */
static __attribute__((noinline)) bool
walk_from_directory(struct smmu *smmu, const struct dma_request *request,
		    struct smmu_context *context, const struct tlb_place *place, struct loop *loop,
		    struct dma_result *result)
{
	iova_t iova = request->iova;
	struct tlb *tables = smmu->walk[context->stage2][0];
	struct tlb_place above = place_of(smmu->walk[context->stage2][1], context, iova, 30);
	struct tlb_way *way = tlb_use(smmu->walk[context->stage2][1], &above, true);
	struct ahead *ahead = &smmu->ahead[ahead_slot(ahead_begin(context->tag), iova)];
	struct tlb_copy copy = { .space = context->quick.space, .page_lg2 = 21 };
	uint64_t entry, perm, data;
	pa_t pa;

	if (unlikely(!way || (way->data & TLB_CHECK)))
		return false;
	entry = frame_word(way->copy.table, (unsigned)bits(iova, 29, 21));
	pa = bits_at(entry, 47, 12);
	if (unlikely((entry & 3) != 3 || (pa & context->quick.beyond)))
		return false;
	perm = way->data & COPY_ATTRIBUTES;
	if (!context->stage2)
		perm &= smmu_table_perm(context, &context->half[0], entry);
	copy.table = likely(ahead->frame && ahead->frame->pa == pa)
			     ? ahead->frame
			     : memory_frame(smmu->memory, pa);
	if (unlikely(!copy.table || !plain_leaf(smmu, request, context, copy.table, perm, &data)))
		return false;
	above = place_of(tables, context, iova, 21);
	copy.filled = event_of(loop, request);
	plain_fill(smmu, tables, &above, pa | perm, &copy);
	*ahead = (struct ahead){ copy.table, copy.table->words };
	loop->from_directory[context->stage2]++;
	plain_page(smmu, request, context, place, loop, data, result);
	return true;
}

/* The miss of a plain request. False: it is none, and nothing was changed but the order of walk caches. */
static __attribute__((noinline)) bool
plain_miss(struct smmu *smmu, const struct dma_request *request, struct smmu_context *context,
	   const struct tlb_place *place, struct loop *loop, struct dma_result *result)
{
	struct tlb *tables = smmu->walk[context->stage2][0];
	struct tlb_place above = place_of(tables, context, request->iova, 21);
	struct tlb_way *way = tlb_use(tables, &above, true);
	uint64_t data;

	if (!way)
		return walk_from_directory(smmu, request, context, place, loop, result);
	if (unlikely(way->data & TLB_CHECK) || !plain_leaf(smmu, request, context, way->copy.table,
							   way->data & COPY_ATTRIBUTES, &data))
		return false;
	plain_page(smmu, request, context, place, loop, data, result);
	return true;
}

/* ---- the loop ----------------------------------------------------------------------------------- */

/* 4 KiB pages alone in a TLB of the usual kind. */
static bool finds_plainly(const struct smmu *smmu)
{
	return smmu->tlb->plain && (!smmu->tlb->count || smmu->tlb->only_lg2 == 12);
}

/* Structures of the usual kind, and nothing in them that a plain walk does not know. */
static bool walks_plainly(const struct smmu *smmu)
{
	bool plain = smmu->tlb->plain && !smmu->any_global && !smmu->memory->n_aborts &&
		     !smmu->tables->freed_linked && (smmu->config.cohacc || !smmu->memory->view);

	for (unsigned i = 0; i < 2 * (ARM_LEVELS - 1); i++)
		plain = plain && smmu->walk[i % 2][i / 2] && smmu->walk[i % 2][i / 2]->plain;
	return plain;
}

/*
 * A plain request. False: it needs a second look, and nothing was done but for the order of sets.
 * only_4k: finds_plainly(), known when this is compiled.
 */
SMMU_INLINE bool serve_plain(struct smmu *smmu, const struct dma_request *request,
			     struct smmu_context *context, bool only_4k, struct loop *loop,
			     struct dma_result *result)
{
	struct tlb_place place = place_of(smmu->tlb, context, request->iova, 12);
	struct tlb_hit hit = { NULL, 12 };
	uint64_t data;
	unsigned perm;

	if (only_4k)
		hit.way = tlb_use(smmu->tlb, &place, true);
	else if (!tlb_lookup_rare(smmu->tlb, context->tag, request->iova, &hit))
		hit.way = NULL;
	if (!hit.way)
		return loop->walks && context->quick.usual &&
		       !smmu->tags[context->tag].conflicted &&
		       plain_miss(smmu, request, context, &place, loop, result);
	data = hit.way->data;
	perm = (unsigned)(data >> context->shift) & TLB_PERM;
	if (unlikely(!perm || (data & TLB_CHECK) || (request->access & ~perm)))
		return false;
	answer(result, context, data, perm, request->iova, hit.page_lg2, true);
	return true;
}

/* Serves requests from the first on while they are plain; says how many. */
SMMU_INLINE size_t serve_run(struct smmu *smmu, struct loop *loop,
			     const struct dma_request *requests, struct dma_result *results,
			     size_t n, bool only_4k)
{
	const struct dma_request *request = requests, *end = requests + n;
	uint64_t clock = smmu->clock;

	for (; request < end; request++, results++) {
		struct smmu_context *context = smmu->devices[request->device].context;

		if (unlikely(!is_plain(request, context)))
			break;
		context->used = ++clock;
		if (unlikely(!serve_plain(smmu, request, context, only_4k, loop, results)))
			break;
	}
	smmu->clock = clock;
	return (size_t)(request - requests);
}

/* The two ways in which runs are served, each compiled for its own. */
static __attribute__((noinline)) size_t serve_4k(struct smmu *smmu, struct loop *loop,
						 const struct dma_request *requests,
						 struct dma_result *results, size_t n)
{
	return serve_run(smmu, loop, requests, results, n, true);
}

static __attribute__((noinline)) size_t serve_sizes(struct smmu *smmu, struct loop *loop,
						    const struct dma_request *requests,
						    struct dma_result *results, size_t n)
{
	return serve_run(smmu, loop, requests, results, n, false);
}

static uint64_t copies_now(const struct smmu *smmu)
{
	return smmu->tlb->count + (smmu->walk[0][0] ? smmu->walk[0][0]->count : 0) +
	       (smmu->walk[1][0] ? smmu->walk[1][0]->count : 0);
}

static uint64_t fills_of(const struct loop *loop)
{
	return loop->misses[0] + loop->misses[1] + loop->from_directory[0] +
	       loop->from_directory[1];
}

static size_t serve(struct smmu *smmu, struct loop *loop, const struct dma_request *requests,
		    struct dma_result *results, size_t n)
{
	uint64_t copies = copies_now(smmu), fills = fills_of(loop);
	size_t served =
		(finds_plainly(smmu) ? serve_4k : serve_sizes)(smmu, loop, requests, results, n);

	smmu->count.evictions += fills_of(loop) - fills - (copies_now(smmu) - copies);
	return served;
}

/* What the loop served ends up in the counters once a call. last: the last request was one of these. */
static void note_counts(struct smmu *smmu, const struct loop *loop, size_t n, bool last)
{
	uint64_t misses = loop->misses[0] + loop->misses[1];

	smmu->walks_often = misses > n / 2;
	smmu->detail_due = last;
	if (last)
		smmu->last = loop->first[n - 1];
	smmu->count.requests += n;
	smmu->count.hits += n - misses - loop->others;
	smmu->count.misses += misses;
	smmu->count.config_hits += n - loop->others;
	smmu->count.walk_reads += fills_of(loop);
	for (unsigned i = 0; i < 2; i++) {
		smmu->count.walk_hits[i][0] += loop->misses[i] - loop->from_directory[i];
		smmu->count.walk_hits[i][1] += loop->from_directory[i];
	}
}

/* While most requests walk, the leaves of some of the next ones are fetched; answers up to where. */
static size_t stretch(const struct smmu *smmu, const struct dma_request *requests, size_t i,
		      size_t n)
{
	if (!smmu->walks_often)
		return n;
	n = n - i < AHEAD_REQUESTS ? n : i + AHEAD_REQUESTS;
	for (; i < n; i++) {
		uint32_t tag = smmu->devices[requests[i].device].context->tag;

		ahead_fetch(&smmu->ahead[ahead_slot(ahead_begin(tag), requests[i].iova)],
			    requests[i].iova);
	}
	return n;
}

static void serve_page(void *ctx, const struct dma_request *page, struct dma_result *result)
{
	smmu_serve_page(ctx, page, result);
}

size_t smmu_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		      struct dma_result *results, size_t n)
{
	struct smmu *smmu = smmu_of(iommu);
	struct loop loop = { .first = requests, .first_event = first_event };
	size_t i = 0, end = 0, slow = 0; /* slow: behind the last that the loop did not serve */

	smmu->attention = false;
	while (i < n && !smmu->attention) {
		if (i == end)
			end = stretch(smmu, requests, i, n);
		loop.walks = walks_plainly(smmu);
		if (likely(smmu->enabled))
			i += serve(smmu, &loop, requests + i, results + i, end - i);
		if (i == end)
			continue;
		smmu->iommu.event = first_event + i;
		loop.others++;
		by_page(&requests[i], &results[i], serve_page, smmu);
		smmu->iommu.refused |= results[i].outcome != OUTCOME_OK;
		slow = ++i;
	}
	note_counts(smmu, &loop, i, i && slow != i);
	return i;
}
