/*
 * The miss that streams consist of, inside of the loop that every request takes: one stage, 4 KiB
 * granule, a walk that meets nothing special and nothing in doubt.
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

struct smmu_quick_walk {
	struct frame *frame; /* of the table at hand */
	uint64_t perm;	     /* what the tables on the way leave */
	unsigned level, start;
	struct frame *tables[ARM_LEVELS]; /* by level, below start */
	uint64_t perms[ARM_LEVELS];
};

/* The pointer of one walk cache. 0: none; 1: the walk begins there; -1: not a quick one. */
SMMU_INLINE int smmu_quick_pointer(struct smmu_context *context, const struct tlb *tlb, iova_t iova,
				   unsigned level, struct smmu_quick_walk *walk)
{
	unsigned lg2 = 21 + 9 * level;
	struct tlb_hit hit;
	uint64_t data = tlb ? tlb_lookup(tlb, lg2, context->tag, iova, &hit) : 0;

	if (!data)
		return 0;
	walk->frame = tlb->copies[hit.at].table;
	walk->perm = data & COPY_ATTRIBUTES;
	walk->level = level;
	return (data & TLB_CHECK) || hit.page_lg2 != lg2 || !walk->frame ? -1 : 1;
}

/* Where the walk begins: the lowest table that a walk cache points to, else the root. */
SMMU_INLINE bool smmu_quick_start(struct tlb *const *pointers, struct smmu_context *context,
				  iova_t iova, struct smmu_quick_walk *walk)
{
	const struct smmu_quick *quick = &context->quick;
	int found = smmu_quick_pointer(context, pointers[0], iova, 0, walk);

	if (!found && quick->top > 1)
		found = smmu_quick_pointer(context, pointers[1], iova, 1, walk);
	if (!found && quick->top > 2)
		found = smmu_quick_pointer(context, pointers[2], iova, 2, walk);
	if (!found) {
		walk->frame = quick->root;
		walk->perm = COPY_ATTRIBUTES & ~COPY_CLEAN;
		walk->level = quick->top;
	}
	walk->start = walk->level;
	return found >= 0;
}

/* Down to a plain leaf; false: not a quick one. */
SMMU_INLINE bool smmu_quick_descend(const struct smmu *smmu, struct smmu_context *context,
				    iova_t iova, struct smmu_quick_walk *walk, uint64_t *raw,
				    struct pt_entry *entry)
{
	const struct smmu_quick *quick = &context->quick;

	for (;;) {
		unsigned index = (unsigned)(iova >> (12 + 9 * walk->level)) & 511;

		if (unlikely(walk->frame->node.freed != 0))
			return false;
		*raw = frame_word(walk->frame, index);
		*entry = arm_lpae_decode(*raw, walk->level, 12, false);
		if (unlikely(entry->kind == PT_ABSENT || (entry->addr & quick->beyond)))
			return false;
		if (entry->kind == PT_LEAF)
			break;
		if (!context->stage2)
			walk->perm &= smmu_table_perm(context, &context->half[0], *raw);
		walk->frame = memory_frame(smmu->memory, entry->addr);
		if (unlikely(!walk->frame))
			return false;
		walk->level--;
		walk->tables[walk->level] = walk->frame;
		walk->perms[walk->level] = walk->perm;
	}
	return (*raw & (LEAF_CARE | quick->leaf_care)) == (LEAF_PLAIN | quick->leaf_want) &&
	       !(walk->level && bit(*raw, ARM_NT));
}

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

SMMU_INLINE void smmu_quick_put(struct smmu *smmu, struct tlb *tlb,
				const struct smmu_context *context, iova_t iova, uint64_t data,
				const struct tlb_copy *copy)
{
	struct tlb_evicted gone;

	tlb_fill(tlb, context->tag, iova, data, copy, NO_EVENT, &gone);
	smmu->count.evictions += gone.data != 0;
	if (unlikely((gone.data & TLB_CHECK) != 0))
		smmu_copy_closes(
			smmu, tlb,
			&(struct tlb_at){ &gone.key, &gone.data, &gone.copy, &gone.changed });
}

/* Whether a copy of this size could overlap a smaller one. */
SMMU_INLINE bool smmu_quick_alone(const struct tlb *tlb, unsigned page_lg2)
{
	return page_lg2 == 12 || tlb->only_lg2 == page_lg2 || !tlb->n_live;
}

/* False: nothing was done. */
SMMU_INLINE bool smmu_quick_miss(struct smmu *smmu, const struct dma_request *request,
				 struct smmu_context *context, struct dma_result *result)
{
	struct tlb *const *pointers = smmu->walk[context->stage2];
	struct smmu_quick_walk walk;
	struct pt_entry entry;
	uint64_t raw, data, allowed;

	if (unlikely(!context->quick.root || smmu->any_global || smmu->memory->n_aborts ||
		     smmu->tags[context->tag].conflicted) ||
	    !smmu_quick_start(pointers, context, request->iova, &walk) ||
	    !smmu_quick_descend(smmu, context, request->iova, &walk, &raw, &entry) ||
	    unlikely(!smmu_quick_alone(smmu->tlb, entry.page_lg2)))
		return false;
	data = smmu_quick_attributes(smmu, context, raw, &walk);
	allowed = data >> context->shift & TLB_PERM;
	/* a write to a clean page is among what is not allowed yet */
	if (unlikely((request->access & ~allowed) || !allowed))
		return false;
	smmu->count.misses++;
	smmu->count.config_hits++;
	smmu->count.walk_reads += walk.start - walk.level + 1;
	if (walk.start < context->quick.top)
		smmu->count.walk_hits[context->stage2][walk.start]++;
	for (unsigned level = walk.level; level < walk.start; level++)
		if (pointers[level])
			smmu_quick_put(smmu, smmu->walk[context->stage2][level], context,
				       request->iova, walk.tables[level]->pa | walk.perms[level],
				       &(struct tlb_copy){ .filled = smmu->iommu.event,
							   .space = context->quick.space,
							   .table = walk.tables[level],
							   .page_lg2 = (uint8_t)(21 + 9 * level) });
	smmu_quick_put(smmu, smmu->tlb, context, request->iova,
		       entry.addr | data | context->quick.mark |
			       (uint64_t)walk.level << context->quick.level_shift,
		       &(struct tlb_copy){ .filled = smmu->iommu.event,
					   .space = context->quick.space,
					   .page_lg2 = entry.page_lg2 });
	*result = (struct dma_result){
		.pa = entry.addr | (request->iova & page_mask(entry.page_lg2)),
		.perm = (uint8_t)(allowed | (data >> context->clean_shift & TLB_WRITE)),
		.page_lg2 = entry.page_lg2
	};
	return true;
}

#endif
