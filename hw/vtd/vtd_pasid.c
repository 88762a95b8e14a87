/* PASID directory and PASID table: specification 9.5, 9.6. */
#include "hw/vtd/vtd_private.h"

#include <string.h>

enum { PASID_ENTRY_WORDS = 8, DIRECTORY_INDEX = 6 };
enum { PGTT_FIRST = 1, PGTT_SECOND, PGTT_NESTED, PGTT_PASS_THROUGH };
/* word 0, word 1, word 2 */
enum { BIT_SSADE = 9, BIT_PWSNP = 23, BIT_PGSNP = 24 };
enum { BIT_SRE, BIT_ERE, BIT_WPE = 4, BIT_NXE, BIT_SMEP, BIT_EAFE };

/* Of nested translation the graph sees the second stage; the first stage's tables lie at
 * addresses that the second translates, and are watched frame by frame (tables_watch). */
static struct entry_view entry_view(const uint64_t *words, unsigned level)
{
	uint64_t type = bits(words[0], 8, 6), width = bits(words[0], 4, 2);
	struct entry_view view = { .kind = ENTRY_TABLE };

	(void)level;
	if (!bit(words[0], 0))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	if (type == PGTT_FIRST && bits(words[2], 3, 2) < 2) {
		view.child = bits_at(words[2], 51, 12);
		view.role = &vtd_fs_role;
		view.level = (uint8_t)(3 + bits(words[2], 3, 2));
		return view;
	}
	if ((type != PGTT_SECOND && type != PGTT_NESTED) || width < 1 || width > 3)
		return (struct entry_view){ .kind = ENTRY_LEAF };
	view.child = bits_at(words[0], 51, 12);
	view.role = &vtd_ss_role;
	view.level = (uint8_t)(width + 1);
	return view;
}

static const struct table_role table_role = {
	.name = "vtd PASID table",
	.words_lg2 = 3,
	.configuration = true,
	.meaning = UINT64_MAX,
	.view = entry_view,
};

static struct entry_view directory_view(const uint64_t *words, unsigned level)
{
	(void)level;
	if (!bit(words[0], 0))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	return (struct entry_view){ .kind = ENTRY_TABLE,
				    .child = bits_at(words[0], 51, 12),
				    .role = &table_role,
				    .level = VTD_LEVEL_PASID_TABLE };
}

const struct table_role vtd_pasid_directory_role = {
	.name = "vtd PASID directory",
	.unit_lg2 = DIRECTORY_INDEX,
	.configuration = true,
	.meaning = UINT64_MAX,
	.view = directory_view,
};

static bool has_first(const struct vtd_context *context)
{
	return context->stages == STAGES_FIRST || context->stages == STAGES_NESTED;
}

static bool has_second(const struct vtd_context *context)
{
	return context->stages == STAGES_SECOND || context->stages == STAGES_NESTED;
}

/*
 * Reserved bits (step 13): those of the layout, and enable bits whose capability is missing. The
 * sheet says the latter of none but PWSNP; the others follow the same reading. Words 3 to 7 are
 * reserved; fields that the translation type does not use are ignored.
 */
static bool reserved_bits(const struct vtd *vtd, const struct vtd_context *context)
{
	const struct vtd_config *config = &vtd->config;
	const uint64_t *words = context->words;
	uint64_t above = ~low_mask((unsigned)config->haw);

	if (bits(words[0], 11, 10) || (words[0] & above) ||
	    (bit(words[1], BIT_PWSNP) && !config->page_walk_snoop) ||
	    (bit(words[2], BIT_SRE) && !config->supervisor_requests) ||
	    (bit(words[2], BIT_ERE) && !config->execute_requests))
		return true;
	for (unsigned i = 3; i < PASID_ENTRY_WORDS; i++)
		if (words[i])
			return true;
	if (has_second(context) && bit(words[0], BIT_SSADE) && !config->second_stage_ad)
		return true;
	return has_first(context) && ((context->stages == STAGES_FIRST && (words[2] & above)) ||
				      (bit(words[2], BIT_EAFE) && !config->extended_accessed));
}

