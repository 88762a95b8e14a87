/* Primary fault recording: specification 7.2, 10.4. */
#include "hw/vtd/vtd_private.h"

/* Of the high word. */
enum {
	FRCD_F_BIT = 63,
	FRCD_T1_BIT = 62,
	FRCD_AT_BIT = 60,
	FRCD_PASID_BIT = 40,
	FRCD_PP_BIT = 31,
	FRCD_EXE_BIT = 30,
	FRCD_T2_BIT = 28,
	FRCD_PRIV_BIT = 29,
};
enum { REG_FSTS = 0x34, REG_FECTL = 0x38 };

static bool record_pending(const struct vtd *vtd, uint32_t index)
{
	return bit(vtd->frcd[index][1], FRCD_F_BIT);
}

static bool source_pending(const struct vtd *vtd, uint16_t sid)
{
	for (uint32_t i = 0; i < vtd->config.fault_records; i++)
		if (record_pending(vtd, i) && bits(vtd->frcd[i][1], 15, 0) == sid)
			return true;
	return false;
}

/* A condition is newly set in FSTS: an interrupt, unless another one stood already. */
static bool raise(struct vtd *vtd, uint32_t condition)
{
	uint32_t conditions = FSTS_PFO | FSTS_PPF | FSTS_IQE | FSTS_ICE | FSTS_ITE | FSTS_PRO;
	bool quiet = !(vtd->fsts & conditions);

	vtd->fsts |= condition;
	if (!quiet)
		return false;
	vtd->fectl |= FECTL_IP;
	if (vtd->fectl & FECTL_IM)
		return false;
	vtd->fectl &= ~(uint32_t)FECTL_IP;
	vtd->count.interrupts++;
	vtd->iommu.interrupt = true;
	vtd->attention = true;
	return true;
}

/* T1 and T2: write, read, or atomic, which reads and writes. */
static uint64_t type_of(const struct dma_request *request)
{
	unsigned access = request->access & (ACCESS_READ | ACCESS_WRITE);

	if (request->type == DMA_UNTRANSLATED && access == (ACCESS_READ | ACCESS_WRITE))
		return 1ull << FRCD_T1_BIT | 1ull << FRCD_T2_BIT;
	return access & ACCESS_WRITE ? 0 : 1ull << FRCD_T1_BIT;
}

static void write_record(struct vtd *vtd, const struct dma_request *request, uint16_t sid,
			 uint16_t code)
{
	bool page = request->type == DMA_PAGE_REQUEST;
	uint64_t type = page ? 1ull << FRCD_T2_BIT : type_of(request);
	uint64_t *record = vtd->frcd[vtd->frcd_next];

	/* PASID and its attributes are those of a request that carries them. */
	if (request->pasid != NO_PASID)
		type |= 1ull << FRCD_PP_BIT | (uint64_t)request->pasid << FRCD_PASID_BIT |
			(uint64_t)(request->privileged & 1) << FRCD_PRIV_BIT |
			(request->access & ACCESS_EXECUTE ? 1ull << FRCD_EXE_BIT : 0);
	record[0] = request->iova & ~0xfffull;
	record[1] = 1ull << FRCD_F_BIT | type |
		    (page ? 0 : (uint64_t)request->type << FRCD_AT_BIT) | (uint64_t)code << 32 |
		    sid;
	if (!(vtd->fsts & FSTS_PPF))
		vtd->fsts = (vtd->fsts & ~0xff00u) | vtd->frcd_next << 8;
	vtd->frcd_next = (vtd->frcd_next + 1) % (uint32_t)vtd->config.fault_records;
}

/* A device of another source id whose record is pending. */
static uint32_t other_holder(const struct vtd *vtd, uint16_t sid)
{
	for (uint32_t i = 0; i < vtd->config.fault_records; i++) {
		uint64_t holder = bits(vtd->frcd[i][1], 15, 0);

		for (uint32_t device = 0;
		     record_pending(vtd, i) && holder != sid && device < vtd->n_devices; device++)
			if (vtd->devices[device].sid == holder)
				return device;
	}
	return NO_DEVICE;
}

/* Recording a fault, in the order of section 7.2. */
static void record_fault(struct vtd *vtd, const struct dma_request *request, uint16_t sid, bool fpd,
			 uint16_t code)
{
	struct fault_report report = {
		.event = vtd->iommu.event, .request = request, .code = code, .holder = NO_DEVICE
	};

	vtd->count.faults++;
	if (fpd && vtd_fault_qualified(code)) {
		report.fate = FAULT_DISABLED;
		vtd->count.disabled++;
	} else if (vtd->fsts & FSTS_PFO) {
		report.fate = FAULT_LOST;
		vtd->count.lost++;
	} else if (vtd->config.compression && source_pending(vtd, sid)) {
		report.fate = FAULT_COLLAPSED;
		vtd->count.collapsed++;
	} else if (record_pending(vtd, vtd->frcd_next)) {
		report.fate = FAULT_LOST;
		vtd->count.lost++;
		report.interrupt = raise(vtd, FSTS_PFO);
	} else {
		report.fate = FAULT_RECORDED;
		vtd->count.recorded++;
		write_record(vtd, request, sid, code);
		report.interrupt = raise(vtd, FSTS_PPF);
	}
	if (report.fate == FAULT_LOST)
		report.holder = other_holder(vtd, sid);
	vtd->observer->fault(vtd->observer->self, &report);
}

