/* The SMMUv3 model's life, and what replays and reports ask of it. */
#include <stdlib.h>
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

enum { VMIDS = 1 << 16 };

static void smmu_destroy(struct iommu *iommu)
{
	struct smmu *smmu = smmu_of(iommu);

	if (!smmu)
		return;
	tlb_destroy(smmu->tlb);
	tlb_destroy(smmu->ipa);
	for (unsigned i = 0; i < 2 * ARM_LEVELS; i++)
		tlb_destroy(smmu->walk[i / ARM_LEVELS][i % ARM_LEVELS]);
	for (uint32_t i = 0; i < smmu->n_spaces; i++)
		free(smmu->spaces[i].users);
	atc_set_free(&smmu->atcs);
	free(smmu->spaces);
	free(smmu->vmid_generation);
	free(smmu->streams);
	free(smmu->contexts);
	free(smmu->devices);
	free(smmu->tags);
	free(smmu->tag_index);
	free(smmu->stalls);
	free(smmu);
}

static bool is_size(uint64_t size_bits)
{
	for (unsigned code = 0; code < 7; code++)
		if (smmu_size_bits(code) == size_bits)
			return true;
	return false;
}

static int check_config(const struct smmuv3_config *config, struct err *err)
{
	if (!is_size(config->oas))
		return err_set(err, ERR_CONFIG,
			       "smmuv3: smmuv3.oas %llu; expected 32, 36, 40, 42, 44, 48 or 52",
			       (unsigned long long)config->oas);
	if (config->walk_ways && config->walk_entries % config->walk_ways)
		return err_set(err, ERR_CONFIG,
			       "smmuv3: smmuv3.walk.entries %llu is not a multiple of "
			       "smmuv3.walk.ways %llu",
			       (unsigned long long)config->walk_entries,
			       (unsigned long long)config->walk_ways);
	if (config->ipa_ways && config->ipa_entries % config->ipa_ways)
		return err_set(err, ERR_CONFIG,
			       "smmuv3: smmuv3.ipa.entries %llu is not a multiple of "
			       "smmuv3.ipa.ways %llu",
			       (unsigned long long)config->ipa_entries,
			       (unsigned long long)config->ipa_ways);
	if (config->nested && (config->stage != 1 || !config->s2p || !config->gran4k))
		return err_set(err, ERR_CONFIG,
			       "smmuv3: smmuv3.nested needs smmuv3.stage 1, smmuv3.s2p and "
			       "smmuv3.gran4k");
	if ((config->stage == 1 && !config->s1p) || (config->stage == 2 && !config->s2p))
		return err_set(
			err, ERR_CONFIG,
			"smmuv3: smmuv3.stage %llu is a stage that smmuv3.s%llup switches off",
			(unsigned long long)config->stage, (unsigned long long)config->stage);
	return 0;
}

static int create_caches(struct smmu *smmu, uint64_t seed, struct err *err)
{
	const struct smmuv3_config *config = &smmu->config;
	struct tlb_geometry geometry = { .sets = config->tlb_sets,
					 .ways = config->tlb_ways,
					 .replacement = config->tlb_replacement,
					 .address_bits = KEY_BITS,
					 .seed = seed };
	uint64_t ways = config->walk_ways ? config->walk_ways : config->walk_entries;
	uint64_t ipa_ways = config->ipa_ways ? config->ipa_ways : config->ipa_entries;

	if (tlb_create(&geometry, "smmuv3.tlb", &smmu->tlb, err))
		return -1;
	if (config->ipa_entries) {
		geometry.sets = config->ipa_entries / ipa_ways;
		geometry.ways = ipa_ways;
		geometry.replacement = config->ipa_replacement;
		if (tlb_create(&geometry, "smmuv3.ipa", &smmu->ipa, err))
			return -1;
	}
	if (!config->walk_entries)
		return 0;
	geometry.sets = config->walk_entries / ways;
	geometry.ways = ways;
	geometry.replacement = config->walk_replacement;
	for (unsigned i = 0; i < 2 * (ARM_LEVELS - 1); i++) {
		geometry.seldom_filled = i / 2 > 0;
		if (tlb_create(&geometry, "smmuv3.walk", &smmu->walk[i % 2][i / 2], err))
			return -1;
	}
	return 0;
}

