/* Registers (specification 10.4) and the invalidation queue in memory (6.5.2). */
#include "hw/vtd/vtd_private.h"

enum {
	REG_VER = 0x00,
	REG_GCMD = 0x18,
	REG_GSTS = 0x1c,
	REG_RTADDR = 0x20,
	REG_CCMD = 0x28,
	REG_IQH = 0x80,
	REG_IQT = 0x88,
	REG_IQA = 0x90,
	REG_IQER = 0xb0,
	REG_IVA = VTD_IRO,
	REG_IOTLB = VTD_IRO + 8,
};
enum { GCMD_TE = 31, GCMD_SRTP = 30, GCMD_QIE = 26 };

static void set_root(struct vtd *vtd)
{
	enum vtd_table_mode old = vtd_table_mode(vtd), mode;
	bool scalable;
	struct frame *root;

	vtd->rtaddr = vtd->rtaddr_next;
	mode = vtd_table_mode(vtd);
	scalable = mode == TTM_SCALABLE;
	/* Entries of one mode mean nothing in the other; what hardware does with them is not
	 * said, here they go. */
	if (mode != old)
		vtd_drop_configs(vtd);
	root = tables_root(vtd->tables, bits_at(vtd->rtaddr, 63, 12),
			   scalable ? &vtd_scalable_root_role : &vtd_root_role,
			   scalable ? VTD_LEVEL_ROOT : 1, NULL);
	vtd->config_space = root ? root->node.space : 0;
	vtd->gsts |= GSTS_RTPS;
	/* A new root invalidates nothing by itself, so cached contexts may differ from now on. */
	if (vtd->config.esrtps) {
		vtd_flush_all(vtd);
		vtd_ats_mark_config(vtd, 0, UINT64_MAX);
	} else {
		vtd_config_mark(vtd, 0, UINT64_MAX, VTD_LEVEL_ROOT);
	}
}

static void write_gcmd(struct vtd *vtd, uint32_t value)
{
	if (bit(value, GCMD_SRTP))
		set_root(vtd);
	vtd->enabled = bit(value, GCMD_TE);
	vtd->gsts = (vtd->gsts & GSTS_RTPS) | (vtd->enabled ? (uint32_t)GSTS_TES : 0) |
		    (bit(value, GCMD_QIE) ? (uint32_t)GSTS_QIES : 0);
	if (!bit(value, GCMD_QIE))
		vtd->iqh = 0;
}

/* IQA.DW: 128 or 256 bits. */
static uint64_t descriptor_bytes(const struct vtd *vtd)
{
	return bit(vtd->iqa, 11) ? 32 : 16;
}

/* One descriptor at IQH; false: it was refused and the queue stands. */
static bool execute_next(struct vtd *vtd)
{
	struct native_command command = { { 0 } };
	struct inval_report report;
	pa_t at = bits_at(vtd->iqa, 63, 12) + vtd->iqh;

	if (!vtd_read_words(vtd, NULL, at, (unsigned)descriptor_bytes(vtd) / 8, command.words) ||
	    (descriptor_bytes(vtd) == 16 && vtd_needs_wide(command.words[0]))) {
		vtd_fault_condition(vtd, FSTS_IQE);
		return false;
	}
	return vtd_execute(&vtd->iommu, vtd->iommu.event, &command, &report, NULL) == 0;
}

/* Fetches and executes up to the tail, in order; nothing while IQE or ITE stands. */
static void run_queue(struct vtd *vtd)
{
	uint64_t bytes = 4096ull << bits(vtd->iqa, 2, 0);

	while ((vtd->gsts & GSTS_QIES) && !(vtd->fsts & (FSTS_IQE | FSTS_ITE)) &&
	       vtd->iqh != vtd->iqt) {
		if (!execute_next(vtd))
			return;
		vtd->iqh = (vtd->iqh + descriptor_bytes(vtd)) % bytes;
	}
}

/* By register, not while the queue is enabled. Answers the granularity that was carried out, 0: the
 * request was ignored (6.5.1). */
static uint64_t register_command(struct vtd *vtd, uint64_t value,
				 const struct native_command *command, uint64_t granularity)
{
	struct inval_report report;

	if (!bit(value, 63) || (vtd->gsts & GSTS_QIES) || vtd_descriptor_error(vtd, command))
		return 0;
	vtd_execute(&vtd->iommu, vtd->iommu.event, command, &report, NULL);
	return granularity;
}

