/* Tags of copies: domain ids, and pairs of domain id and PASID; the address spaces behind them. */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>
#include <string.h>

static void *grown(void *items, uint32_t *max, uint32_t n, size_t size)
{
	uint32_t more = *max ? *max : 4;

	while (more < n)
		more *= 2;
	if (more == *max)
		return items;
	items = realloc(items, more * size);
	if (!items)
		abort();
	memset((char *)items + *max * size, 0, (more - *max) * size);
	*max = more;
	return items;
}

/* Remembers that copies made with words of the space can carry this tag. */
void vtd_space_know(struct vtd *vtd, uint32_t space, uint32_t tag, uint64_t state)
{
	struct vtd_space *known;

	if (!space)
		return;
	vtd->spaces = grown(vtd->spaces, &vtd->n_spaces, space + 1, sizeof *vtd->spaces);
	known = &vtd->spaces[space];
	known->state |= state;
	for (uint32_t i = 0; i < known->n; i++)
		if (known->tags[i] == tag)
			return;
	known->tags = grown(known->tags, &known->max, known->n + 1, sizeof *known->tags);
	known->tags[known->n++] = tag;
}

/* ---- pairs ------------------------------------------------------------------------------ */

bool vtd_tag_of_pair(const struct vtd *vtd, uint16_t did, uint32_t pasid, uint32_t *tag)
{
	for (uint32_t at = vtd->tags[did].next; at; at = vtd->tags[at].next) {
		if (vtd->tags[at].pasid == pasid) {
			*tag = at;
			return true;
		}
	}
	return false;
}

/* All numbers are given away: what they tag goes, as an eviction, and numbering begins anew. */
static void forget_pairs(struct vtd *vtd)
{
	for (uint64_t i = 0; i < vtd->pasids.n; i++)
		if (vtd->pasids.slots[i].valid && vtd->pasids.slots[i].input_bits)
			vtd_config_drop(vtd, &vtd->pasids.slots[i]);
	vtd_tag_remove(vtd, 0, true);
	for (uint32_t i = 0; i < vtd->n_spaces; i++)
		vtd->spaces[i].n = 0; /* those of domain ids are learnt again below */
	for (uint32_t i = 0; i < vtd_domain_ids(vtd); i++) {
		vtd->tags[i].next = 0;
		if (vtd->tags[i].space)
			vtd_space_know(vtd, vtd->tags[i].space, i, 0);
	}
	memset(vtd->tags + vtd_domain_ids(vtd), 0,
	       (vtd->n_tags - vtd_domain_ids(vtd)) * sizeof *vtd->tags);
	vtd->n_tags = vtd_domain_ids(vtd);
}

static uint32_t new_pair(struct vtd *vtd, uint16_t did, uint32_t pasid)
{
	uint32_t tag;

	if (!tlb_tag_fits(vtd->iotlb, vtd->n_tags))
		forget_pairs(vtd);
	tag = vtd->n_tags++;
	vtd->tags = grown(vtd->tags, &vtd->max_tags, vtd->n_tags, sizeof *vtd->tags);
	vtd->tags[tag] =
		(struct vtd_tag){ .did = did, .pasid = pasid, .next = vtd->tags[did].next };
	vtd->tags[did].next = tag;
	return tag;
}

/* ---- spaces of nested translation -------------------------------------------------------- */

/* The number of the space that a context translates; 0: nested translation not met so far. */
uint32_t vtd_space_of(const struct vtd *vtd, const struct vtd_context *context)
{
	if (context->stages != STAGES_NESTED)
		return context->space;
	for (uint32_t i = 0; i < vtd->n_nested_spaces; i++) {
		const struct vtd_nested_space *known = &vtd->nested_spaces[i];

		if (known->first_root == context->root &&
		    known->second_root == context->second_root &&
		    known->first_top == context->top && known->second_top == context->second_top)
			return known->space;
	}
	return 0;
}

static uint32_t nested_space(struct vtd *vtd, const struct vtd_context *context)
{
	uint32_t space = vtd_space_of(vtd, context);

	if (space)
		return space;
	vtd->nested_spaces = grown(vtd->nested_spaces, &vtd->max_nested_spaces,
				   vtd->n_nested_spaces + 1, sizeof *vtd->nested_spaces);
	space = tables_new_space(vtd->tables);
	vtd->nested_spaces[vtd->n_nested_spaces++] =
		(struct vtd_nested_space){ context->root, context->second_root, context->top,
					   context->second_top, space };
	return space;
}

/* ---- who uses a tag ---------------------------------------------------------------------- */

/* Whether cached entries give this tag to more than one address space, or to different ways of
 * walking it; if not, the tag is now that one's. */
