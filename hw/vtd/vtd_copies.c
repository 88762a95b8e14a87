/* The IOTLB and the paging-structure caches: what goes in, what is marked, what is told. */
#include "hw/vtd/vtd_private.h"

/* Level of the tables that a walk cache points to, as reports count it; -1: the IOTLB. */
static int walk_level(const struct vtd *vtd, const struct tlb *tlb)
{
	if (tlb == vtd->iotlb)
		return -1;
	for (int level = 0; level < VTD_LEVELS_MAX; level++)
		if (vtd->walk[level] == tlb)
			return level;
	for (int level = 0; level < VTD_LEVELS_MAX; level++)
		if (vtd->first_walk[level] == tlb)
			return level + VTD_FIRST_STAGE_LEVEL;
	return -1;
}

void vtd_copy_of(const struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at,
		 struct cached_copy *copy)
{
	int level = walk_level(vtd, tlb);
	uint64_t tag = tlb_tag_of(tlb, at);
	bool pair = tag >= vtd_domain_ids(vtd);

	*copy = (struct cached_copy){
		.structure = level < 0 ? STRUCTURE_TLB : STRUCTURE_WALK_CACHE,
		.level = (uint8_t)(level < 0 ? 0 : level),
		.perm = (uint8_t)(*at->data & TLB_PERM),
		.page_lg2 = at->copy->page_lg2,
		.reasons = (*at->data & TLB_CHECK) ? at->copy->reasons : 0,
		.space = at->copy->space,
		.tag = pair ? vtd->tags[tag].did : tag,
		.pasid = pair ? vtd->tags[tag].pasid : NO_PASID,
		.serial = at->copy->serial,
		.first = tlb_first(tlb, at),
		.last = tlb_last(tlb, at),
		.pa = bits_at(*at->data, 51, 12),
		.filled = at->copy->filled,
		.changed = (*at->data & TLB_CHECK) ? *at->changed : NO_EVENT,
	};
}

/* Copies that may grant what is gone; an overlap alone grants nothing gone. */
static bool told(const struct tlb_at *at)
{
	return (*at->data & TLB_CHECK) && (at->copy->reasons & ~CHECK_OVERLAP);
}

static uint64_t name_of(const struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at)
{
	int level = walk_level(vtd, tlb);

	return level < 0 ? copy_name(STRUCTURE_TLB, 0, at->copy->serial)
			 : copy_name(STRUCTURE_WALK_CACHE, (unsigned)level, at->copy->serial);
}

static void tell_opens(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at)
{
	struct doubted_copy copy;

	copy.name = name_of(vtd, tlb, at);
	copy.first = tlb_first(tlb, at);
	copy.last = copy.first + page_mask(at->copy->page_lg2);
	copy.pa = bits_at(*at->data, 51, 12);
	copy.space = at->copy->space;
	copy.perm = (uint8_t)(*at->data & TLB_PERM);
	copy.reasons = at->copy->reasons;
	vtd->observer->copy_opens(vtd->observer->self, &copy);
}

void vtd_copy_opens(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at)
{
	if (told(at))
		tell_opens(vtd, tlb, at);
}

void vtd_copy_closes(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at)
{
	if (told(at))
		vtd->observer->copy_closes(vtd->observer->self, name_of(vtd, tlb, at));
}

static bool evict_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct vtd *vtd = ctx;

	vtd->count.evictions++;
	vtd_copy_closes(vtd, tlb, at);
	return true;
}

void vtd_copies_emptied(struct vtd *vtd, struct tlb *tlb)
{
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	tlb_visit(tlb, &all, evict_copy, vtd);
}

void vtd_copy_evicted(struct vtd *vtd, const struct tlb *tlb, struct tlb_evicted *gone)
{
	vtd_copy_closes(vtd, tlb,
			&(struct tlb_at){ &gone->key, &gone->data, &gone->copy, &gone->changed });
}

static void set_check(const struct tlb_at *at, unsigned reason, uint64_t changed)
{
	if (changed != NO_EVENT || !(*at->data & TLB_CHECK))
		*at->changed = changed;
	*at->data |= TLB_CHECK;
	at->copy->reasons |= (uint8_t)reason;
}

