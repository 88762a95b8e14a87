/* The configuration cache: STEs, and contexts made of an STE and a CD (4.2, 16.2). */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

/* Fetches that failed are not kept; what is V=0 or ILLEGAL may be. */
static bool may_cache(const struct smmu *smmu, const struct smmu_fault *fault)
{
	if (!fault->event)
		return true;
	return smmu->config.cache_illegal &&
	       (fault->event == C_BAD_STE || fault->event == C_BAD_CD);
}

bool smmu_context_checked(const struct smmu *smmu, const struct smmu_context *context)
{
	return context->check || context->unwatched ||
	       (context->ste.stage1 && context->ste.stage2 &&
		context->generation != smmu_vmid_generation(smmu, context->ste.vmid));
}

/* 64 bytes; an L1 descriptor has fewer. */
static uint64_t last_of(const struct smmu_watched *watched)
{
	return watched->index + 3u;
}

static void note_read(struct cached_copy *copy, unsigned i, const struct smmu_watched *watched)
{
	copy->read[i].space = watched->space;
	copy->read[i].first = watched->index;
	copy->read[i].last = last_of(watched);
}

static uint64_t name_of(const struct smmu_context *context)
{
	return copy_name(STRUCTURE_CONFIG, 0, context->serial);
}

void smmu_context_copy(const struct smmu *smmu, const struct smmu_context *context,
		       struct cached_copy *copy)
{
	*copy = (struct cached_copy){
		.structure = STRUCTURE_CONFIG,
		.reasons = smmu_context_checked(smmu, context) ? CHECK_UPDATE : 0,
		.space = context->stage1 ? context->half[0].space : context->ste.s2.space,
		.tag = context->tag ? smmu_neutral_tag(smmu, context->tag) : 0,
		.pasid = NO_PASID,
		.serves = context->ssid,
		.tagged = context->tag != 0,
		.serial = context->serial,
		.first = context->sid,
		.last = context->sid,
		.pa = context->stage1 ? context->half[0].root : context->ste.s2.root,
		.filled = context->filled,
		.changed = context->changed,
	};
	for (unsigned i = 0; i < 2; i++)
		note_read(copy, i, &context->watched[i]);
	for (uint64_t i = 0; i < smmu->config.config_entries; i++)
		if (smmu->streams[i].valid && smmu->streams[i].sid == context->sid)
			for (unsigned k = 0; k < 2; k++)
				note_read(copy, 2 + k, &smmu->streams[i].watched[k]);
}

void smmu_context_drop(struct smmu *smmu, struct smmu_context *context)
{
	struct smmu_device *device = &smmu->devices[context->device];

	if (device->context == context)
		device->context = &smmu->nobody;
	context->valid = false;
	if (context->check)
		smmu->observer->copy_closes(smmu->observer->self, name_of(context));
}

uint32_t smmu_stream_drop(struct smmu *smmu, struct smmu_stream *stream)
{
	uint32_t dropped = 1;

	stream->valid = false;
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		if (!smmu->contexts[i].valid || smmu->contexts[i].sid != stream->sid)
			continue;
		smmu_context_drop(smmu, &smmu->contexts[i]);
		dropped++;
	}
	return dropped;
}

void smmu_context_proven(struct smmu *smmu, struct smmu_context *context)
{
	struct smmu_context fresh = *context;

	if (context->check)
		smmu->observer->copy_closes(smmu->observer->self, name_of(context));
	context->check = false;
	context->generation = smmu_vmid_generation(smmu, context->ste.vmid);
	context->plain = fresh.unwatched ? 0 : context->plain_when_clear;
	for (uint64_t i = 0; i < smmu->config.config_entries; i++)
		if (smmu->streams[i].valid && smmu->streams[i].sid == context->sid)
			smmu->streams[i].check = false;
}

static void doubt(struct smmu *smmu, struct smmu_context *context)
{
	struct cached_copy copy;
	struct doubted_copy doubted;

	context->check = true;
	context->plain = 0;
	context->changed = smmu->iommu.event;
	smmu_context_copy(smmu, context, &copy);
	doubted = doubted_copy_of(&copy);
	smmu->observer->copy_opens(smmu->observer->self, &doubted);
}

static bool touches(const struct smmu_watched watched[2], const struct table_change *change)
{
	for (unsigned i = 0; i < 2; i++) {
		/* a page that became a table too reports what it holds as tables do */
		if (watched[i].space == change->space &&
		    (!change->configuration ||
		     (change->first <= last_of(&watched[i]) && change->last >= watched[i].index)))
			return true;
	}
	return false;
}

