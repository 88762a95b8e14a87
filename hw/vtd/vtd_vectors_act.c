/* What devices do beside, as steps of test vectors: page requests, and silence. */
#include <stdio.h>
#include <string.h>

#include "hw/vtd/vtd_private.h"

/* The number of that name; false: it is there and no number, or too large. */
static bool number(const struct named_value *values, size_t n, const char *name, uint64_t max,
		   uint64_t *out)
{
	const struct named_value *value = named_value_find(values, n, name);

	if (!value)
		return true;
	*out = value->value;
	return value->number && value->value <= max;
}

static bool device_of(const struct vtd *vtd, uint64_t sid, uint32_t *device)
{
	for (*device = 0; *device < vtd->n_devices; ++*device)
		if (vtd->devices[*device].sid == sid)
			return true;
	return false;
}

/* Letters of R, W and X. */
static bool access_letters(const struct named_value *values, size_t n, struct page_request *request)
{
	const struct named_value *letters = named_value_find(values, n, "rw");

	if (!letters)
		return true;
	request->read = strchr(letters->text, 'R');
	request->write = strchr(letters->text, 'W');
	request->execute = strchr(letters->text, 'X');
	return strspn(letters->text, "RWX") == strlen(letters->text);
}

static void tell_fate(enum page_fate fate, unsigned group, char answer[VECTOR_ANSWER_MAX])
{
	static const char *const automatic[] = { [PAGE_AUTO_SUCCESS] = "Success",
						 [PAGE_AUTO_INVALID] = "Invalid",
						 [PAGE_AUTO_FAILURE] = "Failure" };

	if (fate == PAGE_QUEUED || fate == PAGE_LOST)
		snprintf(answer, VECTOR_ANSWER_MAX, "%s",
			 fate == PAGE_QUEUED ? "queued" : "discarded silently");
	else
		snprintf(answer, VECTOR_ANSWER_MAX, "auto response %s prgi %u", automatic[fate],
			 group);
}

static int page_request(struct vtd *vtd, const struct named_value *values, size_t n,
			char answer[VECTOR_ANSWER_MAX], struct err *err)
{
	static const char *const names[] = { "sid", "iova", "pasid",	"prgi",	    "last",
					     "rw",  "priv", "private0", "private1", NULL };
	uint64_t sid = 0, pasid = NO_PASID, group = 0, last = 0, privileged = 0;
	struct page_request request = { 0 };

	if (named_values_only("page_request", values, n, names, err))
		return -1;
	if (!number(values, n, "sid", 0xffff, &sid) ||
	    !number(values, n, "iova", UINT64_MAX, &request.iova) ||
	    !number(values, n, "pasid", 0xfffff, &pasid) ||
	    !number(values, n, "prgi", 511, &group) || !number(values, n, "last", 1, &last) ||
	    !number(values, n, "priv", 1, &privileged) ||
	    !number(values, n, "private0", UINT64_MAX, &request.data[0]) ||
	    !number(values, n, "private1", UINT64_MAX, &request.data[1]) ||
	    !access_letters(values, n, &request) || !device_of(vtd, sid, &request.device))
		return err_set(err, ERR_CONFIG,
			       "page_request: expected sid, iova, pasid of 20 bits, prgi below "
			       "512, last and priv of 0 or 1, rw of letters R, W and X");
	request.pasid = (uint32_t)pasid;
	request.group = (uint16_t)group;
	request.last = last;
	request.privileged = privileged;
	request.private_data = request.data[0] || request.data[1];
	tell_fate(vtd_pages.request(&vtd->iommu, vtd->iommu.event, &request), (unsigned)group,
		  answer);
	return 0;
}

/* The device does not answer an invalidation of its TLB: the time is over. */
static int ats_timeout(struct vtd *vtd, const struct named_value *values, size_t n, struct err *err)
{
	static const char *const names[] = { "sid", NULL };
	uint64_t sid = 0;
	uint32_t device;

	if (named_values_only("ats_timeout", values, n, names, err))
		return -1;
	if (!number(values, n, "sid", 0xffff, &sid) || !device_of(vtd, sid, &device))
		return err_set(err, ERR_CONFIG, "ats_timeout: expected sid");
	vtd_atc_timed_out(&vtd->iommu, vtd->iommu.event, device);
	return 0;
}

int vtd_vector_act(struct iommu *iommu, const char *action, const struct named_value *values,
		   size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err)
{
	struct vtd *vtd = vtd_of(iommu);

	snprintf(answer, VECTOR_ANSWER_MAX, "done");
	if (!strcmp(action, "page_request"))
		return page_request(vtd, values, n, answer, err);
	if (!strcmp(action, "ats_timeout"))
		return ats_timeout(vtd, values, n, err);
	return err_set(err, ERR_CONFIG, "the model takes no '%.40s'", action);
}

/* A page request entry, which hardware writes. */
bool vtd_vector_in_queue(const struct iommu *iommu, pa_t pa)
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	pa_t base = bits_at(vtd->pqa, 63, 12);

	return base && pa >= base && pa - base < 4096ull << bits(vtd->pqa, 2, 0);
}
