/* The VT-d model's life, and what reports ask of it. */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>
#include <string.h>

static void vtd_destroy(struct iommu *iommu)
{
	struct vtd *vtd = vtd_of(iommu);

	if (!vtd)
		return;
	tlb_destroy(vtd->iotlb);
	atc_set_free(&vtd->atcs);
	for (unsigned level = 0; level < VTD_LEVELS_MAX; level++) {
		tlb_destroy(vtd->walk[level]);
		tlb_destroy(vtd->first_walk[level]);
	}
	for (uint32_t i = 0; i < vtd->n_spaces; i++)
		free(vtd->spaces[i].tags);
	free(vtd->spaces);
	free(vtd->nested_spaces);
	free(vtd->contexts.slots);
	free(vtd->pasids.slots);
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
	if (config->driver_tables != DRIVER_LEGACY && config->driver_tables != DRIVER_AUTO &&
	    !config->scalable)
		return err_set(
			err, ERR_CONFIG,
			"vtd: vtd.driver_tables asks for scalable mode; set vtd.scalable too");
	if (config->driver_tables == DRIVER_FIRST_STAGE && !config->first_stage)
		return err_set(err, ERR_CONFIG,
			       "vtd: vtd.driver_tables asks for first-stage tables; set "
			       "vtd.first_stage too");
	if (config->driver_tables == DRIVER_NESTED &&
	    !(config->first_stage && config->nested && config->levels_4 && config->pages_1g))
		return err_set(
			err, ERR_CONFIG,
			"vtd: vtd.driver_tables asks for nested tables; set vtd.first_stage, "
			"vtd.nested, vtd.levels_4 and vtd.pages_1g too");
	return 0;
}

static void init_atcs(struct vtd *vtd, uint64_t seed)
{
	const struct tlb_geometry geometry = { .page_lg2 = { 12, 21, 30 },
					       .address_bits = 57,
					       .seed = seed };

	atc_set_init(&vtd->atcs, &geometry, &vtd->iommu, vtd->observer);
	vtd->atcs.multi_hit = (enum atc_multi_hit)vtd->config.multi_hit; /* the same words */
}