struct fill_overlap {
	struct vtd *vtd;
	struct cached_copy filled, valid; /* valid: the first that it overlaps */
	bool any;
};

static bool note_overlap(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct fill_overlap *overlap = ctx;

	if (at->copy->page_lg2 == overlap->filled.page_lg2)
		return false;
	if (MARK(MARK_OVERLAP_VALID))
		set_check(at, CHECK_OVERLAP, NO_EVENT);
	if (!overlap->any)
		vtd_copy_of(overlap->vtd, tlb, at, &overlap->valid);
	overlap->any = true;
	return false;
}

/* R5: a fill sets the bit on itself and on every copy of another size that it overlaps. */
bool vtd_fill_overlaps(struct vtd *vtd, const struct dma_request *request, iova_t input,
		       const struct vtd_context *context, const struct pt_walk *walk)
{
	iova_t first = input & ~low_mask(walk->page_lg2);
	struct fill_overlap overlap = {
		.vtd = vtd,
		.filled = { .structure = STRUCTURE_TLB,
			    .perm = walk->perm & TLB_PERM,
			    .page_lg2 = walk->page_lg2,
			    .space = context->space,
			    .tag = context->did,
			    .pasid = context->input_bits ? context->pasid : NO_PASID,
			    .first = first,
			    .last = first + low_mask(walk->page_lg2),
			    .pa = walk->pa,
			    .filled = vtd->iommu.event,
			    .changed = NO_EVENT },
	};
	struct tlb_scope scope = { .tag = context->tag,
				   .first = overlap.filled.first,
				   .last = overlap.filled.last };

	tlb_visit(vtd->iotlb, &scope, note_overlap, &overlap);
	if (overlap.any)
		vtd->observer->overlap(vtd->observer->self, vtd->iommu.event, request,
				       &overlap.filled, &overlap.valid);
	return overlap.any;
}

struct marking {
	struct vtd *vtd;
	unsigned reason;
};

static bool mark_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct marking *marking = ctx;

	set_check(at, marking->reason,
		  marking->reason == CHECK_TAG ? NO_EVENT : marking->vtd->iommu.event);
	/* neither reason is an overlap */
	tell_opens(marking->vtd, tlb, at);
	return false;
}

static __attribute__((noinline)) void mark_changed(struct vtd *vtd, struct tlb *tlb, uint32_t tag,
						   const struct table_change *change)
{
	struct marking marking = { vtd, CHECK_UPDATE };
	struct tlb_scope scope = {
		.tag = tag, .space = change->space, .first = change->first, .last = change->last
	};

	tlb_visit(tlb, &scope, mark_copy, &marking);
}

/* Pointers under the tag, at and below a word that pointed to a table. */
static __attribute__((noinline)) void mark_pointers(struct vtd *vtd, uint32_t tag,
						    const struct table_change *change)
{
	for (unsigned level = 0; level < change->level; level++) {
		if (vtd->walk[level] && MARK(MARK_POINTER))
			mark_changed(vtd, vtd->walk[level], tag, change);
		if (vtd->first_walk[level] && MARK(MARK_FIRST_POINTER))
			mark_changed(vtd, vtd->first_walk[level], tag, change);
	}
}

/* R2: final copies in the range, and pointers at and below a word that pointed to a table. R4: the
 * two-stage copies that the space's words are a part of. */
static void mark_space(struct vtd *vtd, const struct table_change *change)
{
	const struct vtd_space *space;

	if (change->space >= vtd->n_spaces)
		return; /* never walked */
	space = &vtd->spaces[change->space];
	if (change->state_only && !(change->cleared & space->state))
		return; /* no copy holds these bits as set */
	if (vtd->atcs.n)
		atc_mark(&vtd->atcs, change->space, change->first, change->last);
	for (uint32_t i = 0; i < space->n; i++) {
		uint32_t tag = space->tags[i];

		if (vtd->tags[tag].nested)
			vtd_tag_new_generation(vtd, tag);
		if (MARK(MARK_TRANSLATION))
			mark_changed(vtd, vtd->iotlb, tag, change);
		if (change->pointer)
			mark_pointers(vtd, tag, change);
	}
}

