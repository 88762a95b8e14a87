/* Commands: neutral invalidations as commands and back, legality, the queue (IHI 0070 chapter 4). */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

enum {
	CERROR_ILL = 1,
	CERROR_ABT = 2,
	CERROR_ATC_INV_SYNC = 3,
	GERROR_CMDQ = 0,
	COMMAND_LG2 = 4,
	NUM_MAX = 31
};
enum { TG_4K = 1, ATC_ALL = 52 };

/* The whole tag of a domain: VMID of stage 2, or ASID. */
static struct smmuv3_command whole_tag(const struct smmu *smmu, uint64_t tag)
{
	if (smmu->config.stage == 2)
		return (struct smmuv3_command){ .opcode = CMD_TLBI_S12_VMALL, .vmid = tag };
	return (struct smmuv3_command){ .opcode = CMD_TLBI_NH_ASID, .asid = tag };
}

/* NUM and SCALE of the smallest range that covers so many pages; one page needs none. */
static void set_range(struct smmu_range_command *command, uint64_t pages)
{
	if (pages == 1)
		return;
	while ((pages + low_mask(command->scale)) >> command->scale > NUM_MAX + 1)
		command->scale++;
	command->num = (uint8_t)(((pages + low_mask(command->scale)) >> command->scale) - 1);
	command->tg = TG_4K;
}

static void encode_range(const struct smmu *smmu, const struct invalidation *what,
			 struct native_command *native)
{
	uint64_t pages = (what->last >> 12) - (what->first >> 12) + 1;
	struct smmu_range_command command = { .opcode = CMD_TLBI_NH_VA,
					      .page = what->first >> 12,
					      .leaf = what->leaf };

	/* One command without ranges names one page: the whole tag is the next larger scope. */
	if ((pages > 1 && !smmu->config.ril) || pages > 1ull << 36) {
		struct smmuv3_command whole = whole_tag(smmu, what->tag);

		smmuv3_pack(&whole, native);
		return;
	}
	if (smmu->config.stage == 2) {
		command.opcode = CMD_TLBI_S2_IPA;
		command.vmid = (uint16_t)what->tag;
	} else {
		command.asid = (uint16_t)what->tag;
	}
	set_range(&command, pages);
	smmu_pack_range(&command, native);
}

/* All but ranges. */
static void encode_other(const struct smmu *smmu, const struct invalidation *what,
			 struct native_command *native)
{
	struct smmuv3_command command = { .opcode = CMD_TLBI_NSNH_ALL };

	switch (what->what) {
	case INVAL_ALL:
		break;
	case INVAL_DOMAIN:
		command = whole_tag(smmu, what->tag);
		break;
	case INVAL_RANGE: /* encode_range() */
		break;
	case INVAL_DEVICE_CONFIG:
		command = (struct smmuv3_command){ .opcode = CMD_CFGI_STE,
						   .sid = smmu->devices[what->device].sid,
						   .leaf = 1 };
		break;
	case INVAL_DEVICE_ATC:
		command = (struct smmuv3_command){ .opcode = CMD_ATC_INV,
						   .sid = smmu->devices[what->device].sid,
						   .size = ATC_ALL };
		if (what->pasid != NO_PASID) {
			command.ssid = what->pasid;
			command.ssv = 1;
		}
		break;
	}
	smmuv3_pack(&command, native);
}

static __attribute__((noinline)) bool encode_any(const struct smmu *smmu,
						 const struct invalidation *what,
						 struct native_command *native,
						 struct invalidation *covers)
{
	if (what->what == INVAL_RANGE)
		encode_range(smmu, what, native);
	else
		encode_other(smmu, what, native);
	return smmu_decode(&smmu->iommu, native, covers);
}

/* The range of one page, as most are: what encode_range() and smmu_decode() come to. */
static inline void encode_page(const struct smmu *smmu, const struct invalidation *what,
			       struct native_command *native, struct invalidation *covers)
{
	iova_t page = what->first & ~page_mask(12);
	uint64_t tag = what->tag & 0xffff;

	native->words[0] = CMD_TLBI_NH_VA | tag << 48;
	native->words[1] = page | what->leaf;
	native->words[2] = native->words[3] = 0;
	if (smmu->config.stage == 2) {
		native->words[0] = CMD_TLBI_S2_IPA | tag << 32;
		page &= low_mask(52);
	}
	/* field by field, each once */
	covers->what = INVAL_RANGE;
	covers->device = 0;
	covers->tag = tag;
	covers->pasid = NO_PASID;
	covers->first = page;
	covers->last = page + page_mask(12);
	covers->leaf = what->leaf;
	covers->drain = true;
}

bool smmu_encode(const struct iommu *iommu, const struct invalidation *what,
		 struct native_command *native, struct invalidation *covers)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	if (what->what != INVAL_RANGE || (what->first ^ what->last) >> 12)
		return encode_any(smmu, what, native, covers);
	encode_page(smmu, what, native, covers);
	return true;
}

