/*
 * The page request queue: specification 7.4, 7.5, 7.10, 10.4.32 on.
 *
 * Which automatic answer a refused request gets is an open point: Invalid Request where the request
 * asks for what its context entry does not allow, Response Failure where configuration is absent
 * or wrong. An overflow is a condition of FSTS and raises the fault interrupt by its rules (7.3).
 */
#include "hw/vtd/vtd_private.h"

enum { ENTRY_BYTES = 32, TYPE_PAGE_REQUEST = 1, RESPONSE_FAILURE = 15 };
enum { ENTRY_PASID = 8, ENTRY_PRIVATE, ENTRY_EXECUTE = 52, ENTRY_PRIVILEGED };
enum { REG_PQH = 0xc0, REG_PQT = 0xc8, REG_PQA = 0xd0, REG_PRS = 0xdc, REG_PECTL = 0xe0 };

static uint64_t queue_bytes(const struct vtd *vtd)
{
	return 4096ull << bits(vtd->pqa, 2, 0);
}

static pa_t entry_at(const struct vtd *vtd, uint64_t offset)
{
	return bits_at(vtd->pqa, 63, 12) + offset;
}

static uint64_t after(const struct vtd *vtd, uint64_t offset, uint64_t n)
{
	return (offset + n * ENTRY_BYTES) & (queue_bytes(vtd) - 1);
}

/* ---- entries ------------------------------------------------------------------------------------ */

static void pack(const struct vtd *vtd, const struct page_request *request, uint64_t words[4])
{
	words[0] = TYPE_PAGE_REQUEST | (uint64_t)vtd->devices[request->device].sid << 16 |
		   (uint64_t)request->execute << ENTRY_EXECUTE |
		   (uint64_t)request->privileged << ENTRY_PRIVILEGED;
	if (request->pasid != NO_PASID)
		words[0] |= 1ull << ENTRY_PASID | (uint64_t)request->pasid << 32;
	words[1] = (request->iova & ~0xfffull) | (uint64_t)(request->group & 0x1ff) << 3 |
		   (uint64_t)request->last << 2 | (uint64_t)request->write << 1 | request->read;
	words[2] = words[3] = 0;
	if (!request->private_data)
		return;
	words[0] |= 1ull << ENTRY_PRIVATE;
	words[2] = request->data[0];
	words[3] = request->data[1];
}

static uint32_t device_of(const struct vtd *vtd, uint64_t sid)
{
	for (uint32_t device = 0; device < vtd->n_devices; device++)
		if (vtd->devices[device].sid == sid)
			return device;
	return NO_DEVICE;
}

static void unpack(const struct vtd *vtd, const uint64_t words[4], struct page_request *request)
{
	*request = (struct page_request){
		.iova = words[1] & ~0xfffull,
		.device = device_of(vtd, bits(words[0], 31, 16)),
		.pasid = bit(words[0], ENTRY_PASID) ? (uint32_t)bits(words[0], 51, 32) : NO_PASID,
		.group = (uint16_t)bits(words[1], 11, 3),
		.last = bit(words[1], 2),
		.write = bit(words[1], 1),
		.read = bit(words[1], 0),
		.execute = bit(words[0], ENTRY_EXECUTE),
		.privileged = bit(words[0], ENTRY_PRIVILEGED),
		.private_data = bit(words[0], ENTRY_PRIVATE),
		.data = { words[2], words[3] },
	};
}

/* A device other than this one that has a request in the queue. */
static uint32_t other_holder(const struct vtd *vtd, uint32_t device)
{
	uint64_t words[4];

	for (uint64_t at = vtd->pqh; at != vtd->pqt; at = after(vtd, at, 1))
		if (vtd_read_words(vtd, NULL, entry_at(vtd, at), 4, words) &&
		    bits(words[0], 31, 16) != vtd->devices[device].sid)
			return device_of(vtd, bits(words[0], 31, 16));
	return NO_DEVICE;
}

/* ---- a request arrives ----------------------------------------------------------------------------- */

/* The condition that refuses the request before it is queued (2.3 steps 1 to 14); 0: none. */
static unsigned refusal(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route)
{
	if (vtd_table_mode(vtd) == TTM_LEGACY) {
		vtd_route_find(vtd, request, route);
		return VTD_PAGE_REQUEST_IN_LEGACY_MODE;
	}
	vtd_route_find(vtd, request, route);
	if (route->outer && !route->outer->fault && !route->outer->page_requests &&
	    route->context->fault != VTD_PASID_BLOCKED &&
	    route->context->fault != VTD_PASID_TOO_LARGE)
		return VTD_PAGE_REQUEST_BLOCKED;
	return route->context->fault;
}

