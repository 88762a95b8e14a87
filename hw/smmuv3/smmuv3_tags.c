/* Tags of TLB entries (3.17), the tables that each stands for, and which frames are watched. */
#include <stdlib.h>
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

static uint64_t hash(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15ull;
	return a ^ a >> 29;
}

static uint32_t tag_slot(const struct smmu *smmu, uint64_t id)
{
	uint32_t mask = smmu->n_tag_index - 1;
	uint32_t at = (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & mask;

	while (smmu->tag_index[at] && smmu->tags[smmu->tag_index[at]].id != id)
		at = (at + 1) & mask;
	return at;
}

static void grow_tags(struct smmu *smmu)
{
	smmu->max_tags = smmu->max_tags ? smmu->max_tags * 2 : 16;
	smmu->n_tag_index = smmu->max_tags * 2;
	smmu->tags = realloc(smmu->tags, smmu->max_tags * sizeof *smmu->tags);
	free(smmu->tag_index);
	smmu->tag_index = calloc(smmu->n_tag_index, sizeof *smmu->tag_index);
	if (!smmu->tags || !smmu->tag_index)
		abort();
	if (!smmu->n_tags) /* tag 0 is nobody's */
		smmu->tags[smmu->n_tags++] = (struct smmu_tag){ 0 };
	for (uint32_t i = 1; i < smmu->n_tags; i++)
		smmu->tag_index[tag_slot(smmu, smmu->tags[i].id)] = i;
}

uint32_t smmu_tag(struct smmu *smmu, enum world world, unsigned vmid, unsigned asid, bool global)
{
	struct smmu_tag tag = { .world = (uint8_t)world,
				.vmid = (uint16_t)(world <= WORLD_EL1_IPA ? vmid : 0),
				.global = global && world != WORLD_EL2 };
	uint32_t slot;

	if (!global && (world == WORLD_EL1 || world == WORLD_EL2_E2H))
		tag.asid = (uint16_t)asid;
	if (smmu->n_tags == smmu->max_tags)
		grow_tags(smmu);
	tag.id = smmu_tag_id(world, tag.vmid, tag.asid, tag.global);
	slot = tag_slot(smmu, tag.id);
	if (smmu->tag_index[slot])
		return smmu->tag_index[slot];
	if (smmu->n_tags ==
	    SMMU_TAGS_MAX) { /* more than a key has room for: the last one is shared */
		smmu->tags[SMMU_TAGS_MAX - 1].conflicted = smmu->tags[SMMU_TAGS_MAX - 1].lasting =
			true;
		return SMMU_TAGS_MAX - 1;
	}
	/* Global entries serve every ASID, each with tables of its own: always compared. */
	tag.conflicted = tag.lasting = tag.global;
	smmu->tags[smmu->n_tags] = tag;
	smmu->tag_index[slot] = smmu->n_tags;
	return smmu->n_tags++;
}

uint32_t smmu_tag_find(const struct smmu *smmu, uint64_t id)
{
	return smmu->n_tags ? smmu->tag_index[tag_slot(smmu, id)] : 0;
}

uint64_t smmu_neutral_tag(const struct smmu *smmu, uint32_t tag)
{
	const struct smmu_tag *t = &smmu->tags[tag];

	if (t->world == WORLD_EL1_IPA)
		return t->vmid | (smmu->config.stage == 2 ? 0 : 1ull << 40);
	return t->asid | (uint64_t)t->vmid << 16 | (uint64_t)t->world << 32 |
	       (uint64_t)t->global << 36 | (smmu->config.stage == 2 ? 1ull << 41 : 0);
}

/* ---- watched frames --------------------------------------------------------------------------- */

static struct entry_view watch_view(const uint64_t *words, unsigned level)
{
	(void)words;
	(void)level;
	return (struct entry_view){
		.kind = ENTRY_LEAF
	}; /* even where it says invalid: that is cached */
}

/* Frames that configuration, or nested stage-1 tables, were read from. */
const struct table_role smmu_watch_role = {
	.name = "smmuv3 configuration",
	.words_lg2 = 1,
	.configuration = true,
	.yields = true,
	.meaning = UINT64_MAX,
	.view = watch_view,
};

static struct smmu_space *space_at(struct smmu *smmu, uint32_t space)
{
	if (space >= smmu->n_spaces) {
		uint32_t n = space * 2 + 8;

		smmu->spaces = realloc(smmu->spaces, n * sizeof *smmu->spaces);
		if (!smmu->spaces)
			abort();
		memset(smmu->spaces + smmu->n_spaces, 0,
		       (n - smmu->n_spaces) * sizeof *smmu->spaces);
		smmu->n_spaces = n;
	}
	return &smmu->spaces[space];
}

bool smmu_watch(struct smmu *smmu, pa_t pa, struct smmu_watched *watched)
{
	struct frame *frame = tables_root_part(smmu->tables, pa, &smmu_watch_role, 0, 0, 0);

	if (!frame)
		abort();
	watched->space = frame->node.space;
	watched->index = (uint32_t)bits(pa, FRAME_LG2 - 1, 4);
	space_at(smmu, watched->space)->watched = true;
	return frame->node.role == &smmu_watch_role;
}

/* A change in this frame may change what nested walks of the VMID find. */
void smmu_watch_nested(struct smmu *smmu, pa_t pa, unsigned vmid)
{
	const struct frame *known = memory_frame(smmu->memory, pa);
	struct smmu_watched watched;
	struct smmu_space *space;

	if (known && known->node.space && known->node.space < smmu->n_spaces &&
	    smmu->spaces[known->node.space].nested) {
		space = &smmu->spaces[known->node.space];
		space->several |= space->vmid != vmid;
		return;
	}
	smmu_watch(smmu, pa, &watched);
	space = space_at(smmu, watched.space);
	space->nested = true;
	space->vmid = vmid;
}

uint32_t smmu_space_of(const struct smmu *smmu, pa_t pa)
{
	const struct frame *frame = memory_frame(smmu->memory, pa);

	return frame ? frame->node.space : 0;
}

void smmu_watch_root(struct smmu *smmu, const struct smmu_half *half, unsigned part)
{
	const struct table_role *role = arm_granule(half->granule_lg2).role;
	struct frame *frame = tables_root_part(smmu->tables, half->root + ((pa_t)part << FRAME_LG2),
					       role, half->top, part, half->space);

	if (!frame)
		abort();
}

/* The root of a half; false: its changes cannot be told apart from others. */
static bool watch_half(struct smmu *smmu, struct smmu_half *half)
{
	struct frame *frame;

	if (!half->on || !memory_exists(smmu->memory, half->root))
		return true;
	frame = tables_root_part(smmu->tables, half->root, arm_granule(half->granule_lg2).role,
				 half->top, 0, 0);
	if (!frame)
		abort();
	half->space = frame->node.space;
	return frame->node.role == arm_granule(half->granule_lg2).role &&
	       frame->node.level == half->top && frame->node.part == 0;
}

static void use_space(struct smmu *smmu, const struct smmu_half *half, struct smmu_user user)
{
	struct smmu_space *space = space_at(smmu, half->space);

	user.whole = half->root & low_mask(FRAME_LG2);
	for (uint32_t i = 0; i < space->n; i++)
		if (space->users[i].tag == user.tag && space->users[i].base == user.base &&
		    space->users[i].stage2 == user.stage2) {
			space->users[i].whole |= user.whole;
			return;
		}
	if (space->n == space->max) {
		space->max = space->max ? space->max * 2 : 2;
		space->users = realloc(space->users, space->max * sizeof *space->users);
		if (!space->users)
			abort();
	}
	space->users[space->n++] = user;
	for (unsigned i = 0; smmu_structure(smmu, i); i++)
		if (tlb_know_space(smmu_structure(smmu, i), half->space))
			abort();
}

/* ---- what a tag stands for ------------------------------------------------------------------- */

/* Everything of a configuration that TLB entries may hold: not A, R, S, nor what STEs only route. */
static uint64_t form_of(const struct smmu_context *context, bool stage1)
{
	const uint64_t fault_model = 7ull << 44;
	uint64_t form = 1;

	if (stage1) {
		form = hash(form, context->cd[0] & ~fault_model);
		for (unsigned i = 1; i < 5; i++)
			form = hash(form, context->cd[i]);
		form = hash(form, context->ste.world);
	}
	if (context->stage2) {
		form = hash(form, context->ste.words[2] & ~(3ull << 57));
		form = hash(form, context->ste.words[3]);
	}
	return form | 1;
}

static bool uses_tag(const struct smmu_context *context, uint32_t tag)
{
	return context->valid && !context->fault.event &&
	       (context->tag == tag || context->global_tag == tag ||
		(context->stage2 && context->tag2 == tag));
}

static uint64_t form_under(const struct smmu_context *context, uint32_t tag)
{
	return form_of(context, !(context->stage2 && context->tag2 == tag));
}

/* Whether cached contexts give this tag several forms. */
static bool tag_shared(const struct smmu *smmu, uint32_t tag, uint64_t *form)
{
	*form = 0;
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		const struct smmu_context *context = &smmu->contexts[i];
		uint64_t own;

		if (!uses_tag(context, tag))
			continue;
		own = form_under(context, tag);
		if (*form && *form != own)
			return true;
		*form = own;
	}
	return false;
}

