#include "hw/tlb.h"

#include <stdlib.h>
#include <string.h>

#define NO_KEY UINT64_MAX

int tlb_create(const struct tlb_geometry *geometry, const char *name, struct tlb **out,
	       struct err *err)
{
	uint64_t sets = geometry->sets, ways = geometry->ways;
	struct tlb *tlb;

	if (!sets || !ways || ways > TLB_WAYS_MAX || sets > TLB_ENTRIES_MAX / ways)
		return err_set(
			err, ERR_CONFIG,
			"%s: %llu sets of %llu ways; expected at least 1 of each, at most %d "
			"ways and %d entries",
			name, (unsigned long long)sets, (unsigned long long)ways, TLB_WAYS_MAX,
			TLB_ENTRIES_MAX);
	tlb = calloc(1, sizeof *tlb);
	if (!tlb)
		return err_no_memory(err, name);
	tlb->lines = aligned_alloc(64, (sets * ways * 16 + 63) & ~63ull);
	tlb->copies = aligned_alloc(64, sets * ways * sizeof *tlb->copies);
	if (!tlb->lines || !tlb->copies) {
		tlb_destroy(tlb);
		return err_no_memory(err, name);
	}
	memset(tlb->copies, 0, sets * ways * sizeof *tlb->copies);
	tlb->sets = sets;
	tlb->ways = ways;
	tlb->set_mask = (sets & (sets - 1)) ? 0 : sets - 1;
	tlb->line_lg2 = (ways & (ways - 1)) ? -1 : (int32_t)log2_floor(ways * 2);
	tlb->replacement = (uint32_t)geometry->replacement;
	tlb->tag_shift = (uint8_t)(geometry->address_bits - 11);
	tlb->rng = geometry->seed * 2 + 1;
	memcpy(tlb->page_lg2, geometry->page_lg2, sizeof tlb->page_lg2);
	for (uint64_t set = 0; set < sets; set++) {
		uint64_t *keys = tlb->lines + set * ways * 2;

		for (uint64_t w = 0; w < ways; w++) {
			keys[w] = NO_KEY;
			keys[ways + w] = w << 52; /* every way starts with a place of its own */
		}
	}
	*out = tlb;
	return 0;
}

void tlb_destroy(struct tlb *tlb)
{
	if (!tlb)
		return;
	free(tlb->lines);
	free(tlb->copies);
	free(tlb->by_space);
	free(tlb);
}

int tlb_know_space(struct tlb *tlb, uint32_t space)
{
	uint32_t n = tlb->n_spaces ? tlb->n_spaces : 8;
	uint32_t *by_space;

	if (space < tlb->n_spaces)
		return 0;
	while (n <= space)
		n *= 2;
	by_space = realloc(tlb->by_space, n * sizeof *by_space);
	if (!by_space)
		return -1;
	memset(by_space + tlb->n_spaces, 0, (n - tlb->n_spaces) * sizeof *by_space);
	tlb->by_space = by_space;
	tlb->n_spaces = n;
	return 0;
}

static void count_size(struct tlb *tlb, unsigned page_lg2)
{
	for (unsigned i = 0; i < tlb->n_live; i++) {
		if (tlb->live_lg2[i] == page_lg2) {
			tlb->live_count[i]++;
			return;
		}
	}
	tlb->live_lg2[tlb->n_live] = (uint8_t)page_lg2;
	tlb->live_count[tlb->n_live++] = 1;
}

static void uncount_size(struct tlb *tlb, unsigned page_lg2)
{
	unsigned i = 0;

	while (tlb->live_lg2[i] != page_lg2)
		i++;
	if (--tlb->live_count[i])
		return;
	tlb->n_live--;
	for (; i < tlb->n_live; i++) {
		tlb->live_lg2[i] = tlb->live_lg2[i + 1];
		tlb->live_count[i] = tlb->live_count[i + 1];
	}
}

bool tlb_at(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2, struct tlb_at *at)
{
	uint64_t *keys = tlb_set(tlb, iova, page_lg2), key = tlb_key(tlb, tag, iova, page_lg2);

	for (uint64_t w = 0; w < tlb->ways; w++) {
		if (keys[w] != key)
			continue;
		*at = (struct tlb_at){ &keys[w], &keys[tlb->ways + w],
				       tlb_copy_of(tlb, keys, keys[tlb->ways + w]) };
		return true;
	}
	return false;
}

iova_t tlb_first(const struct tlb *tlb, const struct tlb_at *at)
{
	uint64_t page = *at->key & low_mask(tlb->tag_shift);

	/* drop the size marker: the page number at 4 KiB granularity is above it */
	return (page >> (at->copy->page_lg2 - 11)) << at->copy->page_lg2;
}

uint64_t tlb_tag_of(const struct tlb *tlb, const struct tlb_at *at)
{
	return *at->key >> tlb->tag_shift;
}

/* The way that a fill takes: an invalid one (they are the last), else by the rule. */
static uint64_t victim_way(struct tlb *tlb, const uint64_t *keys)
{
	if (tlb->replacement != TLB_RANDOM || keys[tlb->ways - 1] == NO_KEY)
		return tlb->ways - 1;
	tlb->rng = tlb->rng * 6364136223846793005ull + 1442695040888963407ull;
	return (tlb->rng >> 33) % tlb->ways;
}