void smmu_config_mark(struct smmu *smmu, const struct table_change *change)
{
	smmu_atc_mark_config(smmu);
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		struct smmu_stream *stream = &smmu->streams[i];
		struct smmu_context *context = &smmu->contexts[i];

		if (stream->valid && touches(stream->watched, change) && MARK(MARK_SMMU_STE)) {
			stream->check = true;
			stream->changed = smmu->iommu.event;
			for (uint64_t j = 0; j < smmu->config.config_entries; j++)
				if (smmu->contexts[j].valid && smmu->contexts[j].sid == stream->sid)
					doubt(smmu, &smmu->contexts[j]);
		}
		if (context->valid && touches(context->watched, change) && MARK(MARK_SMMU_CD))
			doubt(smmu, context);
	}
}

/* Registers that every configuration depends on were written: STRTAB_BASE, CR2. */
void smmu_config_mark_all(struct smmu *smmu)
{
	smmu_atc_mark_config(smmu);
	for (uint64_t i = 0; i < smmu->config.config_entries && MARK(MARK_SMMU_REGISTERS); i++) {
		smmu->streams[i].check |= smmu->streams[i].valid;
		if (smmu->contexts[i].valid)
			doubt(smmu, &smmu->contexts[i]);
	}
}

enum { STE_VALID = 0, CD_VALID = 31 };

/* An entry that was fetched valid; one that memory lags behind with is told of as such. */
static void tell_read(const struct smmu *smmu, const struct dma_request *request, const char *what,
		      pa_t pa, bool valid)
{
	struct entry_read read = {
		.event = smmu->iommu.event, .request = request, .what = what, .pa = pa, .words = 8
	};

	if (valid && !memory_view_met(smmu->memory->view))
		smmu->observer->entry_read(smmu->observer->self, &read);
}

static struct smmu_stream *stream_victim(struct smmu *smmu)
{
	struct smmu_stream *oldest = &smmu->streams[0];

	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		if (!smmu->streams[i].valid)
			return &smmu->streams[i];
		if (smmu->streams[i].used < oldest->used)
			oldest = &smmu->streams[i];
	}
	smmu_stream_drop(smmu, oldest);
	return oldest;
}

/* The STE from the cache, or read and kept; NULL: not kept, in *scratch. */
static struct smmu_stream *find_stream(struct smmu *smmu, const struct dma_request *request,
				       struct smmu_ste *scratch)
{
	uint32_t sid = smmu->devices[request->device].sid;
	struct smmu_stream *stream;

	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		stream = &smmu->streams[i];
		if (!stream->valid || stream->sid != sid)
			continue;
		stream->used = ++smmu->clock;
		*scratch = stream->ste;
		return stream;
	}
	smmu_ste_read(smmu, sid, true, scratch);
	tell_read(smmu, request, "STE", scratch->at, bit(scratch->words[0], STE_VALID));
	if (!may_cache(smmu, &scratch->fault))
		return NULL;
	stream = stream_victim(smmu);
	*stream = (struct smmu_stream){ .ste = *scratch,
					.sid = sid,
					.valid = true,
					.used = ++smmu->clock,
					.filled = smmu->iommu.event,
					.changed = NO_EVENT,
					.serial = ++smmu->serial };
	if (memory_view_met(smmu->memory->view)) { /* R3: read behind software */
		struct smmu_ste truth;

		smmu_ste_read(smmu, sid, false, &truth);
		stream->check = memcmp(truth.words, stream->ste.words, sizeof truth.words) != 0;
		stream->changed = smmu->memory->view->met.event;
	}
	stream->unwatched = !smmu_watch(smmu, scratch->at, &stream->watched[1]);
	if (scratch->l1_at)
		stream->unwatched |= !smmu_watch(smmu, scratch->l1_at, &stream->watched[0]);
	return stream;
}

static struct smmu_context *context_victim(struct smmu *smmu)
{
	struct smmu_context *oldest = &smmu->contexts[0];

	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		if (!smmu->contexts[i].valid)
			return &smmu->contexts[i];
		if (smmu->contexts[i].used < oldest->used)
			oldest = &smmu->contexts[i];
	}
	smmu_context_drop(smmu, oldest);
	return oldest;
}

static struct smmu_context *cached_context(struct smmu *smmu, const struct dma_request *request)
{
	struct smmu_context *context = smmu->devices[request->device].context;

