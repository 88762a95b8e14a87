/* The VT-d model's life, the driver's side of it, and what reports ask of it. */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>
#include <string.h>

static void vtd_destroy(struct iommu *iommu)
{
	struct vtd *vtd = vtd_of(iommu);

	if (!vtd)
		return;
	tlb_destroy(vtd->iotlb);
	for (unsigned level = 0; level < VTD_LEVELS_MAX; level++)
		tlb_destroy(vtd->walk[level]);
	for (uint32_t i = 0; i < vtd->n_spaces; i++)
		free(vtd->spaces[i].dids);
	free(vtd->spaces);
	free(vtd->contexts);
	free(vtd->devices);
	free(vtd->tags);
	free(vtd);
}

static int check_config(const struct vtd_config *config, struct err *err)
{
	if (!config->levels_3 && !config->levels_4 && !config->levels_5)
		return err_set(err, ERR_CONFIG,
			       "vtd: no table depth is supported; set one of "
			       "vtd.levels_3, vtd.levels_4, vtd.levels_5");
	if (config->walk_ways && config->walk_entries % config->walk_ways)
		return err_set(err, ERR_CONFIG,
			       "vtd: vtd.walk.entries %llu is not a multiple of vtd.walk.ways %llu",
			       (unsigned long long)config->walk_entries,
			       (unsigned long long)config->walk_ways);
	return 0;
}

static int create_caches(struct vtd *vtd, uint64_t seed, struct err *err)
{
	const struct vtd_config *config = &vtd->config;
	struct tlb_geometry geometry = { .sets = config->iotlb_sets,
					 .ways = config->iotlb_ways,
					 .replacement = config->iotlb_replacement,
					 .page_lg2 = { 12, 21, 30 },
					 .address_bits = 57,
					 .seed = seed };
	uint64_t ways = config->walk_ways ? config->walk_ways : config->walk_entries;

	if (tlb_create(&geometry, "vtd.iotlb", &vtd->iotlb, err))
		return -1;
	if (!config->walk_entries)
		return 0;
	geometry.sets = config->walk_entries / ways;
	geometry.ways = ways;
	geometry.replacement = config->walk_replacement;
	for (unsigned level = 0; level + 1 < VTD_LEVELS_MAX; level++) {
		memset(geometry.page_lg2, 0, sizeof geometry.page_lg2);
		geometry.page_lg2[0] = (uint8_t)(12 + 9 * (level + 1));
		if (tlb_create(&geometry, "vtd.walk", &vtd->walk[level], err))
			return -1;
	}
	return 0;
}

static int vtd_create(const void *config, uint64_t seed, struct tables *tables,
		      const struct iommu_observer *observer, struct iommu **out, struct err *err)
{
	struct vtd *vtd;

	if (check_config(config, err))
		return -1;
	vtd = calloc(1, sizeof *vtd);
	if (!vtd)
		return err_no_memory(err, "vtd");
	vtd->iommu.model = &vtd_model;
	vtd->config = *(const struct vtd_config *)config;
	vtd->observer = observer;
	vtd->tables = tables;
	vtd->memory = tables->memory;
	vtd->rng = seed * 2 + 1;
	vtd_ss_reserved((unsigned)vtd->config.haw, vtd->config.snoop_control, vtd->config.pages_2m,
			vtd->config.pages_1g, vtd->reserved);
	vtd->contexts = calloc(vtd->config.context_entries, sizeof *vtd->contexts);
	vtd->tags = calloc(1u << vtd->config.domain_id_bits, sizeof *vtd->tags);
	if (!vtd->contexts || !vtd->tags)
		err_no_memory(err, "vtd caches");
	else if (create_caches(vtd, seed, err) == 0) {
		*out = &vtd->iommu;
		return 0;
	}
	vtd_destroy(&vtd->iommu);
	return -1;
}

static int vtd_add_device(struct iommu *iommu, uint32_t requester_id, bool ats, uint32_t *handle,
			  struct err *err)
{
	struct vtd *vtd = vtd_of(iommu);

	(void)ats; /* legacy mode without device TLBs; see omits */
	if (requester_id > 0xffff)
		return err_set(err, ERR_INPUT,
			       "requester id 0x%x does not fit bus:device.function (16 bits)",
			       requester_id);
	if (vtd->n_devices == vtd->max_devices) {
		uint32_t max = vtd->max_devices ? vtd->max_devices * 2 : 16;
		struct vtd_device *devices = realloc(vtd->devices, max * sizeof *devices);

		if (!devices)
			return err_no_memory(err, "vtd devices");
		vtd->devices = devices;
		vtd->max_devices = max;
	}
	vtd->devices[vtd->n_devices] =
		(struct vtd_device){ .context = &vtd->nobody, .sid = (uint16_t)requester_id };
	*handle = vtd->n_devices++;
	return 0;
}