/* Whole tags: what they are to a driver whose domains are of the configured stage. */
static bool decode_whole(const struct smmu *smmu, unsigned opcode, uint64_t low,
			 struct invalidation *what)
{
	bool stage2 = smmu->config.stage == 2;
	uint64_t vmid = bits(low, 47, 32);

	switch (opcode) {
	case CMD_TLBI_NSNH_ALL:
		what->what = INVAL_ALL;
		return true;
	case CMD_TLBI_NH_ASID:
		what->what = INVAL_DOMAIN;
		what->tag = bits(low, 63, 48) | vmid << 16;
		return !stage2;
	case CMD_TLBI_NH_ALL:
		what->what = INVAL_ALL; /* every domain of stage 1 has VMID 0 */
		return !stage2 && !vmid;
	case CMD_TLBI_S12_VMALL:
		what->what = stage2 ? INVAL_DOMAIN : INVAL_ALL;
		what->tag = stage2 ? vmid : 0;
		return stage2 || !vmid;
	default:
		return false;
	}
}

bool smmu_decode(const struct iommu *iommu, const struct native_command *command,
		 struct invalidation *what)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	uint64_t low = command->words[0], high = command->words[1];
	unsigned opcode = (unsigned)bits(low, 7, 0);
	bool stage2 = smmu->config.stage == 2;

	*what = (struct invalidation){ .pasid = NO_PASID, .last = UINT64_MAX, .drain = true };
	if (opcode != CMD_TLBI_NH_VA && opcode != CMD_TLBI_S2_IPA)
		return decode_whole(smmu, opcode, low, what);
	what->what = INVAL_RANGE;
	what->leaf = bit(high, 0);
	what->tag = stage2 ? bits(low, 47, 32) : bits(low, 63, 48) | bits(low, 47, 32) << 16;
	smmu_tlbi_range(smmu, command, &what->first, &what->last);
	return (opcode == CMD_TLBI_S2_IPA) == stage2;
}

/* ---- legality ----------------------------------------------------------------------------------- */

static const char *tlbi_wrong(const struct smmu *smmu, unsigned opcode, uint64_t low, uint64_t high)
{
	bool by_address = opcode == CMD_TLBI_NH_VA || opcode == CMD_TLBI_NH_VAA ||
			  opcode == CMD_TLBI_EL2_VA || opcode == CMD_TLBI_EL2_VAA ||
			  opcode == CMD_TLBI_S2_IPA;

	if (opcode >= CMD_TLBI_EL2_ALL && opcode <= CMD_TLBI_EL2_VAA && !smmu->config.hyp)
		return "an EL2 invalidation without IDR0.Hyp";
	if (opcode >= CMD_TLBI_NH_ALL && opcode <= CMD_TLBI_NH_VAA && !smmu->config.s1p)
		return "a stage-1 invalidation without IDR0.S1P";
	if ((opcode == CMD_TLBI_S12_VMALL || opcode == CMD_TLBI_S2_IPA) && !smmu->config.s2p)
		return "a stage-2 invalidation without IDR0.S2P";
	if (by_address && smmu->config.ril && bits(high, 11, 10) && !bits(low, 16, 12) &&
	    !bits(low, 24, 20) &&
	    (!bits(high, 9, 8) || (bits(high, 11, 10) == 2 && bits(high, 9, 8) == 1)))
		return "a range with NUM, SCALE and TTL 0, which is reserved";
	return NULL;
}

/* CERROR_ILL (7.1): NULL where the command is legal. */
static const char *command_wrong(const struct smmu *smmu, uint64_t low, uint64_t high)
{
	unsigned opcode = (unsigned)bits(low, 7, 0);

	if (bit(low, 10))
		return "SSec on the Non-secure queue";
	switch (opcode) {
	case CMD_PREFETCH_CONFIG:
	case CMD_PREFETCH_ADDR:
	case CMD_CFGI_STE:
	case CMD_CFGI_STE_RANGE:
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
		return NULL;
	case CMD_TLBI_NH_ALL:
	case CMD_TLBI_NH_ASID:
	case CMD_TLBI_NH_VA:
	case CMD_TLBI_NH_VAA:
	case CMD_TLBI_EL2_ALL:
	case CMD_TLBI_EL2_ASID:
	case CMD_TLBI_EL2_VA:
	case CMD_TLBI_EL2_VAA:
	case CMD_TLBI_S12_VMALL:
	case CMD_TLBI_S2_IPA:
	case CMD_TLBI_NSNH_ALL:
		return tlbi_wrong(smmu, opcode, low, high);
	case CMD_ATC_INV:
		if (!smmu->config.ats)
			return "ATC_INV without IDR0.ATS";
		return bits(high, 5, 0) > ATC_ALL ? "ATC_INV with Size above 52" : NULL;
	case CMD_PRI_RESP:
		if (!smmu->config.pri)
			return "PRI_RESP without IDR0.PRI";
		return bits(high, 13, 12) == 3 ? "PRI_RESP with Resp 3" : NULL;
	case CMD_RESUME:
	case CMD_STALL_TERM:
		return smmu->config.stall_model == 1 ? "a stall command without the stall model"
						     : NULL;
	case CMD_SYNC:
		return bits(low, 13, 12) == 3 ? "CMD_SYNC with CS 3" : NULL;
	default:
		return "an opcode that the Non-secure queue does not have";
	}
}

