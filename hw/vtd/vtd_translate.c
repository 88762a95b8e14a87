/*
 * The path that every request takes.
 *
 * vtd_translate() serves plain requests in its loop: hits on copies with a clear check bit, and
 * misses whose walk meets none. Everything else (checks, page crossings, pass-through, the
 * interrupt range) goes through serve_page().
 */
#include "hw/vtd/vtd_fill.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- one page ------------------------------------------------------------------------- */

/* Whether the walk cache of a level has a pointer for iova: then the walk begins at its table. */
static inline __attribute__((always_inline)) const struct tlb *
start_at(struct vtd *vtd, const struct vtd_context *context, iova_t iova, unsigned level,
	 unsigned usual, struct pt_root *root, struct tlb_hit *hit, bool *check)
{
	const struct tlb *tlb = vtd->walk[level];
	uint64_t data = tlb ? tlb_lookup(tlb, usual, context->did, iova, hit) : 0;

	if (!data)
		return NULL;
	root->table = bits_at(data, 51, 12);
	root->frame = tlb->copies[hit->at].table;
	root->level = (uint8_t)level;
	root->perm = data & TLB_PERM;
	vtd->count.walk_hits[level]++;
	*check = data & TLB_CHECK;
	return tlb;
}

/*
 * Where the walk begins: the lowest table that a walk cache points to, else the top. Returns the
 * walk cache, NULL for the top; *hit is where in it, *check the pointer's check bit.
 */
static inline __attribute__((always_inline)) const struct tlb *
walk_start(struct vtd *vtd, const struct vtd_context *context, iova_t iova, struct pt_root *root,
	   struct tlb_hit *hit, bool *check)
{
	const struct tlb *tlb;

	*root = (struct pt_root){ .table = context->root,
				  .frame = context->frame,
				  .level = context->top,
				  .perm = TLB_PERM,
				  .reserved = vtd->reserved };
	*check = false;
	/* the two lowest with their page sizes as constants: 2 MiB and 1 GiB */
	tlb = start_at(vtd, context, iova, 0, 21, root, hit, check);
	if (!tlb && context->top > 1)
		tlb = start_at(vtd, context, iova, 1, 30, root, hit, check);
	for (unsigned level = 2; !tlb && level < context->top; level++)
		tlb = start_at(vtd, context, iova, level, vtd_region_lg2(level), root, hit, check);
	return tlb;
}

/* The usual end of a walk; every other in vtd_walk_result(). */
static inline void walk_result(const struct vtd *vtd, const struct dma_request *request,
			       const struct pt_walk *walk, unsigned top, struct dma_result *result)
{
	if (likely(walk->status == PT_OK && !(request->access & ~walk->perm) && walk->perm)) {
		pa_t pa = walk->pa | (request->iova & page_mask(walk->page_lg2));

		if (likely(pa >> 20 != 0xfee)) {
			*result = (struct dma_result){ .pa = pa,
						       .perm = walk->perm,
						       .flags = walk->flags,
						       .page_lg2 = walk->page_lg2 };
			return;
		}
	}
	vtd_walk_result(vtd, request, walk, top, result);
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

/* truth: NULL when no source of the walk carries a check bit. */
static inline __attribute__((always_inline)) void
fill_after(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	   const struct pt_walk *walk, const struct dma_result *result,
	   const struct vtd_answer *truth, uint64_t changed)
{
	unsigned lowest = walk->status == PT_UNREADABLE ? walk->level + 1u : walk->level;

	for (unsigned level = lowest; level < walk->start; level++) {
		bool differs = truth && pointer_inherits(walk, level, context, truth);

		if (vtd->walk[level])
			vtd_fill_pointer(vtd, request, context, walk, level,
					 differs && MARK(MARK_INHERIT_POINTER) ? CHECK_SOURCE : 0,
					 differs ? changed : NO_EVENT);
	}
	if (walk->status == PT_OK && result->outcome == OUTCOME_OK) {
		bool differs = truth && leaf_inherits(walk, context, truth);

		vtd_fill_iotlb(vtd, request, context, walk,
			       differs && MARK(MARK_INHERIT_TRANSLATION) ? CHECK_SOURCE : 0,
			       differs ? changed : NO_EVENT);
	}
}

static __attribute__((noinline)) void
after_checked_walk(struct vtd *vtd, const struct dma_request *request, const struct vtd_path *path,
		   const struct pt_walk *walk, struct dma_result *result)
{
	uint64_t changed = path->any ? *path->at.changed : path->context->changed;
	struct vtd_answer truth;

	vtd_compare(vtd, request, path, result, walk, &truth);
	fill_after(vtd, request, path->context, walk, result, &truth, changed);
}

static inline __attribute__((always_inline)) void
miss(struct vtd *vtd, const struct dma_request *request, struct vtd_context *context,
     bool cached_context, struct dma_result *result)
{
	const struct tlb *tlb;
	struct tlb_hit hit;
	struct pt_root root;
	struct pt_walk walk;
	bool check;

	vtd->count.iotlb_misses++;
	tlb = walk_start(vtd, context, request->iova, &root, &hit, &check);
	vtd_ss_walk(vtd->memory, &root, request->iova, &walk);
	vtd->count.walk_reads += walk.start - walk.level + 1u;
	walk_result(vtd, request, &walk, context->top, result);
	if (unlikely(check || context->check || vtd->tables->freed_linked)) {
		struct vtd_path path = { .context = context, .cached_context = cached_context };

		if (check) {
			path.tlb = tlb;
			path.any = true;
			path.at = tlb_at_index(tlb, hit.at);
		}
		after_checked_walk(vtd, request, &path, &walk, result);
	} else {
		fill_after(vtd, request, context, &walk, result, NULL, NO_EVENT);
	}
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
				 .at = tlb_at_index(vtd->iotlb, hit->at) };
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

static __attribute__((noinline)) void serve_page(struct vtd *vtd, const struct dma_request *request,
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
		data = tlb_lookup(vtd->iotlb, 12, context->did, request->iova, &hit);
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

size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n)
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

		if (likely(iova < context->plain && request->type == DMA_UNTRANSLATED &&
			   request->len - 1u < 4096u - (uint32_t)(iova & 0xfff) &&
			   iova >> 20 != 0xfee)) {
			uint64_t data = tlb_lookup(iotlb, 12, context->did, iova, &hit);

			if (likely(data && !(data & TLB_CHECK) && !(request->access & ~data))) {
				context->used = ++vtd->context_clock;
				hits++;
				results[i] = (struct dma_result){
					.pa = bits_at(data, 51, 12) |
					      (iova & page_mask(hit.page_lg2)),
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
					vtd->iommu.refused = true;
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
		vtd->iommu.refused |= results[i].outcome != OUTCOME_OK;
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

void vtd_truth_result(struct iommu *iommu, const struct dma_request *request,
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
