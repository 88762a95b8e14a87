#include "hw/tlb.h"

#include <stdlib.h>
#include <string.h>

#define NO_KEY 0u

/* Its prints are in the heads of sets. */
static bool small(const struct tlb *tlb)
{
	return tlb->ways <= TLB_ORDERED_WAYS;
}

/* Its order is in the heads of sets. */
static bool ordered(const struct tlb *tlb)
{
	return !tlb->stamps;
}

static void *array(uint64_t n, size_t size)
{
	size_t bytes = (n * size + 63) & ~(size_t)63;
	void *space = aligned_alloc(64, bytes);

	if (space)
		memset(space, 0, bytes);
	return space;
}

static int create_arrays(struct tlb *tlb, bool stamped)
{
	tlb->heads = array(tlb->sets, sizeof *tlb->heads);
	tlb->ways_space = array(tlb->sets * tlb->stride, sizeof *tlb->ways_space);
	if (!tlb->heads || !tlb->ways_space || tlb_know_space(tlb, 0))
		return -1;
	for (uint64_t set = 0; set < tlb->sets; set++)
		tlb->heads[set].ways = &tlb->ways_space[set * tlb->stride];
	if (!small(tlb)) {
		tlb->prints =
			array(tlb->sets * tlb->stride / TLB_ORDERED_WAYS, sizeof *tlb->prints);
		if (!tlb->prints)
			return -1;
	}
	if (stamped) {
		tlb->stamps = array(tlb->sets * tlb->stride, sizeof *tlb->stamps);
		return tlb->stamps ? 0 : -1;
	}
	for (uint64_t set = 0; set < tlb->sets; set++) {
		struct tlb_head *head = tlb_head(tlb, set);

		for (unsigned i = 0; i < TLB_ORDERED_WAYS; i++)
			head->ages.way[i] = (uint8_t)(i < tlb->ways ? i : TLB_NO_WAY);
		head->recent = tlb_ways(head);
	}
	return 0;
}

int tlb_create(const struct tlb_geometry *geometry, const char *name, struct tlb **out,
	       struct err *err)
{
	uint64_t sets = geometry->sets, ways = geometry->ways;
	struct tlb *tlb;
	bool stamped;

	if (!sets || !ways || ways > TLB_WAYS_MAX || sets > TLB_ENTRIES_MAX / ways)
		return err_set(
			err, ERR_CONFIG,
			"%s: %llu sets of %llu ways; expected at least 1 of each, at most %d "
			"ways and %d entries",
			name, (unsigned long long)sets, (unsigned long long)ways, TLB_WAYS_MAX,
			TLB_ENTRIES_MAX);
	tlb = array(1, sizeof *tlb); /* aligned for its vectors */
	if (!tlb)
		return err_no_memory(err, name);
	tlb->sets = sets;
	tlb->ways = ways;
	tlb->stride = small(tlb) ? ways : (ways + 15) & ~15ull;
	tlb->set_mask = (sets & (sets - 1)) ? 0 : sets - 1;
	tlb->replacement = (uint32_t)geometry->replacement;
	stamped = !small(tlb) || (tlb->replacement == TLB_LRU && geometry->seldom_filled);
	tlb->lru_ages = tlb->replacement == TLB_LRU && !stamped;
	tlb->plain = tlb->lru_ages && (tlb->set_mask || sets == 1);
	tlb->plain_stamps = small(tlb) && stamped && (tlb->set_mask || sets == 1);
	tlb->oldest.all = tlb_splat((uint8_t)(ways - 1));
	for (unsigned i = 0; i < TLB_ORDERED_WAYS; i++)
		tlb->within.way[i] = i < ways ? UINT8_MAX : 0;
	tlb->way_mask = small(tlb) ? (1u << ways) - 1 : 0xffff;
	tlb->tag_shift = (uint8_t)(geometry->address_bits - 11);
	tlb->rng = geometry->seed * 2 + 1;
	if (create_arrays(tlb, stamped)) {
		tlb_destroy(tlb);
		return err_no_memory(err, name);
	}
	*out = tlb;
	return 0;
}

void tlb_destroy(struct tlb *tlb)
{
	if (!tlb)
		return;
	free(tlb->heads);
	free(tlb->ways_space);
	free(tlb->prints);
	free(tlb->stamps);
	free(tlb->has_space);
	free(tlb);
}

int tlb_know_space(struct tlb *tlb, uint32_t space)
{
	uint32_t n = tlb->n_spaces ? tlb->n_spaces : 8;
	uint8_t *has_space;

	if (space < tlb->n_spaces) {
		tlb->has_space[space] = 1;
		return 0;
	}
	while (n <= space)
		n *= 2;
	has_space = realloc(tlb->has_space, n);
	if (!has_space)
		return -1;
	memset(has_space + tlb->n_spaces, 0, n - tlb->n_spaces);
	tlb->has_space = has_space;
	tlb->has_space[space] = 1;
	tlb->n_spaces = n;
	return 0;
}