static void use_tag(struct smmu *smmu, const struct smmu_context *context, uint32_t number,
		    uint32_t space, bool watched)
{
	struct smmu_tag *tag = &smmu->tags[number];
	uint64_t form = form_under(context, number), other;
	bool differs = tag->form && tag->form != form;
	uint64_t copies = differs ? smmu_tag_copies(smmu, number) : 0;

	if (copies && tag->space != space)
		smmu->observer->tag_reused(smmu->observer->self, smmu->iommu.event, context->device,
					   smmu_neutral_tag(smmu, number), tag->space, space,
					   copies);
	tag->lasting |= !watched;
	if ((differs && (copies || tag_shared(smmu, number, &other))) ||
	    (tag->lasting && !tag->conflicted)) {
		tag->conflicted = true;
		smmu_mark_tag(smmu, number);
	}
	if (differs && tag->world == WORLD_EL1_IPA)
		atc_new_generation(&smmu->atcs);
	tag->form = form;
	tag->space = space;
}

void smmu_use_context(struct smmu *smmu, struct smmu_context *context)
{
	bool watched = true;

	/* an illegal CD that is kept as such was read through stage 2 */
	if (context->ste.fault.event || !(context->stage1 || context->stage2))
		return;
	if (context->stage1)
		smmu->dirty[0][context->hd] = true;
	if (context->stage2)
		smmu->dirty[1][context->ste.s2hd] = true;
	if (context->stage2) {
		watched = watch_half(smmu, &context->ste.s2);
		use_space(smmu, &context->ste.s2,
			  (struct smmu_user){ .tag = context->tag2, .stage2 = true });
		context->unwatched |= context->fault.event && !watched;
		if (!context->fault.event)
			use_tag(smmu, context, context->tag2, context->ste.s2.space, watched);
	}
	if (context->fault.event)
		return;
	for (unsigned n = 0; n < 2 && context->stage1; n++) {
		struct smmu_half *half = &context->half[n];
		struct smmu_user user = { .tag = context->tag, .global_tag = context->global_tag };

		if (!half->on)
			continue;
		if (context->stage2 && (!half->space || half->space == context->ste.s2.space)) {
			half->space = context->ste.s2.space; /* found by generations alone */
			continue;
		}
		if (n)
			user.base = 1ull << 52 | (low_mask(52) & ~low_mask(half->input_bits));
		if (!context->stage2)
			watched &= watch_half(smmu, half);
		use_space(smmu, half, user);
	}
	if (context->stage1)
		use_tag(smmu, context, context->tag, context->half[!context->half[0].on].space,
			watched);
}

void smmu_tags_flushed(struct smmu *smmu, bool (*flushed)(void *ctx, const struct smmu_tag *tag),
		       void *ctx)
{
	for (uint32_t i = 1; i < smmu->n_tags; i++) {
		struct smmu_tag *tag = &smmu->tags[i];

		if (!tag->form || !flushed(ctx, tag))
			continue;
		tag->conflicted = tag_shared(smmu, i, &tag->form) || tag->lasting;
	}
}
