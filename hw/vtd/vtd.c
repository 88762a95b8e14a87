/*
 * The VT-d model's life and the path that every request takes.
 *
 * vtd_translate() serves hits on copies with a clear check bit in its loop; everything else
 * (misses, checks, page crossings, pass-through, the interrupt range) goes through serve_page().
 */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>
#include <string.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

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
	vtd->nobody.slow = true;
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

/* ---- one page ------------------------------------------------------------------------- */

/* Where the walk begins: the lowest table that a walk cache points to, else the top. */
static void walk_start(struct vtd *vtd, const struct dma_request *request,
		       const struct vtd_context *context, struct pt_root *root,
		       struct vtd_path *path)
{
	struct tlb_hit hit;

	*root = (struct pt_root){ .table = context->root,
				  .frame = context->frame,
				  .level = context->top,
				  .perm = TLB_PERM,
				  .reserved = vtd->reserved };
	for (unsigned level = 0; level < context->top; level++) {
		const struct tlb *tlb = vtd->walk[level];
		uint64_t data = tlb ? tlb_lookup(tlb, context->did, request->iova, &hit) : 0;

		if (!data)
			continue;
		root->table = bits_at(data, 51, 12);
		root->frame = tlb->copies[hit.set * tlb->ways + hit.way].table;
		root->level = (uint8_t)level;
		root->perm = data & TLB_PERM;
		vtd->count.walk_hits[level]++;
		if (unlikely(data & TLB_CHECK)) {
			path->tlb = tlb;
			path->any = true;
			path->at = tlb_at_way(tlb, hit.set, hit.way);
		}
		return;
	}
}

/* R3: a copy made from a checked source carries the bit where it differs from truth. */
static bool leaf_inherits(const struct pt_walk *walk, const struct vtd_context *context,
			  const struct vtd_answer *truth)
{
	return !truth->walked || truth->walk.status != PT_OK || truth->walk.pa != walk->pa ||
	       truth->walk.page_lg2 != walk->page_lg2 || truth->walk.perm != walk->perm ||
	       truth->context.space != context->space || truth->context.did != context->did;
}

static bool pointer_inherits(const struct pt_walk *walk, unsigned level,
			     const struct vtd_context *context, const struct vtd_answer *truth)
{
	return !truth->walked || truth->walk.level > level ||
	       truth->walk.tables[level] != walk->tables[level] ||
	       truth->walk.perms[level] != walk->perms[level] ||
	       truth->context.space != context->space || truth->context.did != context->did;
}

static void fill_after(struct vtd *vtd, const struct dma_request *request,
		       struct vtd_context *context, const struct pt_walk *walk,
		       const struct dma_result *result, const struct vtd_answer *truth,
		       uint64_t changed)
{
	unsigned lowest = walk->status == PT_UNREADABLE ? walk->level + 1u : walk->level;

	for (unsigned level = lowest; level < walk->start; level++) {
		bool differs = truth && pointer_inherits(walk, level, context, truth);

		if (vtd->walk[level])
			vtd_fill_pointer(vtd, request, context, walk, level,
					 differs && MARK(MARK_INHERIT_POINTER) ? CHECK_SOURCE : 0,
					 differs ? changed : NO_EVENT);
	}
	if (result->outcome == OUTCOME_OK) {
		bool differs = truth && leaf_inherits(walk, context, truth);

		vtd_fill_iotlb(vtd, request, context, walk,
			       differs && MARK(MARK_INHERIT_TRANSLATION) ? CHECK_SOURCE : 0,
			       differs ? changed : NO_EVENT);
	}
}

static void miss(struct vtd *vtd, const struct dma_request *request, struct vtd_context *context,
		 bool cached_context, struct dma_result *result)
{
	struct vtd_path path = { .context = context, .cached_context = cached_context };
	struct vtd_answer truth;
	struct pt_root root;
	struct pt_walk walk;
	uint64_t changed = NO_EVENT;
	bool check;

	vtd->count.iotlb_misses++;
	walk_start(vtd, request, context, &root, &path);
	vtd_ss_walk(vtd->memory, &root, request->iova, &walk);
	vtd->count.walk_reads += walk.start - walk.level + 1u;
	vtd_walk_result(vtd, request, &walk, context->top, result);
	check = path.any || context->check;
	if (unlikely(check)) {
		changed = path.any ? *path.at.changed : context->changed;
		vtd_compare(vtd, request, &path, result, &walk, &truth);
	}
	fill_after(vtd, request, context, &walk, result, check ? &truth : NULL, changed);
}

