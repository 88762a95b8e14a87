/*
 * The driver's side: where it puts its structures, and the words that attach a device.
 *
 * As Linux: a two-level stream table with 256 STEs a leaf, one CD for each stream, an event queue.
 * What lies where follows from the StreamID, so that nothing is allocated here.
 */
#include "hw/smmuv3/smmuv3_private.h"

enum { SPLIT = 8, STE_LG2 = 6, L1_LG2 = 3, QUEUE_ENTRY_LG2 = 5 };
enum { STE_ABORT = 1, STE_BYPASS = 4 << 1 | 1, STE_S1 = 5 << 1 | 1, STE_S2 = 6 << 1 | 1 };

/* Sizes of the parts, each aligned to itself when laid out from the largest down. */
static uint64_t l1_bytes(const struct smmu *smmu)
{
	uint64_t n = smmu->config.sidsize > SPLIT ? 1ull << (smmu->config.sidsize - SPLIT) : 1;

	return n << L1_LG2 < 4096 ? 4096 : n << L1_LG2;
}

static uint64_t stream_bytes(const struct smmu *smmu)
{
	unsigned sidsize = smmu->config.sidsize > SPLIT ? (unsigned)smmu->config.sidsize : SPLIT;

	return 1ull << (sidsize + STE_LG2);
}

static uint64_t queue_bytes(const struct smmu *smmu)
{
	uint64_t bytes = 1ull << (smmu->config.eventq_log2 + QUEUE_ENTRY_LG2);

	return bytes < 4096 ? 4096 : bytes;
}

/* With room to align the L1 table, the leaves, the CDs and the queue. */
uint64_t smmu_config_bytes(const struct iommu *iommu)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	return 4 * stream_bytes(smmu) + 2 * l1_bytes(smmu) + 2 * queue_bytes(smmu);
}

static pa_t aligned(pa_t pa, uint64_t bytes)
{
	return (pa + bytes - 1) & ~(bytes - 1);
}

static pa_t leaves_at(const struct smmu *smmu)
{
	return aligned(smmu->layout + l1_bytes(smmu), stream_bytes(smmu));
}

/* 16 bytes an entry. */
static pa_t priq_at(const struct smmu *smmu)
{
	unsigned bits = smmu->config.oas < 48 ? (unsigned)smmu->config.oas : 48;

	return (1ull << bits) -
	       (smmu->config.priq_log2 < 8 ? 4096 : 16ull << smmu->config.priq_log2);
}

int smmu_start(struct iommu *iommu, pa_t root)
{
	struct smmu *smmu = smmu_of(iommu);
	const struct smmuv3_config *config = &smmu->config;
	pa_t queue;

	smmu->layout = aligned(root, l1_bytes(smmu));
	queue = aligned(leaves_at(smmu) + 2 * stream_bytes(smmu), queue_bytes(smmu));
	if (config->st_level)
		smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE, smmu->layout, 8);
	else
		smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE, leaves_at(smmu), 8);
	smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE_CFG,
		       config->sidsize | SPLIT << 6 | config->st_level << 16, 4);
	smmu_reg_write(iommu, 0, SMMU_EVENTQ_BASE, queue | config->eventq_log2, 8);
	smmu_reg_write(iommu, 0, SMMU_IRQ_CTRL, 7, 4);
	/* the PRI queue at the top of memory, where no table gets to */
	if (config->pri)
		smmu_reg_write(iommu, 0, SMMU_PRIQ_BASE, priq_at(smmu) | config->priq_log2, 8);
	/* SMMUEN, PRIQEN, EVENTQEN, CMDQEN; ATSCHK */
	smmu_reg_write(iommu, 0, SMMU_CR0, 0xd | config->pri << 1 | config->atschk << 4, 4);
	return 0;
}

/* Input bits of tables of so many levels; those of stage 2 do not exceed the output size. */
unsigned smmu_input_bits(const struct smmu *smmu, unsigned levels)
{
	unsigned width = 12 + 9 * levels, most = 48;

	if (smmu->config.stage == 2 && smmu->config.oas < most)
		most = (unsigned)smmu->config.oas;
	return width < most ? width : most;
}

