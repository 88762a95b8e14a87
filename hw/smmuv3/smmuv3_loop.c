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
#include "hw/records.h"
#include "hw/smmuv3/smmuv3_perm.h"
#include "hw/walked.h"

#define SMMU_INLINE static inline __attribute__((always_inline))

/* Leaf bits that permissions are made of. */
#define LEAF_PERM                                                                                  \
	(1ull << ARM_AP1 | 1ull << ARM_AP2 | 1ull << ARM_DBM | 1ull << ARM_PXN | 1ull << ARM_UXN)
/* What a leaf must look like: valid, access flag set, no contiguous set. */
#define LEAF_CARE (3 | 1ull << ARM_AF | 1ull << ARM_CONTIGUOUS)
#define LEAF_PLAIN (3 | 1ull << ARM_AF)

/* What one call of a run of records served. */
struct loop {
	const struct dma_run *run;
	bool walks; /* walks_plainly() */
	struct smmu_context
		*contexts[AHEAD_REQUESTS];     /* of the records that were looked at ahead */
	uint64_t misses[2], from_directory[2]; /* walks by stage; those that began at 1 GiB */
};

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
	dma_result_ok(result, bits_at(data, 51, 12) | (iova & page_mask(page_lg2)),
		      perm | (unsigned)(data >> context->clean_shift & TLB_WRITE), page_lg2,
		      cached);
}

/* ---- walks -------------------------------------------------------------------------------------- */

static void copy_closes(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	smmu_copy_closes(ctx, tlb, at);
}

static __attribute__((noinline)) void fill_any(struct smmu *smmu, struct tlb *pointers,
					       const struct walked *walked)
{
	smmu->iommu.event = walked->event;
	walked_fill_any(smmu->tlb, pointers, walked, copy_closes, smmu);
}