	if (request->pasid == NO_PASID && context != &smmu->nobody)
		return context;
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		context = &smmu->contexts[i];
		if (context->valid && context->device == request->device &&
		    context->ssid == request->pasid)
			return context;
	}
	return NULL;
}

/* 4 KiB granule, single stage, at least three levels: the loop walks by itself. */
static void set_quick(struct smmu_context *context)
{
	const struct smmu_half *half = context->stage2 ? &context->ste.s2 : &context->half[0];
	struct smmu_quick *quick = &context->quick;

	*quick = (struct smmu_quick){ 0 };
	if (!context->plain_when_clear || half->granule_lg2 != 12 || half->top < 2)
		return;
	quick->usual = true;
	quick->beyond = ~low_mask(half->output_bits);
	quick->leaf_care = context->stage1 ? 1ull << ARM_NG : 0; /* global ones are another tag's */
	quick->leaf_want = quick->leaf_care;
	quick->leaf = UINT64_MAX;				   /* like no leaf */
	quick->mark = context->stage1 ? COPY_STAGE1 : COPY_STAGE2; /* level 0 */
	quick->space = half->space;
}

static void keep(struct smmu *smmu, struct smmu_context *slot, const struct smmu_context *read,
		 const struct smmu_stream *stream)
{
	*slot = *read;
	slot->valid = true;
	slot->used = ++smmu->clock;
	slot->filled = smmu->iommu.event;
	slot->changed = NO_EVENT;
	slot->serial = ++smmu->serial;
	slot->generation = smmu_vmid_generation(smmu, slot->ste.vmid);
	smmu->any_nested |= slot->nested;
	slot->unwatched = stream->unwatched;
	if (slot->cd_at)
		slot->unwatched |= !smmu_watch(smmu, slot->cd_at, &slot->watched[1]);
	if (slot->l1cd_at)
		slot->unwatched |= !smmu_watch(smmu, slot->l1cd_at, &slot->watched[0]);
	if (atc_has(&smmu->atcs, slot->device))
		slot->plain = 0; /* its requests go through the endpoint's ATC first */
	slot->plain_when_clear = slot->plain;
	if (slot->unwatched)
		slot->plain = 0;
	smmu_use_context(smmu, slot);
	set_quick(slot);
	if (stream->check && MARK(MARK_SMMU_INHERIT_STE)) { /* R3 */
		doubt(smmu, slot);
		slot->changed = stream->changed;
	}
}

/* R3: a context that was read behind software, against what software wrote. */
static void settle_behind(struct smmu *smmu, const struct dma_request *request,
			  struct smmu_context *slot)
{
	struct smmu_walker walker;
	struct smmu_context truth;
	struct smmu_ste ste;

	smmu_ste_read(smmu, slot->sid, false, &ste);
	smmu_walker_init(smmu, &walker, request, false);
	smmu_context_read(smmu, slot->sid, slot->ssid, &ste, &truth, &walker);
	if (smmu_context_true(slot, &truth))
		return;
	doubt(smmu, slot);
	slot->changed = smmu->memory->view->met.event;
}

/* The device's context from the cache, or read; kept there unless its fetch failed. */
struct smmu_context *smmu_context_find(struct smmu *smmu, const struct dma_request *request,
				       struct smmu_context *scratch)
{
	struct smmu_device *device = &smmu->devices[request->device];
	struct smmu_context *slot = cached_context(smmu, request);
	struct smmu_stream *stream;
	struct smmu_walker walker;
	struct smmu_ste ste;

	if (slot) {
		slot->used = ++smmu->clock;
		smmu->count.config_hits++;
		return slot;
	}
	smmu->count.config_misses++;
	stream = find_stream(smmu, request, &ste);
	smmu_walker_init(smmu, &walker, request, true);
	smmu_context_read(smmu, device->sid, request->pasid, &ste, scratch, &walker);
	scratch->device = request->device;
	tell_read(smmu, request, "CD", scratch->cd_at, bit(scratch->cd[0], CD_VALID));
	if (!stream || !may_cache(smmu, &scratch->fault) || !smmu->config.config_entries)
		return scratch;
	slot = context_victim(smmu);
	keep(smmu, slot, scratch, stream);
	if (request->pasid == NO_PASID)
		device->context = slot;
	/* A CD fetched through stage 2 has no doubt of its own only if the walk had none. */
	if (walker.blamed && MARK(MARK_SMMU_INHERIT_CD))
		doubt(smmu, slot);
	if (memory_view_met(smmu->memory->view))
		settle_behind(smmu, request, slot);
	return slot;
}