static enum page_fate refuse(struct vtd *vtd, const struct page_request *request)
{
	struct dma_request message = { .time_ns = request->time_ns,
				       .iova = request->iova,
				       .device = request->device,
				       .pasid = request->pasid,
				       .access = (uint8_t)((request->read ? ACCESS_READ : 0) |
							   (request->write ? ACCESS_WRITE : 0)) };
	struct vtd_route route;
	unsigned fault = refusal(vtd, &message, &route);

	if (!fault)
		return PAGE_QUEUED;
	message.type = DMA_PAGE_REQUEST;
	vtd_fault(vtd, &message, vtd->devices[request->device].sid, route.context->fpd,
		  (uint16_t)fault);
	return fault == VTD_PAGE_REQUEST_BLOCKED || fault == VTD_PASID_BLOCKED ||
			       fault == VTD_PASID_TOO_LARGE
		       ? PAGE_AUTO_INVALID
		       : PAGE_AUTO_FAILURE;
}

static bool stop_marker(const struct page_request *request)
{
	return request->last && !request->read && !request->write && request->pasid != NO_PASID;
}

/* 7.10: what is lost; the last of a group is answered, so that the device does not wait. */
static enum page_fate lose(struct vtd *vtd, const struct page_request *request)
{
	vtd->count.pages_lost++;
	if (!(vtd->fsts & FSTS_PRO))
		vtd_fault_condition(vtd, FSTS_PRO);
	return request->last && !stop_marker(request) ? PAGE_AUTO_SUCCESS : PAGE_LOST;
}

/* The page-request interrupt, when PPR is set that was clear. */
static void raise(struct vtd *vtd)
{
	if (vtd->prs_pending)
		return;
	vtd->prs_pending = true;
	vtd->pectl |= FECTL_IP;
	if (vtd->pectl & FECTL_IM)
		return;
	vtd->pectl &= ~(uint32_t)FECTL_IP;
	vtd->iommu.page_interrupt = true;
	vtd->count.page_interrupts++;
}

static bool put(struct vtd *vtd, const struct page_request *request)
{
	uint64_t words[4];

	pack(vtd, request, words);
	for (unsigned i = 0; i < 4; i++)
		if (!memory_exists(vtd->memory, entry_at(vtd, vtd->pqt) + i * 8ull) ||
		    tables_store(vtd->tables, entry_at(vtd, vtd->pqt) + i * 8ull, 1, words[i], 0,
				 NULL))
			return false;
	vtd->pqt = after(vtd, vtd->pqt, 1);
	return true;
}

static enum page_fate arrive(struct vtd *vtd, const struct page_request *request)
{
	enum page_fate fate;

	if (!vtd->config.page_requests || !vtd->enabled || !bits_at(vtd->pqa, 63, 12))
		return PAGE_AUTO_FAILURE;
	fate = refuse(vtd, request);
	if (fate != PAGE_QUEUED)
		return fate;
	if ((vtd->fsts & FSTS_PRO) || after(vtd, vtd->pqt, 1) == vtd->pqh)
		return lose(vtd, request);
	if (!put(vtd, request))
		return PAGE_AUTO_FAILURE;
	vtd->count.pages_queued++;
	raise(vtd);
	return PAGE_QUEUED;
}

static enum page_fate vtd_page_request(struct iommu *iommu, uint64_t event,
				       const struct page_request *request)
{
	struct vtd *vtd = vtd_of(iommu);
	uint64_t lost = vtd->count.pages_lost;
	struct page_report report = { .event = event,
				      .request = request,
				      .holder = other_holder(vtd, request->device) };

	vtd->iommu.event = event;
	vtd->count.page_requests++;
	report.fate = arrive(vtd, request);
	report.lost = vtd->count.pages_lost != lost;
	vtd->observer->page_requested(vtd->observer->self, &report);
	return report.fate;
}

/* ---- software's side -------------------------------------------------------------------------------- */

/* Linux prq_event_thread(): PPR is cleared first, then head and tail are read once. */
static size_t vtd_page_queue_read(struct iommu *iommu, uint64_t event,
				  struct page_request *requests, size_t max)
{
	struct vtd *vtd = vtd_of(iommu);
	uint64_t words[4];
	size_t n = 0;

	vtd_page_reg_write(vtd, event, REG_PRS, 1, 4);
	for (uint64_t at = vtd->pqh; at != vtd->pqt && n < max; at = after(vtd, at, 1))
		if (vtd_read_words(vtd, NULL, entry_at(vtd, at), 4, words))
			unpack(vtd, words, &requests[n++]);
	return n;
}