static void note_sizes(struct tlb *tlb)
{
	tlb->only_lg2 = tlb->plain && tlb->n_live == 1 ? tlb->live_lg2[0] : 0;
}

static void count_size(struct tlb *tlb, unsigned page_lg2)
{
	if (!tlb->by_size[page_lg2]++) {
		if (!tlb->count)
			tlb->n_live = 0;
		tlb->live_lg2[tlb->n_live++] = (uint8_t)page_lg2;
		note_sizes(tlb);
	}
	tlb->count++;
}

static __attribute__((noinline)) void forget_size(struct tlb *tlb, unsigned page_lg2)
{
	unsigned i = 0;

	while (tlb->live_lg2[i] != page_lg2)
		i++;
	tlb->n_live--;
	for (; i < tlb->n_live; i++)
		tlb->live_lg2[i] = tlb->live_lg2[i + 1];
	note_sizes(tlb);
}

static inline void uncount_size(struct tlb *tlb, unsigned page_lg2)
{
	tlb->count--;
	if (!--tlb->by_size[page_lg2] && tlb->count)
		forget_size(tlb, page_lg2);
}

/* A copy of another size, or none (0), stood where one of page_lg2 is put. */
void tlb_resized(struct tlb *tlb, unsigned old_lg2, unsigned page_lg2)
{
	if (old_lg2)
		uncount_size(tlb, old_lg2);
	count_size(tlb, page_lg2);
}

static struct tlb_way *ways_of(const struct tlb *tlb, uint64_t set)
{
	return tlb_ways(tlb_head(tlb, set));
}

static uint64_t number_of(const struct tlb *tlb, uint64_t set, const struct tlb_way *way)
{
	return (uint64_t)(way - ways_of(tlb, set));
}

struct tlb_way *tlb_find(const struct tlb *tlb, uint64_t set, uint64_t key)
{
	struct tlb_way *ways = ways_of(tlb, set), *way;

	if (small(tlb))
		return tlb_find16(ways, &tlb_head(tlb, set)->prints, tlb->way_mask, key);
	for (uint64_t base = 0; base < tlb->stride; base += TLB_ORDERED_WAYS) {
		const union tlb_by_way *prints =
			&tlb->prints[(set * tlb->stride + base) / TLB_ORDERED_WAYS];

		way = tlb_find16(ways + base, prints, tlb->way_mask, key);
		if (way)
			return way;
	}
	return NULL;
}

static void touch(struct tlb *tlb, uint64_t set, uint64_t way)
{
	struct tlb_head *head = tlb_head(tlb, set);

	if (tlb->lru_ages)
		tlb_renew(head, tlb_splat(head->ages.way[way]), tlb_ways(head) + way,
			  tlb_ways(head)[way].key);
	else if (tlb->replacement == TLB_LRU)
		tlb->stamps[set * tlb->stride + way] = ++tlb->stamp;
}

uint64_t tlb_lookup_rare(const struct tlb *tlb, uint64_t tag, iova_t iova, struct tlb_hit *hit)
{
	for (unsigned i = 0; i < tlb->n_live; i++) {
		unsigned lg2 = tlb->live_lg2[i];
		struct tlb_way *way;
		uint64_t set, data;

		if (tlb->plain) {
			data = tlb_lookup_size(tlb, tag, iova, lg2, hit);
			if (data)
				return data;
			continue;
		}
		set = tlb_set(tlb, iova, lg2);
		way = tlb_find(tlb, set, tlb_key(tlb, tag, iova, lg2));
		if (!way)
			continue;
		touch((struct tlb *)tlb, set, number_of(tlb, set, way));
		*hit = (struct tlb_hit){ way, lg2 };
		return way->data;
	}
	return 0;
}

bool tlb_at(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2, struct tlb_at *at)
{
	uint64_t set = tlb_set(tlb, iova, page_lg2);
	struct tlb_way *way = tlb_find(tlb, set, tlb_key(tlb, tag, iova, page_lg2));

	if (!way)
		return false;
	*at = tlb_at_way(way);
	return true;
}

static unsigned way_of_age(const struct tlb_head *head, uint8_t age)
{
	return (unsigned)__builtin_ctz(tlb_bits(head->ages.all == tlb_splat(age)));
}

/* With stamps: the oldest; a way without a copy has stamp 0. */
static uint64_t oldest(const struct tlb *tlb, uint64_t set)
{
	const uint64_t *stamps = tlb->stamps + set * tlb->stride;
	uint64_t way = 0;

	for (uint64_t w = 1; w < tlb->ways; w++)
		if (stamps[w] < stamps[way])
			way = w;
	return way;
}

