/* Rules R1, R3 and R5: a request whose copies carry a check bit is compared with truth. */
#include "hw/vtd/vtd_private.h"

#include <string.h>

static bool same_answer(const struct dma_result *a, const struct dma_result *b)
{
	return dma_granted(a) == dma_granted(b) && (!dma_granted(a) || a->pa == b->pa);
}

enum verdict vtd_judge(const struct dma_result *served, const struct dma_result *truth,
		       unsigned reasons)
{
	if (dma_granted(served) && !same_answer(served, truth))
		return VERDICT_STALE_USE;
	if (!dma_granted(served) && dma_granted(truth))
		return VERDICT_STALE_REFUSAL;
	/* R1: benign needs an update that had set the bit, and an access that was served. */
	return (reasons & (CHECK_UPDATE | CHECK_SOURCE)) && dma_granted(served) ? VERDICT_BENIGN
										: VERDICT_FRESH;
}

/* Whether the whole copy says what the tables say. */
static bool translation_equals(const struct vtd *vtd, const struct tlb_at *at,
			       const struct vtd_answer *truth)
{
	const struct pt_walk *walk = &truth->walk;
	iova_t first = tlb_first(vtd->iotlb, at);

	/* a dirty bit that memory lacks is one that the copy takes for set */
	return truth->walked && walk->status == PT_OK && walk->settled && !walk->dirties &&
	       walk->page_lg2 >= at->copy->page_lg2 &&
	       walk->perm == (*at->data & (TLB_PERM | TLB_USER)) &&
	       walk->flags == (*at->data & (TLB_SNOOP | TLB_CLEAN)) &&
	       truth->route.context->space == at->copy->space &&
	       (walk->pa | (first & low_mask(walk->page_lg2))) == bits_at(*at->data, 51, 12);
}

static bool pointer_equals(const struct tlb_at *at, unsigned level, const struct vtd_answer *truth)
{
	return truth->walked && level <= truth->walk.start && level >= truth->walk.lowest &&
	       truth->walk.tables[level] == at->copy->table &&
	       truth->route.context->space == at->copy->space &&
	       truth->walk.perms[level] == (*at->data & (TLB_PERM | TLB_USER));
}

bool vtd_entry_equals(const struct vtd_context *entry, const struct vtd_context *truth)
{
	return truth && !truth->fault && truth->pasid == entry->pasid &&
	       truth->directory_entry == entry->directory_entry &&
	       !memcmp(truth->words, entry->words, sizeof truth->words);
}

void vtd_prove_route(struct vtd *vtd, const struct vtd_route *route, const struct vtd_route *truth)
{
	if (route->outer_cached && route->outer->check &&
	    vtd_entry_equals(route->outer, truth->outer))
		vtd_config_proven(vtd, route->outer);
	if (route->cached && route->context->check &&
	    vtd_entry_equals(route->context, truth->context))
		vtd_config_proven(vtd, route->context);
}

struct overlap_search {
	const struct tlb_at *self;
	uint32_t n;
	struct tlb_at other;
};

static bool note_other(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct overlap_search *search = ctx;

	(void)tlb;
	if (at->copy != search->self->copy) {
		search->n++;
		search->other = *at;
	}
	return false;
}

/* Other valid translations under the same tag that cover any of [first, last]. */
static uint32_t others(const struct vtd *vtd, const struct tlb_at *at, iova_t first, iova_t last,
		       struct cached_copy *other)
{
	struct overlap_search search = { .self = at };
	struct tlb_scope scope = { .tag = tlb_tag_of(vtd->iotlb, at),
				   .first = first,
				   .last = last };

	tlb_visit(vtd->iotlb, &scope, note_other, &search);
	if (search.n && other)
		vtd_copy_of(vtd, vtd->iotlb, &search.other, other);
	return search.n;
}

