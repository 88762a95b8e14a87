/* Registers of the Non-secure programming interface: IHI 0070 chapter 6. */
#include "hw/smmuv3/smmuv3_private.h"

enum { CR0_SMMUEN = 0, CR0_PRIQEN, CR0_EVENTQEN, CR0_CMDQEN, GBPA_UPDATE = 31 };
enum {
	GERROR_CMDQ = 0,
	GERROR_EVENTQ_ABT = 2,
	IDR0 = 0x0,
	IDR1 = 0x4,
	IDR3 = 0xc,
	IDR5 = 0x14,
	AIDR = 0x1c
};

static void write_cr0(struct smmu *smmu, uint32_t value)
{
	bool was = smmu->enabled;

	smmu->cr0 = value & 0x1df;
	smmu->enabled = bit(value, CR0_SMMUEN);
	if (was && !smmu->enabled)
		smmu_stalls_end(smmu, 0, true);
	smmu_stalls_writable(smmu);
	smmu_run_commands(smmu);
}

/* Nothing is invalidated by itself: what was cached may differ from now on. */
static void set_stream_table(struct smmu *smmu, uint64_t base, uint64_t config)
{
	smmu->strtab_base = base;
	smmu->strtab_cfg = config;
	smmu_config_mark_all(smmu);
}

static uint64_t merged(uint64_t old, uint64_t value, bool upper, unsigned size)
{
	if (size == 8)
		return value;
	return upper ? (old & low_mask(32)) | value << 32
		     : (old & ~low_mask(32)) | (value & low_mask(32));
}

static void set_queue(struct smmu_queue *queue, uint64_t value, bool upper, unsigned size,
		      uint64_t most)
{
	queue->base = merged(queue->base, value, upper, size);
	queue->log2 = (uint8_t)(bits(queue->base, 4, 0) < most ? bits(queue->base, 4, 0) : most);
}

static void acknowledge(struct smmu *smmu, struct smmu_queue *queue, uint32_t value)
{
	bool overflow = smmu_queue_overflow(queue);

	queue->cons = value;
	if (overflow && !smmu_queue_overflow(queue) && queue == &smmu->evtq)
		smmu->observer->faults_acknowledged(smmu->observer->self, true);
	else if (overflow && !smmu_queue_overflow(queue))
		smmu->observer->pages_acknowledged(smmu->observer->self);
	if (queue == &smmu->evtq)
		smmu_stalls_writable(smmu);
}

/* Where a full event queue is told by GERROR, acknowledging that is noticing the overflow. */
static void acknowledge_gerror(struct smmu *smmu, uint32_t value)
{
	bool before = bit(smmu->gerror ^ smmu->gerrorn, GERROR_EVENTQ_ABT);

	smmu->gerrorn = value;
	if (smmu->config.full_queue == SMMUV3_GERROR && before &&
	    !bit(smmu->gerror ^ smmu->gerrorn, GERROR_EVENTQ_ABT))
		smmu->observer->faults_acknowledged(smmu->observer->self, true);
}

static bool write_queue(struct smmu *smmu, uint64_t offset, uint64_t value, unsigned size)
{
	bool upper = offset & 4;

	switch (offset) {
	case SMMU_CMDQ_BASE:
	case SMMU_CMDQ_BASE + 4:
		set_queue(&smmu->cmdq, value, upper, size, smmu->config.cmdqs);
		return true;
	case SMMU_EVENTQ_BASE:
	case SMMU_EVENTQ_BASE + 4:
		set_queue(&smmu->evtq, value, upper, size, smmu->config.eventqs);
		return true;
	case SMMU_PRIQ_BASE:
	case SMMU_PRIQ_BASE + 4:
		set_queue(&smmu->priq, value, upper, size, smmu->config.priqs);
		return true;
	case SMMU_CMDQ_PROD:
		smmu->cmdq.prod = (uint32_t)value & smmu_queue_mask(&smmu->cmdq);
		smmu_run_commands(smmu);
		return true;
	case SMMU_CMDQ_CONS:
		smmu->cmdq.cons = (uint32_t)value & smmu_queue_mask(&smmu->cmdq);
		return true;
	case SMMU_EVENTQ_PROD:
		smmu->evtq.prod = (uint32_t)value;
		return true;
	case SMMU_EVENTQ_CONS:
		acknowledge(smmu, &smmu->evtq, (uint32_t)value);
		return true;
	case SMMU_PRIQ_PROD:
		smmu->priq.prod = (uint32_t)value;
		return true;
	case SMMU_PRIQ_CONS:
		acknowledge(smmu, &smmu->priq, (uint32_t)value);
		return true;
	default:
		return false;
	}
}