struct tlb_way *tlb_take_any(struct tlb *tlb, uint64_t key, iova_t iova, unsigned page_lg2)
{
	uint64_t set = tlb_set(tlb, iova, page_lg2), way, at;
	struct tlb_head *head = tlb_head(tlb, set);

	way = ordered(tlb) ? way_of_age(head, (uint8_t)(tlb->ways - 1)) : oldest(tlb, set);
	if (tlb->replacement == TLB_RANDOM && tlb_ways(head)[way].key != NO_KEY) {
		tlb->rng = tlb->rng * 6364136223846793005ull + 1442695040888963407ull;
		way = (tlb->rng >> 33) % tlb->ways;
	}
	at = set * tlb->stride + way;
	if (ordered(tlb))
		tlb_renew(head, tlb_splat(head->ages.way[way]), tlb_ways(head) + way, key);
	else
		tlb->stamps[at] = ++tlb->stamp;
	if (small(tlb))
		head->prints.way[way] = tlb_print(key);
	else
		tlb->prints[at / TLB_ORDERED_WAYS].way[at % TLB_ORDERED_WAYS] = tlb_print(key);
	return tlb_ways(head) + way;
}

static void remove_way(struct tlb *tlb, uint64_t set, struct tlb_way *way)
{
	if (ordered(tlb))
		tlb_goes_last(tlb, tlb_head(tlb, set), way);
	else
		tlb->stamps[set * tlb->stride + number_of(tlb, set, way)] = 0;
	uncount_size(tlb, way->copy.page_lg2);
	tlb_clear(way);
}

static bool in_scope(const struct tlb *tlb, const struct tlb_scope *scope, const struct tlb_at *at)
{
	if (!scope->any_tag && tlb_tag_of(tlb, at) != scope->tag)
		return false;
	if (scope->space && at->copy->space != scope->space)
		return false;
	return tlb_first(tlb, at) <= scope->last && tlb_last(tlb, at) >= scope->first;
}

/* Visits the copy in that way, which is in scope; 1 when it was removed, else 0. */
static inline unsigned visit_way(struct tlb *tlb, uint64_t set, struct tlb_way *way,
				 tlb_visitor *visit, void *ctx)
{
	struct tlb_at at = tlb_at_way(way);

	if (!visit(ctx, tlb, &at))
		return 0;
	remove_way(tlb, set, way);
	return 1;
}

static uint64_t scan(struct tlb *tlb, const struct tlb_scope *scope, tlb_visitor *visit, void *ctx)
{
	uint64_t removed = 0;

	for (uint64_t set = 0; set < tlb->sets && tlb->count; set++) {
		struct tlb_way *ways = ways_of(tlb, set);

		for (struct tlb_way *way = ways; way < ways + tlb->ways; way++) {
			struct tlb_at at = tlb_at_way(way);

			if (way->key == NO_KEY)
				continue;
			if (in_scope(tlb, scope, &at))
				removed += visit_way(tlb, set, way, visit, ctx);
		}
	}
	return removed;
}

/* All pages of one size in the range, each in its set: the key says tag and range. */
static inline __attribute__((always_inline)) uint64_t probe(struct tlb *tlb,
							    const struct tlb_scope *scope,
							    unsigned page_lg2, tlb_visitor *visit,
							    void *ctx)
{
	uint64_t removed = 0, page = scope->first >> page_lg2, last = scope->last >> page_lg2;

	for (;; page++) {
		iova_t iova = page << page_lg2;
		uint64_t set = tlb_set(tlb, iova, page_lg2);
		struct tlb_way *way = tlb_find(tlb, set, tlb_key(tlb, scope->tag, iova, page_lg2));

		if (way && (!scope->space || way->copy.space == scope->space))
			removed += visit_way(tlb, set, way, visit, ctx);
		if (page == last)
			return removed;
	}
}

uint64_t tlb_visit(struct tlb *tlb, const struct tlb_scope *scope, tlb_visitor *visit, void *ctx)
{
	uint8_t sizes[TLB_SIZES];
	unsigned n = tlb->n_live;
	uint64_t pages = 0, removed = 0;

	if (!tlb->count || (scope->space && !tlb_may_hold(tlb, scope->space)))
		return 0;
	if (tlb->only_lg2 == 12 && !scope->any_tag && !((scope->first ^ scope->last) >> 12))
		return probe(tlb, scope, 12, visit, ctx); /* one page, as most are */
	for (unsigned i = 0; i < n && pages <= tlb->count; i++) {
		sizes[i] = tlb->live_lg2[i];
		pages += (scope->last >> sizes[i]) - (scope->first >> sizes[i]) + 1;
	}
	/* A probe looks through the ways of a set, as a scan does for every set. */
	if (scope->any_tag || pages > tlb->count || pages > tlb->sets)
		return scan(tlb, scope, visit, ctx);
	for (unsigned i = 0; i < n; i++)
		removed += probe(tlb, scope, sizes[i], visit, ctx);
	return removed;
}
