/* Root and context tables, and the context cache: specification 9.1, 9.3, 6.2.2. */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>
#include <string.h>

enum { TT_UNTRANSLATED, TT_DEVICE_TLB, TT_PASS_THROUGH };

static struct entry_view context_view(const uint64_t *words, unsigned level)
{
	unsigned width = (unsigned)bits(words[1], 2, 0);

	(void)level;
	if (!bit(words[0], 0) && !bit(words[0], 1))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	if (!bit(words[0], 0) || bits(words[0], 3, 2) == TT_PASS_THROUGH || width < 1 || width > 3)
		return (struct entry_view){ .kind = ENTRY_LEAF };
	return (struct entry_view){ ENTRY_TABLE, bits_at(words[0], 51, 12), &vtd_ss_role,
				    (uint8_t)(width + 1) };
}

static const struct table_role context_role = {
	.name = "vtd context",
	.words_lg2 = 1,
	.configuration = true,
	.meaning = UINT64_MAX,
	.view = context_view,
};

static struct entry_view root_view(const uint64_t *words, unsigned level)
{
	(void)level;
	if (!bit(words[0], 0))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	return (struct entry_view){ ENTRY_TABLE, bits_at(words[0], 51, 12), &context_role, 0 };
}

/* Input: the requester id; a root entry covers a bus. */
const struct table_role vtd_root_role = {
	.name = "vtd root",
	.words_lg2 = 1,
	.index_bits = 8,
	.configuration = true,
	.meaning = UINT64_MAX,
	.view = root_view,
};

static bool read_pair(const struct vtd *vtd, pa_t pa, uint64_t *low, uint64_t *high)
{
	return memory_read(vtd->memory, pa, low) && memory_read(vtd->memory, pa + 8, high);
}

static bool width_supported(const struct vtd_config *config, unsigned width)
{
	return (width == 1 && config->levels_3) || (width == 2 && config->levels_4) ||
	       (width == 3 && config->levels_5);
}

/* Fault conditions of the root entry, in order (2.2 steps 1 to 3); 0: none. */
static unsigned check_root(const struct vtd *vtd, uint16_t sid, pa_t *table)
{
	uint64_t low, high;

	if (!read_pair(vtd, bits_at(vtd->rtaddr, 63, 12) + bits(sid, 15, 8) * 16, &low, &high))
		return VTD_ROOT_UNREADABLE;
	if (!bit(low, 0))
		return VTD_ROOT_NOT_PRESENT;
	if (bits(low, 11, 1) || (low & ~low_mask((unsigned)vtd->config.haw)) || high)
		return VTD_ROOT_RESERVED;
	*table = bits_at(low, 51, 12);
	return 0;
}

/* Fault conditions of a context entry that was read, in order (steps 5 to 7); 0: none. */
static unsigned check_context(const struct vtd *vtd, const struct vtd_context *context)
{
	uint64_t low = context->low, high = context->high;

	if (!bit(low, 0))
		return VTD_CONTEXT_NOT_PRESENT;
	if (bits(low, 11, 4) || (low & ~low_mask((unsigned)vtd->config.haw)) || bit(high, 7) ||
	    bits(high, 63, 24))
		return VTD_CONTEXT_RESERVED;
	if (!width_supported(&vtd->config, (unsigned)bits(high, 2, 0)) ||
	    context->translation_type == 3 || context->translation_type == TT_DEVICE_TLB ||
	    (context->translation_type == TT_PASS_THROUGH && !vtd->config.pass_through))
		return VTD_CONTEXT_INVALID;
	return 0;
}

static void decode_context(const struct vtd *vtd, struct vtd_context *context)
{
	unsigned width = (unsigned)bits(context->high, 2, 0);
	unsigned address_bits = 30 + 9 * width;

	context->fpd = bit(context->low, 1);
	context->translation_type = (uint8_t)bits(context->low, 3, 2);
	context->did = (uint16_t)bits(context->high, 23, 8);
	context->fault = (uint8_t)check_context(vtd, context);
	if (context->fault)
		return;
	if (address_bits > vtd->config.mgaw)
		address_bits = (unsigned)vtd->config.mgaw;
	context->top = (uint8_t)(width + 1);
	context->last = low_mask(address_bits);
	if (context->translation_type == TT_PASS_THROUGH) {
		context->last = low_mask((unsigned)vtd->config.haw);
		return;
	}
	context->plain = context->last + 1;
	context->root = bits_at(context->low, 51, 12);
	context->frame = memory_exists(vtd->memory, context->root)
				 ? memory_frame(vtd->memory, context->root)
				 : NULL;
	context->space = context->frame ? context->frame->node.space : 0;
}

void vtd_context_read(const struct vtd *vtd, uint16_t sid, struct vtd_context *context)
{
	pa_t table = 0;

	memset(context, 0, sizeof *context);
	context->sid = sid;
	context->fault = (uint8_t)check_root(vtd, sid, &table);
	if (context->fault)
		return;
	if (!read_pair(vtd, table + bits(sid, 7, 0) * 16, &context->low, &context->high)) {
		context->fault = VTD_CONTEXT_UNREADABLE;
		return;
	}
	decode_context(vtd, context);
}

void vtd_context_copy(const struct vtd_context *context, struct cached_copy *copy)
{
	*copy = (struct cached_copy){ .structure = STRUCTURE_CONFIG,
				      .reasons = context->check ? CHECK_UPDATE : 0,
				      .space = context->space,
				      .tag = context->did,
				      .serial = context->serial,
				      .first = context->sid,
				      .last = context->sid,
				      .pa = context->root,
				      .filled = context->filled,
				      .changed = context->changed };
}

