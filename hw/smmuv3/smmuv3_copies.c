/* TLB and walk-cache entries: what is marked, what is told. */
#include "hw/smmuv3/smmuv3_private.h"

enum { STRUCTURES = 2 + 2 * ARM_LEVELS };

struct tlb *smmu_structure(const struct smmu *smmu, unsigned index)
{
	for (unsigned i = 0; i < STRUCTURES; i++) {
		struct tlb *tlb = i == 0   ? smmu->tlb
				  : i == 1 ? smmu->ipa
					   : smmu->walk[(i - 2) / ARM_LEVELS][(i - 2) % ARM_LEVELS];

		if (tlb && index-- == 0)
			return tlb;
	}
	return NULL;
}

void smmu_structure_kind(const struct smmu *smmu, const struct tlb *tlb, unsigned *stage,
			 unsigned *level)
{
	*stage = *level = 0;
	for (unsigned i = 0; i < 2 * ARM_LEVELS; i++)
		if (tlb && smmu->walk[i / ARM_LEVELS][i % ARM_LEVELS] == tlb) {
			*stage = i / ARM_LEVELS + 1;
			*level = i % ARM_LEVELS;
		}
}

/* What it allows to anybody. */
static uint8_t copy_perm(uint64_t data)
{
	unsigned perm = (unsigned)(data | data >> PRIVILEGED_SHIFT) & TLB_PERM;

	return (uint8_t)(data & COPY_CLEAN ? perm | TLB_WRITE : perm);
}

void smmu_copy_of(const struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at,
		  struct cached_copy *copy)
{
	unsigned stage, level;
	uint64_t data = *at->data;

	smmu_structure_kind(smmu, tlb, &stage, &level);
	*copy = (struct cached_copy){
		.structure = stage ? STRUCTURE_WALK_CACHE : STRUCTURE_TLB,
		.level = (uint8_t)(stage ? level + (stage - 1) * ARM_LEVELS
					 : tlb == smmu->ipa), /* smmu_structure_name() */
		.perm = copy_perm(data),
		.page_lg2 = at->copy->page_lg2,
		.reasons = (data & TLB_CHECK) ? at->copy->reasons : 0,
		.space = at->copy->space,
		.tag = smmu_neutral_tag(smmu, (uint32_t)tlb_tag_of(tlb, at)) |
		       (uint64_t)(tlb == smmu->ipa) << 42, /* no request looks for these */
		.pasid = NO_PASID,
		.serial = at->copy->serial,
		.first = smmu_unkey(tlb_first(tlb, at)),
		.last = smmu_unkey(tlb_last(tlb, at)),
		.pa = bits_at(data, 51, 12),
		.filled = at->copy->filled,
		.changed = (data & TLB_CHECK) ? *at->changed : NO_EVENT,
	};
}

static uint64_t name_of(const struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at)
{
	unsigned stage, level;

	if (tlb == smmu->tlb || tlb == smmu->ipa)
		return copy_name(STRUCTURE_TLB, tlb == smmu->ipa, at->copy->serial);
	smmu_structure_kind(smmu, tlb, &stage, &level);
	return copy_name(STRUCTURE_WALK_CACHE, level + (stage - 1) * ARM_LEVELS, at->copy->serial);
}

void smmu_copy_opens(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at)
{
	struct doubted_copy copy;

	if (!smmu_copy_told(at))
		return;
	copy.name = name_of(smmu, tlb, at);
	copy.first = smmu_unkey(tlb_first(tlb, at));
	copy.last = copy.first + page_mask(at->copy->page_lg2); /* in the same half */
	copy.pa = bits_at(*at->data, 51, 12);
	copy.space = at->copy->space;
	copy.perm = copy_perm(*at->data);
	copy.reasons = at->copy->reasons;
	smmu->observer->copy_opens(smmu->observer->self, &copy);
}

void smmu_copy_closes(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at)
{
	if (smmu_copy_told(at))
		smmu->observer->copy_closes(smmu->observer->self, name_of(smmu, tlb, at));
}

void smmu_copy_doubt(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, unsigned reason,
		     uint64_t changed)
{
	if (changed != NO_EVENT || !(*at->data & TLB_CHECK))
		*at->changed = changed;
	*at->data |= TLB_CHECK;
	at->copy->reasons |= (uint8_t)reason;
	if (reason != CHECK_OVERLAP) /* that alone changes nothing for windows */
		smmu_copy_opens(smmu, tlb, at);
}

struct marking {
	struct smmu *smmu;
	unsigned reason;
	uint64_t changed;
};

static bool mark_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct marking *marking = ctx;

	smmu_copy_doubt(marking->smmu, tlb, at, marking->reason, marking->changed);
	return false;
}

