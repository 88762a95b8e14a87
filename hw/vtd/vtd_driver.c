/*
 * The driver's side: what software writes to start the unit and to attach a device.
 *
 * Legacy tables, or scalable ones with a PASID table entry for each attachment, of which PASID 0
 * serves requests without a PASID. Tables of configuration lie behind the root table: a context
 * page (scalable: two) for each bus, then for each device its PASID directory and a page of PASID
 * table; further pages of PASID table are new ones.
 */
#include "hw/vtd/vtd_private.h"

enum { BUSES = 256, PAGE = 4096, P = 1, PGTT_FIRST = 1, PGTT_SECOND = 2, PGTT_PASS = 4 };
enum { TT_DEVICE_TLB = 1, TT_PASS = 2 };
enum { DTE_BIT = 2, PASIDE_BIT, PRE_BIT };

void vtd_expect(struct iommu *iommu, const struct recorded_use *use)
{
	struct vtd *vtd = vtd_of(iommu);
	bool pasids = use->pasids || use->page_requests;

	if (!vtd->driver_auto || !vtd->config.scalable)
		return;
	if (use->second_stage && vtd->config.second_stage)
		vtd->config.driver_tables = DRIVER_SECOND_STAGE;
	else if ((use->first_stage || pasids) && vtd->config.first_stage)
		vtd->config.driver_tables = DRIVER_FIRST_STAGE;
}

int vtd_start(struct iommu *iommu, pa_t root)
{
	const uint64_t rtaddr = 0x20, gcmd = 0x18, pqa = 0xd0;
	struct vtd *vtd = vtd_of(iommu);
	uint64_t mode = vtd->config.driver_tables == DRIVER_LEGACY ? TTM_LEGACY : TTM_SCALABLE;

	vtd_reg_write(iommu, 0, rtaddr, root | mode << 10, 8);
	vtd_reg_write(iommu, 0, gcmd, 1u << 30, 4);
	vtd_reg_write(iommu, 0, gcmd, 1u << 31 | 1u << 26, 4);
	/* the page request queue at the top of memory, where no table gets to */
	if (vtd->config.page_requests)
		vtd_reg_write(iommu, 0, pqa,
			      ((1ull << vtd->config.haw) - (4096ull << vtd->config.prq_order)) |
				      vtd->config.prq_order,
			      8);
	return vtd->config_space ? 0 : -1;
}

/* Pages of a device's PASID directory: all PASIDs there are, or, where memory is small, one page. */
static uint64_t directory_pages(const struct vtd *vtd)
{
	return vtd->config.haw >= 36 ? 32 : 1;
}

/* A device's PASID directory; the page of its first 64 PASIDs lies behind it. */
static pa_t directory_of(const struct vtd *vtd, uint32_t requester_id)
{
	return bits_at(vtd->rtaddr, 63, 12) +
	       (2 * BUSES + 1 + (directory_pages(vtd) + 1) * requester_id) * PAGE;
}

uint64_t vtd_config_bytes(const struct iommu *iommu)
{
	const struct vtd *vtd = (const struct vtd *)iommu;

	return vtd->config.driver_tables == DRIVER_LEGACY
		       ? (1ull + BUSES) * PAGE
		       : (1ull + 2ull * BUSES + (directory_pages(vtd) + 1) * 65536) * PAGE;
}

static pa_t present(const struct vtd *vtd, pa_t entry)
{
	uint64_t word = 0;

	return memory_read(vtd->memory, entry, &word) && bit(word, 0) ? bits_at(word, 51, 12) : 0;
}

/* Writes the entry that points to a table unless it does; returns the table. */
static pa_t link_table(const struct vtd *vtd, pa_t entry, uint64_t word, struct table_word *words,
		       size_t *n)
{
	pa_t there = present(vtd, entry);

	if (there)
		return there;
	words[(*n)++] = (struct table_word){ entry, word | P };
	return bits_at(word, 51, 12);
}

/*
 * The PASID directory of a device. PDTS says its size; DTE and PRE where the device has ATS and page
 * requests; PASIDE always: which devices can send PASIDs is not known, and those that cannot do not.
 */
static pa_t link_directory(const struct vtd *vtd, const struct attachment *attachment,
			   struct table_word *words, size_t *n)
{
	uint32_t rid = attachment->requester_id;
	pa_t base = bits_at(vtd->rtaddr, 63, 12), half, own = directory_of(vtd, rid);
	uint64_t size = directory_pages(vtd) == 1 ? 2 : 7;

	half = link_table(vtd, base + (rid >> 7) * 8ull, base + ((rid >> 7) + 1ull) * PAGE, words,
			  n);
	return link_table(vtd, half + (rid & 0x7f) * 32ull,
			  own | size << 9 | 1ull << PASIDE_BIT |
				  (uint64_t)(attachment->ats && vtd->config.device_tlbs)
					  << DTE_BIT |
				  (uint64_t)attachment->pri << PRE_BIT,
			  words, n);
}

/* Requests without a PASID use the entry of PASID 0 (RID_PASID). 0: no such PASID here. */
static size_t attach_scalable(const struct vtd *vtd, struct attachment *attachment,
			      struct table_word *words)
{
	bool first = vtd->config.driver_tables == DRIVER_FIRST_STAGE;
	uint32_t pasid = attachment->pasid == NO_PASID ? 0 : attachment->pasid;
	size_t n = 0;
	pa_t directory, page, entry;