static void vtd_tables_changed(struct iommu *iommu, uint64_t event,
			       const struct table_change *changes, uint32_t n)
{
	struct vtd *vtd = vtd_of(iommu);

	vtd->iommu.event = event;
	for (uint32_t i = 0; i < n; i++) {
		if (!changes[i].configuration)
			vtd_mark(vtd, &changes[i]);
		else if (changes[i].space == vtd->config_space)
			vtd_context_mark(vtd, (uint16_t)changes[i].first,
					 (uint16_t)changes[i].last);
	}
}

/* ---- the driver's side, and what reports ask ------------------------------------------- */

static int vtd_start(struct iommu *iommu, pa_t root)
{
	const uint64_t rtaddr = 0x20, gcmd = 0x18;

	vtd_reg_write(iommu, 0, rtaddr, root, 8);
	vtd_reg_write(iommu, 0, gcmd, 1u << 30, 4);
	vtd_reg_write(iommu, 0, gcmd, 1u << 31 | 1u << 26, 4);
	return vtd_of(iommu)->config_space ? 0 : -1;
}

/* Context words of a device. The root entry's word comes first when its context table is new;
 * the table's address follows from the root table's: one frame per bus, after it. */
static size_t vtd_attach_words(const struct iommu *iommu, uint32_t requester_id, pa_t root,
			       unsigned levels, uint64_t tag, struct table_word words[8])
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	pa_t root_entry = vtd->rtaddr + bits(requester_id, 15, 8) * 16;
	pa_t table = vtd->rtaddr + (bits(requester_id, 15, 8) + 1) * 4096;
	pa_t context = table + bits(requester_id, 7, 0) * 16;
	uint64_t low = 0;
	size_t n = 0;

	if (!memory_read(vtd->memory, root_entry, &low) || !bit(low, 0))
		words[n++] = (struct table_word){ root_entry, table | 1 };
	else
		context = bits_at(low, 51, 12) + bits(requester_id, 7, 0) * 16;
	if (!root) { /* detach: P is cleared first */
		words[n++] = (struct table_word){ context, 0 };
		words[n++] = (struct table_word){ context + 8, 0 };
		return n;
	}
	words[n++] = (struct table_word){ context, 0 };
	words[n++] = (struct table_word){ context + 8, (tag << 8) | (levels - 2) };
	words[n++] = (struct table_word){ context, root | 1 };
	return n;
}

static const struct pt_format *vtd_format(const struct iommu *iommu)
{
	(void)iommu;
	return &vtd_ss;
}

static unsigned vtd_levels(const struct iommu *iommu)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	return config->levels_4 ? 4 : config->levels_5 ? 5 : 3;
}

static unsigned vtd_address_bits(const struct iommu *iommu, unsigned levels)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;
	unsigned width = 12 + 9 * levels;

	return width < config->mgaw ? width : (unsigned)config->mgaw;
}

static unsigned vtd_pa_bits(const struct iommu *iommu)
{
	return (unsigned)((const struct vtd *)iommu)->config.haw;
}

static bool vtd_page_supported(const struct iommu *iommu, unsigned level)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	return level == 0 || (level == 1 && config->pages_2m) || (level == 2 && config->pages_1g);
}

static uint64_t vtd_n_tags(const struct iommu *iommu)
{
	return 1ull << ((const struct vtd *)iommu)->config.domain_id_bits;
}

static const char *vtd_fault_name(uint16_t code)
{
	static const char *const names[] = {
		[VTD_ROOT_NOT_PRESENT] = "LRT.2 root entry not present",
		[VTD_CONTEXT_NOT_PRESENT] = "LCT.2 context entry not present",
		[VTD_CONTEXT_INVALID] = "LCT.4 context entry invalid",
		[VTD_ADDRESS_TOO_WIDE] = "LGN.1 address beyond the address width",
		[VTD_WRITE_DENIED] = "LGN.2 write not allowed",
		[VTD_READ_DENIED] = "LGN.3 read not allowed",
		[VTD_ENTRY_UNREADABLE] = "LSL.1 paging entry cannot be read",
		[VTD_ROOT_UNREADABLE] = "LRT.1 root entry cannot be read",
		[VTD_CONTEXT_UNREADABLE] = "LCT.1 context entry cannot be read",
		[VTD_ROOT_RESERVED] = "LRT.3 reserved bit in root entry",
		[VTD_CONTEXT_RESERVED] = "LCT.3 reserved bit in context entry",
		[VTD_ENTRY_RESERVED] = "LSL.2 reserved bit in paging entry",
		[VTD_REQUEST_BLOCKED] = "LCT.5 request type blocked",
		[VTD_INTERRUPT_RANGE] = "LGN.4 output in the interrupt range",
	};

	return code < sizeof names / sizeof names[0] ? names[code] : NULL;
}

static bool vtd_fault_is_missing(uint16_t code)
{
	return code == VTD_WRITE_DENIED || code == VTD_READ_DENIED;
}