/* The copies that a walk leaves. What fill_any() is given is made for it alone: the usual *walked stays in registers. */
SMMU_INLINE void fill(struct smmu *smmu, struct tlb *pointers, const struct walked walked,
		      bool refills)
{
	if (unlikely(!walked_fill(smmu->tlb, pointers, &walked, refills)))
		fill_any(smmu, pointers,
			 &(struct walked){ walked.event, walked.space, walked.page, walked.data,
					   walked.pointer, walked.table, walked.perm });
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
SMMU_INLINE bool plain_leaf(struct smmu *smmu, const struct dma_record *record,
			    struct smmu_context *context, const struct frame *table, uint64_t above,
			    uint64_t *data)
{
	const struct smmu_quick *quick = &context->quick;
	uint64_t raw = frame_word(table, (unsigned)bits(record->iova, 20, 12)), perm;
	unsigned allowed;

	if (unlikely((raw & (LEAF_CARE | quick->leaf_care)) != (LEAF_PLAIN | quick->leaf_want) ||
		     (bits_at(raw, 47, 12) & quick->beyond)))
		return false;
	perm = attributes(smmu, context, raw, above);
	allowed = (unsigned)(perm >> context->shift) & TLB_PERM;
	*data = bits_at(raw, 47, 12) | perm | quick->mark | TLB_VALID;
	return likely(allowed && !(dma_access_of(dma_record_verb(record)) & ~allowed));
}

/* The miss of a request whose table of 4 KiB pages no cached pointer leads to; otherwise as plain_miss(). */
SMMU_INLINE uint64_t walk_from_directory(struct smmu *smmu, struct loop *loop,
					 const struct dma_record *record,
					 struct smmu_context *context, struct tlb_place page,
					 struct tlb_place pointer)
{
	iova_t iova = record->iova;
	struct tlb_way *way = tlb_use_noted(smmu->walk[context->stage2][1], context->tag_bits, iova,
					    30, &context->pointer);
	struct ahead *ahead = &smmu->ahead[ahead_slot(context->ahead, iova)];
	uint64_t entry, perm, data;
	struct frame *table;
	pa_t pa;

	if (unlikely(!way || (way->data & TLB_CHECK)))
		return 0;
	entry = frame_word(way->copy.table, (unsigned)bits(iova, 29, 21));
	pa = bits_at(entry, 47, 12);
	if (unlikely((entry & 3) != 3 || (pa & context->quick.beyond)))
		return 0;
	perm = way->data & COPY_ATTRIBUTES;
	if (!context->stage2)
		perm &= smmu_table_perm(context, &context->half[0], entry);
	table = walked_table(smmu->memory, pa, ahead);
	if (unlikely(!table || !plain_leaf(smmu, record, context, table, perm, &data)))
		return 0;
	loop->misses[context->stage2]++;
	loop->from_directory[context->stage2]++;
	fill(smmu, smmu->walk[context->stage2][0],
	     (struct walked){ dma_run_event(loop->run, record), context->quick.space, page, data,
			      pointer, table, perm },
	     false);
	return data;
}

/* Out of line, for streams that seldom come here. */
static __attribute__((noinline)) uint64_t
walk_from_directory_seldom(struct smmu *smmu, struct loop *loop, const struct dma_record *record,
			   struct smmu_context *context, struct tlb_place page)
{
	return walk_from_directory(
		smmu, loop, record, context, page,
		place_of(smmu->walk[context->stage2][0], context, record->iova, 21));
}

/*
 * The miss of a plain request: the data word of the copy that its walk leaves. 0: it is none, and nothing was
 * changed but the order of walk caches.
 */
SMMU_INLINE uint64_t plain_miss(struct smmu *smmu, struct loop *loop,
				const struct dma_record *record, struct smmu_context *context,
				struct tlb_place page, bool often)
{
	struct tlb *tables = smmu->walk[context->stage2][0];
	struct tlb_place pointer;
	struct tlb_way *way;
	uint64_t data;

	if (unlikely(!loop->walks || !context->quick.usual || smmu->tags[context->tag].conflicted))
		return 0;
	pointer = place_of(tables, context, record->iova, 21);
	way = tlb_use(tables, &pointer);
	if (!way)
		return often ? walk_from_directory(smmu, loop, record, context, page, pointer)
			     : walk_from_directory_seldom(smmu, loop, record, context, page);
	if (unlikely(way->data & TLB_CHECK) ||
	    !plain_leaf(smmu, record, context, way->copy.table, way->data & COPY_ATTRIBUTES, &data))
		return 0;
	loop->misses[context->stage2]++;
	fill(smmu, tables,
	     (struct walked){ .event = dma_run_event(loop->run, record),
			      .space = context->quick.space,
			      .page = page,
			      .data = data },
	     !often);
	return data;
}

/* Out of line, for streams that often come here. */
static __attribute__((noinline)) uint64_t miss_often(struct smmu *smmu, struct loop *loop,
						     const struct dma_record *record,
						     struct smmu_context *context,
						     struct tlb_place page)
{
	return plain_miss(smmu, loop, record, context, page, true);
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

	for (unsigned stage = 0; stage < 2; stage++) {
		const struct tlb *tables = smmu->walk[stage][0], *above = smmu->walk[stage][1];

		plain = plain && tables && tables->plain && above && above->plain_stamps;
	}
	return plain;
}

/*
 * A plain request. False: it needs a second look, and nothing was done but for the order of sets.
 * only_4k: finds_plainly(), known when this is compiled.
 */
SMMU_INLINE bool serve_plain(struct smmu *smmu, struct loop *loop, const struct dma_record *record,
			     struct smmu_context *context, iova_t iova, bool only_4k, bool often,
			     struct dma_result *result)
{
	struct tlb_place place = tlb_place_page(smmu->tlb, context->page_tag, iova);
	struct tlb_hit hit = { NULL, 12 };
	uint64_t data;
	unsigned perm;

	if (only_4k)
		hit.way = tlb_use(smmu->tlb, &place);
	else if (!tlb_lookup_rare(smmu->tlb, context->tag, iova, &hit))
		hit.way = NULL;
	if (!hit.way) {
		data = often ? miss_often(smmu, loop, record, context, place)
			     : plain_miss(smmu, loop, record, context, place, false);
		if (unlikely(!data))
			return false;
		answer(result, context, data, (unsigned)(data >> context->shift) & TLB_PERM, iova,
		       12, false);
		return true;
	}
	data = hit.way->data;
	perm = (unsigned)(data >> context->shift) & TLB_PERM;
	if (unlikely(!perm || (data & TLB_CHECK) ||
		     (dma_access_of(dma_record_verb(record)) & ~perm)))
		return false;
	answer(result, context, data, perm, iova, hit.page_lg2, true);
	return true;
}

#define PLAIN_UNIT struct smmu
#define PLAIN_CONTEXT struct smmu_context
#define PLAIN_CLOCK clock
#include "hw/plain_loop.h"

static uint64_t copies_now(const struct smmu *smmu)
{
	return smmu->tlb->count + (smmu->walk[0][0] ? smmu->walk[0][0]->count : 0) +
	       (smmu->walk[1][0] ? smmu->walk[1][0]->count : 0);
}

/* What the loop served ends up in the counters once a call. */
static void note_counts(struct smmu *smmu, const struct loop *loop, size_t n,
			uint64_t copies_before)
{
	uint64_t misses = loop->misses[0] + loop->misses[1];
	uint64_t fills = misses + loop->from_directory[0] + loop->from_directory[1];

	if (n)
		smmu->looks_ahead = worth_looking_ahead(n, misses);
	smmu->count.requests += n;
	smmu->count.hits += n - misses;
	smmu->count.misses += misses;
	smmu->count.config_hits += n;
	smmu->count.walk_reads += fills;
	for (unsigned i = 0; i < 2; i++) {
		smmu->count.walk_hits[i][0] += loop->misses[i] - loop->from_directory[i];
		smmu->count.walk_hits[i][1] += loop->from_directory[i];
	}
	smmu->count.evictions += fills - (copies_now(smmu) - copies_before);
}

size_t smmu_translate_plain(struct iommu *iommu, const struct dma_run *run,
			    struct dma_result *results)
{
	struct smmu *smmu = smmu_of(iommu);
	uint64_t copies = copies_now(smmu);
	struct loop loop;
	size_t n;

	if (!smmu->enabled)
		return 0;
	loop.run = run;
	loop.walks = walks_plainly(smmu);
	for (unsigned stage = 0; stage < 2; stage++)
		loop.misses[stage] = loop.from_directory[stage] = 0;
	n = serve_records(smmu, &loop, results);
	note_counts(smmu, &loop, n, copies);
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
	size_t i = 0, slow = 0; /* slow: behind the last that the loop did not serve */

	smmu->attention = false;
	while (i < n && !smmu->attention) {
		i += translate_as_records(iommu, first_event + i, requests + i, results + i, n - i);
		if (i == n)
			break;
		smmu->iommu.event = first_event + i;
		smmu->count.requests++;
		by_page(&requests[i], &results[i], serve_page, smmu);
		smmu->iommu.refused |= results[i].outcome != OUTCOME_OK;
		slow = ++i;
	}
	smmu->detail_due = i && slow != i;
	if (smmu->detail_due)
		smmu->last = requests[i - 1];
	return i;
}