static __attribute__((noinline)) void mark_all(struct vtd *vtd, const struct table_change *changes,
					       uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!changes[i].configuration)
			mark_space(vtd, &changes[i]);
		else if (changes[i].space == vtd->config_space)
			vtd_config_mark(vtd, changes[i].first, changes[i].last, changes[i].level);
	}
}

/* The page's copy under the tag, if it is there: what mark_copy() does to it. */
static inline void mark_page(struct vtd *vtd, uint32_t tag, const struct table_change *change)
{
	struct tlb_place place = vtd_page_place(vtd, tag, change->first);
	struct tlb_way *way = tlb_peek(vtd->iotlb, &place);

	if (way && way->copy.space == change->space)
		tell_doubted_page(vtd->observer, way, vtd->iommu.event,
				  change->first & ~page_mask(12), way->data & TLB_PERM);
}

/* What mark_space() comes to for most changes: a leaf of a space whose copies have one tag; of a page there is one
 * at most. False: it is another, and nothing was done. */
static inline bool mark_usual(struct vtd *vtd, const struct table_change *change)
{
	const struct vtd_space *space;
	uint32_t tag;

	if (change->configuration || change->pointer || change->state_only ||
	    change->space >= vtd->n_spaces || vtd->atcs.n ||
	    !tlb_one_page(vtd->iotlb, change->first, change->last))
		return false;
	space = &vtd->spaces[change->space];
	if (space->n != 1)
		return false;
	tag = space->tags[0];
	if (vtd->tags[tag].nested)
		return false;
	if (MARK(MARK_PAGE))
		mark_page(vtd, tag, change);
	return true;
}

void vtd_tables_changed(struct iommu *iommu, uint64_t event, const struct table_change *changes,
			uint32_t n)
{
	struct vtd *vtd = vtd_of(iommu);

	vtd->iommu.event = event;
	if (n != 1 || !mark_usual(vtd, &changes[0]))
		mark_all(vtd, changes, n);
}

/* Every structure that holds translations or pointers. */
uint64_t vtd_visit_all(struct vtd *vtd, const struct tlb_scope *scope, tlb_visitor *visit,
		       void *ctx)
{
	uint64_t visited = tlb_visit(vtd->iotlb, scope, visit, ctx);

	for (unsigned level = 0; level < VTD_LEVELS_MAX; level++) {
		if (vtd->walk[level])
			visited += tlb_visit(vtd->walk[level], scope, visit, ctx);
		if (vtd->first_walk[level])
			visited += tlb_visit(vtd->first_walk[level], scope, visit, ctx);
	}
	return visited;
}

void vtd_mark_tag(struct vtd *vtd, uint32_t tag, unsigned reason)
{
	struct marking marking = { vtd, reason };
	struct tlb_scope scope = { .tag = tag, .last = UINT64_MAX };

	if (MARK(MARK_TAG_COPIES))
		vtd_visit_all(vtd, &scope, mark_copy, &marking);
}

static bool count_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	(void)at;
	++*(uint64_t *)ctx;
	return false;
}

uint64_t vtd_tag_copies(struct vtd *vtd, uint32_t tag)
{
	struct tlb_scope scope = { .tag = tag, .last = UINT64_MAX };
	uint64_t n = 0;

	vtd_visit_all(vtd, &scope, count_copy, &n);
	return n;
}

struct tag_removal {
	struct vtd *vtd;
	bool any_pair;
};

static bool remove_tagged(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct tag_removal *removal = ctx;

	if (removal->any_pair && tlb_tag_of(tlb, at) < vtd_domain_ids(removal->vtd))
		return false;
	vtd_copy_closes(removal->vtd, tlb, at);
	return true;
}

/* Evicts all copies of a tag, or of every pair, because the model needs its number. */
void vtd_tag_remove(struct vtd *vtd, uint32_t tag, bool any_pair)
{
	struct tag_removal removal = { vtd, any_pair };
	struct tlb_scope scope = { .any_tag = any_pair, .tag = tag, .last = UINT64_MAX };

	vtd->count.evictions += vtd_visit_all(vtd, &scope, remove_tagged, &removal);
}
