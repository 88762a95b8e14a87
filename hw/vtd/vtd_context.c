/* Root and context tables of legacy mode: specification 9.1, 9.3. */
#include "hw/vtd/vtd_private.h"

#include <string.h>

enum { TT_UNTRANSLATED, TT_DEVICE_TLB, TT_PASS_THROUGH, TT_RESERVED };

static struct entry_view context_view(const uint64_t *words, unsigned level)
{
	unsigned width = (unsigned)bits(words[1], 2, 0);

	(void)level;
	if (!bit(words[0], 0) && !bit(words[0], 1))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	if (!bit(words[0], 0) || bits(words[0], 3, 2) == TT_PASS_THROUGH || width < 1 || width > 3)
		return (struct entry_view){ .kind = ENTRY_LEAF };
	return (struct entry_view){ .kind = ENTRY_TABLE,
				    .child = bits_at(words[0], 51, 12),
				    .role = &vtd_ss_role,
				    .level = (uint8_t)(width + 1) };
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
	return (struct entry_view){ .kind = ENTRY_TABLE,
				    .child = bits_at(words[0], 51, 12),
				    .role = &context_role };
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

/* False: the read fails. */
bool vtd_read_words(const struct vtd *vtd, struct memory_view *view, pa_t pa, unsigned n,
		    uint64_t *words)
{
	for (unsigned i = 0; i < n; i++) {
		if (!memory_read(vtd->memory, pa + i * 8ull, &words[i]))
			return false;
		words[i] = memory_view_word(view, pa + i * 8ull, words[i]);
	}
	return true;
}

bool vtd_width_supported(const struct vtd_config *config, unsigned width)
{
	return (width == 1 && config->levels_3) || (width == 2 && config->levels_4) ||
	       (width == 3 && config->levels_5);
}

/* Fault conditions of the root entry, in order (2.2 steps 1 to 3); 0: none. */
static unsigned check_root(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
			   pa_t *table)
{
	uint64_t words[2];

	if (!vtd_read_words(vtd, view, bits_at(vtd->rtaddr, 63, 12) + bits(sid, 15, 8) * 16, 2,
			    words))
		return VTD_ROOT_UNREADABLE;
	if (!bit(words[0], 0))
		return VTD_ROOT_NOT_PRESENT;
	if (bits(words[0], 11, 1) || (words[0] & ~low_mask((unsigned)vtd->config.haw)) || words[1])
		return VTD_ROOT_RESERVED;
	*table = bits_at(words[0], 51, 12);
	return 0;
}

/* Fault conditions of a context entry that was read, in order (steps 5 to 7); 0: none. */
static unsigned check_context(const struct vtd *vtd, const struct vtd_context *context)
{
	uint64_t low = context->words[0], high = context->words[1];
	uint64_t type = bits(low, 3, 2);

	if (!bit(low, 0))
		return VTD_CONTEXT_NOT_PRESENT;
	if (bits(low, 11, 4) || (low & ~low_mask((unsigned)vtd->config.haw)) || bit(high, 7) ||
	    bits(high, 63, 24))
		return VTD_CONTEXT_RESERVED;
	if (!vtd_width_supported(&vtd->config, (unsigned)bits(high, 2, 0)) || type == TT_RESERVED ||
	    (type == TT_DEVICE_TLB && !vtd->config.device_tlbs) ||
	    (type == TT_PASS_THROUGH && !vtd->config.pass_through))
		return VTD_CONTEXT_INVALID;
	return 0;
}

/* The tables that requests are walked through. */
void vtd_set_tables(const struct vtd *vtd, struct vtd_context *context, pa_t root, unsigned top)
{
	context->top = (uint8_t)top;
	context->root = root;
	context->frame = memory_exists(vtd->memory, root) ? memory_frame(vtd->memory, root) : NULL;
	context->space = context->frame ? context->frame->node.space : 0;
}

static void decode_context(const struct vtd *vtd, struct vtd_context *context)
{
	uint64_t low = context->words[0];
	unsigned width = (unsigned)bits(context->words[1], 2, 0);
	unsigned address_bits = 30 + 9 * width;

	context->fpd = bit(low, 1);
	context->did = vtd_domain_id(vtd, context->words[1] >> 8);
	context->tag = context->did;
	context->fault = (uint8_t)check_context(vtd, context);
	if (context->fault)
		return;
	context->legacy_reasons = true;
	context->device_tlb = bits(low, 3, 2) == TT_DEVICE_TLB;
	context->perm = TLB_PERM;
	if (bits(low, 3, 2) == TT_PASS_THROUGH) {
		context->stages = STAGES_PASS;
		context->last = low_mask((unsigned)vtd->config.haw);
		return;
	}
	if (address_bits > vtd->config.mgaw)
		address_bits = (unsigned)vtd->config.mgaw;
	context->last = low_mask(address_bits);
	context->plain = context->last + 1;
	vtd_set_tables(vtd, context, bits_at(low, 51, 12), width + 1);
	context->variant = width << 2;
	context->second_alone = !vtd_walk_view(vtd, context);
}

void vtd_context_read(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
		      struct vtd_context *context)
{
	pa_t table = 0;

	memset(context, 0, sizeof *context);
	context->sid = sid;
	context->fault = (uint8_t)check_root(vtd, view, sid, &table);
	if (context->fault)
		return;
	context->at = table + bits(sid, 7, 0) * 16;
	if (!vtd_read_words(vtd, view, context->at, 2, context->words))
		context->fault = VTD_CONTEXT_UNREADABLE;
	else
		decode_context(vtd, context);
}