/* Copies and pointers of one use of the space that changed. */
static void mark_user(struct smmu *smmu, const struct smmu_user *user,
		      const struct table_change *change)
{
	struct marking marking = { smmu, CHECK_UPDATE, smmu->iommu.event };
	struct tlb_scope scope = { .tag = user->tag, .space = change->space };
	uint64_t most = low_mask(52) - bits(user->base, 51, 0);
	unsigned below = user->whole ? ARM_LEVELS : change->pointer ? change->level : 0;

	if (change->first > most && !user->whole)
		return; /* beyond the root table, in the same frame */
	scope.first = user->whole ? 0 : user->base + change->first;
	scope.last = user->whole ? low_mask(KEY_BITS)
				 : user->base + (change->last < most ? change->last : most);
	if (MARK(MARK_SMMU_TRANSLATION))
		tlb_visit(smmu->tlb, &scope, mark_copy, &marking);
	for (unsigned level = 0; level < below && level < ARM_LEVELS; level++)
		if (smmu->walk[user->stage2][level] && MARK(MARK_SMMU_POINTER))
			tlb_visit(smmu->walk[user->stage2][level], &scope, mark_copy, &marking);
	if (user->stage2 && smmu->ipa && MARK(MARK_SMMU_IPA))
		tlb_visit(smmu->ipa, &scope, mark_copy, &marking);
	if (user->stage2) { /* two-stage copies that these words are a part of (R4) */
		if (MARK(MARK_SMMU_STAGE2_GENERATION))
			smmu->vmid_generation[smmu->tags[user->tag].vmid]++;
		atc_new_generation(&smmu->atcs);
	}
	if (user->global_tag && smmu->any_global) {
		scope.tag = user->global_tag;
		tlb_visit(smmu->tlb, &scope, mark_copy, &marking);
	}
}

struct nested_marking {
	struct smmu *smmu;
	const struct smmu_space *space;
};

static bool mark_nested_pointer(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct nested_marking *marking = ctx;
	struct smmu *smmu = marking->smmu;

	if (marking->space->several || smmu->tags[tlb_tag_of(tlb, at)].vmid == marking->space->vmid)
		smmu_copy_doubt(smmu, tlb, at, CHECK_UPDATE, smmu->iommu.event);
	return false;
}

/*
 * R4: a frame that nested walks read stage-1 tables or CDs from. Combined copies see it by their
 * generation; the few stage-1 pointers are marked, whatever input they are for.
 */
static void mark_nested(struct smmu *smmu, const struct smmu_space *space)
{
	struct nested_marking marking = { smmu, space };
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	if (!MARK(MARK_SMMU_NESTED_GENERATION))
		;
	else if (space->several)
		smmu->nested_generation++;
	else
		smmu->vmid_generation[space->vmid]++;
	atc_new_generation(&smmu->atcs);
	for (unsigned level = 0; level < ARM_LEVELS; level++)
		if (smmu->walk[0][level] && MARK(MARK_SMMU_NESTED_POINTER))
			tlb_visit(smmu->walk[0][level], &all, mark_nested_pointer, &marking);
}

/* R2: final copies in the range, and pointers at and below a word that pointed to a table. */
void smmu_mark(struct smmu *smmu, const struct table_change *change)
{
	const struct smmu_space *space;

	if (change->space >= smmu->n_spaces)
		return; /* never walked */
	space = &smmu->spaces[change->space];
	if (space->nested)
		mark_nested(smmu, space);
	for (uint32_t i = 0; i < space->n; i++)
		mark_user(smmu, &space->users[i], change);
	if (smmu->atcs.n)
		smmu_atc_mark(smmu, change);
}

static __attribute__((noinline)) void mark_all(struct smmu *smmu,
					       const struct table_change *changes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		smmu_mark(smmu, &changes[i]);
		if (changes[i].space < smmu->n_spaces && smmu->spaces[changes[i].space].watched)
			smmu_config_mark(smmu, &changes[i]);
	}
}

/* The page's copy, if it is there: what mark_copy() does to it. key: anywhere in it. */
static inline void mark_page(struct smmu *smmu, uint32_t tag, iova_t key, uint32_t space)
{
	struct tlb_place place = smmu_page_place(smmu, tag, key);
	struct tlb_way *way = tlb_peek(smmu->tlb, &place);

	if (way && way->copy.space == space)
		tell_doubted_page(smmu->observer, way, smmu->iommu.event,
				  smmu_unkey(key) & ~page_mask(12), copy_perm(way->data));
}

/* What mark_all() comes to for most changes: a leaf of a space that is walked from one place; of a page there is one
 * copy at most. False: it is another, and nothing was done. */