static int create_caches(struct vtd *vtd, uint64_t seed, struct err *err)
{
	const struct vtd_config *config = &vtd->config;
	struct tlb_geometry geometry = { .sets = config->iotlb_sets,
					 .ways = config->iotlb_ways,
					 .replacement = config->iotlb_replacement,
					 .page_lg2 = { 12, 21, 30 },
					 .address_bits = VTD_ADDRESS_BITS,
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
		geometry.seldom_filled = level > 0;
		if (tlb_create(&geometry, "vtd.walk", &vtd->walk[level], err) ||
		    (config->scalable && config->first_stage &&
		     tlb_create(&geometry, "vtd.walk", &vtd->first_walk[level], err)))
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
	vtd->driver_auto = vtd->config.driver_tables == DRIVER_AUTO;
	if (vtd->driver_auto)
		vtd->config.driver_tables = DRIVER_LEGACY;
	vtd->observer = observer;
	vtd->tables = tables;
	vtd->memory = tables->memory;
	vtd->rng = seed * 2 + 1;
	vtd->removes_pages = vtd->config.page_selective && vtd->config.ih_effective &&
			     vtd->config.ih0_scope == IH0_RANGE;
	init_atcs(vtd, seed);
	vtd_ss_reserved((unsigned)vtd->config.haw, vtd->config.snoop_control, vtd->config.pages_2m,
			vtd->config.pages_1g, vtd->reserved);
	for (unsigned nxe = 0; nxe < 2; nxe++)
		vtd_fs_reserved((unsigned)vtd->config.haw, vtd->config.first_stage_1g, nxe,
				vtd->first_reserved[nxe]);
	vtd->contexts.n = vtd->config.context_entries;
	vtd->contexts.slots = calloc(vtd->contexts.n, sizeof *vtd->contexts.slots);
	vtd->pasids.n = vtd->config.scalable ? vtd->config.pasid_entries : 0;
	vtd->pasids.slots = calloc(vtd->pasids.n + 1, sizeof *vtd->pasids.slots);
	vtd->n_tags = vtd->max_tags = vtd_domain_ids(vtd);
	vtd->tags = calloc(vtd->n_tags, sizeof *vtd->tags);
	if (!vtd->contexts.slots || !vtd->pasids.slots || !vtd->tags)
		err_no_memory(err, "vtd caches");
	else if (create_caches(vtd, seed, err) == 0) {
		*out = &vtd->iommu;
		return 0;
	}
	vtd_destroy(&vtd->iommu);
	return -1;
}

static int vtd_add_device(struct iommu *iommu, uint32_t requester_id, const struct device_tlb *tlb,
			  uint32_t *handle, struct err *err)
{
	struct vtd *vtd = vtd_of(iommu);

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
	if (tlb && vtd->config.device_tlbs && atc_add(&vtd->atcs, vtd->n_devices, tlb, err))
		return -1;
	*handle = vtd->n_devices++;
	return 0;
}

/* ---- what reports ask ------------------------------------------------------------------- */

static const char *vtd_structure_name(enum structure structure, unsigned level)
{
	static const char *const pointers[2 * VTD_LEVELS_MAX] = {
		"walk cache level 2",
		"walk cache level 3",
		"walk cache level 4",
		"walk cache level 5",
		[VTD_FIRST_STAGE_LEVEL] = "first-stage walk cache level 2",
		"first-stage walk cache level 3",
		"first-stage walk cache level 4",
		"first-stage walk cache level 5",
	};

	/* The manual counts levels from 1; a level n entry points to a level n - 1 table. */
	switch (structure) {
	case STRUCTURE_TLB:
		return "IOTLB";
	case STRUCTURE_WALK_CACHE:
		return level < 2 * VTD_LEVELS_MAX && pointers[level] ? pointers[level]
								     : "walk cache";
	case STRUCTURE_CONFIG:
		return level ? "PASID cache" : "context cache";
	case STRUCTURE_ATC:
		break;
	}
	return "device TLB";
}

static bool vtd_caching_mode(const struct iommu *iommu)
{
	return ((const struct vtd *)iommu)->config.caching_mode;
}

static bool vtd_plain_copies(const struct iommu *iommu)
{
	(void)iommu;
	return true;
}

static bool vtd_snoops(const struct iommu *iommu)
{
	const struct vtd_config *config = &((const struct vtd *)iommu)->config;

	return config->coherency && (config->page_walk_snoop || !config->scalable);
}

static const char *vtd_counter(const struct iommu *iommu, unsigned index, uint64_t *value)
{
	const struct vtd_counters *count = &((const struct vtd *)iommu)->count;
	const struct atc_counters *atcs = &((const struct vtd *)iommu)->atcs.count;
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
		{ "pasid.hits", count->pasid_hits },
		{ "pasid.misses", count->pasid_misses },
		{ "state.writes", count->state_writes },
		{ "evictions", count->evictions },
		{ "atc.hits", atcs->hits },
		{ "atc.requests", atcs->requests },
		{ "atc.fills", atcs->fills },
		{ "atc.evictions", atcs->evictions },
		{ "atc.invalidated", atcs->invalidated },
		{ "atc.refused", count->ats_refused },
		{ "atc.timed-out", count->timed_out },
		{ "compared", count->compared },
		{ "faults", count->faults },
		{ "faults.recorded", count->recorded },
		{ "faults.collapsed", count->collapsed },
		{ "faults.disabled", count->disabled },
		{ "faults.lost", count->lost },
		{ "faults.interrupts", count->interrupts },
		{ "pages.requests", count->page_requests },
		{ "pages.queued", count->pages_queued },
		{ "pages.lost", count->pages_lost },
		{ "pages.interrupts", count->page_interrupts },
		{ "pages.responses", count->page_responses },
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

static void visit_entries(const struct vtd *vtd, const struct vtd_config_cache *cache,
			  void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx)
{
	for (uint64_t i = 0; i < cache->n; i++) {
		struct cached_copy copy;

		if (!cache->slots[i].valid)
			continue;
		vtd_config_copy(vtd, &cache->slots[i], &copy);
		visit(ctx, &copy);
	}
}

static void vtd_each_copy(const struct iommu *iommu,
			  void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx)
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	struct copy_visit each = { vtd, visit, ctx };
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	/* only visits: nothing is removed or changed */
	vtd_visit_all((struct vtd *)vtd, &all, visit_one, &each);
	atc_each(&vtd->atcs, visit, ctx);
	visit_entries(vtd, &vtd->contexts, visit, ctx);
	visit_entries(vtd, &vtd->pasids, visit, ctx);
}

const struct iommu_model vtd_model = {
	.name = "vtd",
	.spec = "Intel Virtualization Technology for Directed I/O, Architecture Specification, rev "
		"4.x, legacy and scalable mode",
	.omits = "device TLBs: completions for every PASID (Global) and of more than one "
		 "translation are not made, as the G bit of paging entries is taken as ignored\n"
		 "page requests: they reach the queue at once, so a wait descriptor that drains "
		 "them (PD) "
		 "has nothing to wait for; the automatic "
		 "answer to a refused request, an open point, is Invalid Request where the context "
		 "entry does not allow it, else Response Failure\n"
		 "interrupt remapping: writes to FEExxxxxh are taken as messages and end there\n"
		 "advanced fault log: not built in practice\n"
		 "negative caching under caching mode: allowed by the specification, never done "
		 "here; caching mode only changes what drivers flush\n"
		 "PWSNP=0 where both ECAP.C and ECAP.SMPWCS are 1: walks read what software wrote "
		 "all "
		 "the same; it only refuses accessed and dirty updates (reasons 7Ch, 90h)\n"
		 "write buffers (RWBF): a word that is written back reaches memory at once\n"
		 "failing atomic updates of accessed and dirty bits (reasons 7Dh, 91h): every "
		 "update "
		 "succeeds\n"
		 "walk caches in nested translation: every walk of two stages starts at the top\n"
		 "memory types (EMT, PAT, CD) and global pages: no effect on translation\n"
		 "RID_PRIV: requests without a PASID ask for no privilege\n"
		 "second-stage execute permission: ignored; execute is decided by the first stage\n"
		 "page table frames that are linked as two kinds or levels at once: read as the "
		 "first\n"
		 "walk latency: a walk happens at one instant\n"
		 "open points of the specification's reading, by their chosen default: RID_PASID "
		 "beyond "
		 "the directory 43h, unreadable top table in legacy mode 3h, translated requests "
		 "with "
		 "DTE=1 pass, faults of ATS requests as not recorded, unsupported or aborted; "
		 "enable "
		 "bits without their capability 5Ah; SMEP refuses with 82h; second-stage not "
		 "present "
		 "under a first-stage table 79h, read denied 75h and 76h\n",
	.config_size = sizeof(struct vtd_config),
	.settings = vtd_settings,
	.create = vtd_create,
	.destroy = vtd_destroy,
	.add_device = vtd_add_device,
	.translate = vtd_translate,
	.translate_plain = vtd_translate_plain,
	.truth = vtd_truth_result,
	.snoops = vtd_snoops,
	.caching_mode = vtd_caching_mode,
	.tables_changed = vtd_tables_changed,
	.encode = vtd_encode,
	.decode = vtd_decode,
	.execute = vtd_execute,
	.reg_write = vtd_reg_write,
	.reg_read = vtd_reg_read,
	.acknowledge_faults = vtd_acknowledge_faults,
	.start = vtd_start,
	.start_rows = vtd_start_rows,
	.config_bytes = vtd_config_bytes,
	.attach_words = vtd_attach_words,
	.dirty_words = vtd_dirty_words,
	.format = vtd_format,
	.levels = vtd_levels,
	.address_bits = vtd_address_bits,
	.pa_bits = vtd_pa_bits,
	.page_supported = vtd_page_supported,
	.tags = vtd_n_tags,
	.tag_kind = vtd_tag_kind,
	.fault_name = vtd_fault_name,
	.fault_is_missing = vtd_fault_is_missing,
	.structure_name = vtd_structure_name,
	.counter = vtd_counter,
	.each_copy = vtd_each_copy,
	.pages = &vtd_pages,
	.expect = vtd_expect,
	.atc_timed_out = vtd_atc_timed_out,
	.plain_copies = vtd_plain_copies,
	.vectors = &vtd_vectors,
};