/* One fault, or one for each piece that the access is tried again in. */
void vtd_fault(struct vtd *vtd, const struct dma_request *request, uint16_t sid, bool fpd,
	       uint16_t code)
{
	struct dma_request piece = *request;
	uint32_t step = (uint32_t)vtd->config.retry_bytes, left = request->len;

	while (step && left > step) {
		piece.len = step - (uint32_t)(piece.iova % step);
		record_fault(vtd, &piece, sid, fpd, code);
		piece.iova += piece.len;
		left -= piece.len;
	}
	piece.len = left;
	record_fault(vtd, &piece, sid, fpd, code);
}

void vtd_fault_condition(struct vtd *vtd, uint32_t fsts_bit)
{
	raise(vtd, fsts_bit);
}

/* PPF is the OR of all F bits; IP goes when no condition is left. */
static void refresh(struct vtd *vtd, bool had_overflow)
{
	bool pending = false;

	for (uint32_t i = 0; i < vtd->config.fault_records; i++)
		pending |= record_pending(vtd, i);
	vtd->fsts = pending ? vtd->fsts | FSTS_PPF : vtd->fsts & ~(uint32_t)FSTS_PPF;
	if (!(vtd->fsts & (FSTS_PFO | FSTS_PPF | FSTS_IQE | FSTS_ICE | FSTS_ITE | FSTS_PRO)))
		vtd->fectl &= ~(uint32_t)FECTL_IP;
	if (had_overflow && !(vtd->fsts & FSTS_PFO))
		vtd->observer->faults_acknowledged(vtd->observer->self, true);
}

static bool frcd_offset(const struct vtd *vtd, uint64_t offset, uint32_t *index, uint32_t *byte)
{
	if (offset < VTD_FRO || offset >= VTD_FRO + 16 * vtd->config.fault_records)
		return false;
	*index = (uint32_t)(offset - VTD_FRO) / 16;
	*byte = (uint32_t)(offset - VTD_FRO) % 16;
	return true;
}

bool vtd_fault_reg_write(struct vtd *vtd, uint64_t offset, uint64_t value, unsigned size)
{
	bool overflow = vtd->fsts & FSTS_PFO, pages;
	uint32_t index, byte;

	if (offset == REG_FSTS) {
		pages = vtd->fsts & FSTS_PRO;
		vtd->fsts &=
			~((uint32_t)value & (FSTS_PFO | FSTS_IQE | FSTS_ICE | FSTS_ITE | FSTS_PRO));
		refresh(vtd, overflow);
		if (pages && !(vtd->fsts & FSTS_PRO))
			vtd->observer->pages_acknowledged(vtd->observer->self);
		return true;
	}
	if (offset == REG_FECTL) {
		vtd->fectl = (vtd->fectl & FECTL_IP) | ((uint32_t)value & FECTL_IM);
		if (!(vtd->fectl & FECTL_IM) && (vtd->fectl & FECTL_IP)) {
			vtd->fectl &= ~(uint32_t)FECTL_IP;
			vtd->count.interrupts++;
		}
		return true;
	}
	if (!frcd_offset(vtd, offset, &index, &byte))
		return false;
	/* F is write-1-to-clear; every other field is read-only. */
	if ((byte == 8 && size == 8 && bit(value, 63)) || (byte == 12 && bit(value, 31)))
		vtd->frcd[index][1] &= ~(1ull << FRCD_F_BIT);
	refresh(vtd, overflow);
	return true;
}

bool vtd_fault_reg_read(const struct vtd *vtd, uint64_t offset, unsigned size, uint64_t *value)
{
	uint32_t index, byte;

	if (offset == REG_FSTS) {
		*value = vtd->fsts;
		return true;
	}
	if (offset == REG_FECTL) {
		*value = vtd->fectl;
		return true;
	}
	if (!frcd_offset(vtd, offset, &index, &byte))
		return false;
	*value = vtd->frcd[index][byte / 8] >> (byte % 8 * 8) & low_mask(size * 8);
	return true;
}

/* Linux dmar_fault(): clears every F from FRI on, then PFO. ITE is cleared by who waits for the
 * invalidation (qi_check_fault()), an overflow of page requests by their thread. */
void vtd_acknowledge_faults(struct iommu *iommu, uint64_t event)
{
	struct vtd *vtd = vtd_of(iommu);
	bool overflow = vtd->fsts & FSTS_PFO;

	vtd->iommu.event = event;
	for (uint32_t i = 0; i < vtd->config.fault_records; i++)
		vtd->frcd[i][1] &= ~(1ull << FRCD_F_BIT);
	vtd->fsts &= ~(uint32_t)(FSTS_PFO | FSTS_ITE);
	refresh(vtd, overflow);
}
