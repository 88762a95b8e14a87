/* What endpoints and drivers do beside, as steps of test vectors. */
#include <stdio.h>
#include <string.h>

#include "hw/smmuv3/smmuv3_vectors.h"

static int number(const char *action, const struct named_value *values, size_t n, const char *name,
		  bool required, uint64_t *out, struct err *err)
{
	const struct named_value *value = named_value_find(values, n, name);

	if (value && !value->number && !required && !strcmp(value->text, "none"))
		return 0;
	if (value ? !value->number : required)
		return err_set(err, ERR_CONFIG, "%s: %s: expected a number", action, name);
	if (value)
		*out = value->value;
	return 0;
}

/* ---- page requests ------------------------------------------------------------------------- */

static int access_letters(const char *text, struct smmuv3_page_request *request, struct err *err)
{
	for (; *text; text++) {
		switch (*text | 0x20) {
		case 'r':
			request->read = true;
			break;
		case 'w':
			request->write = true;
			break;
		case 'x':
			request->execute = true;
			break;
		default:
			return err_set(err, ERR_CONFIG,
				       "page_request: rw: expected letters of R, W and X");
		}
	}
	return 0;
}

static void page_answer(enum smmuv3_page_answer found, unsigned group,
			char answer[VECTOR_ANSWER_MAX])
{
	static const char *const automatic[] = {
		[PRI_AUTO_SUCCESS] = "Success", [PRI_AUTO_FAILURE] = "Failure"
	};

	if (found == PRI_QUEUED || found == PRI_DISCARDED)
		snprintf(answer, VECTOR_ANSWER_MAX, "%s",
			 found == PRI_QUEUED ? "queued" : "discarded silently");
	else
		snprintf(answer, VECTOR_ANSWER_MAX, "auto response %s prgi %u", automatic[found],
			 group);
}

static int page_request(struct smmu *smmu, const struct named_value *values, size_t n,
			char answer[VECTOR_ANSWER_MAX], struct err *err)
{
	static const char *const names[] = { "sid",  "iova", "pasid", "prgi",
					     "last", "rw",   "priv",  NULL };
	const struct named_value *letters = named_value_find(values, n, "rw");
	struct smmuv3_page_request request = { 0 };
	uint64_t sid = 0, pasid = NO_PASID, group = 0, last = 0, privileged = 0;

	if (named_values_only("page_request", values, n, names, err) ||
	    number("page_request", values, n, "sid", true, &sid, err) ||
	    number("page_request", values, n, "iova", true, &request.iova, err) ||
	    number("page_request", values, n, "pasid", false, &pasid, err) ||
	    number("page_request", values, n, "prgi", false, &group, err) ||
	    number("page_request", values, n, "last", false, &last, err) ||
	    number("page_request", values, n, "priv", false, &privileged, err) ||
	    (letters && access_letters(letters->text, &request, err)))
		return -1;
	request.device = smmu_device_of(smmu, sid);
	if (request.device == NO_DEVICE || group > 511 || pasid > NO_PASID || last > 1 ||
	    privileged > 1)
		return err_set(err, ERR_CONFIG,
			       "page_request: expected prgi below 512, last and priv of 0 or 1");
	request.pasid = (uint32_t)pasid;
	request.group = (uint16_t)group;
	request.last = last;
	request.privileged = privileged;
	page_answer(smmuv3_page_request(&smmu->iommu, &request), (unsigned)group, answer);
	return 0;
}

/* ---- the endpoint's cache -------------------------------------------------------------------- */

static int atc_fill(struct smmu *smmu, const struct named_value *values, size_t n, struct err *err)
{
	static const char *const names[] = { "sid", "iova", "pa", NULL };
	uint64_t sid = 0, iova = 0, pa = 0;
	uint32_t device;

	if (named_values_only("atc_fill", values, n, names, err) ||
	    number("atc_fill", values, n, "sid", true, &sid, err) ||
	    number("atc_fill", values, n, "iova", true, &iova, err) ||
	    number("atc_fill", values, n, "pa", false, &pa, err))
		return -1;
	device = smmu_device_of(smmu, sid);
	if (device == NO_DEVICE)
		return err_set(err, ERR_CONFIG, "atc_fill: no such sid");
	smmuv3_atc_fill(&smmu->iommu, device, iova, pa);
	return 0;
}