bool tlb_fill(struct tlb *tlb, uint64_t tag, iova_t iova, uint64_t data,
	      const struct tlb_copy *copy, struct tlb_evicted *evicted)
{
	uint64_t set = tlb_set_number(tlb, iova, copy->page_lg2);
	uint64_t *keys = tlb->lines + set * tlb->ways * 2;
	uint64_t way = victim_way(tlb, keys), place = keys[tlb->ways + way] >> 52;
	struct tlb_copy *to = &tlb->copies[set * tlb->ways + place];
	bool displaced = keys[way] != NO_KEY;

	if (displaced) {
		evicted->data = keys[tlb->ways + way];
		if (evicted->data & TLB_CHECK) { /* only such a one has anything to tell */
			evicted->key = keys[way];
			evicted->copy = *to;
		}
	} else {
		tlb->entries++;
	}
	if (!displaced || to->page_lg2 != copy->page_lg2 || to->space != copy->space) {
		if (displaced) {
			uncount_size(tlb, to->page_lg2);
			tlb->by_space[to->space]--;
		}
		count_size(tlb, copy->page_lg2);
		tlb->by_space[copy->space]++;
	}
	*to = *copy;
	to->serial = ++tlb->serial;
	keys[way] = tlb_key(tlb, tag, iova, copy->page_lg2);
	keys[tlb->ways + way] = data | TLB_VALID | place << 52;
	tlb_to_front(keys, tlb->ways, way);
	return displaced;
}

/* An invalid way goes behind the valid ones, so that order among them stays. */
static void remove_way(struct tlb *tlb, uint64_t *keys, uint64_t way)
{
	uint64_t *data = keys + tlb->ways, place = data[way] & ~low_mask(52);
	struct tlb_copy *copy = tlb_copy_of(tlb, keys, data[way]);

	uncount_size(tlb, copy->page_lg2);
	tlb->by_space[copy->space]--;
	tlb->entries--;
	for (; way + 1 < tlb->ways && keys[way + 1] != NO_KEY; way++) {
		keys[way] = keys[way + 1];
		data[way] = data[way + 1];
	}
	keys[way] = NO_KEY;
	data[way] = place;
}

static bool in_scope(const struct tlb *tlb, const struct tlb_scope *scope, const struct tlb_at *at)
{
	if (!scope->any_tag && tlb_tag_of(tlb, at) != scope->tag)
		return false;
	if (scope->space && at->copy->space != scope->space)
		return false;
	return tlb_first(tlb, at) <= scope->last && tlb_last(tlb, at) >= scope->first;
}

/* Visits one way; true when it was removed and another copy may stand there now. */
static bool visit_way(struct tlb *tlb, const struct tlb_scope *scope, uint64_t *keys, uint64_t way,
		      tlb_visitor *visit, void *ctx)
{
	struct tlb_at at = { &keys[way], &keys[tlb->ways + way],
			     tlb_copy_of(tlb, keys, keys[tlb->ways + way]) };

	if (!in_scope(tlb, scope, &at) || !visit(ctx, tlb, &at))
		return false;
	remove_way(tlb, keys, way);
	return true;
}

static uint64_t scan(struct tlb *tlb, const struct tlb_scope *scope, tlb_visitor *visit, void *ctx)
{
	uint64_t removed = 0;

	for (uint64_t set = 0; set < tlb->sets && tlb->entries; set++) {
		uint64_t *keys = tlb->lines + set * tlb->ways * 2;

		for (uint64_t w = 0; w < tlb->ways && keys[w] != NO_KEY;) {
			if (visit_way(tlb, scope, keys, w, visit, ctx))
				removed++;
			else
				w++;
		}
	}
	return removed;
}

/* All pages of one size in the range, each in its set. */
static uint64_t probe(struct tlb *tlb, const struct tlb_scope *scope, unsigned page_lg2,
		      tlb_visitor *visit, void *ctx)
{
	uint64_t removed = 0, page = scope->first >> page_lg2, last = scope->last >> page_lg2;

	for (;; page++) {
		uint64_t *keys = tlb_set(tlb, page << page_lg2, page_lg2);
		uint64_t key = tlb_key(tlb, scope->tag, page << page_lg2, page_lg2);

		for (uint64_t w = 0; w < tlb->ways; w++) {
			if (keys[w] != key)
				continue;
			removed += visit_way(tlb, scope, keys, w, visit, ctx);
			break;
		}
		if (page == last)
			return removed;
	}
}

uint64_t tlb_visit(struct tlb *tlb, const struct tlb_scope *scope, tlb_visitor *visit, void *ctx)
{
	uint8_t sizes[TLB_SIZES];
	unsigned n = tlb->n_live;
	uint64_t pages = 0, removed = 0;

	if (!tlb->entries || (scope->space && !tlb_of_space(tlb, scope->space)))
		return 0;
	for (unsigned i = 0; i < n && pages <= tlb->entries; i++) {
		sizes[i] = tlb->live_lg2[i];
		pages += (scope->last >> sizes[i]) - (scope->first >> sizes[i]) + 1;
	}
	/* A probe looks through the ways of a set, as a scan does for every set. */
	if (scope->any_tag || pages > tlb->entries || pages > tlb->sets)
		return scan(tlb, scope, visit, ctx);
	for (unsigned i = 0; i < n; i++)
		removed += probe(tlb, scope, sizes[i], visit, ctx);
	return removed;
}
