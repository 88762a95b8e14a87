/*
 * Root and context tables of scalable mode: specification 9.1, 9.4. A root entry is two pointers,
 * for the lower and the upper 128 functions of a bus; a context entry points to a PASID directory.
 *
 * Input of these tables to the graph: the requester id above 20 bits of PASID.
 */
#include "hw/vtd/vtd_private.h"

#include <string.h>

enum { CONTEXT_BYTES = 32, DIRECTORY_ENTRY_PASIDS_LG2 = 6, DIRECTORY_ENTRIES_LG2 = 7 };

static struct entry_view context_view(const uint64_t *words, unsigned level)
{
	unsigned entries_lg2 = DIRECTORY_ENTRIES_LG2 + (unsigned)bits(words[0], 11, 9);

	(void)level;
	if (!bit(words[0], 0))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	return (struct entry_view){ .kind = ENTRY_TABLE,
				    .child = bits_at(words[0], 51, 12),
				    .role = &vtd_pasid_directory_role,
				    .level = VTD_LEVEL_PASID_DIRECTORY,
				    .pages_lg2 = (uint8_t)(entries_lg2 > 9 ? entries_lg2 - 9 : 0) };
}

static const struct table_role context_role = {
	.name = "vtd scalable context",
	.words_lg2 = 2,
	.unit_lg2 = PASID_BITS,
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
				    .role = &context_role,
				    .level = VTD_LEVEL_CONTEXT };
}

/* An entry here is one of the two halves. */
const struct table_role vtd_scalable_root_role = {
	.name = "vtd scalable root",
	.unit_lg2 = PASID_BITS + 7,
	.configuration = true,
	.meaning = UINT64_MAX,
	.view = root_view,
};

/* Fault conditions of the root entry, in order (2.3 step 4); 0: none. */
static unsigned check_root(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
			   pa_t *table)
{
	uint64_t word;

	if (!vtd_read_words(vtd, view, bits_at(vtd->rtaddr, 63, 12) + bits(sid, 15, 7) * 8, 1,
			    &word))
		return VTD_SCALABLE_ROOT + VTD_UNREADABLE;
	if (!bit(word, 0))
		return VTD_SCALABLE_ROOT + VTD_NOT_PRESENT;
	if (bits(word, 11, 1) || (word & ~low_mask((unsigned)vtd->config.haw)))
		return VTD_SCALABLE_ROOT + VTD_RESERVED_BIT;
	*table = bits_at(word, 51, 12);
	return 0;
}

/* Step 6. Without ECAP.DT, PASID support or page requests DTE, PASIDE and PRE mean nothing
 * here: the sheet names no code for them. */
static unsigned check_context(const struct vtd *vtd, const struct vtd_context *context)
{
	const uint64_t *words = context->words;

	if (!bit(words[0], 0))
		return VTD_SCALABLE_CONTEXT + VTD_NOT_PRESENT;
	if (bits(words[0], 8, 5) || (words[0] & ~low_mask((unsigned)vtd->config.haw)) ||
	    bits(words[1], 63, 21) || words[2] || words[3])
		return VTD_SCALABLE_CONTEXT + VTD_RESERVED_BIT;
	/* 43h for a RID_PASID beyond the directory is the default of an open point (sheet 9). */
	if (context->rid_pasid >> context->pasids_lg2)
		return VTD_SCALABLE_CONTEXT + VTD_INVALID;
	return 0;
}

void vtd_scalable_context_read(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
			       struct vtd_context *context)
{
	pa_t table = 0;

	memset(context, 0, sizeof *context);
	context->sid = sid;
	context->scalable = true;
	context->fault = (uint8_t)check_root(vtd, view, sid, &table);
	if (context->fault)
		return;
	context->at = table + bits(sid, 6, 0) * CONTEXT_BYTES;
	if (!vtd_read_words(vtd, view, context->at, 4, context->words)) {
		context->fault = VTD_SCALABLE_CONTEXT + VTD_UNREADABLE;
		return;
	}
	context->fpd = bit(context->words[0], 1);
	context->device_tlb = bit(context->words[0], 2) && vtd->config.device_tlbs;
	context->pasids = bit(context->words[0], 3);
	context->page_requests = bit(context->words[0], 4);
	context->pasids_lg2 = (uint8_t)(bits(context->words[0], 11, 9) + DIRECTORY_ENTRIES_LG2 +
					DIRECTORY_ENTRY_PASIDS_LG2);
	context->directory = bits_at(context->words[0], 51, 12);
	context->rid_pasid = (uint32_t)bits(context->words[1], 19, 0);
	context->fault = (uint8_t)check_context(vtd, context);
}

/* Steps 7 to 11: what a usable context entry refuses of this request; 0: nothing. */
unsigned vtd_scalable_refuses(const struct vtd *vtd, const struct vtd_context *outer,
			      const struct dma_request *request)
{
	if (request->type != DMA_UNTRANSLATED && !outer->device_tlb)
		return VTD_ATS_BLOCKED;
	if (request->pasid != NO_PASID && !outer->pasids)
		return VTD_PASID_BLOCKED;
	if (request->pasid != NO_PASID && request->pasid >> outer->pasids_lg2)
		return VTD_PASID_TOO_LARGE;
	if (request->pasid == NO_PASID && outer->rid_pasid && !vtd->config.rid_pasid)
		return VTD_RID_PASID_INVALID;
	return 0;
}