/* STE.EATS of a device whose ATS the driver switches on: 1, full ATS. */
static uint64_t eats(const struct smmu *smmu, const struct attachment *attachment)
{
	return attachment->ats && smmu->config.ats ? 1ull << 28 : 0;
}

/* MAIR with Normal write-back at index 1, which the leaves of arm_stage1_4k name. */
static size_t stage1_words(const struct smmu *smmu, const struct attachment *attachment, pa_t ste,
			   struct table_word *words)
{
	pa_t cd =
		leaves_at(smmu) + stream_bytes(smmu) + ((pa_t)attachment->requester_id << STE_LG2);
	uint64_t low = (64 - smmu_input_bits(smmu, attachment->levels)) | 5ull << 8 | 3ull << 12 |
		       1ull << 30 | 1ull << 31 | 5ull << 32 | 1ull << 41 | 1ull << 45 | 1ull << 46 |
		       1ull << 47 | attachment->tag << 48;
	size_t n = 0;

	words[n++] = (struct table_word){ cd + 8, attachment->root };
	words[n++] = (struct table_word){ cd + 24, 0xff44 };
	words[n++] = (struct table_word){ cd, low };
	/* S1DSS 2, caching attributes */
	words[n++] = (struct table_word){ ste + 8, 0xd6 | 1ull << 44 | eats(smmu, attachment) };
	words[n++] = (struct table_word){ ste, cd | STE_S1 };
	return n;
}

static size_t stage2_words(const struct smmu *smmu, const struct attachment *attachment, pa_t ste,
			   struct table_word *words)
{
	uint64_t sizes = (64 - smmu_input_bits(smmu, attachment->levels)) |
			 (uint64_t)(attachment->levels - 2) << 6 | 5ull << 8 | 3ull << 12 |
			 5ull << 16 | 1ull << 19 | 1ull << 22 | 1ull << 26;
	size_t n = 0;

	words[n++] = (struct table_word){ ste + 24, attachment->root };
	words[n++] = (struct table_word){ ste + 16, attachment->tag | sizes << 32 };
	words[n++] = (struct table_word){ ste + 8, 1ull << 44 | eats(smmu, attachment) };
	words[n++] = (struct table_word){ ste, STE_S2 };
	return n;
}

/* One context descriptor for each stream: no PASIDs. */
size_t smmu_attach_words(const struct iommu *iommu, struct attachment *attachment,
			 struct table_word words[ATTACH_WORDS])
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	uint32_t requester_id = attachment->requester_id;
	pa_t leaf = leaves_at(smmu) + ((pa_t)(requester_id >> SPLIT) << (SPLIT + STE_LG2));
	pa_t ste = leaf + ((pa_t)(requester_id & low_mask(SPLIT)) << STE_LG2);
	pa_t l1 = smmu->layout + ((pa_t)(requester_id >> SPLIT) << L1_LG2);
	uint64_t old = 0;
	size_t n = 0;

	if (attachment->pasid != NO_PASID)
		return 0;
	if (smmu->config.st_level && (!memory_read(smmu->memory, l1, &old) || !old))
		words[n++] = (struct table_word){ l1, leaf | (SPLIT + 1) };
	old = 0;
	memory_read(smmu->memory, ste, &old);
	if (!attachment->root || (old & 1)) /* live: aborts until it is whole again */
		words[n++] = (struct table_word){ ste, STE_ABORT };
	if (!attachment->root)
		return n;
	if (attachment->root == ATTACH_BYPASS) {
		words[n++] = (struct table_word){ ste + 8, 1ull << 44 };
		words[n++] = (struct table_word){ ste, STE_BYPASS };
		return n;
	}
	if (smmu->config.stage == 2)
		return n + stage2_words(smmu, attachment, ste, words + n);
	return n + stage1_words(smmu, attachment, ste, words + n);
}

enum domain_tag smmu_tag_kind(const struct iommu *iommu)
{
	return ((const struct smmu *)iommu)->config.stage == 2 ? DOMAIN_TAG_VMID : DOMAIN_TAG_ASID;
}