static const char *vtd_structure_name(enum structure structure, unsigned level)
{
	static const char *const pointers[] = { "walk cache level 2", "walk cache level 3",
						"walk cache level 4", "walk cache level 5" };

	/* The manual counts levels from 1; a level n entry points to a level n - 1 table. */
	switch (structure) {
	case STRUCTURE_TLB:
		return "IOTLB";
	case STRUCTURE_WALK_CACHE:
		return level < 4 ? pointers[level] : "walk cache";
	case STRUCTURE_CONFIG:
		return "context cache";
	case STRUCTURE_ATC:
		break;
	}
	return "device TLB";
}

static const char *vtd_counter(const struct iommu *iommu, unsigned index, uint64_t *value)
{
	const struct vtd_counters *count = &((const struct vtd *)iommu)->count;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "requests", count->requests },
		{ "iotlb.hits", count->iotlb_hits },
		{ "iotlb.misses", count->iotlb_misses },
		{ "walk.level2.hits", count->walk_hits[0] },
		{ "walk.level3.hits", count->walk_hits[1] },
		{ "walk.level4.hits", count->walk_hits[2] },
		{ "walk.level5.hits", count->walk_hits[3] },
		{ "walk.reads", count->walk_reads },
		{ "context.hits", count->context_hits },
		{ "context.misses", count->context_misses },
		{ "evictions", count->evictions },
		{ "compared", count->compared },
		{ "faults", count->faults },
		{ "faults.recorded", count->recorded },
		{ "faults.collapsed", count->collapsed },
		{ "faults.disabled", count->disabled },
		{ "faults.lost", count->lost },
		{ "faults.interrupts", count->interrupts },
		{ "invalidations", count->invalidations },
		{ "invalidations.undersized", count->undersized },
	};

	if (index >= sizeof rows / sizeof rows[0])
		return NULL;
	*value = rows[index].value;
	return rows[index].name;
}

struct copy_visit {
	const struct vtd *vtd;
	void (*visit)(void *ctx, const struct cached_copy *copy);
	void *ctx;
};

static bool visit_one(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct copy_visit *visit = ctx;
	struct cached_copy copy;

	vtd_copy_of(visit->vtd, tlb, at, &copy);
	visit->visit(visit->ctx, &copy);
	return false;
}

static void vtd_each_copy(const struct iommu *iommu,
			  void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx)
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	struct copy_visit each = { vtd, visit, ctx };
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	tlb_visit(vtd->iotlb, &all, visit_one, &each);
	for (unsigned level = 0; level < VTD_LEVELS_MAX; level++)
		if (vtd->walk[level])
			tlb_visit(vtd->walk[level], &all, visit_one, &each);
	for (uint64_t i = 0; i < vtd->config.context_entries; i++) {
		struct cached_copy copy;

		if (!vtd->contexts[i].valid)
			continue;
		vtd_context_copy(&vtd->contexts[i], &copy);
		visit(ctx, &copy);
	}
}

const struct iommu_model vtd_model = {
	.name = "vtd",
	.spec = "Intel Virtualization Technology for Directed I/O, Architecture Specification, rev "
		"4.x, "
		"legacy mode",
	.omits = "scalable mode: PASID tables, first stage and nested translation (requests with a "
		 "PASID "
		 "are treated as untranslated requests)\n"
		 "device TLBs (ATS): translation requests and translated requests are refused "
		 "(reason Dh)\n"
		 "page requests: no page request queue\n"
		 "interrupt remapping: writes to FEExxxxxh are taken as messages and end there\n"
		 "advanced fault log: not built in practice\n"
		 "negative caching under caching mode: allowed by the specification, never done "
		 "here; "
		 "caching mode only changes what drivers flush\n"
		 "non-coherent page walks: walks read what software wrote\n"
		 "walk latency: a walk happens at one instant\n",
	.config_size = sizeof(struct vtd_config),
	.settings = vtd_settings,
	.create = vtd_create,
	.destroy = vtd_destroy,
	.add_device = vtd_add_device,
	.translate = vtd_translate,
	.truth = vtd_truth_result,
	.tables_changed = vtd_tables_changed,
	.encode = vtd_encode,
	.decode = vtd_decode,
	.execute = vtd_execute,
	.reg_write = vtd_reg_write,
	.reg_read = vtd_reg_read,
	.acknowledge_faults = vtd_acknowledge_faults,
	.start = vtd_start,
	.attach_words = vtd_attach_words,
	.format = vtd_format,
	.levels = vtd_levels,
	.address_bits = vtd_address_bits,
	.pa_bits = vtd_pa_bits,
	.page_supported = vtd_page_supported,
	.tags = vtd_n_tags,
	.fault_name = vtd_fault_name,
	.fault_is_missing = vtd_fault_is_missing,
	.structure_name = vtd_structure_name,
	.counter = vtd_counter,
	.each_copy = vtd_each_copy,
	.vectors = &vtd_vectors,
};