/* Step 14: a translation type or table depth that is not supported. */
static bool invalid(const struct vtd *vtd, const struct vtd_context *context)
{
	const struct vtd_config *config = &vtd->config;
	uint64_t type = bits(context->words[0], 8, 6), depth = bits(context->words[2], 3, 2);

	if (type < PGTT_FIRST || type > PGTT_PASS_THROUGH ||
	    (type == PGTT_FIRST && !config->first_stage) ||
	    (type == PGTT_SECOND && !config->second_stage) ||
	    (type == PGTT_NESTED && !config->nested) ||
	    (type == PGTT_PASS_THROUGH && !config->pass_through))
		return true;
	if (has_second(context) &&
	    !vtd_width_supported(config, (unsigned)bits(context->words[0], 4, 2)))
		return true;
	return has_first(context) && (depth > 1 || (depth == 1 && !config->first_stage_5_levels));
}

static void set_second_stage(const struct vtd *vtd, struct vtd_context *context)
{
	unsigned width = (unsigned)bits(context->words[0], 4, 2), address_bits = 30 + 9 * width;
	pa_t root = bits_at(context->words[0], 51, 12);

	if (address_bits > vtd->config.mgaw)
		address_bits = (unsigned)vtd->config.mgaw;
	vtd_set_tables(vtd, context, root, width + 1);
	context->last = low_mask(address_bits);
	context->plain = context->last + 1;
	context->second_stage_ad = bit(context->words[0], BIT_SSADE);
}

/* The lower half of canonical addresses is what the loop serves. */
static void set_first_stage(const struct vtd *vtd, struct vtd_context *context)
{
	unsigned depth = (unsigned)bits(context->words[2], 3, 2);

	vtd_set_tables(vtd, context, bits_at(context->words[2], 51, 12), 3 + depth);
	context->input_bits = (uint8_t)(48 + 9 * depth);
	context->last = UINT64_MAX;
	context->plain = 1ull << (context->input_bits - 1);
	context->perm = TLB_READ | TLB_WRITE | TLB_USER;
	context->perm |= context->execute ? TLB_EXECUTE : 0;
}

static void set_nested(const struct vtd *vtd, struct vtd_context *context)
{
	set_second_stage(vtd, context);
	context->second_top = context->top;
	context->second_root = context->root;
	context->second_frame = context->frame;
	context->second_space = context->space;
	context->second_last = context->last;
	set_first_stage(vtd, context);
	context->frame = NULL;
	context->space = 0; /* vtd_tag_use() gives it one */
	context->plain = 0;
}

/* Copies made under one tag by entries that differ in any of these are not the same. */
static uint32_t variant_of(const struct vtd_context *context)
{
	bool state = has_first(context) || context->second_stage_ad;

	return context->stages | (uint32_t)context->top << 2 | (uint32_t)context->entry_flags << 5 |
	       (uint32_t)context->second_stage_ad << 13 |
	       (uint32_t)(state && context->snooped) << 14 |
	       (has_first(context)
			? (uint32_t)context->execute << 15 | (uint32_t)context->no_execute << 16 |
				  (uint32_t)context->extended << 17
			: 0);
}