static void init_atcs(struct smmu *smmu, uint64_t seed)
{
	const struct tlb_geometry geometry = { .page_lg2 = { 12, 14, 16, 21, 25, 29, 30, 36 },
					       .address_bits = KEY_BITS,
					       .seed = seed };

	atc_set_init(&smmu->atcs, &geometry, &smmu->iommu, smmu->observer);
}

/* Registers as the settings leave them. */
static void reset(struct smmu *smmu)
{
	const struct smmuv3_config *config = &smmu->config;

	smmu->cr0 = (uint32_t)config->atschk << 4;
	smmu->removes_pages =
		config->s1p && config->s2p && !config->vmw && !config->over_invalidation;
	smmu->cr2 = (uint32_t)(config->e2h | config->recinvsid << 1 | config->rec_cfg_ats << 3);
	smmu->gbpa = (uint32_t)config->gbpa_abort << 20;
}

static int smmu_create(const void *config, uint64_t seed, struct tables *tables,
		       const struct iommu_observer *observer, struct iommu **out, struct err *err)
{
	struct smmu *smmu;

	if (check_config(config, err))
		return -1;
	smmu = calloc(1, sizeof *smmu);
	if (!smmu)
		return err_no_memory(err, "smmuv3");
	smmu->iommu.model = &smmuv3_model;
	smmu->config = *(const struct smmuv3_config *)config;
	smmu->observer = observer;
	smmu->tables = tables;
	smmu->memory = tables->memory;
	init_atcs(smmu, seed);
	reset(smmu);
	smmu->streams = calloc(smmu->config.config_entries, sizeof *smmu->streams);
	smmu->contexts = calloc(smmu->config.config_entries, sizeof *smmu->contexts);
	smmu->vmid_generation = calloc(VMIDS, sizeof *smmu->vmid_generation);
	if (!smmu->streams || !smmu->contexts || !smmu->vmid_generation)
		err_no_memory(err, "smmuv3 caches");
	else if (create_caches(smmu, seed, err) == 0) {
		*out = &smmu->iommu;
		return 0;
	}
	smmu_destroy(&smmu->iommu);
	return -1;
}

static int smmu_add_device(struct iommu *iommu, uint32_t requester_id, const struct device_tlb *tlb,
			   uint32_t *handle, struct err *err)
{
	struct smmu *smmu = smmu_of(iommu);

	if (smmu->n_devices == smmu->max_devices) {
		uint32_t max = smmu->max_devices ? smmu->max_devices * 2 : 16;
		struct smmu_device *devices = realloc(smmu->devices, max * sizeof *devices);

		if (!devices)
			return err_no_memory(err, "smmuv3 devices");
		smmu->devices = devices;
		smmu->max_devices = max;
	}
	smmu->devices[smmu->n_devices] =
		(struct smmu_device){ .context = &smmu->nobody, .sid = requester_id };
	if (tlb && smmu->config.ats && atc_add(&smmu->atcs, smmu->n_devices, tlb, err))
		return -1;
	*handle = smmu->n_devices++;
	return 0;
}

/* ---- what replays and reports ask ------------------------------------------------------------- */

static const struct pt_format *smmu_format(const struct iommu *iommu)
{
	const struct smmuv3_config *config = &((const struct smmu *)iommu)->config;

	return config->stage == 2 ? &arm_stage2[config->granule] : &arm_stage1[config->granule];
}

static unsigned smmu_levels(const struct iommu *iommu)
{
	return smmu_driver_levels((const struct smmu *)iommu);
}

static unsigned smmu_address_bits(const struct iommu *iommu, unsigned levels)
{
	return smmu_input_bits((const struct smmu *)iommu, levels);
}

/* Without LPA2 and VAX, 48 bits at most. */
static unsigned smmu_pa_bits(const struct iommu *iommu)
{
	uint64_t oas = ((const struct smmu *)iommu)->config.oas;

	return oas < 48 ? (unsigned)oas : 48;
}

/* Blocks: 2 MiB and 1 GiB, 32 MiB, 512 MiB. */
static bool smmu_page_supported(const struct iommu *iommu, unsigned level)
{
	return level <= (((const struct smmu *)iommu)->config.granule ? 1 : 2);
}

static uint64_t smmu_n_tags(const struct iommu *iommu)
{
	const struct smmuv3_config *config = &((const struct smmu *)iommu)->config;
	bool wide = config->stage == 2 ? config->vmid16 : config->asid16;

	return wide ? 1 << 16 : 1 << 8;
}

