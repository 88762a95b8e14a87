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

/* Whether the walk cache of a level has a pointer for input: then the walk begins at its table. */
static inline __attribute__((always_inline)) const struct tlb *
start_at(struct vtd *vtd, const struct tlb *tlb, const struct vtd_context *context, iova_t input,
	 unsigned level, unsigned usual, struct pt_root *root, struct tlb_hit *hit, bool *check)
{
	uint64_t data = tlb ? tlb_lookup(tlb, usual, context->tag, input, hit) : 0;

	if (!data)
		return NULL;
	root->table = bits_at(data, 51, 12);
	root->frame = tlb->copies[hit->at].table;
	root->level = (uint8_t)level;
	root->perm = data & (TLB_PERM | TLB_USER);
	vtd->count.walk_hits[level]++;
	*check = data & TLB_CHECK;
	return tlb;
}

/*
 * Where the walk begins: the lowest table that a walk cache points to, else the top. Returns the
 * walk cache, NULL for the top; *hit is where in it, *check the pointer's check bit.
 */
static inline __attribute__((always_inline)) const struct tlb *
walk_start(struct vtd *vtd, struct tlb *const *pointers, const struct vtd_context *context,
	   iova_t input, struct pt_root *root, struct tlb_hit *hit, bool *check)
{
	const struct tlb *tlb;

	*check = false;
	/* the two lowest with their page sizes as constants: 2 MiB and 1 GiB */
	tlb = start_at(vtd, pointers[0], context, input, 0, 21, root, hit, check);
	if (!tlb && context->top > 1)
		tlb = start_at(vtd, pointers[1], context, input, 1, 30, root, hit, check);
	for (unsigned level = 2; !tlb && level < context->top && level < VTD_LEVELS_MAX; level++)
		tlb = start_at(vtd, pointers[level], context, input, level, vtd_region_lg2(level),
			       root, hit, check);
	return tlb;
}

/* The usual end of a walk; every other in vtd_walk_result(). */
static inline void second_result(const struct vtd *vtd, const struct dma_request *request,
				 const struct vtd_context *context, struct pt_walk *walk,
				 struct dma_result *result)
{
	if (likely(walk->status == PT_OK))
		walk->flags |= context->entry_flags;
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
	vtd_walk_result(vtd, request, context, walk, result);
}

/* Of what made the route's bit be set; NO_EVENT: it is not set. */
static uint64_t route_changed(const struct vtd_route *route)
{
	if (route->context->check)
		return route->context->changed;
	return route->outer && route->outer->check ? route->outer->changed : NO_EVENT;
}

static __attribute__((noinline)) void
after_checked_walk(struct vtd *vtd, const struct dma_request *request, struct tlb *const *pointers,
		   const struct vtd_path *path, const struct pt_walk *walk,
		   const struct dma_result *result, const struct vtd_answer *truth)
{
	const struct vtd_context *context = path->route->context;
	uint64_t changed = path->any ? *path->at.changed : route_changed(path->route);
	vtd_compare(vtd, request, path, result, walk, truth);
	fill_after(vtd, false, request, pointers, vtd_input(context, request->iova), context, walk,
		   result, truth, changed);
}

/* Plain second-stage translation. route: NULL where neither it nor the context is to be checked. */
static inline __attribute__((always_inline)) void
miss_second(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	    const struct vtd_route *route, struct dma_result *result)
{
	struct pt_root root = { .table = context->root,
				.frame = context->frame,
				.level = context->top,
				.perm = TLB_PERM,
				.reserved = vtd->reserved };
	const struct tlb *tlb;
	struct tlb_hit hit;
	struct pt_walk walk;
	bool check;

	vtd->count.iotlb_misses++;
	tlb = walk_start(vtd, vtd->walk, context, request->iova, &root, &hit, &check);
	vtd_ss_walk(vtd->memory, &root, request->iova, &walk);
	vtd->count.walk_reads += walk.start - walk.level + 1u;
	walk.lowest = vtd_lowest(&walk);
	second_result(vtd, request, context, &walk, result);
	if (unlikely(check || route || vtd->tables->freed_linked)) {
		struct vtd_route plain = { .context = (struct vtd_context *)context,
					   .cached = true };
		struct vtd_path path = { .route = route ? route : &plain };
		struct vtd_answer truth;

		if (check) {
			path.tlb = tlb;
			path.any = true;
			path.at = tlb_at_index(tlb, hit.at);
		}
		vtd_truth(vtd, request, &truth);
		after_checked_walk(vtd, request, vtd->walk, &path, &walk, result, &truth);
	} else {
		fill_after(vtd, true, request, vtd->walk, request->iova, context, &walk, result,
			   NULL, NO_EVENT);
	}
}