static inline bool mark_usual(struct smmu *smmu, const struct table_change *change)
{
	const struct smmu_space *space;
	const struct smmu_user *user;

	if (change->pointer || change->space >= smmu->n_spaces || smmu->atcs.n ||
	    smmu->any_global || smmu->ipa || !tlb_one_page(smmu->tlb, change->first, change->last))
		return false;
	space = &smmu->spaces[change->space];
	if (space->n != 1 || space->nested || space->watched)
		return false;
	user = space->users;
	if (user->whole || (user->stage2 && smmu->any_nested) ||
	    (user->base ^ (user->base + change->first)) >> 52)
		return false;
	if (MARK(MARK_SMMU_PAGE))
		mark_page(smmu, user->tag, user->base + change->first, change->space);
	return true;
}

void smmu_tables_changed(struct iommu *iommu, uint64_t event, const struct table_change *changes,
			 uint32_t n)
{
	struct smmu *smmu = smmu_of(iommu);

	smmu->iommu.event = event;
	if (n != 1 || !mark_usual(smmu, &changes[0]))
		mark_all(smmu, changes, n);
}

static uint64_t visit_tag(struct smmu *smmu, uint32_t tag, tlb_visitor *visit, void *ctx)
{
	struct tlb_scope scope = { .tag = tag, .last = low_mask(KEY_BITS) };
	uint64_t visited = 0;

	for (unsigned i = 0; smmu_structure(smmu, i); i++)
		visited += tlb_visit(smmu_structure(smmu, i), &scope, visit, ctx);
	return visited;
}

void smmu_mark_tag(struct smmu *smmu, uint32_t tag)
{
	struct marking marking = { smmu, CHECK_TAG, NO_EVENT };

	if (MARK(MARK_SMMU_TAG_COPIES))
		visit_tag(smmu, tag, mark_copy, &marking);
}

static bool count_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	(void)at;
	++*(uint64_t *)ctx;
	return false;
}

uint64_t smmu_tag_copies(struct smmu *smmu, uint32_t tag)
{
	uint64_t n = 0;

	visit_tag(smmu, tag, count_copy, &n);
	return n;
}

struct search {
	struct smmu *smmu;
	struct smmu_matching *matching;
	uint32_t n;
};

static bool note_match(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct search *search = ctx;

	if (at->copy == search->matching->besides)
		return false;
	search->n++;
	search->matching->one = *at;
	if (search->matching->mark && MARK(MARK_SMMU_OVERLAP_VALID))
		smmu_copy_doubt(search->smmu, tlb, at, CHECK_OVERLAP, NO_EVENT);
	return false;
}

/* Tags whose entries one request can match together: the same, or a global one of its VMID. */
static bool compatible(const struct smmu *smmu, uint32_t a, uint32_t b)
{
	const struct smmu_tag *x = &smmu->tags[a], *y = &smmu->tags[b];

	return a == b || (x->world == y->world && x->vmid == y->vmid && (x->global || y->global));
}

uint32_t smmu_matching(struct smmu *smmu, struct smmu_matching *matching)
{
	struct search search = { .smmu = smmu, .matching = matching };
	struct tlb_scope scope = { .tag = matching->tag,
				   .first = matching->first,
				   .last = matching->last };

	tlb_visit(matching->tlb, &scope, note_match, &search);
	for (uint32_t i = 1; smmu->any_global && i < smmu->n_tags; i++) {
		if (i == matching->tag || !compatible(smmu, matching->tag, i))
			continue;
		scope.tag = i;
		tlb_visit(matching->tlb, &scope, note_match, &search);
	}
	return search.n;
}

uint32_t smmu_others(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, iova_t first,
		     iova_t last, struct tlb_at *other)
{
	struct smmu_matching matching = { .tlb = tlb,
					  .tag = (uint32_t)tlb_tag_of(tlb, at),
					  .first = first,
					  .last = last,
					  .besides = at->copy };
	uint32_t n = smmu_matching(smmu, &matching);

	if (n && other)
		*other = matching.one;
	return n;
}

void smmu_choose_match(struct smmu_walker *walker, struct tlb *tlb, iova_t key, struct tlb_at *at)
{
	struct smmu *smmu = walker->smmu;
	uint64_t rule = smmu->config.multi_hit;
	struct tlb_at other;

	if (!smmu_others(smmu, tlb, at, key, key, &other))
		return;
	if (rule == SMMUV3_LARGEST) {
		if (other.copy->page_lg2 > at->copy->page_lg2)
			*at = other;
	} else if (rule == SMMUV3_CONFLICT && smmu->config.bbml != 2) {
		walker->fault = (struct smmu_fault){ .event = F_TLB_CONFLICT,
						     .s2 = tlb == smmu->ipa,
						     .class = CLASS_IN,
						     .level = -1 };
	} else if ((other.copy->serial < at->copy->serial) == (rule != SMMUV3_NEWEST)) {
		*at = other;
	}
}
