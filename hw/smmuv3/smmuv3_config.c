/* From a StreamID and SubstreamID to STE and CD: IHI 0070 3.3, 5.1 to 5.4, order of 7.3.22. */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

/* A 64-bit read that an external abort can refuse. */
bool smmu_read(const struct smmu *smmu, pa_t pa, uint64_t *value)
{
	return memory_read(smmu->memory, pa, value);
}

bool smmu_fetch(const struct smmu *smmu, bool cached, pa_t pa, uint64_t *value)
{
	if (!smmu_read(smmu, pa, value))
		return false;
	if (cached && !smmu->config.cohacc)
		*value = memory_view_word(smmu->memory->view, pa, *value);
	return true;
}

static bool read_entry(const struct smmu *smmu, bool cached, pa_t pa, uint64_t words[8])
{
	for (unsigned i = 0; i < 8; i++)
		if (!smmu_fetch(smmu, cached, pa + i * 8ull, &words[i]))
			return false;
	return true;
}

static struct smmu_fault config_fault(uint16_t event, pa_t fetch)
{
	return (struct smmu_fault){
		.event = event, .is_config = true, .level = -1, .fetch = fetch
	};
}

/* Address of the STE (3.3.1); false: ste->fault. */
static bool find_ste(struct smmu *smmu, uint32_t sid, bool cached, struct smmu_ste *ste)
{
	unsigned log2 = (unsigned)bits(smmu->strtab_cfg, 5, 0);
	unsigned limit = log2 < smmu->config.sidsize ? log2 : (unsigned)smmu->config.sidsize;
	unsigned split = (unsigned)bits(smmu->strtab_cfg, 10, 6), span, lowest;
	bool two_level = smmu->config.st_level && bits(smmu->strtab_cfg, 17, 16) == 1;
	pa_t base = bits_at(smmu->strtab_base, 55, 6), leaf;
	uint64_t descriptor;

	ste->fault = config_fault(C_BAD_STREAMID, 0);
	if (sid > low_mask(limit))
		return false;
	if (!two_level) {
		ste->at = (base & ~low_mask(log2 + 6)) + sid * 64ull;
		return true;
	}
	if (split != 8 && split != 10)
		split = 6;
	lowest = log2 > split + 3 ? log2 - split + 3 : 6;
	ste->l1_at = (base & ~low_mask(lowest)) + (uint64_t)(sid >> split) * 8;
	if (!smmu_fetch(smmu, cached, ste->l1_at, &descriptor)) {
		ste->fault = config_fault(F_STE_FETCH, ste->l1_at);
		return false;
	}
	span = (unsigned)bits(descriptor, 4, 0);
	if (!span || span > 11 || span > split + 1 || (sid & low_mask(split)) >> (span - 1))
		return false;
	leaf = bits_at(descriptor, 55, 6) & ~low_mask(6 + span - 1);
	ste->at = leaf + (sid & low_mask(split)) * 64;
	return true;
}

void smmu_ste_read(struct smmu *smmu, uint32_t sid, bool cached, struct smmu_ste *ste)
{
	memset(ste, 0, sizeof *ste);
	if (!find_ste(smmu, sid, cached, ste))
		return;
	if (!read_entry(smmu, cached, ste->at, ste->words))
		ste->fault = config_fault(F_STE_FETCH, ste->at);
	else
		smmu_ste_decode(smmu, ste);
}

/* Substream rules and S1DSS (1.3). False: context->fault, or stage 1 is bypassed. */
static bool substream(struct smmu_context *context, uint32_t ssid, uint32_t *index)
{
	const struct smmu_ste *ste = &context->ste;
	bool given = ssid != NO_PASID;

	*index = given ? ssid : 0;
	if (given && (!ste->stage1 || !ste->cdmax || ssid >= 1ull << ste->cdmax)) {
		context->fault = config_fault(C_BAD_SUBSTREAMID, 0);
		return false;
	}
	if (!ste->stage1 || !ste->cdmax)
		return ste->stage1;
	if ((given && ssid == 0 && ste->dss == 2) || (!given && ste->dss == 0)) {
		context->fault = config_fault(F_STREAM_DISABLED, 0);
		return false;
	}
	context->s1_bypass = !given && ste->dss == 1;
	return !context->s1_bypass;
}

/* An address of the CD table: a PA, or an IPA that stage 2 translates. */
static bool cd_address(struct smmu_context *context, struct smmu_walker *walker, uint64_t address,
		       pa_t *pa)
{
	struct smmu_stage2 out;

	*pa = address;
	if (!context->ste.stage2)
		return true;
	walker->context = context;
	if (smmu_stage2(walker, address, TLB_READ, CLASS_CD, &out)) {
		*pa = out.pa;
		if (walker->cached)
			smmu_watch_nested(walker->smmu, out.pa, context->ste.vmid);
		return true;
	}
	context->fault = walker->fault;
	context->fault.is_config = true;
	return false;
}

