/* What only this model can tell of a request or of its state, by the names of test vectors. */
#include <string.h>

#include "hw/smmuv3/smmuv3_vectors.h"

static bool tell(struct told *told, uint64_t value)
{
	*told = (struct told){ .value = value };
	return true;
}

static bool tell_text(struct told *told, const char *text)
{
	*told = (struct told){ .text = text };
	return true;
}

static bool tell_if(struct told *told, bool any, uint64_t value)
{
	*told = (struct told){ .value = value, .none = !any };
	return true;
}

/* Whether every selector that is named agrees; *number is the named one, or NULL. */
static bool selects(const struct named_value *beside, size_t n, const char *name, uint64_t value)
{
	const struct named_value *wanted = named_value_find(beside, n, name);

	return !wanted || (wanted->number && wanted->value == value);
}

/* ---- the last request ------------------------------------------------------------------------ */

static bool of_request(const struct smmu *smmu, const char *name, struct told *told)
{
	const struct smmuv3_detail *detail = smmuv3_detail(&smmu->iommu);
	const struct stall *last = smmu->n_stalls ? &smmu->stalls[smmu->n_stalls - 1] : NULL;

	if (!strcmp(name, "asid"))
		return tell_if(told, detail->tagged_asid, detail->asid);
	if (!strcmp(name, "vmid"))
		return tell_if(told, detail->tagged_vmid, detail->vmid);
	if (!strcmp(name, "global"))
		return tell(told, detail->global);
	if (!strcmp(name, "s1_level"))
		return tell_if(told, detail->s1_level >= 0, (uint64_t)detail->s1_level);
	if (!strcmp(name, "s2_level"))
		return tell_if(told, detail->s2_level >= 0, (uint64_t)detail->s2_level);
	if (!strcmp(name, "fault_level"))
		return tell_if(told, detail->fault_level >= 0, (uint64_t)detail->fault_level);
	if (!strcmp(name, "s1_contig_span"))
		return tell_if(told, detail->contiguous_lg2, 1ull << detail->contiguous_lg2);
	if (!strcmp(name, "s2"))
		return tell(told, detail->fault_s2);
	if (!strcmp(name, "ipa"))
		return tell_if(told, detail->fault_s2, detail->ipa);
	if (!strcmp(name, "stag"))
		return tell_if(told, last && last->state == STALL_RECORDED, last ? last->tag : 0);
	return false;
}

/* ---- stalled transactions -------------------------------------------------------------------- */

/* The last that the selectors mean. */
static uint32_t sid_of(const struct smmu *smmu, const struct stall *stall)
{
	return smmu->devices[stall->request.device].sid;
}

static const struct stall *find_stall(const struct smmu *smmu, const struct named_value *beside,
				      size_t n, bool ended)
{
	for (uint32_t i = smmu->n_stalls; i-- > 0;) {
		const struct stall *stall = &smmu->stalls[i];
		bool has_ended =
			stall->state == STALL_COMPLETED || stall->state == STALL_TERMINATED;

		if (has_ended == ended && selects(beside, n, "sid", sid_of(smmu, stall)) &&
		    selects(beside, n, "iova", stall->request.iova))
			return stall;
	}
	return NULL;
}

static bool of_stall(const struct smmu *smmu, const char *name, bool ended,
		     const struct named_value *beside, size_t n, struct told *told)
{
	static const char *const sees[] = { "ok", "ur", "dropped", "abort", "razwi", "none" };
	const struct stall *stall = find_stall(smmu, beside, n, ended);

	if (!stall)
		return false;
	if (!strcmp(name, "sid"))
		return tell(told, sid_of(smmu, stall));
	if (!strcmp(name, "iova"))
		return tell(told, stall->request.iova);
	if (!strcmp(name, "device"))
		return tell_text(told, ended ? sees[stall->end.sees] : "none");
	if (!strcmp(name, "pa"))
		return tell_if(told, stall->state == STALL_COMPLETED, stall->end.pa);
	if (!strcmp(name, "recorded"))
		return tell(told, stall->state == STALL_RECORDED);
	return false;
}

/* ---- queues ------------------------------------------------------------------------------------ */

/* Fields of an event record (7.3) and of a PRI queue entry (8.2). */
static const struct entry_field {
	const char *name;
	uint8_t low, width; /* of all words in a row */
	uint8_t shift;	    /* address bits below `low` */
} event_fields[] = {
	{ "number", 0, 8, 0 },	{ "ssv", 11, 1, 0 },   { "pasid", 12, 20, 0 },
	{ "sid", 32, 32, 0 },	{ "stag", 64, 16, 0 }, { "stall", 95, 1, 0 },
	{ "pnu", 97, 1, 0 },	{ "ind", 98, 1, 0 },   { "rnw", 99, 1, 0 },
	{ "s2", 103, 1, 0 },	{ "class", 104, 2, 0 }, { "ttrnw", 108, 1, 0 },
	{ "iova", 128, 64, 0 }, { "ipa", 204, 40, 12 }, { "fetch", 195, 49, 3 },
	{ 0 },
}, page_fields[] = {
	{ "sid", 0, 32, 0 },   { "pasid", 32, 20, 0 }, { "priv", 58, 1, 0 },
	{ "exec", 59, 1, 0 },  { "read", 60, 1, 0 },   { "write", 61, 1, 0 },
	{ "last", 62, 1, 0 },  { "ssv", 63, 1, 0 },    { "prgi", 64, 9, 0 },
	{ "iova", 76, 52, 12 }, { 0 },
};

struct named_queue {
	const char *name;
	const struct smmu_queue *queue;
	unsigned entry_lg2;
	uint64_t lost;
	const struct entry_field *fields;
};

