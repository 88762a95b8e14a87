/* The stream table entry: IHI 0070 5.2, legality 5.2.2. */
#include "hw/smmuv3/smmuv3_private.h"

enum { CONFIG_BYPASS = 4, EATS_SPLIT = 2 };

/* S2PS, CD.IPS and IDR5.OAS. */
unsigned smmu_size_bits(unsigned code)
{
	static const uint8_t sizes[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return sizes[code & 7];
}

bool smmu_granule_supported(const struct smmu *smmu, unsigned granule_lg2)
{
	const struct smmuv3_config *config = &smmu->config;

	return granule_lg2 == 12   ? config->gran4k
	       : granule_lg2 == 14 ? config->gran16k
				   : granule_lg2 == 16 && config->gran64k;
}

/* Level of the root table by S2SL0; -1: reserved (1.8). */
static int stage2_start(const struct smmu *smmu, unsigned granule_lg2, unsigned sl0)
{
	if (granule_lg2 == 12)
		return sl0 < 3 ? (int)sl0 + 1 : smmu->config.stt ? 0 : -1;
	return sl0 < 3 ? (int)sl0 : -1;
}

static bool stage2_sizes_legal(const struct smmu *smmu, const struct smmu_half *half, unsigned t0sz,
			       int start)
{
	bool wide = half->granule_lg2 == 16 && smmu->config.oas == 52;
	unsigned least = 64 - (unsigned)smmu->config.oas, floor = wide ? 12 : 16;
	unsigned most = !smmu->config.stt ? 39 : half->granule_lg2 == 16 ? 47 : 48;
	int index_bits;

	if (least < floor)
		least = floor;
	if (t0sz < least || t0sz > most || start < 0)
		return false;
	index_bits = (int)(64 - t0sz) - (int)arm_span_lg2(half->granule_lg2, (unsigned)start);
	return index_bits >= 1 && index_bits <= half->granule_lg2 - 3 + 4;
}

/* Fields of stage 2 that an STE needs legal; fills ste->s2. */
static bool stage2_legal(const struct smmu *smmu, struct smmu_ste *ste)
{
	static const uint8_t granules[] = { 12, 16, 14, 0 };
	const struct smmuv3_config *config = &smmu->config;
	uint64_t low = ste->words[2], high = ste->words[3], root = bits_at(high, 51, 4);
	unsigned output = smmu_size_bits((unsigned)bits(low, 50, 48)), table_lg2;
	struct smmu_half *half = &ste->s2;
	int start;

	if ((ste->s2s && config->stall_model == 1) || (!ste->s2s && config->stall_model == 2))
		return false;
	if (!bit(low, 51) || bit(low, 52)) /* AArch64 tables, little-endian: TTF, TTENDIAN */
		return false;
	if ((bit(low, 56) && !config->httu) || (bit(low, 55) && config->httu < 2))
		return false;
	half->granule_lg2 = granules[bits(low, 47, 46)];
	if (!smmu_granule_supported(smmu, half->granule_lg2))
		return false;
	if (output > config->oas)
		output = (unsigned)config->oas;
	if (half->granule_lg2 != 16 && output > 48)
		output = 48;
	if (root & ~low_mask(output))
		return false;
	start = stage2_start(smmu, half->granule_lg2, (unsigned)bits(low, 39, 38));
	if (!stage2_sizes_legal(smmu, half, (unsigned)bits(low, 37, 32), start))
		return false;
	half->on = true;
	half->top = (uint8_t)start;
	half->input_bits = (uint8_t)(64 - bits(low, 37, 32));
	half->output_bits = (uint8_t)output;
	table_lg2 = half->input_bits - arm_span_lg2(half->granule_lg2, half->top) + 3;
	half->root = root & ~low_mask(output == 52 && table_lg2 < 6 ? 6 : table_lg2);
	return true;
}

static bool ats_legal(const struct smmu *smmu, const struct smmu_ste *ste)
{
	if (!smmu->config.ats)
		return true;
	if (ste->eats == EATS_SPLIT)
		return ste->stage1 && ste->stage2 && !ste->s2s && !smmu->config.ns1ats;
	return !(ste->eats == 1 && ste->stage2 && ste->s2s);
}

static bool stage1_legal(const struct smmu *smmu, const struct smmu_ste *ste)
{
	const struct smmuv3_config *config = &smmu->config;
	unsigned cdmax = (unsigned)bits(ste->words[0], 63, 59);

	if (ste->stalld && config->stall_model != 0)
		return false;
	if (config->ssidsize && cdmax > config->ssidsize)
		return false;
	if ((ste->s1fmt == 1 || ste->s1fmt == 2) && ste->cdmax && !config->cd2l)
		return false;
	/* Under stage 2 it is an IPA, and stage 2 refuses what lies beyond. */
	return ste->stage2 || !(ste->context_ptr & ~low_mask((unsigned)config->oas));
}

static bool world_legal(const struct smmu *smmu, struct smmu_ste *ste)
{
	unsigned strw = (unsigned)bits(ste->words[1], 31, 30);

	ste->world = WORLD_EL1;
	if (!ste->stage1 || ste->stage2 || !smmu->config.hyp)
		return true;
	if (strw == 2)
		ste->world = bit(smmu->cr2, 0) ? WORLD_EL2_E2H : WORLD_EL2;
	return strw == 0 || strw == 2;
}

static bool legal(const struct smmu *smmu, struct smmu_ste *ste)
{
	const struct smmuv3_config *config = &smmu->config;

	if ((ste->stage1 && !config->s1p) || (ste->stage2 && !config->s2p))
		return false;
	if (!world_legal(smmu, ste) || !ats_legal(smmu, ste))
		return false;
	if (ste->stage1 && !stage1_legal(smmu, ste))
		return false;
	if (ste->world == WORLD_EL1 && config->s2p && !config->vmid16 && ste->vmid > 255)
		return false;
	return !ste->stage2 || stage2_legal(smmu, ste);
}

void smmu_ste_decode(const struct smmu *smmu, struct smmu_ste *ste)
{
	uint64_t w0 = ste->words[0], w1 = ste->words[1], w2 = ste->words[2];
	unsigned mode = (unsigned)bits(w0, 3, 1);

	ste->fault = (struct smmu_fault){ .event = C_BAD_STE, .is_config = true, .level = -1 };
	if (!bit(w0, 0))
		return;
	ste->abort = mode < CONFIG_BYPASS;
	ste->bypass = mode == CONFIG_BYPASS;
	ste->stage1 = mode >= CONFIG_BYPASS && (mode & 1);
	ste->stage2 = mode >= CONFIG_BYPASS && (mode & 2);
	ste->s1fmt = (uint8_t)(bits(w0, 5, 4) == 3 ? 0 : bits(w0, 5, 4));
	ste->context_ptr = bits_at(w0, 55, 6);
	ste->cdmax = smmu->config.ssidsize ? (uint8_t)bits(w0, 63, 59) : 0;
	ste->dss = (uint8_t)(bits(w1, 1, 0) == 3 ? 0 : bits(w1, 1, 0));
	ste->ppar = bit(w1, 18);
	ste->mev = bit(w1, 19);
	ste->stalld = bit(w1, 27);
	ste->eats = (uint8_t)bits(w1, 29, 28);
	if (smmu->config.attr_perms_ovr) {
		ste->privcfg = (uint8_t)bits(w1, 49, 48);
		ste->instcfg = (uint8_t)bits(w1, 51, 50);
	}
	ste->vmid = smmu->config.s2p ? (uint16_t)bits(w2, 15, 0) : 0;
	ste->s2affd = bit(w2, 53);
	ste->s2ptw = bit(w2, 54);
	ste->s2ha = bit(w2, 56);
	ste->s2hd = bit(w2, 55) && ste->s2ha;
	ste->s2s = bit(w2, 57);
	ste->s2r = bit(w2, 58);
	if (ste->abort || ste->bypass || legal(smmu, ste))
		ste->fault.event = 0;
}