static void hit_result(const struct vtd *vtd, const struct dma_request *request, uint64_t data,
		       unsigned page_lg2, struct dma_result *result)
{
	struct pt_walk copy = { .status = PT_OK,
				.perm = (uint8_t)(data & TLB_PERM),
				.page_lg2 = (uint8_t)page_lg2,
				.flags = (uint8_t)(data & TLB_SNOOP),
				.pa = bits_at(data, 51, 12) };

	vtd_walk_result(vtd, request, &copy, 0, result);
	result->cached = 1;
}

/* Which of several matching copies answers: the manual promises nothing (sheet 3). */
static void choose_match(struct vtd *vtd, const struct dma_request *request,
			 const struct vtd_context *context, struct tlb_at *at)
{
	for (unsigned i = 0; i < vtd->iotlb->n_live; i++) {
		struct tlb_at other;
		bool take;

		if (!tlb_at(vtd->iotlb, context->did, request->iova, vtd->iotlb->live_lg2[i],
			    &other) ||
		    other.copy == at->copy)
			continue;
		if (vtd->config.multi_hit == MULTI_HIT_RANDOM) {
			vtd->rng = vtd->rng * 6364136223846793005ull + 1442695040888963407ull;
			take = vtd->rng >> 63;
		} else {
			take = (other.copy->serial < at->copy->serial) ==
			       (vtd->config.multi_hit == MULTI_HIT_OLDEST);
		}
		if (take)
			*at = other;
	}
}

static void checked_hit(struct vtd *vtd, const struct dma_request *request,
			struct vtd_context *context, bool cached_context, const struct tlb_hit *hit,
			struct dma_result *result)
{
	struct vtd_path path = { .context = context,
				 .cached_context = cached_context,
				 .tlb = vtd->iotlb,
				 .any = true,
				 .at = tlb_at_way(vtd->iotlb, hit->set, hit->way) };
	struct vtd_answer truth;

	if (path.at.copy->reasons & CHECK_OVERLAP)
		choose_match(vtd, request, context, &path.at);
	hit_result(vtd, request, *path.at.data, path.at.copy->page_lg2, result);
	vtd_compare(vtd, request, &path, result, NULL, &truth);
}

/* 2.1: an untranslated write without PASID to the interrupt range is a message; a read there
 * gets Unsupported Request. */
static bool interrupt_message(const struct dma_request *request, struct dma_result *result)
{
	if (request->iova >> 20 != 0xfee || request->type != DMA_UNTRANSLATED ||
	    request->pasid != NO_PASID)
		return false;
	*result = (struct dma_result){ .pa = NO_PA, .outcome = OUTCOME_INTERRUPT, .sees = SEES_OK };
	if (!(request->access & ACCESS_WRITE)) {
		result->outcome = OUTCOME_BLOCKED;
		result->sees = SEES_UNSUPPORTED;
	}
	return true;
}

static void serve_page(struct vtd *vtd, const struct dma_request *request,
		       struct dma_result *result)
{
	struct vtd_context scratch, *context;
	struct tlb_hit hit;
	bool cached;
	uint64_t data;

	if (interrupt_message(request, result))
		return;
	context = vtd_context_find(vtd, request, &scratch);
	cached = context != &scratch;
	if (vtd_before_translation(vtd, request, context, result)) {
		struct vtd_path path = { .context = context, .cached_context = cached };
		struct vtd_answer truth;

		if (context->check)
			vtd_compare(vtd, request, &path, result, NULL, &truth);
	} else {
		data = tlb_lookup(vtd->iotlb, context->did, request->iova, &hit);
		if (!data) {
			miss(vtd, request, context, cached, result);
		} else if ((data & TLB_CHECK) || context->check) {
			vtd->count.iotlb_hits++;
			checked_hit(vtd, request, context, cached, &hit, result);
		} else {
			vtd->count.iotlb_hits++;
			hit_result(vtd, request, data, hit.page_lg2, result);
		}
	}
	if (result->outcome == OUTCOME_FAULT)
		vtd_fault(vtd, request, context->sid, context->fpd, result->fault);
}