static bool of_last(const struct smmu *smmu, const struct named_queue *of, const char *name,
		    struct told *told)
{
	pa_t at = smmu_queue_at(of->queue, of->queue->prod - 1, of->entry_lg2);
	uint64_t words[4] = { 0 };

	for (unsigned i = 0; i < 1u << (of->entry_lg2 - 3); i++)
		if (!smmu_read(smmu, at + i * 8ull, &words[i]))
			return false;
	if (!strcmp(name, "name") && of->fields == event_fields) {
		const char *event = iommu_fault_name(&smmuv3_model, (uint16_t)bits(words[0], 7, 0));

		return tell_text(told, event ? event : "none");
	}
	for (const struct entry_field *field = of->fields; field->name; field++)
		if (!strcmp(field->name, name))
			return tell(
				told,
				(words[field->low / 64] >> field->low % 64 & low_mask(field->width))
					<< field->shift);
	return false;
}

static bool of_queue(const struct smmu *smmu, const char *name, const struct named_value *beside,
		     size_t n, struct told *told)
{
	const struct named_queue queues[] = {
		{ "EVENTQ", &smmu->evtq, 5, smmu->count.lost, event_fields },
		{ "PRIQ", &smmu->priq, 4, smmu->count.pri_lost, page_fields },
	};
	const struct named_value *which = named_value_find(beside, n, "name");
	const struct named_queue *of = NULL;
	const struct smmu_queue *queue;

	for (size_t i = 0; which && i < sizeof queues / sizeof queues[0]; i++)
		if (!strcmp(queues[i].name, which->text))
			of = &queues[i];
	if (!of)
		return false;
	queue = of->queue;
	if (!strcmp(name, "name"))
		return tell_text(told, of->name);
	if (!strcmp(name, "prod"))
		return tell(told, queue->prod);
	if (!strcmp(name, "cons"))
		return tell(told, queue->cons);
	if (!strcmp(name, "full"))
		return tell(told, smmu_queue_full(queue));
	if (!strcmp(name, "empty"))
		return tell(told, smmu_queue_empty(queue));
	if (!strcmp(name, "overflow"))
		return tell(told, smmu_queue_overflow(queue));
	if (!strcmp(name, "records"))
		return tell(told, (queue->prod - queue->cons) & smmu_queue_mask(queue));
	if (!strcmp(name, "lost"))
		return tell(told, of->lost);
	if (!strncmp(name, "last_record.", 12))
		return of_last(smmu, of, name + 12, told);
	return false;
}

/* ---- registers and the endpoints' caches ----------------------------------------------------- */

/* Errors are active while GERROR and GERRORN differ (6.3.19). */
static bool of_errors(const struct smmu *smmu, const char *name, struct told *told)
{
	static const char *const errors[] = {
		"CMDQ_ERR",	  "",
		"EVENTQ_ABT_ERR", "PRIQ_ABT_ERR",
		"MSI_CMDQ_ABT",	  "MSI_EVENTQ_ABT",
		"MSI_PRIQ_ABT",	  "MSI_GERROR_ABT",
		"SFM_ERR",	  "CMDQP_ERR",
		"DPT_ERR",
	};

	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (*errors[i] && !strcmp(errors[i], name))
			return tell_text(told, bit(smmu->gerror ^ smmu->gerrorn, i) ? "active"
										    : "inactive");
	return false;
}

static bool of_register(const struct iommu *iommu, const char *name, struct told *told)
{
	const struct smmu_register_field *field = smmu_register_field(name);
	uint64_t offset, word;
	unsigned size;

	if (!strncmp(name, "GERROR.", 7))
		return of_errors((const struct smmu *)iommu, name + 7, told);
	if (!field || !smmuv3_vectors.find_register(iommu, field->reg, &offset, &size) ||
	    !smmu_reg_read((struct iommu *)iommu, offset, size, &word))
		return false;
	return tell(told, word >> field->low & low_mask(field->width));
}

/* "present.N", "absent.N": the page that is, or is not, in the endpoint's cache. */
static bool of_atc(const struct smmu *smmu, const char *name, const struct named_value *beside,
		   size_t n, struct told *told)
{
	const struct named_value *page = named_value_find(beside, n, name);
	bool present = !strncmp(name, "present.", 8), holds = false, in_half;

	if (!strcmp(name, "sid")) {
		page = named_value_find(beside, n, "sid");
		return page->number && smmu_device_of(smmu, page->value) != NO_DEVICE &&
		       tell(told, page->value);
	}
	if (!page || !page->number || (!present && strncmp(name, "absent.", 7) != 0))
		return false;
	in_half = smmu_unkey(smmu_key(page->value, bit(page->value, 55))) == page->value;
	for (uint32_t i = 0; i < smmu->n_devices && in_half; i++)
		if (selects(beside, n, "sid", smmu->devices[i].sid))
			holds |= smmuv3_atc_holds(&smmu->iommu, i, page->value);
	return tell_if(told, holds == present, page->value & ~low_mask(12));
}

bool smmu_vector_field(const struct iommu *iommu, const char *name,
		       const struct named_value *beside, size_t n, struct told *told)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	if (!strncmp(name, "queue.", 6))
		return of_queue(smmu, name + 6, beside, n, told);
	if (!strncmp(name, "completed.", 10))
		return of_stall(smmu, name + 10, true, beside, n, told);
	if (!strncmp(name, "stalled.", 8))
		return of_stall(smmu, name + 8, false, beside, n, told);
	if (!strncmp(name, "registers.", 10))
		return of_register(iommu, name + 10, told);
	if (!strncmp(name, "atc.", 4))
		return of_atc(smmu, name + 4, beside, n, told);
	return of_request(smmu, name, told);
}