static const struct fault_row smmu_faults[] = {
	{ F_UUT, "F_UUT", false },
	{ C_BAD_STREAMID, "C_BAD_STREAMID", false },
	{ F_STE_FETCH, "F_STE_FETCH", false },
	{ C_BAD_STE, "C_BAD_STE", false },
	{ F_BAD_ATS_TREQ, "F_BAD_ATS_TREQ", false },
	{ F_STREAM_DISABLED, "F_STREAM_DISABLED", false },
	{ F_TRANSL_FORBIDDEN, "F_TRANSL_FORBIDDEN", false },
	{ C_BAD_SUBSTREAMID, "C_BAD_SUBSTREAMID", false },
	{ F_CD_FETCH, "F_CD_FETCH", false },
	{ C_BAD_CD, "C_BAD_CD", false },
	{ F_WALK_EABT, "F_WALK_EABT", false },
	{ F_TRANSLATION, "F_TRANSLATION", true },
	{ F_ADDR_SIZE, "F_ADDR_SIZE", false },
	{ F_ACCESS, "F_ACCESS", true },
	{ F_PERMISSION, "F_PERMISSION", true },
	{ F_TLB_CONFLICT, "F_TLB_CONFLICT", false },
	{ SMMUV3_SILENT_ABORT, "abort without event", false },
	{ 0, NULL, false },
};

static const char *smmu_structure_name(enum structure structure, unsigned level)
{
	static const char *const pointers[] = {
		"stage-1 walk cache level 2", "stage-1 walk cache level 1",
		"stage-1 walk cache level 0", "walk cache",
		"stage-2 walk cache level 2", "stage-2 walk cache level 1",
		"stage-2 walk cache level 0", "walk cache",
	};

	/* A descriptor of the manual's level n points to a table of level n + 1. */
	switch (structure) {
	case STRUCTURE_TLB:
		return level ? "IPA cache" : "TLB";
	case STRUCTURE_WALK_CACHE:
		return level < 8 ? pointers[level] : "walk cache";
	case STRUCTURE_CONFIG:
		return "configuration cache";
	case STRUCTURE_ATC:
		break;
	}
	return "ATC";
}

static const char *smmu_counter(const struct iommu *iommu, unsigned index, uint64_t *value)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	const struct smmu_counters *count = &smmu->count;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "requests", count->requests },
		{ "tlb.hits", count->hits },
		{ "tlb.misses", count->misses },
		{ "walk.stage1.level2.hits", count->walk_hits[0][0] },
		{ "walk.stage1.level1.hits", count->walk_hits[0][1] },
		{ "walk.stage1.level0.hits", count->walk_hits[0][2] },
		{ "walk.stage2.level2.hits", count->walk_hits[1][0] },
		{ "walk.stage2.level1.hits", count->walk_hits[1][1] },
		{ "walk.stage2.level0.hits", count->walk_hits[1][2] },
		{ "walk.reads", count->walk_reads },
		{ "ipa.hits", count->ipa_hits },
		{ "config.hits", count->config_hits },
		{ "config.misses", count->config_misses },
		{ "evictions", count->evictions },
		{ "atc.hits", smmu->atcs.count.hits },
		{ "atc.requests", smmu->atcs.count.requests },
		{ "atc.fills", smmu->atcs.count.fills },
		{ "atc.evictions", smmu->atcs.count.evictions },
		{ "atc.invalidated", smmu->atcs.count.invalidated },
		{ "compared", count->compared },
		{ "flag.updates", count->flag_updates },
		{ "runs.inconsistent", count->run_inconsistent },
		{ "faults", count->faults },
		{ "faults.recorded", count->recorded },
		{ "faults.merged", count->merged },
		{ "faults.silent", count->silent },
		{ "faults.disabled", count->disabled },
		{ "faults.lost", count->lost },
		{ "faults.interrupts", count->interrupts },
		{ "stalls", count->stalls },
		{ "stalls.held_back", count->stalls_held },
		{ "stalls.at_stall_max", count->stalls_starved },
		{ "stalls.ended", count->stalls_ended },
		{ "pri.queued", count->pri_queued },
		{ "pri.lost", count->pri_lost },
		{ "commands", count->commands },
		{ "invalidations", count->invalidations },
		{ "invalidations.left_by_ttl", count->ttl_left },
	};

	if (index >= sizeof rows / sizeof rows[0])
		return NULL;
	*value = rows[index].value;
	return rows[index].name;
}