bool smmu_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
		    unsigned size)
{
	struct smmu *smmu = smmu_of(iommu);
	bool upper = offset & 4;

	smmu->iommu.event = event;
	switch (offset) {
	case SMMU_CR0:
		write_cr0(smmu, (uint32_t)value);
		return true;
	case SMMU_CR1:
		smmu->cr1 = (uint32_t)value;
		return true;
	case SMMU_CR2:
		if ((smmu->cr2 ^ value) & 1)
			smmu_config_mark_all(smmu);
		smmu->cr2 = (uint32_t)value;
		return true;
	case SMMU_GBPA:
		if (bit(value, GBPA_UPDATE))
			smmu->gbpa = (uint32_t)value & ~(1u << GBPA_UPDATE);
		return true;
	case SMMU_IRQ_CTRL:
		smmu->irq_ctrl = (uint32_t)value;
		return true;
	case SMMU_GERRORN:
		acknowledge_gerror(smmu, (uint32_t)value);
		if (!bit(smmu->gerror ^ smmu->gerrorn, GERROR_CMDQ))
			smmu->cmdq_error = 0;
		smmu_stalls_writable(smmu);
		smmu_run_commands(smmu);
		return true;
	case SMMU_STRTAB_BASE:
	case SMMU_STRTAB_BASE + 4:
		set_stream_table(smmu, merged(smmu->strtab_base, value, upper, size),
				 smmu->strtab_cfg);
		return true;
	case SMMU_STRTAB_BASE_CFG:
		set_stream_table(smmu, smmu->strtab_base, (uint32_t)value);
		return true;
	default:
		return write_queue(smmu, offset, value, size);
	}
}

static unsigned size_code(unsigned size_bits)
{
	unsigned code = 0;

	while (code < 6 && smmu_size_bits(code) < size_bits)
		code++;
	return code;
}

static uint64_t id_register(const struct smmuv3_config *c, uint64_t offset)
{
	switch (offset) {
	case IDR0:
		return c->s2p | c->s1p << 1 | 2 << 2 | 1 << 4 | c->httu << 6 | c->hyp << 9 |
		       c->ats << 10 | c->ns1ats << 11 | c->asid16 << 12 | 1 << 13 | c->pri << 16 |
		       c->vmw << 17 | c->vmid16 << 18 | c->cd2l << 19 | 2 << 21 |
		       c->stall_model << 24 | c->term_model << 26 | c->st_level << 27;
	case IDR1:
		return c->sidsize | c->ssidsize << 6 | c->priqs << 11 | c->eventqs << 16 |
		       c->cmdqs << 21 | c->attr_perms_ovr << 26;
	case IDR3:
		return c->had << 2 | c->xnx << 4 | c->pps << 5 | c->stt << 9 | c->ril << 10 |
		       c->bbml << 11 | c->e0pd << 13;
	case IDR5:
		return size_code((unsigned)c->oas) | c->gran4k << 4 | c->gran16k << 5 |
		       c->gran64k << 6 | c->vax << 10 | c->stall_max << 16;
	default:
		return c->version; /* AIDR */
	}
}

static bool read_word(const struct smmu *smmu, uint64_t offset, uint64_t *word)
{
	const struct {
		uint64_t offset, value;
	} rows[] = {
		{ SMMU_CR0, smmu->cr0 },
		{ SMMU_CR0ACK, smmu->cr0 },
		{ SMMU_CR1, smmu->cr1 },
		{ SMMU_CR2, smmu->cr2 },
		{ SMMU_GBPA, smmu->gbpa },
		{ SMMU_IRQ_CTRL, smmu->irq_ctrl },
		{ SMMU_IRQ_CTRLACK, smmu->irq_ctrl },
		{ SMMU_GERROR, smmu->gerror },
		{ SMMU_GERRORN, smmu->gerrorn },
		{ SMMU_STRTAB_BASE, smmu->strtab_base },
		{ SMMU_STRTAB_BASE_CFG, smmu->strtab_cfg },
		{ SMMU_CMDQ_BASE, smmu->cmdq.base },
		{ SMMU_CMDQ_PROD, smmu->cmdq.prod },
		{ SMMU_CMDQ_CONS, smmu->cmdq.cons | (uint32_t)smmu->cmdq_error << 24 },
		{ SMMU_EVENTQ_BASE, smmu->evtq.base },
		{ SMMU_EVENTQ_PROD, smmu->evtq.prod },
		{ SMMU_EVENTQ_CONS, smmu->evtq.cons },
		{ SMMU_PRIQ_BASE, smmu->priq.base },
		{ SMMU_PRIQ_PROD, smmu->priq.prod },
		{ SMMU_PRIQ_CONS, smmu->priq.cons },
	};

	if (offset == IDR0 || offset == IDR1 || offset == IDR3 || offset == IDR5 ||
	    offset == AIDR) {
		*word = id_register(&smmu->config, offset);
		return true;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].offset == offset) {
			*word = rows[i].value;
			return true;
		}
	return false;
}

bool smmu_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value)
{
	const struct smmu *smmu = smmu_of(iommu);
	uint64_t word;

	if (read_word(smmu, offset, &word)) {
		*value = word & low_mask(size * 8);
		return true;
	}
	/* the upper half of a 64-bit base register */
	if (size != 4 || !(offset & 4) || offset < SMMU_STRTAB_BASE ||
	    !read_word(smmu, offset - 4, &word))
		return false;
	*value = word >> 32;
	return true;
}