/* Any other: a first stage, two stages, accessed and dirty bits. Two stages use no pointers. */
static void miss_other(struct vtd *vtd, const struct dma_request *request,
		       const struct vtd_route *route, struct dma_result *result)
{
	static struct tlb *const none[VTD_LEVELS_MAX];
	const struct vtd_context *context = route->context;
	struct tlb *const *pointers = context->stages == STAGES_NESTED ? none
				      : context->input_bits	       ? vtd->first_walk
								       : vtd->walk;
	iova_t input = vtd_input(context, request->iova);
	struct pt_root root = vtd_top(vtd, context);
	struct vtd_path path = { .route = route };
	struct vtd_answer truth;
	struct tlb_hit hit;
	struct pt_walk walk;
	bool checked;

	vtd->count.iotlb_misses++;
	path.tlb = walk_start(vtd, pointers, context, input, &root, &hit, &path.any);
	if (path.any)
		path.at = tlb_at_index(path.tlb, hit.at);
	checked = path.any || vtd_route_checked(route) || vtd->tables->freed_linked;
	if (checked)
		vtd_truth(vtd, request, &truth);
	vtd_walk(vtd, request, context, &root, vtd, &walk, result);
	vtd->count.walk_reads += walk.start - walk.level + 1u;
	if (checked)
		after_checked_walk(vtd, request, pointers, &path, &walk, result, &truth);
	else
		fill_after(vtd, false, request, pointers, input, context, &walk, result, NULL,
			   NO_EVENT);
}

static void miss(struct vtd *vtd, const struct dma_request *request, const struct vtd_route *route,
		 struct dma_result *result)
{
	if (vtd_second_alone(route->context) && request->type == DMA_UNTRANSLATED)
		miss_second(vtd, request, route->context, vtd_route_checked(route) ? route : NULL,
			    result);
	else
		miss_other(vtd, request, route, result);
}

static void hit_result(const struct vtd *vtd, const struct dma_request *request,
		       const struct vtd_context *context, uint64_t data, unsigned page_lg2,
		       struct dma_result *result)
{
	struct pt_walk copy = { .status = PT_OK,
				.perm = (uint8_t)(data & (TLB_PERM | TLB_USER)),
				.page_lg2 = (uint8_t)page_lg2,
				.flags = (uint8_t)(data & TLB_SNOOP),
				.pa = bits_at(data, 51, 12) };

	vtd_walk_result(vtd, request, context, &copy, result);
	result->cached = 1;
}

