/*
 * The miss that streams consist of, inside of the loop that every request takes: one stage, 4 KiB
 * granule, a walk that begins at a cached pointer for 2 MiB or 1 GiB and ends at a page of 4 KiB, meets
 * nothing special and nothing in doubt.
 *
 * It either does exactly what smmu_serve_page() would, or nothing at all and says so: whatever it does
 * not know (faults, contiguous sets, global entries, flag updates, copies in doubt, freed tables) is
 * left to that. Until it has the answer it changes nothing but the order of walk caches, which the
 * second try finds as it needs it.
 */
#ifndef IOMMUSIM_HW_SMMUV3_SMMUV3_QUICK_H
#define IOMMUSIM_HW_SMMUV3_SMMUV3_QUICK_H

#include "hw/smmuv3/smmuv3_perm.h"

#define SMMU_INLINE static inline __attribute__((always_inline))

/* Leaf bits that permissions are made of. */
#define LEAF_PERM                                                                                  \
	(1ull << ARM_AP1 | 1ull << ARM_AP2 | 1ull << ARM_DBM | 1ull << ARM_PXN | 1ull << ARM_UXN)
/* What a leaf must look like: valid, access flag set, no contiguous set. */
#define LEAF_CARE (1ull << ARM_AF | 1ull << ARM_CONTIGUOUS)
#define LEAF_PLAIN (1ull << ARM_AF)

/* Where the walk ends: the table of 4 KiB pages, and what those above it leave. */
struct smmu_quick_walk {
	struct frame *frame;
	uint64_t perm;
};

/* All structures have their tags at the same place in a key. */
SMMU_INLINE struct tlb_place smmu_quick_place(const struct tlb *tlb,
					      const struct smmu_context *context, iova_t iova,
					      unsigned lg2)
{
	return tlb_place(tlb, (uint64_t)context->tag << (KEY_BITS - 11), iova, lg2);
}

/* Structures of the usual kind, and nothing in them that a quick walk does not know. */
static inline bool smmu_quick_walks(const struct smmu *smmu)
{
	bool plain = smmu->tlb->plain && !smmu->any_global && !smmu->memory->n_aborts &&
		     !smmu->tables->freed_linked && (smmu->config.cohacc || !smmu->memory->view);

	for (unsigned i = 0; i < 2 * (ARM_LEVELS - 1); i++)
		plain = plain && smmu->walk[i % 2][i / 2] && smmu->walk[i % 2][i / 2]->plain;
	return plain;
}

/* ---- fetching ahead -------------------------------------------------------------------------- */

/* For some of the next n requests; answers for how many. */
SMMU_INLINE size_t smmu_fetch_ahead(const struct smmu *smmu, const struct dma_request *requests,
				    size_t n)
{
	size_t most = n < AHEAD_REQUESTS ? n : AHEAD_REQUESTS;

	for (size_t i = 0; i < most; i++) {
		uint32_t tag = smmu->devices[requests[i].device].context->tag;

		ahead_fetch(&smmu->ahead[ahead_slot(tag, requests[i].iova)], requests[i].iova);
	}
	return most;
}

/* ---- the walk ----------------------------------------------------------------------------------- */

/* Attributes of a copy of the leaf: most leaves of a stream are alike. */
SMMU_INLINE uint64_t smmu_quick_attributes(const struct smmu *smmu, struct smmu_context *context,
					   uint64_t raw, const struct smmu_quick_walk *walk)
{
	struct smmu_quick *quick = &context->quick;

	if (unlikely((raw & LEAF_PERM) != quick->leaf || walk->perm != quick->above)) {
		quick->leaf = raw & LEAF_PERM;
		quick->above = walk->perm;
		quick->perm = context->stage2 ? smmu_stage2_perm(smmu, &context->ste, raw)
					      : smmu_leaf_perm(context, raw, walk->perm);
	}
	return quick->perm;
}

