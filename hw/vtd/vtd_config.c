/*
 * The context cache and the PASID cache (6.2.2, 6.2.3), and the way of a request through them.
 *
 * In scalable mode a request that is served by a PASID cache entry does not renew the age of
 * its context entry: the loop looks at one of the two.
 */
#include "hw/vtd/vtd_private.h"

#include <string.h>

static bool is_outer(const struct vtd *vtd, const struct vtd_context *slot)
{
	return vtd->devices[slot->device].outer == slot;
}

static iova_t plain_of(const struct vtd *vtd, const struct vtd_context *context)
{
	if (context->device_tlb && atc_has(&vtd->atcs, context->device))
		return 0; /* its requests go through the device's TLB first */
	switch (context->stages) {
	case STAGES_SECOND:
		return context->last + 1;
	case STAGES_FIRST:
		return 1ull << (context->input_bits - 1);
	default:
		return 0;
	}
}

static bool is_pasid_entry(const struct vtd *vtd, const struct vtd_context *context)
{
	return context->scalable && vtd->devices[context->device].outer != context;
}

static uint64_t name_of(const struct vtd *vtd, const struct vtd_context *context)
{
	return copy_name(STRUCTURE_CONFIG, is_pasid_entry(vtd, context), context->serial);
}

void vtd_config_copy(const struct vtd *vtd, const struct vtd_context *context,
		     struct cached_copy *copy)
{
	const struct vtd_context *outer = vtd->devices[context->device].outer;
	bool pasid_entry = is_pasid_entry(vtd, context);

	*copy = (struct cached_copy){ .structure = STRUCTURE_CONFIG,
				      .level = pasid_entry,
				      .reasons = context->check ? CHECK_UPDATE : 0,
				      .space = context->space,
				      .tag = context->did,
				      .pasid = context->input_bits ? context->pasid : NO_PASID,
				      .serves = pasid_entry ? context->pasid : NO_PASID,
				      .serves_both = pasid_entry && outer &&
						     outer->rid_pasid == context->pasid,
				      .tagged = pasid_entry || !context->scalable,
				      .serial = context->serial,
				      .first = context->sid,
				      .last = context->sid,
				      .pa = context->root,
				      .filled = context->filled,
				      .changed = context->changed };
}

void vtd_config_drop(struct vtd *vtd, struct vtd_context *context)
{
	struct vtd_device *device = &vtd->devices[context->device];
	uint64_t name = name_of(vtd, context);

	if (is_outer(vtd, context)) {
		device->outer = NULL;
		device->context = &vtd->nobody;
	} else if (device->context == context) {
		device->context = &vtd->nobody;
	}
	context->valid = false;
	if (context->check)
		vtd->observer->copy_closes(vtd->observer->self, name);
}

/* The entry equals the tables again. */
void vtd_config_proven(struct vtd *vtd, struct vtd_context *context)
{
	context->check = false;
	context->plain = is_outer(vtd, context) ? 0 : plain_of(vtd, context);
	vtd->observer->copy_closes(vtd->observer->self, name_of(vtd, context));
}

static void set_check(struct vtd *vtd, struct vtd_context *context, uint64_t changed)
{
	struct cached_copy copy;
	struct doubted_copy doubted;

	context->check = true;
	context->plain = 0;
	context->changed = changed;
	/* requests without a PASID go through the context entry again */
	if (is_outer(vtd, context))
		vtd->devices[context->device].context = &vtd->nobody;
	vtd_config_copy(vtd, context, &copy);
	doubted = doubted_copy_of(&copy);
	vtd->observer->copy_opens(vtd->observer->self, &doubted);
}

/* Range as the tables of the mode at hand count their input; level: of the table written to. */
void vtd_config_mark(struct vtd *vtd, uint64_t first, uint64_t last, unsigned level)
{
	vtd_ats_mark_config(vtd, first, last);
	for (uint64_t i = 0; i < vtd->contexts.n; i++) {
		struct vtd_context *context = &vtd->contexts.slots[i];
		unsigned shift = context->scalable ? PASID_BITS : 0;

		if (context->valid && context->sid >= first >> shift &&
		    context->sid <= last >> shift &&
		    (!context->scalable || level >= VTD_LEVEL_CONTEXT) && MARK(MARK_CONTEXT))
			set_check(vtd, context, vtd->iommu.event);
	}
	for (uint64_t i = 0; i < vtd->pasids.n; i++) {
		struct vtd_context *context = &vtd->pasids.slots[i];
		uint64_t at = (uint64_t)context->sid << PASID_BITS | context->pasid;

		if (context->valid && at >= first && at <= last && MARK(MARK_PASID))
			set_check(vtd, context, vtd->iommu.event);
	}
}

static struct vtd_context *victim(struct vtd *vtd, const struct vtd_config_cache *cache)
{
	struct vtd_context *oldest = &cache->slots[0];