void vtd_context_drop(struct vtd *vtd, struct vtd_context *context)
{
	struct cached_copy copy;

	vtd_context_copy(context, &copy);
	vtd->devices[context->device].context = &vtd->nobody;
	context->valid = false;
	if (context->check)
		vtd->observer->copy_closes(vtd->observer->self, &copy);
}

/* The entry equals the tables again. */
void vtd_context_proven(struct vtd *vtd, struct vtd_context *context)
{
	struct cached_copy copy;

	vtd_context_copy(context, &copy);
	context->check = false;
	context->plain = context->translation_type == TT_PASS_THROUGH ? 0 : context->last + 1;
	vtd->observer->copy_closes(vtd->observer->self, &copy);
}

void vtd_context_mark(struct vtd *vtd, uint16_t first, uint16_t last)
{
	for (uint64_t i = 0; i < vtd->config.context_entries; i++) {
		struct vtd_context *context = &vtd->contexts[i];
		struct cached_copy copy;

		if (!context->valid || context->sid < first || context->sid > last ||
		    !MARK(MARK_CONTEXT))
			continue;
		context->check = true;
		context->plain = 0;
		context->changed = vtd->iommu.event;
		vtd_context_copy(context, &copy);
		vtd->observer->copy_opens(vtd->observer->self, &copy);
	}
}

/* Remembers that copies of the space can carry this domain id. */
static void know_tag(struct vtd *vtd, uint32_t space, uint16_t did)
{
	struct vtd_space *known;

	if (space >= vtd->n_spaces) {
		uint32_t n = space * 2 + 8;
		struct vtd_space *spaces = realloc(vtd->spaces, n * sizeof *spaces);

		if (!spaces)
			abort();
		memset(spaces + vtd->n_spaces, 0, (n - vtd->n_spaces) * sizeof *spaces);
		vtd->spaces = spaces;
		vtd->n_spaces = n;
	}
	known = &vtd->spaces[space];
	for (uint32_t i = 0; i < known->n; i++)
		if (known->dids[i] == did)
			return;
	if (known->n == known->max) {
		known->max = known->max ? known->max * 2 : 2;
		known->dids = realloc(known->dids, known->max * sizeof *known->dids);
		if (!known->dids)
			abort();
	}
	known->dids[known->n++] = did;
}

/* Whether cached contexts give this domain id to more than one address space. */
static bool tag_shared(const struct vtd *vtd, uint32_t did, uint32_t *space)
{
	*space = 0;
	for (uint64_t i = 0; i < vtd->config.context_entries; i++) {
		const struct vtd_context *context = &vtd->contexts[i];

		if (!context->valid || context->did != did || !context->space)
			continue;
		if (*space && *space != context->space)
			return true;
		*space = context->space;
	}
	return false;
}

void vtd_tag_flushed(struct vtd *vtd, uint32_t did, bool any)
{
	uint32_t first = any ? 0 : did;
	uint32_t last = any ? (uint32_t)low_mask((unsigned)vtd->config.domain_id_bits) : did;

	for (uint32_t i = first; i <= last; i++)
		if (vtd->tags[i].space)
			vtd->tags[i].conflicted = tag_shared(vtd, i, &vtd->tags[i].space);
}

/* A context with this domain id and space comes into use (design 4, tag-reuse). */
static void use_tag(struct vtd *vtd, const struct vtd_context *context)
{
	struct vtd_tag *tag = &vtd->tags[context->did];
	uint64_t copies;

	if (!context->space)
		return;
	know_tag(vtd, context->space, context->did);
	if (tlb_know_space(vtd->iotlb, context->space))
		abort();
	for (unsigned i = 0; i < VTD_LEVELS_MAX; i++)
		if (vtd->walk[i] && tlb_know_space(vtd->walk[i], context->space))
			abort();
	if (tag->space && tag->space != context->space) {
		uint32_t other;

		copies = vtd_tag_copies(vtd, context->did);
		if (copies)
			vtd->observer->tag_reused(vtd->observer->self, vtd->iommu.event,
						  context->device, context->did, tag->space,
						  context->space, copies);
		if (copies || tag_shared(vtd, context->did, &other)) {
			tag->conflicted = true;
			vtd_mark_tag(vtd, context->did);
		}
	}
	tag->space = context->space;
}

static struct vtd_context *victim(struct vtd *vtd)
{
	struct vtd_context *oldest = &vtd->contexts[0];

	for (uint64_t i = 0; i < vtd->config.context_entries; i++) {
		if (!vtd->contexts[i].valid)
			return &vtd->contexts[i];
		if (vtd->contexts[i].used < oldest->used)
			oldest = &vtd->contexts[i];
	}
	vtd_context_drop(vtd, oldest);
	return oldest;
}

/* The device's context from the cache, or read and cached; faulting ones are never cached. */
struct vtd_context *vtd_context_find(struct vtd *vtd, const struct dma_request *request,
				     struct vtd_context *scratch)
{
	struct vtd_device *device = &vtd->devices[request->device];
	struct vtd_context *slot = device->context;

	if (slot != &vtd->nobody) {
		slot->used = ++vtd->context_clock;
		vtd->count.context_hits++;
		return slot;
	}
	vtd->count.context_misses++;
	vtd_context_read(vtd, device->sid, scratch);
	scratch->device = request->device;
	if (scratch->fault)
		return scratch;
	slot = victim(vtd);
	*slot = *scratch;
	slot->valid = true;
	slot->used = ++vtd->context_clock;
	slot->filled = vtd->iommu.event;
	slot->changed = NO_EVENT;
	slot->serial = ++vtd->serial;
	device->context = slot;
	use_tag(vtd, slot);
	return slot;
}