	if (pasid >> 6 >= directory_pages(vtd) * PAGE / 8)
		return 0;
	directory = link_directory(vtd, attachment, words, &n);
	/* the first 64 PASIDs have their page beside the directory */
	page = pasid >> 6 ? attachment->spare : directory + directory_pages(vtd) * PAGE;
	entry = directory + (pasid >> 6) * 8ull;
	attachment->used = pasid >> 6 && !present(vtd, entry);
	entry = link_table(vtd, entry, page, words, &n) + (pasid & 63) * 64ull;
	words[n++] = (struct table_word){ entry, 0 }; /* P is cleared first */
	if (!attachment->root) {
		words[n++] = (struct table_word){ entry + 8, 0 };
		return n;
	}
	/* PWSNP where it is supported, as drivers do */
	words[n++] = (struct table_word){ entry + 8,
					  attachment->tag | (uint64_t)vtd->config.page_walk_snoop
								    << 23 };
	if (attachment->root == ATTACH_BYPASS) {
		words[n++] = (struct table_word){ entry, PGTT_PASS << 6 | P };
		return n;
	}
	if (first)
		words[n++] =
			(struct table_word){ entry + 16,
					     attachment->root | (attachment->levels - 4ull) << 2 };
	words[n++] = (struct table_word){ entry, first ? PGTT_FIRST << 6 | P
						       : attachment->root |
								 (attachment->levels - 2ull) << 2 |
								 PGTT_SECOND << 6 | P };
	return n;
}

/* Context words of a device. The root entry's word comes first when its context table is new. */
size_t vtd_attach_words(const struct iommu *iommu, struct attachment *attachment,
			struct table_word words[ATTACH_WORDS])
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	pa_t base = bits_at(vtd->rtaddr, 63, 12), context;
	uint64_t bus = bits(attachment->requester_id, 15, 8);
	uint64_t type = attachment->ats && vtd->config.device_tlbs ? TT_DEVICE_TLB : 0;
	size_t n = 0;

	if (vtd->config.driver_tables != DRIVER_LEGACY)
		return attach_scalable(vtd, attachment, words);
	if (attachment->pasid != NO_PASID)
		return 0;
	context = link_table(vtd, base + bus * 16, base + (bus + 1) * PAGE, words, &n) +
		  bits(attachment->requester_id, 7, 0) * 16;
	words[n++] = (struct table_word){ context, 0 }; /* P is cleared first */
	if (!attachment->root) {
		words[n++] = (struct table_word){ context + 8, 0 };
		return n;
	}
	words[n++] = (struct table_word){ context + 8,
					  (attachment->tag << 8) | (attachment->levels - 2) };
	if (attachment->root == ATTACH_BYPASS)
		words[n++] = (struct table_word){ context, TT_PASS << 2 | P };
	else
		words[n++] = (struct table_word){ context, attachment->root | type << 2 | P };
	return n;
}

/* First-stage tables always have dirty bits; those of the second stage with SSADE, which the unit needs
 * snooped walks for. */
int vtd_dirty_words(const struct iommu *iommu, uint32_t requester_id, bool on,
		    struct table_word words[2])
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	pa_t table = directory_of(vtd, requester_id) +
		     directory_pages(vtd) * PAGE; /* as attach_scalable() */
	uint64_t ssade = 1ull << 9, word = 0;

	if (vtd->config.driver_tables == DRIVER_FIRST_STAGE)
		return vtd->config.page_walk_snoop ? 0 : -1;
	if (vtd->config.driver_tables == DRIVER_LEGACY || !vtd->config.second_stage_ad ||
	    !vtd->config.page_walk_snoop)
		return -1;
	memory_read(vtd->memory, table, &word);
	if (!bit(word, 0))
		return 0;
	words[0] = (struct table_word){ table, on ? word | ssade : word & ~ssade };
	return 1;
}

enum domain_tag vtd_tag_kind(const struct iommu *iommu)
{
	(void)iommu;
	return DOMAIN_TAG_DID;
}

const struct pt_format *vtd_format(const struct iommu *iommu)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	return config->driver_tables == DRIVER_FIRST_STAGE ? &vtd_fs : &vtd_ss;
}

unsigned vtd_levels(const struct iommu *iommu)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	if (config->driver_tables == DRIVER_FIRST_STAGE)
		return config->first_stage_5_levels ? 5 : 4;
	return config->levels_4 ? 4 : config->levels_5 ? 5 : 3;
}

/* Of a first stage: the lower half of canonical addresses, as drivers use it. */
unsigned vtd_address_bits(const struct iommu *iommu, unsigned levels)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;
	unsigned width = 12 + 9 * levels;

	if (config->driver_tables == DRIVER_FIRST_STAGE)
		return width - 1;
	return width < config->mgaw ? width : (unsigned)config->mgaw;
}

unsigned vtd_pa_bits(const struct iommu *iommu)
{
	return (unsigned)((const struct vtd *)iommu)->config.haw;
}

bool vtd_page_supported(const struct iommu *iommu, unsigned level)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	if (config->driver_tables == DRIVER_FIRST_STAGE)
		return level < 2 || (level == 2 && config->first_stage_1g);
	return level == 0 || (level == 1 && config->pages_2m) || (level == 2 && config->pages_1g);
}

uint64_t vtd_n_tags(const struct iommu *iommu)
{
	return 1ull << ((const struct vtd *)iommu)->config.domain_id_bits;
}