/* ---- execution ---------------------------------------------------------------------------------- */

/* CS SIG_IRQ with an MSI address: MSIData is written there (4.7.3). */
static void sync(struct smmu *smmu, uint64_t low, uint64_t high)
{
	pa_t word = bits_at(high, 55, 3);
	uint64_t value;

	if (bits(low, 13, 12) != 1 || !bits_at(high, 55, 2) || !smmu_read(smmu, word, &value))
		return;
	if (bit(high, 2))
		value = (value & low_mask(32)) | bits_at(low, 63, 32);
	else
		value = (value & ~low_mask(32)) | bits(low, 63, 32);
	tables_store(smmu->tables, word, 1, value, 0, NULL);
}

static void run(struct smmu *smmu, const struct native_command *command,
		struct inval_report *report)
{
	uint64_t low = command->words[0], high = command->words[1];
	unsigned opcode = (unsigned)bits(low, 7, 0);
	uint32_t sid = (uint32_t)(low >> 32);

	switch (opcode) {
	case CMD_PREFETCH_CONFIG:
	case CMD_PREFETCH_ADDR: /* a hint */
	case CMD_PRI_RESP:	/* the endpoint's business */
		break;
	case CMD_CFGI_STE:
	case CMD_CFGI_STE_RANGE:
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
		smmu_cfgi(smmu, command, report);
		break;
	case CMD_ATC_INV:
		smmu_atc_invalidate(smmu, command, report);
		break;
	case CMD_RESUME:
		smmu_resume(smmu, sid, (uint16_t)high, bit(low, 12), bit(low, 13));
		break;
	case CMD_STALL_TERM:
		smmu_stalls_end(smmu, sid, false);
		break;
	case CMD_SYNC:
		sync(smmu, low, high);
		break;
	default:
		smmu->count.invalidations++;
		smmu_tlbi(smmu, command, report);
		break;
	}
}

static __attribute__((noinline)) int execute_any(struct smmu *smmu,
						 const struct native_command *command,
						 struct inval_report *report, struct err *err)
{
	const char *wrong = command_wrong(smmu, command->words[0], command->words[1]);

	*report = (struct inval_report){ 0 };
	if (wrong)
		return err_set(err, ERR_INPUT, "command 0x%llx 0x%llx: %s (CERROR_ILL)",
			       (unsigned long long)command->words[0],
			       (unsigned long long)command->words[1], wrong);
	if (bits(command->words[0], 7, 0) == CMD_SYNC && smmu->atc_timed_out)
		return err_set(
			err, ERR_INPUT,
			"CMD_SYNC: an ATC_INV before it was not answered (CERROR_ATC_INV_SYNC)");
	smmu->count.commands++;
	run(smmu, command, report);
	return 0;
}

int smmu_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		 struct inval_report *report, struct err *err)
{
	struct smmu *smmu = smmu_of(iommu);

	smmu->iommu.event = event;
	return smmu_tlbi_page(smmu, command, report) ? 0 : execute_any(smmu, command, report, err);
}

static void command_error(struct smmu *smmu, unsigned error)
{
	smmu->cmdq_error = (uint8_t)error;
	smmu_gerror(smmu, GERROR_CMDQ);
}

/* From CONS to PROD; an error stops at the command until software acknowledges it. */
void smmu_run_commands(struct smmu *smmu)
{
	while (bit(smmu->cr0, 3) && !smmu_queue_empty(&smmu->cmdq) &&
	       !bit(smmu->gerror ^ smmu->gerrorn, GERROR_CMDQ)) {
		pa_t at = smmu_queue_at(&smmu->cmdq, smmu->cmdq.cons, COMMAND_LG2);
		struct native_command command = { 0 };
		struct inval_report report;

		if (!smmu_read(smmu, at, &command.words[0]) ||
		    !smmu_read(smmu, at + 8, &command.words[1])) {
			command_error(smmu, CERROR_ABT);
			return;
		}
		if (smmu_execute(&smmu->iommu, smmu->iommu.event, &command, &report, NULL)) {
			command_error(smmu, smmu->atc_timed_out &&
							    bits(command.words[0], 7, 0) == CMD_SYNC
						    ? CERROR_ATC_INV_SYNC
						    : CERROR_ILL);
			smmu->atc_timed_out = false; /* told once */
			return;
		}
		smmu->cmdq.cons = smmu_queue_next(&smmu->cmdq, smmu->cmdq.cons);
	}
}