/* Address of the CD in its table (1.4); false: context->fault. */
static bool find_cd(struct smmu *smmu, struct smmu_context *context, uint32_t index,
		    struct smmu_walker *walker, uint64_t *address)
{
	const struct smmu_ste *ste = &context->ste;
	unsigned split = ste->s1fmt == 2 ? 10 : 6, size;
	uint64_t l1cd;

	if (!ste->cdmax || !ste->s1fmt) {
		*address = (ste->context_ptr & ~low_mask(6u + ste->cdmax)) + index * 64ull;
		return true;
	}
	size = ste->cdmax > split + 3 ? ste->cdmax - split + 3 : 6;
	if (!cd_address(context, walker,
			(ste->context_ptr & ~low_mask(size)) + (uint64_t)(index >> split) * 8,
			&context->l1cd_at))
		return false;
	if (!smmu_fetch(smmu, walker->cached, context->l1cd_at, &l1cd)) {
		context->fault = config_fault(F_CD_FETCH, context->l1cd_at);
		return false;
	}
	*address = bits_at(l1cd, 55, 12) & ~low_mask(split + 6);
	if (!bit(l1cd, 0) || (!ste->stage2 && *address & ~low_mask((unsigned)smmu->config.oas))) {
		context->fault = config_fault(C_BAD_SUBSTREAMID, 0);
		return false;
	}
	*address += (index & low_mask(split)) * 64;
	return true;
}

/*
 * Copies of a nested context are of its stage-1 tables, as far as the graph knows their root for one: it takes
 * their pointers for PAs, and so they have to be where stage 2 leaves an address as it is. Else they are
 * of the space of stage 2. What it says of changes is not relied upon (rules R4).
 */
static uint32_t nested_space(struct smmu *smmu, const struct smmu_context *context,
			     const struct smmu_half *half, const struct dma_request *request)
{
	const struct frame *frame = memory_frame(smmu->memory, half->root);
	struct smmu_walker walker;
	struct smmu_stage2 out;

	smmu_walker_init(smmu, &walker, request, false);
	walker.context = context;
	if (half->on && frame && frame->node.space && frame->node.level == half->top &&
	    frame->node.role == arm_granule(half->granule_lg2).role &&
	    smmu_stage2(&walker, half->root, 0, CLASS_TT, &out) && out.pa == half->root)
		return frame->node.space;
	return context->ste.s2.space;
}

static void set_spaces(struct smmu *smmu, struct smmu_context *context,
		       const struct dma_request *request)
{
	if (context->stage2)
		context->ste.s2.space = smmu_space_of(smmu, context->ste.s2.root);
	for (unsigned n = 0; n < 2 && context->stage1; n++) {
		struct smmu_half *half = &context->half[n];

		half->space = context->stage2 ? nested_space(smmu, context, half, request)
					      : smmu_space_of(smmu, half->root);
	}
}

/* The fast loop takes lower-half inputs of plain stage-1 or stage-2 contexts. */
static void set_plain(struct smmu_context *context)
{
	const struct smmu_half *half = context->stage1 ? &context->half[0] : &context->ste.s2;

	context->nested = context->stage1 && context->stage2;
	if (context->fault.event || context->nested || context->s1_bypass || !half->on ||
	    !(context->stage1 || context->stage2) || half->e0pd || context->ste.instcfg == 3)
		return;
	context->plain = low_mask(half->input_bits) + 1;
	if (context->ste.privcfg == 3 || context->ste.world == WORLD_EL2)
		context->shift = PRIVILEGED_SHIFT;
	context->clean_shift = CLEAN_SHIFT - 1 + (context->shift != 0);
}

void smmu_context_read(struct smmu *smmu, uint32_t sid, uint32_t ssid, const struct smmu_ste *ste,
		       struct smmu_context *context, struct smmu_walker *walker)
{
	uint64_t address;
	uint32_t index;

	memset(context, 0, sizeof *context);
	context->sid = sid;
	context->ssid = ssid;
	context->ste = *ste;
	context->fault = ste->fault;
	context->stage2 = ste->stage2;
	if (ste->fault.event || ste->abort)
		return;
	if (ste->stage2)
		context->tag2 = smmu_tag(smmu, WORLD_EL1_IPA, ste->vmid, 0, false);
	if (substream(context, ssid, &index)) {
		if (!find_cd(smmu, context, index, walker, &address) ||
		    !cd_address(context, walker, address, &context->cd_at))
			return;
		if (!read_entry(smmu, walker->cached, context->cd_at, context->cd)) {
			context->fault = config_fault(F_CD_FETCH, context->cd_at);
			return;
		}
		if (!smmu_cd_decode(smmu, context)) {
			context->fault = config_fault(C_BAD_CD, 0);
			return;
		}
		context->stage1 = true;
		context->tag = smmu_tag(smmu, ste->world, ste->vmid, context->asid, false);
		context->global_tag = smmu_tag(smmu, ste->world, ste->vmid, 0, true);
	} else if (!context->fault.event && context->stage2) {
		context->tag = context->global_tag = context->tag2;
	}
	context->tag_bits = (uint64_t)context->tag << (KEY_BITS - 11);
	context->ahead = ahead_begin(context->tag);
	set_spaces(smmu, context, walker->request);
	set_plain(context);
}