/* Register-based invalidation takes the same paths as its descriptor. */
static void context_command(struct vtd *vtd, uint64_t value)
{
	struct native_command command = {
		.words = { 1 | bits(value, 62, 61) << 4 | bits(value, 15, 0) << 16 |
			   bits(value, 31, 16) << 32 | bits(value, 33, 32) << 48 }
	};
	uint64_t done = register_command(vtd, value, &command, bits(value, 62, 61));

	/* context entries of scalable mode have no domain id: all of them went */
	if (done == GRANULARITY_DOMAIN && vtd_table_mode(vtd) == TTM_SCALABLE)
		done = GRANULARITY_GLOBAL;
	if (bit(value, 63))
		vtd->ccmd = (value & ~(1ull << 63 | 3ull << 59)) | done << 59; /* ICC, CAIG */
}

static void iotlb_command(struct vtd *vtd, uint64_t value)
{
	struct native_command command = { .words = { 2 | bits(value, 61, 60) << 4 |
							     bits(value, 49, 48) << 6 |
							     bits(value, 47, 32) << 16,
						     vtd->iva } };
	uint64_t done = register_command(vtd, value, &command, bits(value, 61, 60));

	if (bit(value, 63))
		vtd->iotlb_reg = (value & ~(1ull << 63 | 3ull << 57)) | done << 57; /* IVT, IAIG */
}

uint64_t vtd_merged(uint64_t old, uint64_t value, bool upper, unsigned size)
{
	if (size == 8)
		return value;
	return upper ? (old & low_mask(32)) | value << 32
		     : (old & ~low_mask(32)) | (value & low_mask(32));
}

bool vtd_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
		   unsigned size)
{
	struct vtd *vtd = vtd_of(iommu);
	bool upper = offset & 4;

	vtd->iommu.event = event;
	switch (offset) {
	case REG_GCMD:
		write_gcmd(vtd, (uint32_t)value);
		return true;
	case REG_RTADDR:
	case REG_RTADDR + 4:
		vtd->rtaddr_next = vtd_merged(vtd->rtaddr_next, value, upper, size);
		return true;
	case REG_CCMD:
	case REG_CCMD + 4:
		vtd->ccmd = vtd_merged(vtd->ccmd, value, upper, size);
		if (size == 8 || upper)
			context_command(vtd, vtd->ccmd);
		return true;
	case REG_IQA:
	case REG_IQA + 4:
		vtd->iqa = vtd_merged(vtd->iqa, value, upper, size);
		return true;
	case REG_IQT:
		vtd->iqt = bits_at(value, 18, 4);
		run_queue(vtd);
		return true;
	case REG_IVA:
	case REG_IVA + 4:
		vtd->iva = vtd_merged(vtd->iva, value, upper, size);
		return true;
	case REG_IOTLB:
	case REG_IOTLB + 4:
		vtd->iotlb_reg = vtd_merged(vtd->iotlb_reg, value, upper, size);
		if (size == 8 || upper)
			iotlb_command(vtd, vtd->iotlb_reg);
		return true;
	default:
		if (vtd_page_reg_write(vtd, event, offset, value, size))
			return true;
		if (!vtd_fault_reg_write(vtd, offset, value, size))
			return false;
		run_queue(vtd); /* IQE may have been cleared */
		return true;
	}
}

bool vtd_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value)
{
	const struct vtd *vtd = vtd_of(iommu);
	uint64_t word;

	switch (offset & ~4ull) {
	case REG_VER:
		word = 0x10;
		break;
	case REG_GSTS & ~4:
		word = (uint64_t)vtd->gsts << 32;
		break;
	case REG_RTADDR:
		word = vtd->rtaddr;
		break;
	case REG_CCMD:
		word = vtd->ccmd;
		break;
	case REG_IOTLB:
		word = vtd->iotlb_reg;
		break;
	case REG_IQH:
		word = vtd->iqh;
		break;
	case REG_IQT:
		word = vtd->iqt;
		break;
	case REG_IQA:
		word = vtd->iqa;
		break;
	case REG_IQER:
		word = vtd->iqer;
		break;
	default:
		if (vtd_page_reg_read(vtd, offset, size, value))
			return true;
		return vtd_fault_reg_read(vtd, offset, size, value);
	}
	*value = word >> (offset & 4) * 8 & low_mask(size * 8);
	return true;
}