	for (uint64_t i = 0; i < cache->n; i++) {
		if (!cache->slots[i].valid)
			return &cache->slots[i];
		if (cache->slots[i].used < oldest->used)
			oldest = &cache->slots[i];
	}
	vtd_config_drop(vtd, oldest);
	return oldest;
}

static struct vtd_context *put(struct vtd *vtd, const struct vtd_config_cache *cache,
			       const struct vtd_context *context)
{
	struct vtd_context *slot = victim(vtd, cache);

	*slot = *context;
	slot->valid = true;
	slot->used = ++vtd->context_clock;
	slot->filled = vtd->iommu.event;
	slot->changed = NO_EVENT;
	slot->serial = ++vtd->serial;
	slot->tag_bits = (uint64_t)slot->tag << VTD_TAG_SHIFT;
	slot->ahead = ahead_begin(slot->tag);
	for (unsigned perm = 0; perm < 4; perm++)
		slot->page_flags[perm] = (uint16_t)(TLB_VALID | slot->entry_flags | perm |
						    tlb_look(~perm & TLB_PERM));
	if (slot->device_tlb && atc_has(&vtd->atcs, slot->device))
		slot->plain = 0;
	return slot;
}

/* What refuses a request before any context entry is read, or lets it pass: no cache holds it. */
static struct vtd_context *made_up(const struct vtd *vtd, const struct dma_request *request,
				   unsigned fault, struct vtd_route *route)
{
	struct vtd_context *context = &route->scratch[0];

	memset(context, 0, sizeof *context);
	context->device = request->device;
	context->sid = vtd->devices[request->device].sid;
	context->scalable = vtd_table_mode(vtd) != TTM_LEGACY;
	context->fault = (uint8_t)fault;
	context->stages = STAGES_PASS;
	context->last = UINT64_MAX;
	if (route->outer) {
		context->fpd = route->outer->fpd;
		context->device_tlb = route->outer->device_tlb;
	}
	return context;
}

/* 2.3 steps 1 and 2. */
static unsigned mode_refuses(const struct vtd *vtd, const struct dma_request *request)
{
	enum vtd_table_mode mode = vtd_table_mode(vtd);

	if (mode == TTM_RESERVED || (mode == TTM_SCALABLE && !vtd->config.scalable))
		return VTD_TABLE_MODE_INVALID;
	if (mode == TTM_LEGACY && request->pasid != NO_PASID)
		return VTD_PASID_IN_LEGACY_MODE;
	return 0;
}

/* True: nothing but the context entry decides. A translated request passes on its word: whether
 * the PASID table is read first is an open point (sheet 2.3, step 7). */
static bool outer_decides(const struct vtd *vtd, const struct dma_request *request,
			  struct vtd_route *route)
{
	unsigned fault = route->outer->fault;

	if (!fault)
		fault = vtd_scalable_refuses(vtd, route->outer, request);
	if (!fault && request->type != DMA_TRANSLATED)
		return false;
	route->context = made_up(vtd, request, fault, route);
	return true;
}

static uint32_t pasid_of(const struct dma_request *request, const struct vtd_context *outer)
{
	return request->pasid == NO_PASID ? outer->rid_pasid : request->pasid;
}

/* The same entries uncached, as memory has them now. */
void vtd_route_read(const struct vtd *vtd, const struct dma_request *request,
		    struct vtd_route *route)
{
	unsigned fault = mode_refuses(vtd, request);
	uint16_t sid = vtd->devices[request->device].sid;

	route->outer = NULL;
	route->cached = route->outer_cached = route->behind = false;
	route->context = &route->scratch[0];
	if (fault) {
		made_up(vtd, request, fault, route);
		return;
	}
	if (vtd_table_mode(vtd) == TTM_LEGACY) {
		vtd_context_read(vtd, NULL, sid, &route->scratch[0]);
		return;
	}
	route->outer = &route->scratch[1];
	vtd_scalable_context_read(vtd, NULL, sid, route->outer);
	if (outer_decides(vtd, request, route))
		return;
	vtd_pasid_read(vtd, NULL, route->outer, pasid_of(request, route->outer), route->context);
	route->context->space = vtd_space_of(vtd, route->context);
}

/*
 * R3: an entry that was read behind software, against what software wrote. vtd_route_checked() then has
 * this request compared; a kept entry that differs is so for all requests.
 */
static void settle_behind(struct vtd *vtd, struct vtd_context *kept,
			  const struct vtd_context *truth)
{
	if (!vtd_entry_equals(kept, truth) && MARK(MARK_BEHIND))
		set_check(vtd, kept, vtd->memory->view->met.event);
}

/* An entry that was fetched with P set; one that memory lags behind with is told of as such. */
static void tell_read(const struct vtd *vtd, const struct dma_request *request,
		      const struct vtd_context *context, const char *what, uint32_t words)
{
	struct entry_read read = { .event = vtd->iommu.event,
				   .request = request,
				   .what = what,
				   .pa = context->at,
				   .words = words };

	if (bit(context->words[0], 0) && !memory_view_met(vtd->memory->view))
		vtd->observer->entry_read(vtd->observer->self, &read);
}

