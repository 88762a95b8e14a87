/*
 * The driver's side: what software writes to start the unit and to attach a device.
 *
 * Legacy tables, or scalable ones with one PASID table entry per device that serves its requests
 * without a PASID. Tables of configuration lie behind the root table: a context page (scalable:
 * two) for each bus, then a page of PASID directory and one of PASID table for each device.
 */
#include "hw/vtd/vtd_private.h"

enum { BUSES = 256, PAGE = 4096, P = 1, PGTT_FIRST = 1, PGTT_SECOND = 2, PGTT_PASS = 4 };
enum { TT_PASS = 2 << 2 };

int vtd_start(struct iommu *iommu, pa_t root)
{
	const uint64_t rtaddr = 0x20, gcmd = 0x18;
	struct vtd *vtd = vtd_of(iommu);
	uint64_t mode = vtd->config.driver_tables == DRIVER_LEGACY ? TTM_LEGACY : TTM_SCALABLE;

	vtd_reg_write(iommu, 0, rtaddr, root | mode << 10, 8);
	vtd_reg_write(iommu, 0, gcmd, 1u << 30, 4);
	vtd_reg_write(iommu, 0, gcmd, 1u << 31 | 1u << 26, 4);
	return vtd->config_space ? 0 : -1;
}

uint64_t vtd_config_bytes(const struct iommu *iommu)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	return config->driver_tables == DRIVER_LEGACY ? (1ull + BUSES) * PAGE
						      : (1ull + 2ull * BUSES + 2ull * 65536) * PAGE;
}

static pa_t present(const struct vtd *vtd, pa_t entry)
{
	uint64_t word = 0;

	return memory_read(vtd->memory, entry, &word) && bit(word, 0) ? bits_at(word, 51, 12) : 0;
}

/* Writes the entry that points to a table unless it does; returns the table. */
static pa_t link_table(const struct vtd *vtd, pa_t entry, pa_t table, struct table_word *words,
		       size_t *n)
{
	pa_t there = present(vtd, entry);

	if (there)
		return there;
	words[(*n)++] = (struct table_word){ entry, table | P };
	return table;
}

static size_t attach_scalable(const struct vtd *vtd, uint32_t requester_id, pa_t root,
			      unsigned levels, uint64_t tag, struct table_word words[8])
{
	pa_t base = bits_at(vtd->rtaddr, 63, 12), half, directory, table;
	pa_t own = base + (2 * BUSES + 1 + 2ull * requester_id) * PAGE;
	bool first = vtd->config.driver_tables == DRIVER_FIRST_STAGE;
	size_t n = 0;

	half = link_table(vtd, base + (requester_id >> 7) * 8ull,
			  base + ((requester_id >> 7) + 1ull) * PAGE, words, &n);
	directory = link_table(vtd, half + (requester_id & 0x7f) * 32ull, own, words, &n);
	table = link_table(vtd, directory, own + PAGE, words, &n);
	words[n++] = (struct table_word){ table, 0 }; /* P is cleared first */
	if (!root) {
		words[n++] = (struct table_word){ table + 8, 0 };
		return n;
	}
	/* PWSNP where it is supported, as drivers do */
	words[n++] =
		(struct table_word){ table + 8, tag | (uint64_t)vtd->config.page_walk_snoop << 23 };
	if (root == ATTACH_BYPASS) {
		words[n++] = (struct table_word){ table, PGTT_PASS << 6 | P };
		return n;
	}
	if (first)
		words[n++] = (struct table_word){ table + 16, root | (levels - 4ull) << 2 };
	words[n++] = (struct table_word){ table, first ? PGTT_FIRST << 6 | P
						       : root | (levels - 2ull) << 2 |
								 PGTT_SECOND << 6 | P };
	return n;
}

/* Context words of a device. The root entry's word comes first when its context table is new. */
size_t vtd_attach_words(const struct iommu *iommu, uint32_t requester_id, pa_t root,
			unsigned levels, uint64_t tag, struct table_word words[8])
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	pa_t base = bits_at(vtd->rtaddr, 63, 12), context;
	uint64_t bus = bits(requester_id, 15, 8);
	size_t n = 0;

	if (vtd->config.driver_tables != DRIVER_LEGACY)
		return attach_scalable(vtd, requester_id, root, levels, tag, words);
	context = link_table(vtd, base + bus * 16, base + (bus + 1) * PAGE, words, &n) +
		  bits(requester_id, 7, 0) * 16;
	words[n++] = (struct table_word){ context, 0 }; /* P is cleared first */
	if (!root) {
		words[n++] = (struct table_word){ context + 8, 0 };
		return n;
	}
	words[n++] = (struct table_word){ context + 8, (tag << 8) | (levels - 2) };
	words[n++] = (struct table_word){ context, root == ATTACH_BYPASS ? TT_PASS | P : root | P };
	return n;
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