/* Which of several matching copies answers: the manual promises nothing (sheet 3). */
static void choose_match(struct vtd *vtd, const struct vtd_context *context, iova_t input,
			 struct tlb_at *at)
{
	for (unsigned i = 0; i < vtd->iotlb->n_live; i++) {
		struct tlb_at other;
		bool take;

		if (!tlb_at(vtd->iotlb, context->tag, input, vtd->iotlb->live_lg2[i], &other) ||
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
			const struct vtd_route *route, const struct tlb_hit *hit,
			struct dma_result *result)
{
	const struct vtd_context *context = route->context;
	struct vtd_path path = { .route = route,
				 .tlb = vtd->iotlb,
				 .any = true,
				 .at = tlb_at_index(vtd->iotlb, hit->at) };
	struct vtd_answer truth;

	if (path.at.copy->reasons & CHECK_OVERLAP)
		choose_match(vtd, context, vtd_input(context, request->iova), &path.at);
	hit_result(vtd, request, context, *path.at.data, path.at.copy->page_lg2, result);
	vtd_truth(vtd, request, &truth);
	vtd_compare(vtd, request, &path, result, NULL, &truth);
}

/* R4: a two-stage copy of an older generation counts as having its bit set. */
static uint64_t generation_checked(struct vtd *vtd, const struct vtd_context *context,
				   const struct tlb_hit *hit)
{
	struct tlb_at at = tlb_at_index(vtd->iotlb, hit->at);
	const struct vtd_tag *tag = &vtd->tags[context->tag];

	if (at.copy->generation != tag->generation && !(*at.data & TLB_CHECK)) {
		*at.data |= TLB_CHECK;
		*at.changed = tag->changed;
		at.copy->reasons |= CHECK_UPDATE;
		vtd_copy_opens(vtd, vtd->iotlb, &at);
	}
	at.copy->generation = tag->generation;
	return *at.data;
}

/*
 * A copy that allows the request, but not without a walk: a write that has to set a dirty bit, or
 * one that the first stage lets through without W, of which the copy does not say what the second
 * stage allows. The walk's copy takes its place.
 */
static bool walks_again(const struct dma_request *request, const struct vtd_context *context,
			uint64_t data)
{
	if (!(request->access & ACCESS_WRITE))
		return false;
	if (data & TLB_WRITE)
		return data & TLB_CLEAN;
	return context->input_bits && request->privileged && !context->write_protect &&
	       ((data & TLB_CLEAN) || context->stages == STAGES_NESTED);
}

static bool remove_page(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	vtd_copy_closes(ctx, tlb, at);
	return true;
}

static void remove_hit(struct vtd *vtd, const struct vtd_context *context, iova_t input)
{
	struct tlb_scope scope = { .tag = context->tag, .first = input, .last = input };

	tlb_visit(vtd->iotlb, &scope, remove_page, vtd);
}

/* 2.1: an untranslated write without PASID to the interrupt range is a message; a read there
 * gets Unsupported Request. */
static bool interrupt_message(const struct dma_request *request, struct dma_result *result)
{
	if (!vtd_in_interrupt_range(request->iova) || request->type != DMA_UNTRANSLATED ||
	    request->pasid != NO_PASID)
		return false;
	*result = (struct dma_result){ .pa = NO_PA, .outcome = OUTCOME_INTERRUPT, .sees = SEES_OK };
	if (!(request->access & ACCESS_WRITE)) {
		result->outcome = OUTCOME_BLOCKED;
		result->sees = SEES_UNSUPPORTED;
	}
	return true;
}

static void lookup(struct vtd *vtd, const struct dma_request *request,
		   const struct vtd_route *route, struct dma_result *result)
{
	const struct vtd_context *context = route->context;
	iova_t input = vtd_input(context, request->iova);
	struct tlb_hit hit;
	uint64_t data = tlb_lookup(vtd->iotlb, 12, context->tag, input, &hit);

	if (data && walks_again(request, context, data)) {
		remove_hit(vtd, context, input);
		data = 0;
	}
	if (!data) {
		miss(vtd, request, route, result);
		return;
	}
	vtd->count.iotlb_hits++;
	if (context->stages == STAGES_NESTED)
		data = generation_checked(vtd, context, &hit);
	if ((data & TLB_CHECK) || vtd_route_checked(route))
		checked_hit(vtd, request, route, &hit, result);
	else
		hit_result(vtd, request, context, data, hit.page_lg2, result);
}

/* RTADDR.TTM = 11b: all DMA is blocked (sheet 2.1). */
static void blocked(const struct dma_request *request, struct dma_result *result)
{
	vtd_refuse(request, VTD_TABLE_MODE_INVALID, result);
	result->outcome = OUTCOME_BLOCKED;
	result->fault = 0;
}

void vtd_answer(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route,
		struct dma_result *result)
{
	struct vtd_path path = { .route = route };
	struct vtd_answer truth;

	vtd_route_find(vtd, request, route);
	if (!vtd_before_translation(vtd, request, route->context, result)) {
		lookup(vtd, request, route, result);
	} else if (vtd_route_checked(route)) {
		vtd_truth(vtd, request, &truth);
		vtd_compare(vtd, request, &path, result, NULL, &truth);
	}
}

static __attribute__((noinline)) void serve_page(struct vtd *vtd, const struct dma_request *request,
						 struct dma_result *result)
{
	struct vtd_route route;

	if (interrupt_message(request, result))
		return;
	if (vtd_table_mode(vtd) == TTM_ABORT) {
		blocked(request, result);
		return;
	}
	if (vtd_ats(vtd, request, result))
		return;
	vtd_answer(vtd, request, &route, result);
	if (result->outcome == OUTCOME_FAULT)
		vtd_fault(vtd, request, route.context->sid, route.context->fpd, result->fault);
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

/* Untranslated, without a PASID, of user privilege: what the loop serves. */
static inline bool is_plain(const struct dma_request *request)
{
	return !(request->type | request->privileged | ~request->pasid);
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

		if (likely(iova < context->plain && is_plain(request) &&
			   request->len - 1u < 4096u - (uint32_t)(iova & 0xfff) &&
			   iova >> 20 != 0xfee)) {
			uint64_t data = tlb_lookup(iotlb, 12, context->tag, iova, &hit);

			if (likely(data && !(data & TLB_CHECK) &&
				   !(request->access & ~(data >> TLB_NOW_SHIFT)))) {
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
			if (!data && likely(vtd_second_alone(context) &&
					    !(request->access & ACCESS_EXECUTE))) {
				vtd->iommu.event = first_event + i;
				context->used = ++vtd->context_clock;
				misses++;
				miss_second(vtd, request, context, NULL, &results[i]);
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
	if (vtd_table_mode(vtd) == TTM_ABORT) {
		blocked(request, result);
		return;
	}
	if (vtd_ats_truth(vtd, request, result))
		return;
	vtd_truth(vtd, request, &answer);
	*result = answer.result;
}
