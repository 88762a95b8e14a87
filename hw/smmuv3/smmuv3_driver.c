/*
 * The driver's side: where it puts its structures, and the words that attach a device.
 *
 * As Linux: a two-level stream table with 256 STEs a leaf, one CD for each stream, an event queue, and
 * with IDR0.PRI a PRI queue.
 * What lies where follows from the StreamID, so that nothing is allocated here.
 */
#include "hw/smmuv3/smmuv3_private.h"

enum { SPLIT = 8, STE_LG2 = 6, L1_LG2 = 3, EVENT_LG2 = 5, PAGE_REQUEST_LG2 = 4 };
enum {
	STE_ABORT = 1,
	STE_BYPASS = 4 << 1 | 1,
	STE_S1 = 5 << 1 | 1,
	STE_S2 = 6 << 1 | 1,
	STE_NESTED = 7 << 1 | 1
};
/* Second half of an STE's stage-2 word: S2IR0, S2OR0, S2SH0, S2PS 48 bits, S2AA64, S2PTW, S2R. */
enum { STE_S2_FLAGS = 5 << 8 | 3 << 12 | 5 << 16 | 1 << 19 | 1 << 22 | 1 << 26 };

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

static uint64_t queue_bytes(uint64_t log2, unsigned entry_lg2)
{
	uint64_t bytes = 1ull << (log2 + entry_lg2);

	return bytes < 4096 ? 4096 : bytes;
}

static uint64_t event_bytes(const struct smmu *smmu)
{
	return queue_bytes(smmu->config.eventq_log2, EVENT_LG2);
}

static uint64_t page_request_bytes(const struct smmu *smmu)
{
	return smmu->config.pri ? queue_bytes(smmu->config.priq_log2, PAGE_REQUEST_LG2) : 0;
}

/* A hypervisor's stage 2 below the guest's stage 1, where IPA and PA are the same: blocks of 1 GiB. */
static unsigned nested_bits(const struct smmu *smmu)
{
	return smmu->config.oas < 48 ? (unsigned)smmu->config.oas : 48;
}

static uint64_t nested_blocks(const struct smmu *smmu)
{
	return 1ull << (nested_bits(smmu) - 30);
}

static uint64_t nested_bytes(const struct smmu *smmu)
{
	return smmu->config.nested ? 2 * 4096ull + nested_blocks(smmu) * 8 : 0;
}

/* With room to align the L1 table, the leaves, the CDs and the queues. */
uint64_t smmu_config_bytes(const struct iommu *iommu)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	return 4 * stream_bytes(smmu) + 2 * l1_bytes(smmu) + 2 * event_bytes(smmu) +
	       2 * page_request_bytes(smmu) + nested_bytes(smmu);
}

static pa_t aligned(pa_t pa, uint64_t bytes)
{
	return (pa + bytes - 1) & ~(bytes - 1);
}

static pa_t leaves_at(const struct smmu *smmu)
{
	return aligned(smmu->layout + l1_bytes(smmu), stream_bytes(smmu));
}

static pa_t event_queue_at(const struct smmu *smmu)
{
	return aligned(leaves_at(smmu) + 2 * stream_bytes(smmu), event_bytes(smmu));
}

static pa_t page_queue_at(const struct smmu *smmu)
{
	uint64_t bytes = page_request_bytes(smmu);
	pa_t after = event_queue_at(smmu) + event_bytes(smmu);

	return bytes ? aligned(after, bytes) : after;
}

/* The root of level 0, where there is one; then the tables of level 1. */
static pa_t nested_at(const struct smmu *smmu)
{
	return aligned(page_queue_at(smmu) + page_request_bytes(smmu), 4096);
}

size_t smmu_start_rows(const struct iommu *iommu, struct table_row rows[START_ROWS])
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	pa_t blocks = nested_at(smmu) + 4096;

	if (!smmu->config.nested)
		return 0;
	rows[0] = (struct table_row){ blocks, nested_blocks(smmu),
				      arm_stage2[0].leaf(0, TLB_READ | TLB_WRITE, 2), 1ull << 30 };
	if (nested_bits(smmu) < 40)
		return 1;
	rows[1] =
		(struct table_row){ nested_at(smmu), nested_blocks(smmu) / 512, blocks | 3, 4096 };
	return 2;
}

int smmu_start(struct iommu *iommu, pa_t root)
{
	struct smmu *smmu = smmu_of(iommu);
	const struct smmuv3_config *config = &smmu->config;

	smmu->layout = aligned(root, l1_bytes(smmu));
	if (config->st_level)
		smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE, smmu->layout, 8);
	else
		smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE, leaves_at(smmu), 8);
	smmu_reg_write(iommu, 0, SMMU_STRTAB_BASE_CFG,
		       config->sidsize | SPLIT << 6 | config->st_level << 16, 4);
	smmu_reg_write(iommu, 0, SMMU_EVENTQ_BASE, event_queue_at(smmu) | config->eventq_log2, 8);
	if (config->pri)
		smmu_reg_write(iommu, 0, SMMU_PRIQ_BASE, page_queue_at(smmu) | config->priq_log2,
			       8);
	smmu_reg_write(iommu, 0, SMMU_IRQ_CTRL, 7, 4);
	/* SMMUEN, EVENTQEN, CMDQEN, and PRIQEN; ATSCHK as the settings say */
	smmu_reg_write(iommu, 0, SMMU_CR0, 0xd | config->pri << 1 | config->atschk << 4, 4);
	return 0;
}