static int ats_timeout(struct smmu *smmu, const struct named_value *values, size_t n,
		       struct err *err)
{
	static const char *const names[] = { "sid", NULL };
	uint64_t sid = 0;
	uint32_t device;

	if (named_values_only("ats_timeout", values, n, names, err) ||
	    number("ats_timeout", values, n, "sid", true, &sid, err))
		return -1;
	device = smmu_device_of(smmu, sid);
	if (device == NO_DEVICE)
		return err_set(err, ERR_CONFIG, "ats_timeout: no such sid");
	smmu->devices[device].gone = true;
	return 0;
}

/* ---- a driver's map -------------------------------------------------------------------------- */

static int store(struct smmu *smmu, pa_t pa, uint64_t value, struct err *err)
{
	if (tables_store(smmu->tables, pa, 1, value, 0, err))
		return -1;
	smmu->iommu.model->tables_changed(&smmu->iommu, smmu->iommu.event, smmu->tables->changes,
					  smmu->tables->n_changes);
	return 0;
}

/* Half 0 of the tables that a requester with this ASID is translated by. */
static const struct smmu_half *half_of(struct smmu *smmu, uint64_t asid,
				       struct smmu_context *context)
{
	for (uint32_t i = 0; i < smmu->n_devices; i++) {
		struct dma_request request = { .device = i, .pasid = NO_PASID };
		struct smmu_walker walker;
		struct smmu_ste ste;

		smmu_ste_read(smmu, smmu->devices[i].sid, false, &ste);
		smmu_walker_init(smmu, &walker, &request, false);
		smmu_context_read(smmu, smmu->devices[i].sid, NO_PASID, &ste, context, &walker);
		if (!context->fault.event && context->stage1 && !context->stage2 &&
		    context->half[0].on && context->asid == asid)
			return &context->half[0];
	}
	return NULL;
}

/* A page for a table: behind the root, the first of those that hold nothing. */
static pa_t free_page(const struct smmu *smmu, pa_t root)
{
	pa_t page = root + 4096;
	const struct frame *frame;

	while ((frame = memory_frame(smmu->memory, page)) && frame->nonzero)
		page += 4096;
	return page;
}

/* As a driver maps a page, read and write; tables that are missing are made. */
static int map(struct smmu *smmu, const struct named_value *values, size_t n, struct err *err)
{
	static const char *const names[] = { "iova", "pa", "asid", NULL };
	uint64_t iova = 0, pa = 0, asid = 0, old;
	struct smmu_context context;
	const struct smmu_half *half;
	pa_t table, word;

	if (named_values_only("map", values, n, names, err) ||
	    number("map", values, n, "iova", true, &iova, err) ||
	    number("map", values, n, "pa", true, &pa, err) ||
	    number("map", values, n, "asid", true, &asid, err))
		return -1;
	half = half_of(smmu, asid, &context);
	if (!half || half->granule_lg2 != 12 || iova & ~low_mask(half->input_bits))
		return err_set(err, ERR_CONFIG,
			       "map: expected the ASID of a stage-1 requester with 4 KiB granule "
			       "that was met before, and an input of its lower half");
	table = half->root;
	for (unsigned level = half->top; level; level--) {
		word = table + (iova >> (12 + 9 * level) & 511) * 8;
		if (!smmu_read(smmu, word, &old))
			return err_set(err, ERR_CONFIG, "map: tables outside of memory");
		if (!(old & 1)) {
			old = free_page(smmu, table) | 3;
			if (store(smmu, word, old, err))
				return -1;
		}
		table = bits_at(old, 47, 12);
	}
	return store(smmu, table + (iova >> 12 & 511) * 8,
		     arm_stage1[0 /* 4 KiB */].leaf(pa & ~0xfffull, TLB_READ | TLB_WRITE, 0), err);
}

int smmu_vector_act(struct iommu *iommu, const char *action, const struct named_value *values,
		    size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err)
{
	struct smmu *smmu = smmu_of(iommu);

	snprintf(answer, VECTOR_ANSWER_MAX, "done");
	if (!strcmp(action, "page_request"))
		return page_request(smmu, values, n, answer, err);
	if (!strcmp(action, "atc_fill"))
		return atc_fill(smmu, values, n, err);
	if (!strcmp(action, "ats_timeout"))
		return ats_timeout(smmu, values, n, err);
	if (!strcmp(action, "map"))
		return map(smmu, values, n, err);
	return err_set(err, ERR_CONFIG, "the model takes no '%.40s'", action);
}