static bool vtd_page_queue_done(struct iommu *iommu, uint64_t event, size_t n)
{
	struct vtd *vtd = vtd_of(iommu);

	vtd_page_reg_write(vtd, event, REG_PQH, after(vtd, vtd->pqh, n), 8);
	if (!(vtd->fsts & FSTS_PRO) || vtd->pqh != vtd->pqt)
		return false;
	vtd_page_reg_write(vtd, event, REG_PRS, 2, 4);
	return true;
}

static void vtd_encode_response(const struct iommu *iommu, const struct page_response *response,
				struct native_command *command)
{
	static const uint64_t codes[] = {
		[PAGE_SUCCESS] = 0, [PAGE_INVALID] = 1, [PAGE_FAILURE] = RESPONSE_FAILURE
	};
	const struct vtd *vtd = (const struct vtd *)iommu;
	uint64_t low = QI_PAGE_RESPONSE | codes[response->code] << 12 |
		       (uint64_t)vtd->devices[response->device].sid << 16;

	if (response->pasid != NO_PASID)
		low |= 1ull << 4 | (uint64_t)response->pasid << 32;
	*command = (struct native_command){
		.words = { low, 1ull << 2 | (uint64_t)(response->group & 0x1ff) << 3 }
	};
}

static bool vtd_decode_response(const struct iommu *iommu, const struct native_command *command,
				struct page_response *response)
{
	uint64_t low = command->words[0], code = bits(low, 15, 12);

	if (bits(low, 3, 0) != QI_PAGE_RESPONSE)
		return false;
	*response = (struct page_response){
		.device = device_of((const struct vtd *)iommu, bits(low, 31, 16)),
		.pasid = bit(low, 4) ? (uint32_t)bits(low, 51, 32) : NO_PASID,
		.group = (uint16_t)bits(command->words[1], 11, 3),
		.code = code == 0   ? PAGE_SUCCESS
			: code == 1 ? PAGE_INVALID
				    : PAGE_FAILURE,
	};
	return response->device != NO_DEVICE;
}

const struct page_queue_ops vtd_pages = { .request = vtd_page_request,
					  .read = vtd_page_queue_read,
					  .done = vtd_page_queue_done,
					  .encode = vtd_encode_response,
					  .decode = vtd_decode_response };

/* ---- registers ----------------------------------------------------------------------------------------- */

static void write_prs(struct vtd *vtd, uint64_t value)
{
	if (bit(value, 0)) {
		vtd->prs_pending = false;
		vtd->pectl &= ~(uint32_t)FECTL_IP;
	}
	if (bit(value, 1))
		vtd_fault_reg_write(vtd, 0x34, FSTS_PRO, 4);
}

bool vtd_page_reg_write(struct vtd *vtd, uint64_t event, uint64_t offset, uint64_t value,
			unsigned size)
{
	vtd->iommu.event = event;
	switch (offset) {
	case REG_PQH:
		vtd->pqh = bits_at(value, 18, 5);
		return true;
	case REG_PQT:
		vtd->pqt = bits_at(value, 18, 5);
		return true;
	case REG_PQA:
	case REG_PQA + 4:
		vtd->pqa = vtd_merged(vtd->pqa, value, offset & 4, size);
		return true;
	case REG_PRS:
		write_prs(vtd, value);
		return true;
	case REG_PECTL:
		vtd->pectl = (vtd->pectl & FECTL_IP) | ((uint32_t)value & FECTL_IM);
		if (!(vtd->pectl & FECTL_IM) && (vtd->pectl & FECTL_IP)) {
			vtd->pectl &= ~(uint32_t)FECTL_IP;
			vtd->iommu.page_interrupt = true;
			vtd->count.page_interrupts++;
		}
		return true;
	default:
		return false;
	}
}

bool vtd_page_reg_read(const struct vtd *vtd, uint64_t offset, unsigned size, uint64_t *value)
{
	uint64_t word;

	switch (offset & ~7ull) {
	case REG_PQH:
		word = vtd->pqh;
		break;
	case REG_PQT:
		word = vtd->pqt;
		break;
	case REG_PQA:
		word = vtd->pqa;
		break;
	case REG_PRS & ~7:
		word = (vtd->prs_pending | (uint64_t)((vtd->fsts & FSTS_PRO) != 0) << 1) << 32;
		break;
	case REG_PECTL:
		word = vtd->pectl;
		break;
	default:
		return false;
	}
	*value = word >> (offset & 4) * 8 & low_mask(size * 8);
	return true;
}