/* Clears the bit of a copy that is proven to equal truth as a whole. */
static void prove(struct vtd *vtd, const struct vtd_path *path, const struct vtd_answer *truth)
{
	bool is_tlb = path->tlb == vtd->iotlb, equal;
	const struct tlb_at *at = &path->at;

	vtd_prove_route(vtd, path->route, &truth->route);
	/* Truth that is walked another way, as a changed PASID table entry says, proves nothing. */
	if (path->route->context->variant != truth->route.context->variant)
		return;
	if (!path->any || !(*at->data & TLB_CHECK) ||
	    vtd->tags[tlb_tag_of(path->tlb, at)].conflicted)
		return;
	if (is_tlb)
		equal = translation_equals(vtd, at, truth) &&
			!others(vtd, at, tlb_first(vtd->iotlb, at), tlb_last(vtd->iotlb, at), NULL);
	else
		equal = pointer_equals(at, at->copy->page_lg2 / 9u - 2u, truth);
	if (!equal)
		return;
	vtd_copy_closes(vtd, path->tlb, at);
	*at->data &= ~(uint64_t)TLB_CHECK;
	at->copy->reasons = 0;
}

void vtd_route_copy(const struct vtd *vtd, const struct vtd_route *route, struct cached_copy *copy)
{
	vtd_config_copy(vtd, route->outer && route->outer->check ? route->outer : route->context,
			copy);
}

/* The first copy on the way that has its bit set is the one to blame. */
static unsigned blame(const struct vtd *vtd, const struct vtd_path *path, struct cached_copy *copy)
{
	if (path->any && (*path->at.data & TLB_CHECK))
		vtd_copy_of(vtd, path->tlb, &path->at, copy);
	else
		vtd_route_copy(vtd, path->route, copy);
	return copy->reasons;
}

/*
 * The first table on this walk whose page had gone: freed and not a table again, or, behind a
 * cached pointer, freed since the pointer was filled. Returns 1 + the event, 0: none.
 */
static uint64_t freed_on_the_way(const struct vtd *vtd, const struct vtd_path *path,
				 const struct pt_walk *walk)
{
	unsigned lowest = walk->status == PT_UNREADABLE ? walk->level + 1u : walk->level;

	for (unsigned level = walk->start + 1u; level-- > lowest;) {
		const struct table_node *node = &walk->tables[level]->node;

		if (node->freed)
			return node->freed;
		if (level == walk->start && path->any && path->tlb != vtd->iotlb &&
		    node->was_freed > path->at.copy->filled + 1)
			return node->was_freed;
	}
	return 0;
}

void vtd_compare(struct vtd *vtd, const struct dma_request *request, const struct vtd_path *path,
		 const struct dma_result *served, const struct pt_walk *walk,
		 const struct vtd_answer *truth)
{
	struct cached_copy copy;
	struct checked_use use = { .event = vtd->iommu.event,
				   .request = request,
				   .copy = &copy,
				   .served = *served,
				   .matches = 1 };
	uint64_t freed = walk ? freed_on_the_way(vtd, path, walk) : 0;
	unsigned reasons = blame(vtd, path, &copy);
	iova_t input = vtd_input(path->route->context, request->iova);

	vtd->count.compared++;
	use.truth = truth->result;
	use.walk = truth->walked ? &truth->walk : NULL;
	use.verdict = vtd_judge(served, &truth->result, reasons);
	if (path->any && path->tlb == vtd->iotlb)
		use.matches += others(vtd, &path->at, input,
				      input + (request->len ? request->len - 1 : 0), &use.other);
	use.undirtied = (request->access & ACCESS_WRITE) && served->outcome == OUTCOME_OK &&
			truth->walked && truth->walk.dirties && !(walk && walk->dirties);
	if (freed) {
		use.page_freed_table = true;
		use.table_word = walk->word;
		use.table_freed = freed - 1;
	}
	if (memory_view_met(vtd->memory->view))
		use.behind = &vtd->memory->view->met; /* stays as it is until another is met */
	vtd->asking.checked = true; /* a device TLB that is filled with this inherits (R3) */
	vtd->asking.copy = copy;
	vtd->asking.use = use;
	if (!vtd->asking.on) /* else it is told of the request that the device asks for */
		vtd->observer->used(vtd->observer->self, &use);
	memory_view_forget(vtd->memory->view);
	prove(vtd, path, truth);
}