/* Page by page; the first byte's address and the first fault are the request's result. */
static __attribute__((noinline)) void serve(struct vtd *vtd, const struct dma_request *request,
					    struct dma_result *result)
{
	struct dma_request page = *request;
	uint32_t left = request->len;
	bool first = true;

	do {
		uint32_t room = 4096u - (uint32_t)(page.iova & 0xfff);
		struct dma_result one;

		page.len = left < room ? left : room;
		serve_page(vtd, &page, &one);
		if (first || (one.outcome != OUTCOME_OK && result->outcome == OUTCOME_OK))
			*result = one;
		first = false;
		left -= page.len;
		page.iova += page.len;
	} while (left);
}

static size_t untranslated(struct vtd *vtd, const struct dma_request *requests,
			   struct dma_result *results, size_t n)
{
	vtd->count.requests += n;
	for (size_t i = 0; i < n; i++)
		results[i] = (struct dma_result){ .pa = requests[i].iova,
						  .perm = TLB_READ | TLB_WRITE,
						  .page_lg2 = 12 };
	return n;
}

static size_t vtd_translate(struct iommu *iommu, uint64_t first_event,
			    const struct dma_request *requests, struct dma_result *results,
			    size_t n)
{
	struct vtd *vtd = vtd_of(iommu);
	const struct tlb *iotlb = vtd->iotlb;
	uint64_t hits = 0, misses = 0;
	size_t i;

	if (!vtd->enabled)
		return untranslated(vtd, requests, results, n);
	vtd->attention = false;
	for (i = 0; i < n; i++) {
		const struct dma_request *request = &requests[i];
		struct vtd_context *context = vtd->devices[request->device].context;
		iova_t iova = request->iova;
		struct tlb_hit hit;

		if (likely(!context->slow && request->type == DMA_UNTRANSLATED &&
			   iova <= context->last && (iova & 0xfff) + request->len <= 4096 &&
			   iova >> 20 != 0xfee && request->len)) {
			uint64_t data = tlb_lookup(iotlb, context->did, iova, &hit);

			if (likely(data && !(data & TLB_CHECK) && !(request->access & ~data))) {
				context->used = ++vtd->context_clock;
				hits++;
				results[i] = (struct dma_result){
					.pa = bits_at(data, 51, 12) |
					      (iova & low_mask(hit.page_lg2)),
					.perm = data & TLB_PERM,
					.flags = data & TLB_SNOOP,
					.page_lg2 = (uint8_t)hit.page_lg2,
					.cached = 1,
				};
				continue;
			}
			if (!data) {
				vtd->iommu.event = first_event + i;
				context->used = ++vtd->context_clock;
				misses++;
				miss(vtd, request, context, true, &results[i]);
				if (unlikely(results[i].outcome == OUTCOME_FAULT)) {
					vtd_fault(vtd, request, context->sid, context->fpd,
						  results[i].fault);
					if (vtd->attention) {
						i++;
						break;
					}
				}
				continue;
			}
		}
		vtd->iommu.event = first_event + i;
		serve(vtd, request, &results[i]);
		if (unlikely(vtd->attention)) {
			i++;
			break;
		}
	}
	vtd->count.requests += i;
	vtd->count.iotlb_hits += hits;
	vtd->count.context_hits += hits + misses;
	return i;
}

static void vtd_truth_result(struct iommu *iommu, const struct dma_request *request,
			     struct dma_result *result)
{
	struct vtd *vtd = vtd_of(iommu);
	struct vtd_answer answer;

	if (!vtd->enabled) {
		untranslated(vtd, request, result, 1);
		vtd->count.requests--;
		return;
	}
	if (interrupt_message(request, result))
		return;
	vtd_truth(vtd, request, &answer);
	*result = answer.result;
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
};
