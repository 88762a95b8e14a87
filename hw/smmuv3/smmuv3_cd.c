/* The context descriptor: IHI 0070 5.4, legality 5.4.2. */
#include "hw/smmuv3/smmuv3_private.h"

/* TTBx with its fields, where EPDx does not disable it. */
static bool half_legal(const struct smmu *smmu, struct smmu_context *context, unsigned n,
		       unsigned output)
{
	static const uint8_t granules[2][4] = { { 12, 16, 14, 0 }, { 0, 14, 12, 16 } };
	const struct smmuv3_config *config = &smmu->config;
	struct smmu_half *half = &context->half[n];
	unsigned txsz = (unsigned)bits(context->cd[0], n ? 21 : 5, n ? 16 : 0), least, most;
	uint64_t base = context->cd[1 + n], root = bits_at(base, 51, 4);
	unsigned table_lg2;

	half->granule_lg2 = granules[n][bits(context->cd[0], n ? 23 : 7, n ? 22 : 6)];
	if (!smmu_granule_supported(smmu, half->granule_lg2))
		return false;
	least = half->granule_lg2 == 16 && config->vax ? 12 : 16;
	most = !config->stt ? 39 : half->granule_lg2 == 16 ? 47 : 48;
	if (txsz < least || txsz > most)
		return false;
	if (half->granule_lg2 != 16 && output > 48)
		output = 48;
	if (root & ~low_mask(output))
		return false;
	half->input_bits = (uint8_t)(64 - txsz);
	half->output_bits = (uint8_t)output;
	half->top = (uint8_t)arm_start_level(half->granule_lg2, half->input_bits);
	half->tbi = bit(context->cd[0], 38 + n);
	half->had = config->had && bit(base, 1);
	half->e0pd = config->e0pd && bit(base, 2);
	table_lg2 = half->input_bits - arm_span_lg2(half->granule_lg2, half->top) + 3;
	half->root = root & ~low_mask(output == 52 && table_lg2 < 6 ? 6 : table_lg2);
	return true;
}

static bool fault_model_legal(const struct smmu *smmu, const struct smmu_context *context)
{
	if (context->stall && (context->ste.stalld || smmu->config.stall_model == 1))
		return false;
	if (!context->stall && smmu->config.stall_model == 2)
		return false;
	return context->abort_on_fault || smmu->config.term_model == 0;
}

/* False: C_BAD_CD. */
bool smmu_cd_decode(const struct smmu *smmu, struct smmu_context *context)
{
	const struct smmuv3_config *config = &smmu->config;
	uint64_t low = context->cd[0];
	bool el2 = context->ste.world == WORLD_EL2;
	unsigned output = smmu_size_bits((unsigned)bits(low, 34, 32));

	if (!bit(low, 31))
		return false;
	context->affd = bit(low, 35);
	context->wxn = bit(low, 36);
	context->pan = bit(low, 40);
	context->ha = bit(low, 43);
	context->hd = bit(low, 42) && context->ha;
	context->stall = bit(low, 44);
	context->record = bit(low, 45);
	context->abort_on_fault = bit(low, 46);
	context->asid = (uint16_t)bits(low, 63, 48);
	context->half[0].on = el2 || !bit(low, 14);
	context->half[1].on = !el2 && !bit(low, 30);
	if (!fault_model_legal(smmu, context) || !bit(low, 41))
		return false;
	if (bit(low, 15) && (context->half[0].on || context->half[1].on))
		return false; /* big-endian: TTENDIAN says little-endian only */
	if ((context->ha && !config->httu) || (bit(low, 42) && config->httu < 2))
		return false;
	if (!config->asid16 && context->asid > 255 && !el2)
		return false;
	if (output > config->oas)
		output = (unsigned)config->oas;
	for (unsigned n = 0; n < 2; n++)
		if (context->half[n].on && !half_legal(smmu, context, n, output))
			return false;
	return true;
}