/* Legacy: the device's context from the cache, or read and cached; faulting ones never are. */
static void find_legacy(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route)
{
	struct vtd_device *device = &vtd->devices[request->device];
	struct vtd_context *context = device->context;

	route->cached = true;
	if (context != &vtd->nobody) {
		context->used = ++vtd->context_clock;
		vtd->count.context_hits++;
		route->context = context;
		return;
	}
	vtd->count.context_misses++;
	context = &route->scratch[0];
	vtd_context_read(vtd, vtd_config_view(vtd), device->sid, context);
	context->device = request->device;
	tell_read(vtd, request, context, "context entry", 2);
	route->behind = memory_view_met(vtd->memory->view);
	if (context->fault) {
		route->cached = false;
		route->context = context;
		return;
	}
	route->context = device->context = put(vtd, &vtd->contexts, context);
	vtd_tag_use(vtd, route->context);
	if (route->behind) {
		vtd_context_read(vtd, NULL, device->sid, context);
		settle_behind(vtd, route->context, context);
	}
}

static void find_outer(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route)
{
	struct vtd_device *device = &vtd->devices[request->device];
	struct vtd_context *context = &route->scratch[1];

	route->outer_cached = true;
	if (device->outer) {
		device->outer->used = ++vtd->context_clock;
		vtd->count.context_hits++;
		route->outer = device->outer;
		return;
	}
	vtd->count.context_misses++;
	vtd_scalable_context_read(vtd, vtd_config_view(vtd), device->sid, context);
	context->device = request->device;
	tell_read(vtd, request, context, "context entry", 4);
	route->outer = context;
	route->behind = memory_view_met(vtd->memory->view);
	if (context->fault) {
		route->outer_cached = false;
		return;
	}
	route->outer = device->outer = put(vtd, &vtd->contexts, context);
	if (route->behind) {
		vtd_scalable_context_read(vtd, NULL, device->sid, context);
		settle_behind(vtd, route->outer, context);
	}
}

static struct vtd_context *cached_pasid(const struct vtd *vtd, uint32_t device, uint32_t pasid)
{
	for (uint64_t i = 0; i < vtd->pasids.n; i++) {
		struct vtd_context *slot = &vtd->pasids.slots[i];

		if (slot->valid && slot->device == device && slot->pasid == pasid)
			return slot;
	}
	return NULL;
}

/* An entry read through a context entry that may be stale may be so itself (R3). */
static struct vtd_context *read_pasid(struct vtd *vtd, const struct dma_request *request,
				      uint32_t pasid, struct vtd_route *route)
{
	struct vtd_context *context = &route->scratch[0];

	vtd_pasid_read(vtd, vtd_config_view(vtd), route->outer, pasid, context);
	context->device = route->outer->device;
	tell_read(vtd, request, context, "PASID table entry", 8);
	route->behind |= memory_view_met(vtd->memory->view);
	if (context->fault)
		return context;
	route->cached = true;
	vtd_tag_take(vtd, context);
	context = put(vtd, &vtd->pasids, context);
	vtd_tag_use(vtd, context);
	if (route->outer->check && MARK(MARK_INHERIT_PASID))
		set_check(vtd, context, route->outer->changed);
	if (route->behind) {
		vtd_pasid_read(vtd, NULL, route->outer, pasid, &route->scratch[0]);
		settle_behind(vtd, context, &route->scratch[0]);
	}
	return context;
}

static void find_scalable(struct vtd *vtd, const struct dma_request *request,
			  struct vtd_route *route)
{
	struct vtd_context *context;
	uint32_t pasid;

	find_outer(vtd, request, route);
	if (outer_decides(vtd, request, route))
		return;
	pasid = pasid_of(request, route->outer);
	context = cached_pasid(vtd, request->device, pasid);
	if (context) {
		vtd->count.pasid_hits++;
		context->used = ++vtd->context_clock;
		route->cached = true;
	} else {
		vtd->count.pasid_misses++;
		context = read_pasid(vtd, request, pasid, route);
	}
	context->fpd = context->own_fpd | route->outer->fpd;
	route->context = context;
	if (request->pasid == NO_PASID && route->cached && route->outer_cached &&
	    !route->outer->check)
		vtd->devices[request->device].context = context;
}

void vtd_route_find(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route)
{
	unsigned fault = mode_refuses(vtd, request);

	route->outer = NULL;
	route->cached = route->outer_cached = route->behind = false;
	if (fault)
		route->context = made_up(vtd, request, fault, route);
	else if (vtd_table_mode(vtd) == TTM_LEGACY)
		find_legacy(vtd, request, route);
	else
		find_scalable(vtd, request, route);
}