struct copy_visit {
	const struct smmu *smmu;
	void (*visit)(void *ctx, const struct cached_copy *copy);
	void *ctx;
};

static bool visit_one(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct copy_visit *visit = ctx;
	struct cached_copy copy;

	smmu_copy_of(visit->smmu, tlb, at, &copy);
	visit->visit(visit->ctx, &copy);
	return false;
}

static void smmu_each_copy(const struct iommu *iommu,
			   void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	struct copy_visit each = { smmu, visit, ctx };
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	for (unsigned i = 0; smmu_structure(smmu, i); i++)
		tlb_visit(smmu_structure(smmu, i), &all, visit_one, &each);
	atc_each(&smmu->atcs, visit, ctx);
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		struct cached_copy copy;

		if (!smmu->contexts[i].valid)
			continue;
		smmu_context_copy(smmu, &smmu->contexts[i], &copy);
		visit(ctx, &copy);
	}
}

static bool smmu_snoops(const struct iommu *iommu)
{
	return ((const struct smmu *)iommu)->config.cohacc;
}

static bool smmu_plain_copies(const struct iommu *iommu)
{
	return !((const struct smmu *)iommu)->not_plain;
}

const struct iommu_model smmuv3_model = {
	.name = "smmuv3",
	.spec = "Arm System Memory Management Unit Architecture Specification version 3, IHI 0070, "
		"Non-secure programming interface",
	.omits = "Secure and Realm states, MPAM, DPT, ECMDQ, VMS, permission indirection: not "
		 "modelled\n"
		 "AArch32 tables and big-endian structures: illegal (IDR0.TTF, TTENDIAN)\n"
		 "LPA2 (CD.DS, STE.S2DS): 52 bits exist with the 64 KiB granule alone\n"
		 "memory attributes: only Device or Normal at stage 2, for S2PTW; whether tables "
		 "are "
		 "snooped is IDR0.COHACC's alone to say; queues always are\n"
		 "TBU micro TLBs: requests meet one main TLB, whichever port they come by\n"
		 "walk-cache pointers of a nested stage 1 hold IPAs: every use goes through stage "
		 "2\n"
		 "STE.CONT, speculative fills, prefetch commands: allowed, never done here\n"
		 "split-stage ATS (EATS 2): requests are refused as with EATS 0\n"
		 "ATCs: a change of any configuration structure has every copy compared again; "
		 "privileged "
		 "requests, instruction fetches and zero-length reads go untranslated\n"
		 "a replay's stage 2 below stage 1 (smmuv3.nested) maps every IPA to itself; any "
		 "other is "
		 "reached by register and table writes alone\n"
		 "an invalidation without IDR3.RIL is one command: more than a page is the whole "
		 "ASID\n"
		 "broadcast TLB maintenance (BTM): none arrives\n"
		 "a page that holds both page tables and configuration: the configuration is "
		 "compared "
		 "on every use, tables below it are not followed\n"
		 "walk latency: a walk happens at one instant\n"
		 "MMU-500: an SMMUv2, no machine of this model\n",
	.config_size = sizeof(struct smmuv3_config),
	.settings = smmuv3_settings,
	.create = smmu_create,
	.destroy = smmu_destroy,
	.add_device = smmu_add_device,
	.translate = smmu_translate,
	.translate_plain = smmu_translate_plain,
	.truth = smmu_truth_result,
	.snoops = smmu_snoops,
	.tables_changed = smmu_tables_changed,
	.encode = smmu_encode,
	.decode = smmu_decode,
	.execute = smmu_execute,
	.reg_write = smmu_reg_write,
	.reg_read = smmu_reg_read,
	.acknowledge_faults = smmu_acknowledge_faults,
	.start = smmu_start,
	.start_rows = smmu_start_rows,
	.config_bytes = smmu_config_bytes,
	.pages = &smmu_pages,
	.stalls = &smmu_stall_ops,
	.attach_words = smmu_attach_words,
	.format = smmu_format,
	.levels = smmu_levels,
	.address_bits = smmu_address_bits,
	.pa_bits = smmu_pa_bits,
	.page_supported = smmu_page_supported,
	.tags = smmu_n_tags,
	.tag_kind = smmu_tag_kind,
	.refuses_unattached = true,
	.faults = smmu_faults,
	.structure_name = smmu_structure_name,
	.counter = smmu_counter,
	.each_copy = smmu_each_copy,
	.plain_copies = smmu_plain_copies,
	.vectors = &smmuv3_vectors,
};
