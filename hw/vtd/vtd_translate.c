/*
 * Requests of every kind: checks, page crossings, pass-through, all stages, the interrupt range.
 * What is plain is served by the loop (vtd_loop.c) and does not come here.
 */
#include "hw/by_page.h"
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
	root->frame = hit->way->copy.table;
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
	const struct memory_view *view = vtd->memory->view;
	uint64_t changed = memory_view_met(view) ? view->met.event
			   : path->any		 ? *path->at.changed
						 : route_changed(path->route);

	vtd_compare(vtd, request, path, result, walk, truth);
	fill_after(vtd, request, pointers, vtd_input(context, request->iova), context, walk, result,
		   truth, changed);
}

/* Two stages use no pointers. */
static void miss(struct vtd *vtd, const struct dma_request *request, const struct vtd_route *route,
		 struct dma_result *result)
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
		path.at = tlb_at_way(hit.way);
	root.view = vtd_walk_view(vtd, context);
	checked = path.any || vtd_route_checked(route) || vtd->tables->freed_linked ||
		  (root.view && root.view->n_lines);
	if (checked)
		vtd_truth(vtd, request, &truth);
	vtd_walk(vtd, request, context, &root, vtd, &walk, result);
	vtd->count.walk_reads += walk.start - walk.level + 1u;
	if (checked)
		after_checked_walk(vtd, request, pointers, &path, &walk, result, &truth);
	else
		fill_after(vtd, request, pointers, input, context, &walk, result, NULL, NO_EVENT);
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
	struct vtd_path path = {
		.route = route, .tlb = vtd->iotlb, .any = true, .at = tlb_at_way(hit->way)
	};
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
	struct tlb_at at = tlb_at_way(hit->way);
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

static __attribute__((noinline)) void serve_page(void *ctx, const struct dma_request *request,
						 struct dma_result *result)
{
	struct vtd *vtd = ctx;
	struct vtd_route route;

	if (interrupt_message(request, result))
		return;
	if (vtd_table_mode(vtd) == TTM_ABORT) {
		blocked(request, result);
		return;
	}
	memory_view_forget(vtd->memory->view);
	if (vtd_ats(vtd, request, result))
		return;
	vtd_answer(vtd, request, &route, result);
	if (result->outcome == OUTCOME_FAULT)
		vtd_fault(vtd, request, route.context->sid, route.context->fpd, result->fault);
}

void vtd_serve(struct vtd *vtd, const struct dma_request *request, struct dma_result *result)
{
	by_page(request, result, serve_page, vtd);
}

/* What it would be now without any cache. */
void vtd_serve_truth(struct vtd *vtd, const struct dma_request *request, struct dma_result *result)
{
	struct vtd_answer answer;

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