static unsigned granule_lg2(const struct smmu *smmu)
{
	return 12 + 2 * (unsigned)smmu->config.granule;
}

/* Those of stage 2 do not exceed the output size; with 16 KiB a 48th bit would need two tables at
 * the root, which this driver does not make. */
static unsigned most_input_bits(const struct smmu *smmu)
{
	unsigned most = smmu->config.stage == 2 && granule_lg2(smmu) == 14 ? 47 : 48;

	if (smmu->config.stage == 2 && smmu->config.oas < most)
		most = (unsigned)smmu->config.oas;
	return most;
}

/* Input bits of tables of so many levels. */
unsigned smmu_input_bits(const struct smmu *smmu, unsigned levels)
{
	unsigned lg2 = granule_lg2(smmu), width = lg2 + (lg2 - 3) * levels;

	return width < most_input_bits(smmu) ? width : most_input_bits(smmu);
}

/* As many as the widest input takes. */
unsigned smmu_driver_levels(const struct smmu *smmu)
{
	return arm_start_level(granule_lg2(smmu), most_input_bits(smmu)) + 1;
}

/* TG0 and S2TG. */
static uint64_t granule_code(const struct smmu *smmu)
{
	static const uint8_t codes[ARM_GRANULES] = { 0, 2, 1 };

	return codes[smmu->config.granule];
}

/* CD.S of a device that may stall: none of PCIe (3.12.2), of which those with ATS are. */
static uint64_t stalls(const struct smmu *smmu, const struct attachment *attachment)
{
	bool stall = attachment->stall && !attachment->ats && smmu->config.stall_model != 1;

	return stall || smmu->config.stall_model == 2 ? 1ull << 44 : 0;
}

/* STE.EATS of a device whose ATS the driver switches on: 1, full ATS. */
static uint64_t eats(const struct smmu *smmu, const struct attachment *attachment)
{
	return attachment->ats && smmu->config.ats ? 1ull << 28 : 0;
}

/* Every stream's stage 2 is the same, under VMID 0. */
static size_t nested_words(const struct smmu *smmu, pa_t ste, struct table_word *words)
{
	bool root = nested_bits(smmu) >= 40;
	uint64_t sizes = (64 - nested_bits(smmu)) | (root ? 2u : 1u) << 6 | STE_S2_FLAGS;

	words[0] = (struct table_word){ ste + 24, nested_at(smmu) + (root ? 0 : 4096) };
	words[1] = (struct table_word){ ste + 16, sizes << 32 };
	return 2;
}

/* MAIR with Normal write-back at index 1, which the leaves of arm_stage1 name. */
static size_t stage1_words(const struct smmu *smmu, const struct attachment *attachment, pa_t ste,
			   struct table_word *words)
{
	pa_t cd =
		leaves_at(smmu) + stream_bytes(smmu) + ((pa_t)attachment->requester_id << STE_LG2);
	uint64_t low = (64 - smmu_input_bits(smmu, attachment->levels)) | granule_code(smmu) << 6 |
		       5ull << 8 | 3ull << 12 | 1ull << 30 | 1ull << 31 | 5ull << 32 | 1ull << 41 |
		       1ull << 45 | 1ull << 46 | 1ull << 47 | attachment->tag << 48 |
		       stalls(smmu, attachment);
	size_t n = 0;

	words[n++] = (struct table_word){ cd + 8, attachment->root };
	words[n++] = (struct table_word){ cd + 24, 0xff44 };
	words[n++] = (struct table_word){ cd, low };
	/* S1DSS 2, caching attributes */
	words[n++] = (struct table_word){ ste + 8, 0xd6 | 1ull << 44 | eats(smmu, attachment) };
	if (smmu->config.nested)
		n += nested_words(smmu, ste, words + n);
	words[n++] = (struct table_word){ ste, cd | (smmu->config.nested ? STE_NESTED : STE_S1) };
	return n;
}

static size_t stage2_words(const struct smmu *smmu, const struct attachment *attachment, pa_t ste,
			   struct table_word *words)
{
	uint64_t start = attachment->levels - (granule_lg2(smmu) == 12 ? 2 : 1);
	uint64_t sizes = (64 - smmu_input_bits(smmu, attachment->levels)) | start << 6 |
			 granule_code(smmu) << 14 | STE_S2_FLAGS;
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