static void decode_entry(const struct vtd *vtd, struct vtd_context *context)
{
	const uint64_t *words = context->words;

	context->did = vtd_domain_id(vtd, words[1]);
	context->tag = context->did;
	context->supervisor = bit(words[2], BIT_SRE);
	context->execute = bit(words[2], BIT_ERE);
	context->write_protect = bit(words[2], BIT_WPE);
	context->no_execute = bit(words[2], BIT_NXE);
	context->smep = bit(words[2], BIT_SMEP);
	context->extended = bit(words[2], BIT_EAFE);
	context->snooped = bit(words[1], BIT_PWSNP);
	context->entry_flags = bit(words[1], BIT_PGSNP) ? TLB_SNOOP : 0;
	context->perm = TLB_PERM;
	switch (context->stages) {
	case STAGES_SECOND:
		set_second_stage(vtd, context);
		break;
	case STAGES_FIRST:
		set_first_stage(vtd, context);
		break;
	case STAGES_NESTED:
		set_nested(vtd, context);
		break;
	default:
		context->last = low_mask((unsigned)vtd->config.haw);
	}
	context->legacy_reasons = context->stages == STAGES_SECOND &&
				  vtd->config.second_stage_reasons == REASONS_LEGACY;
	context->variant = variant_of(context);
	context->second_alone = context->stages == STAGES_SECOND && !context->second_stage_ad &&
				!vtd_walk_view(vtd, context);
}

static uint8_t stages_of(uint64_t type)
{
	return type == PGTT_FIRST    ? STAGES_FIRST
	       : type == PGTT_SECOND ? STAGES_SECOND
	       : type == PGTT_NESTED ? STAGES_NESTED
				     : STAGES_PASS;
}

static unsigned check_entry(const struct vtd *vtd, const struct vtd_context *context)
{
	if (!bit(context->words[0], 0))
		return VTD_PASID_TABLE + VTD_NOT_PRESENT;
	if (reserved_bits(vtd, context))
		return VTD_PASID_TABLE + VTD_RESERVED_BIT;
	return invalid(vtd, context) ? VTD_PASID_TABLE + VTD_INVALID : 0u;
}

/* Step 12; 0: *table is the PASID table. */
static unsigned read_directory(const struct vtd *vtd, struct memory_view *view,
			       const struct vtd_context *outer, uint32_t pasid,
			       struct vtd_context *context, pa_t *table)
{
	uint64_t word;

	if (!vtd_read_words(vtd, view, outer->directory + (pasid >> DIRECTORY_INDEX) * 8ull, 1,
			    &word))
		return VTD_PASID_DIRECTORY + VTD_UNREADABLE;
	context->directory_entry = word;
	context->own_fpd = bit(word, 1);
	if (!bit(word, 0))
		return VTD_PASID_DIRECTORY + VTD_NOT_PRESENT;
	if (bits(word, 11, 2) || (word & ~low_mask((unsigned)vtd->config.haw)))
		return VTD_PASID_DIRECTORY + VTD_RESERVED_BIT;
	*table = bits_at(word, 51, 12);
	return 0;
}

static unsigned read_entry(const struct vtd *vtd, struct memory_view *view,
			   const struct vtd_context *outer, uint32_t pasid,
			   struct vtd_context *context)
{
	pa_t table = 0;
	unsigned fault = read_directory(vtd, view, outer, pasid, context, &table);

	if (fault)
		return fault;
	context->at = table + bits(pasid, DIRECTORY_INDEX - 1, 0) * 64;
	if (!vtd_read_words(vtd, view, context->at, PASID_ENTRY_WORDS, context->words))
		return VTD_PASID_TABLE + VTD_UNREADABLE;
	context->own_fpd |= bit(context->words[0], 1);
	context->stages = stages_of(bits(context->words[0], 8, 6));
	return check_entry(vtd, context);
}

/* The entry of a PASID below the directory's size, reached through a usable context entry. */
void vtd_pasid_read(const struct vtd *vtd, struct memory_view *view,
		    const struct vtd_context *outer, uint32_t pasid, struct vtd_context *context)
{
	memset(context, 0, sizeof *context);
	context->sid = outer->sid;
	context->scalable = true;
	context->pasid = pasid;
	context->device_tlb = outer->device_tlb;
	context->fault = (uint8_t)read_entry(vtd, view, outer, pasid, context);
	context->fpd = outer->fpd | context->own_fpd;
	if (!context->fault)
		decode_entry(vtd, context);
}