/* Puts a copy in that agrees with truth; lg2: its size, where that is known as a constant. */
SMMU_INLINE void smmu_quick_put(struct smmu *smmu, struct tlb *tlb,
				const struct smmu_context *context, iova_t iova, unsigned lg2,
				uint64_t data, struct frame *table)
{
	struct tlb_copy copy = { .filled = smmu->iommu.event,
				 .table = table,
				 .space = context->quick.space,
				 .page_lg2 = (uint8_t)lg2 };
	struct tlb_place place = smmu_quick_place(tlb, context, iova, lg2);
	struct tlb_way *way = tlb_take(tlb, &place);

	if (unlikely((way->data & TLB_CHECK) != 0)) {
		struct tlb_at gone = tlb_at_way(way);

		smmu_copy_closes(smmu, tlb, &gone);
	}
	smmu->count.evictions += way->data != 0;
	tlb_store(tlb, way, place.key, data, &copy);
}

/* The table of 4 KiB pages below the pointer for 1 GiB; NULL: none, or not a quick one. */
static __attribute__((noinline)) struct frame *smmu_table_below(const struct smmu *smmu,
								const struct smmu_context *context,
								iova_t iova, uint64_t *perm)
{
	const struct tlb *directories = smmu->walk[context->stage2][1];
	struct tlb_place place = smmu_quick_place(directories, context, iova, 30);
	struct tlb_way *way = tlb_use(directories, &place, true);
	struct frame *frame;
	uint64_t data, entry;
	pa_t pa;

	if (unlikely(!way))
		return NULL;
	data = way->data;
	entry = frame_word(way->copy.table, (unsigned)bits(iova, 29, 21));
	pa = bits_at(entry, 47, 12);
	if (unlikely((data & TLB_CHECK) || (entry & 3) != 3 || (pa & context->quick.beyond)))
		return NULL;
	*perm = data & COPY_ATTRIBUTES;
	if (!context->stage2)
		*perm &= smmu_table_perm(context, &context->half[0], entry);
	frame = smmu->ahead[ahead_slot(context->tag, iova)].frame;
	return likely(frame && frame->pa == pa) ? frame : memory_frame(smmu->memory, pa);
}

/* False: nothing was done. Only while smmu_quick_walks(). */
static __attribute__((noinline)) bool smmu_quick_miss(struct smmu *smmu,
						      const struct dma_request *request,
						      struct smmu_context *context,
						      struct dma_result *result)
{
	struct tlb *tables = smmu->walk[context->stage2][0];
	struct tlb_place place = smmu_quick_place(tables, context, request->iova, 21);
	const struct smmu_quick *quick = &context->quick;
	struct smmu_quick_walk walk;
	struct tlb_way *way;
	uint64_t raw, data, allowed;
	bool below;

	if (unlikely(!quick->usual || smmu->tags[context->tag].conflicted))
		return false;
	way = tlb_use(tables, &place, true);
	below = !way;
	if (below) {
		walk.frame = smmu_table_below(smmu, context, request->iova, &walk.perm);
	} else {
		walk.frame = way->copy.table;
		walk.perm = way->data & (COPY_ATTRIBUTES | TLB_CHECK);
	}
	if (unlikely(!walk.frame || (walk.perm & TLB_CHECK)))
		return false;
	raw = frame_word(walk.frame, (unsigned)bits(request->iova, 20, 12));
	if (unlikely((raw & (3 | LEAF_CARE | quick->leaf_care)) !=
			     (3 | LEAF_PLAIN | quick->leaf_want) ||
		     (bits_at(raw, 47, 12) & quick->beyond)))
		return false;
	data = smmu_quick_attributes(smmu, context, raw, &walk);
	allowed = data >> context->shift & TLB_PERM;
	if (unlikely((request->access & ~allowed) || !allowed))
		return false;
	if (below) {
		smmu_quick_put(smmu, tables, context, request->iova, 21, walk.frame->pa | walk.perm,
			       walk.frame);
		smmu->ahead[ahead_slot(context->tag, request->iova)] =
			(struct ahead){ walk.frame, walk.frame->words };
	}
	smmu->count.walk_hits[context->stage2][below]++;
	smmu->count.walk_reads += 1u + below;
	smmu_quick_put(smmu, smmu->tlb, context, request->iova, 12,
		       bits_at(raw, 47, 12) | data | quick->mark, NULL);
	*result = (struct dma_result){
		.pa = bits_at(raw, 47, 12) | (request->iova & 0xfff),
		.perm = (uint8_t)(allowed | (data >> context->clean_shift & TLB_WRITE)),
		.page_lg2 = 12,
	};
	return true;
}

#endif