static bool tag_shared(struct vtd *vtd, uint32_t tag)
{
	const struct vtd_config_cache *caches[] = { &vtd->contexts, &vtd->pasids };
	struct vtd_tag *of = &vtd->tags[tag];

	of->space = 0;
	for (unsigned c = 0; c < 2; c++) {
		for (uint64_t i = 0; i < caches[c]->n; i++) {
			const struct vtd_context *context = &caches[c]->slots[i];

			if (!context->valid || context->tag != tag || !context->space)
				continue;
			if (of->space &&
			    (of->space != context->space || of->variant != context->variant))
				return true;
			of->space = context->space;
			of->variant = context->variant;
		}
	}
	return false;
}

void vtd_tag_flushed(struct vtd *vtd, uint32_t tag, bool any)
{
	uint32_t first = any ? 0 : tag, last = any ? vtd->n_tags - 1 : tag;
	bool conflicts = !any && vtd->conflicts;

	for (uint32_t i = first; i <= last; i++) {
		if (vtd->tags[i].space)
			vtd->tags[i].conflicted = tag_shared(vtd, i);
		conflicts |= vtd->tags[i].conflicted;
	}
	vtd->conflicts = conflicts;
}

/* A stage-2 update, or one of a first-stage table behind it (R4). */
void vtd_tag_new_generation(struct vtd *vtd, uint32_t tag)
{
	atc_new_generation(&vtd->atcs);
	if (!MARK(MARK_GENERATION))
		return;
	/* Numbers come round: then the copies' own check bits say it. */
	if (++vtd->tags[tag].generation == 0)
		vtd_mark_tag(vtd, tag, CHECK_UPDATE);
	vtd->tags[tag].changed = vtd->iommu.event;
}

/* Accessed and dirty bits that copies rely on: set bits are never looked at again, and a walk that
 * is not snooped faults where an accessed bit is clear. */
static uint64_t relied_on(const struct vtd_context *context)
{
	uint64_t accessed = 1ull << VTD_FS_ACCESSED;

	if (context->stages == STAGES_SECOND)
		return !context->second_stage_ad ? 0
		       : context->snooped	 ? 1ull << VTD_SS_DIRTY
						 : 1ull << VTD_SS_DIRTY | 1ull << VTD_SS_ACCESSED;
	accessed |= context->extended ? 1ull << VTD_FS_EXTENDED : 0;
	return 1ull << VTD_FS_DIRTY | (context->snooped ? 0 : accessed);
}

static void know_space(struct vtd *vtd, const struct vtd_context *context)
{
	vtd_space_know(vtd, context->space, context->tag, relied_on(context));
	if (context->stages == STAGES_NESTED)
		vtd_space_know(vtd, context->second_space, context->tag, UINT64_MAX);
	if (tlb_know_space(vtd->iotlb, context->space))
		abort();
	for (unsigned i = 0; i < VTD_LEVELS_MAX; i++)
		if ((vtd->walk[i] && tlb_know_space(vtd->walk[i], context->space)) ||
		    (vtd->first_walk[i] && tlb_know_space(vtd->first_walk[i], context->space)))
			abort();
}

/* The tag of what a PASID table entry translates, before the entry is used. */
void vtd_tag_take(struct vtd *vtd, struct vtd_context *context)
{
	struct vtd_tag *tag;

	if (!context->input_bits)
		return; /* it is the domain id */
	if (!vtd_tag_of_pair(vtd, context->did, context->pasid, &context->tag))
		context->tag = new_pair(vtd, context->did, context->pasid);
	tag = &vtd->tags[context->tag];
	if (tag->input_bits && tag->input_bits != context->input_bits)
		vtd_tag_remove(vtd, context->tag, false); /* copies are found by the width */
	tag->input_bits = context->input_bits;
	/* copies of another kind under this tag lack what R4 needs: they are marked below */
	tag->nested |= context->stages == STAGES_NESTED;
	if (context->stages == STAGES_NESTED)
		context->space = nested_space(vtd, context);
}

/* A context with this tag and space comes into use (design 4, tag-reuse). */
void vtd_tag_use(struct vtd *vtd, struct vtd_context *context)
{
	struct vtd_tag *tag;
	uint64_t copies;
	uint32_t old;

	if (!context->space)
		return;
	know_space(vtd, context);
	tag = &vtd->tags[context->tag];
	old = tag->space;
	if (old && (old != context->space || tag->variant != context->variant)) {
		copies = vtd_tag_copies(vtd, context->tag);
		if (copies && old != context->space)
			vtd->observer->tag_reused(vtd->observer->self, vtd->iommu.event,
						  context->device, context->did, old,
						  context->space, copies);
		if (tag_shared(vtd, context->tag) || copies) {
			tag->conflicted = vtd->conflicts = true;
			vtd_mark_tag(vtd, context->tag, CHECK_TAG);
		}
	}
	tag->space = context->space;
	tag->variant = context->variant;
}
