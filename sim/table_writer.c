/*
 * The default table code: neutral updates become words in the IOMMU's own format, entry by
 * entry. Missing tables are made; an unmap clears leaves; a leaf over a leaf is one write; a
 * block over a table replaces the pointer; a superpage that is touched in part is split first
 * (its table is filled before it is linked) unless the driver takes it away as a whole.
 */
#include <stdlib.h>

#include "sim/replay_private.h"

struct writer {
	struct replay *replay;
	struct domain *domain;
	const struct pt_format *format;
	const struct write_rules *rules;
	struct write_outcome *outcome;
	struct err *err;
};

static struct writer writer_of(struct replay *replay, struct domain *domain,
			       const struct write_rules *rules, struct write_outcome *outcome,
			       struct err *err)
{
	return (struct writer){ replay, domain, domain->format, rules, outcome, err };
}

static unsigned span_lg2(const struct pt_format *format, unsigned level)
{
	return format->granule_lg2 + format->index_bits * level;
}

static unsigned index_of(const struct pt_format *format, iova_t iova, unsigned level)
{
	return (unsigned)(iova >> span_lg2(format, level)) & (unsigned)low_mask(format->index_bits);
}

static struct pt_entry entry_at(const struct writer *w, pa_t table, iova_t iova, unsigned level)
{
	uint64_t raw = 0;

	memory_read(w->replay->memory, table + index_of(w->format, iova, level) * 8ull, &raw);
	return w->format->decode(raw, level);
}

/* What a rewritten leaf keeps of the old one: that it is dirty. */
static uint64_t dirty_at(const struct writer *w, pa_t table, iova_t iova, unsigned level)
{
	uint64_t raw = 0;

	memory_read(w->replay->memory, table + index_of(w->format, iova, level) * 8ull, &raw);
	return raw & w->format->dirty;
}

static int store(const struct writer *w, pa_t table, iova_t iova, unsigned level, unsigned count,
		 uint64_t base, uint64_t step)
{
	return words_store(w->replay, table + index_of(w->format, iova, level) * 8ull, count, base,
			   step, w->err);
}

/* A superpage becomes a table of the next smaller pages with the same meaning. */
static int split(const struct writer *w, pa_t table, iova_t iova, unsigned level,
		 const struct pt_entry *leaf)
{
	pa_t lower = words_new_table(w->replay);
	uint64_t step = 1ull << span_lg2(w->format, level - 1);

	w->replay->splitting = true;
	if (words_store(w->replay, lower, 1u << w->format->index_bits,
			w->format->leaf(leaf->addr, leaf->perm, level - 1) |
				dirty_at(w, table, iova, level),
			step, w->err))
		return -1;
	w->replay->splitting = false;
	return store(w, table, iova, level, 1, w->format->table(lower), 0);
}

/* The frame that holds iova's entry in a table of that level. */
static struct frame *entry_frame(const struct writer *w, pa_t table, iova_t iova, unsigned level)
{
	return memory_frame(w->replay->memory, table + index_of(w->format, iova, level) * 8ull);
}

/* The frame of smallest pages that holds iova's entry, or NULL where there is none. */
static struct frame *leaf_table(const struct writer *w, iova_t iova)
{
	struct domain *domain = w->domain;
	struct frame *frame = writer_same_table(w->replay, domain, iova);

	if (frame)
		return frame;
	frame = entry_frame(w, domain->root, iova, domain->levels - 1);
	for (unsigned level = domain->levels - 1; frame && level > 0; level--) {
		unsigned at = index_of(w->format, iova, level) & (FRAME_WORDS - 1);
		struct pt_entry entry = w->format->decode(frame_word(frame, at), level);

		frame = entry.kind == PT_TABLE ? entry_frame(w, entry.addr, iova, level - 1) : NULL;
	}
	domain->last_table = frame;
	domain->last_table_first = iova & ~page_mask(writer_frame_lg2(w->format));
	domain->last_table_bytes = frame ? 1ull << writer_frame_lg2(w->format) : 0;
	domain->last_table_shape = w->replay->tables->shape;
	return frame;
}

/* The table of `level` that holds iova's entry; made where missing. */
static int descend(const struct writer *w, iova_t iova, unsigned level, pa_t *table)
{
	unsigned at = w->domain->levels - 1;

	*table = w->domain->root;
	while (at > level) {
		struct pt_entry entry = entry_at(w, *table, iova, at);

		if (entry.kind == PT_LEAF) {
			if (split(w, *table, iova, at, &entry))
				return -1;
			entry = entry_at(w, *table, iova, at);
		} else if (entry.kind != PT_TABLE) {
			pa_t made = words_new_table(w->replay);

			if (store(w, *table, iova, at, 1, w->format->table(made), 0))
				return -1;
			entry.addr = made;
		}
		*table = entry.addr;
		at--;
	}
	return 0;
}

/* Puts a table and all tables below it on the list of those that wait for their release. */
static int unlink_tables(const struct writer *w, pa_t table, unsigned level)
{
	struct freed_table *freed;

	for (unsigned i = 0; level > 0 && i < 1u << w->format->index_bits; i++) {
		struct pt_entry entry =
			entry_at(w, table, (iova_t)i << span_lg2(w->format, level), level);

		if (entry.kind == PT_TABLE && unlink_tables(w, entry.addr, level - 1))
			return -1;
	}
	freed = w->replay->spare_freed; /* only now: the tables below have taken theirs */
	if (freed)
		w->replay->spare_freed = freed->next;
	else
		freed = malloc(sizeof *freed);
	if (!freed)
		return err_no_memory(w->err, "a list of freed tables");
	*freed = (struct freed_table){ table, w->outcome->freed };
	w->outcome->freed = freed;
	return 0;
}

void writer_free_list(struct replay *replay, struct freed_table *list)
{
	const struct iommu *iommu = replay->units[0].iommu;
	unsigned frames = 1u << iommu->model->format(iommu)->role->frames_lg2;

	while (list) {
		struct freed_table *next = list->next;

		for (unsigned part = 0; part < frames; part++)
			tables_free(replay->tables, list->pa + ((pa_t)part << FRAME_LG2),
				    replay->event);
		replay->count.tables_freed++;
		if (replay->observer->table_freed)
			replay->observer->table_freed(replay->observer->self, list->pa,
						      replay->event, replay->now_ns);
		list->next = replay->spare_freed;
		replay->spare_freed = list;
		list = next;
	}
}

/* drivers 4.2: a superpage where a table stands, in the order of the driver's version. */
static int replace_table(const struct writer *w, pa_t table, iova_t iova, unsigned level,
			 uint64_t leaf, pa_t lower)
{
	const struct run_config *run = &w->replay->machine->run;
	iova_t first = iova & ~low_mask(span_lg2(w->format, level));
	struct invalidation scope = { .what = INVAL_RANGE,
				      .tag = w->domain->tag,
				      .pasid = NO_PASID,
				      .first = first,
				      .last = first + low_mask(span_lg2(w->format, level)),
				      .drain = true };
	struct write_outcome *outcome = w->outcome;
	struct freed_table *kept = outcome->freed;
	uint32_t number;

	if (!w->rules->free_tables) /* recorded: one write; the table page stays allocated */
		return store(w, table, iova, level, 1, leaf, 0);
	if (run->superpage_replace == SUPERPAGE_LEAK) {
		outcome->refused++;
		return 0;
	}
	outcome->freed = NULL;
	if (store(w, table, iova, level, 1, 0, 0) || unlink_tables(w, lower, level - 1))
		return -1;
	if (run->superpage_replace == SUPERPAGE_FREE_NOFLUSH ||
	    run->superpage_replace == SUPERPAGE_FLUSH) {
		writer_free_tables(w->replay, outcome->freed);
		outcome->freed = NULL;
	}
	if (run->superpage_replace != SUPERPAGE_FREE_NOFLUSH) {
		if (inval_issue(w->replay, w->domain, &scope, &number, w->err))
			return -1;
		if (number != NO_INVAL) {
			inval_await(w->replay, number)->free = outcome->freed;
			outcome->freed = NULL;
		}
		writer_free_tables(w->replay, outcome->freed);
	}
	outcome->freed = kept;
	return store(w, table, iova, level, 1, leaf, 0);
}

/* The largest page that alignment, length, support and cap allow at iova. */
static unsigned leaf_level(const struct writer *w, iova_t iova, pa_t pa, iova_t last)
{
	struct iommu *iommu = w->replay->units[0].iommu;
	unsigned best = 0;

	for (unsigned level = 1; level < w->domain->levels; level++) {
		unsigned lg2 = span_lg2(w->format, level);

		if ((w->rules->cap_lg2 && lg2 > w->rules->cap_lg2) ||
		    ((iova | pa) & low_mask(lg2)) || last - iova < low_mask(lg2))
			break;
		if (iommu->model->page_supported(iommu, level))
			best = level;
	}
	return best;
}

/* One leaf above the smallest pages, by the driver's rule where something stands. */
static int map_superpage(const struct writer *w, iova_t iova, pa_t pa, unsigned level,
			 unsigned perm)
{
	uint64_t leaf = w->format->leaf(pa, perm, level);
	struct pt_entry old;
	pa_t table;

	if (descend(w, iova, level, &table))
		return -1;
	old = entry_at(w, table, iova, level);
	if (old.kind == PT_LEAF && w->rules->refuse_live) {
		w->outcome->refused++;
		return 0;
	}
	if (old.kind == PT_TABLE)
		return replace_table(w, table, iova, level, leaf, old.addr);
	return store(w, table, iova, level, 1, leaf, 0);
}

/* Leaves of the smallest pages, all in one table: a single run where no live one is refused. */
static int map_smallest(const struct writer *w, iova_t iova, pa_t pa, unsigned count, unsigned perm)
{
	uint64_t step = 1ull << w->format->granule_lg2, leaf = w->format->leaf(pa, perm, 0);
	struct frame *table = leaf_table(w, iova);
	unsigned at = writer_place(w->format, iova), live = 0;
	pa_t made;

	if (!table) {
		if (descend(w, iova, 0, &made))
			return -1;
		table = memory_make(w->replay->memory, made + index_of(w->format, iova, 0) * 8ull);
		if (!table)
			return err_no_memory(w->err, "a table frame");
	}
	for (unsigned i = 0; i < count && w->rules->refuse_live; i++)
		live += w->format->decode(frame_word(table, at + i), 0).kind == PT_LEAF;
	if (!live)
		return words_store_in(w->replay, table, at, count, leaf, step, w->err);
	w->outcome->refused += live;
	for (unsigned i = 0; i < count; i++, leaf += step)
		if (w->format->decode(frame_word(table, at + i), 0).kind != PT_LEAF &&
		    words_store_in(w->replay, table, at + i, 1, leaf, 0, w->err))
			return -1;
	return 0;
}

int writer_map_range(struct replay *replay, struct domain *domain, iova_t iova, pa_t pa,
		     uint64_t last, unsigned perm, const struct write_rules *rules,
		     struct write_outcome *outcome, struct err *err)
{
	struct writer w = writer_of(replay, domain, rules, outcome, err);

	for (;;) {
		unsigned level = leaf_level(&w, iova, pa, last), lg2 = span_lg2(w.format, level);
		unsigned room = FRAME_WORDS - writer_place(w.format, iova);
		uint64_t pages = ((last - iova) >> lg2) + 1;
		uint64_t count = level ? 1 : pages < room ? pages : room;

		if (level ? map_superpage(&w, iova, pa, level, perm)
			  : map_smallest(&w, iova, pa, (unsigned)count, perm))
			return -1;
		if (last - iova < count << lg2)
			return 0;
		iova += count << lg2;
		pa += count << lg2;
	}
}

bool writer_leaf(const struct replay *replay, const struct domain *domain, iova_t iova,
		 iova_t *first, iova_t *last)
{
	const struct pt_format *format = domain->format;
	pa_t table = domain->root;

	for (unsigned level = domain->levels; level-- > 0;) {
		uint64_t raw = 0;
		struct pt_entry entry;

		memory_read(replay->memory, table + index_of(format, iova, level) * 8ull, &raw);
		entry = format->decode(raw, level);
		if (entry.kind != PT_TABLE || level == 0) {
			*first = iova & ~low_mask(span_lg2(format, level));
			*last = *first + low_mask(span_lg2(format, level));
			return entry.kind == PT_LEAF;
		}
		table = entry.addr;
	}
	return false;
}

/* Whether no word of the table says anything. */
static bool is_empty(const struct writer *w, pa_t table)
{
	unsigned frames = 1u << w->format->role->frames_lg2;
	const struct frame *frame;

	for (unsigned part = 0; part < frames; part++) {
		frame = memory_frame(w->replay->memory, table + ((pa_t)part << FRAME_LG2));
		if (frame && frame->nonzero)
			return false;
	}
	return true;
}

/* The table below an entry goes: all that it spans is in reach of the unmap, or says nothing any more. */
static int free_below(const struct writer *w, pa_t table, iova_t iova, unsigned level, pa_t lower)
{
	return store(w, table, iova, level, 1, 0, 0) || unlink_tables(w, lower, level - 1) ? -1 : 0;
}

static int free_emptied(const struct writer *w, pa_t table, iova_t iova, unsigned level, pa_t lower)
{
	struct write_outcome *outcome = w->outcome;
	iova_t first = iova & ~low_mask(span_lg2(w->format, level));
	iova_t last = first + low_mask(span_lg2(w->format, level));

	if (!outcome->emptied || first < outcome->emptied_first)
		outcome->emptied_first = first;
	if (!outcome->emptied || last > outcome->emptied_last)
		outcome->emptied_last = last;
	outcome->emptied = true;
	return free_below(w, table, iova, level, lower);
}

/* One table's part of an unmap: [first, last] lies within the table. */
static int unmap_table(const struct writer *w, pa_t table, unsigned level, iova_t first,
		       iova_t last)
{
	unsigned lg2 = span_lg2(w->format, level);
	unsigned begin = index_of(w->format, first, level), end = index_of(w->format, last, level);
	iova_t base = first & ~low_mask(lg2 + w->format->index_bits);

	if (level == 0)
		return store(w, table, first, 0, end - begin + 1, 0, 0);
	for (unsigned i = begin; i <= end; i++) {
		iova_t at = base + ((iova_t)i << lg2), to = at + low_mask(lg2);
		struct pt_entry entry = entry_at(w, table, at, level);
		bool whole = at >= first && to <= last;
		int answer = 0;

		if (entry.kind == PT_LEAF && !whole && !w->rules->widen) {
			if (split(w, table, at, level, &entry))
				return -1;
			entry = entry_at(w, table, at, level);
		}
		if (entry.kind == PT_LEAF) {
			answer = store(w, table, at, level, 1, 0, 0);
		} else if (entry.kind == PT_TABLE && whole && w->rules->free_tables) {
			answer = free_below(w, table, at, level, entry.addr);
		} else if (entry.kind == PT_TABLE) {
			answer = unmap_table(w, entry.addr, level - 1, at > first ? at : first,
					     to < last ? to : last);
			if (!answer && w->rules->free_empty && is_empty(w, entry.addr))
				answer = free_emptied(w, table, at, level, entry.addr);
		}
		if (answer)
			return -1;
	}
	return 0;
}

static uint64_t empty_below(const struct writer *w, pa_t table, unsigned level)
{
	uint64_t n = 0;

	for (unsigned i = 0; level > 0 && i < 1u << w->format->index_bits; i++) {
		struct pt_entry entry =
			entry_at(w, table, (iova_t)i << span_lg2(w->format, level), level);

		if (entry.kind == PT_TABLE)
			n += is_empty(w, entry.addr) ? 1 : empty_below(w, entry.addr, level - 1);
	}
	return n;
}

uint64_t writer_empty_tables(struct replay *replay, struct domain *domain)
{
	struct writer w = writer_of(replay, domain, &replay->rules, NULL, NULL);

	return empty_below(&w, domain->root, domain->levels - 1);
}

int writer_unmap_range(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		       const struct write_rules *rules, struct write_outcome *outcome,
		       struct err *err)
{
	struct writer w = writer_of(replay, domain, rules, outcome, err);
	unsigned region_lg2 = writer_frame_lg2(w.format);
	struct frame *table = NULL;

	/* no table goes, nothing is split: a few pages in one frame */
	if (!rules->free_empty && !((first ^ last) >> region_lg2) &&
	    last - first < page_mask(region_lg2))
		table = leaf_table(&w, first);
	if (table)
		return words_store_in(replay, table, writer_place(w.format, first),
				      (unsigned)((last - first) >> w.format->granule_lg2) + 1, 0, 0,
				      err);
	return unmap_table(&w, domain->root, domain->levels - 1, first, last);
}

static int protect_table(const struct writer *w, pa_t table, unsigned level, iova_t first,
			 iova_t last, unsigned perm)
{
	unsigned lg2 = span_lg2(w->format, level);
	unsigned begin = index_of(w->format, first, level), end = index_of(w->format, last, level);
	iova_t base = first & ~low_mask(lg2 + w->format->index_bits);

	for (unsigned i = begin; i <= end; i++) {
		iova_t at = base + ((iova_t)i << lg2), to = at + low_mask(lg2);
		struct pt_entry entry = entry_at(w, table, at, level);
		int answer = 0;

		if (entry.kind == PT_LEAF && (at < first || to > last)) {
			if (split(w, table, at, level, &entry))
				return -1;
			entry = entry_at(w, table, at, level);
		}
		if (entry.kind == PT_LEAF)
			answer = store(w, table, at, level, 1,
				       w->format->leaf(entry.addr, perm, level) |
					       dirty_at(w, table, at, level),
				       0);
		else if (entry.kind == PT_TABLE)
			answer = protect_table(w, entry.addr, level - 1, at > first ? at : first,
					       to < last ? to : last, perm);
		if (answer)
			return -1;
	}
	return 0;
}

int writer_protect(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		   unsigned perm, const struct write_rules *rules, struct write_outcome *outcome,
		   struct err *err)
{
	struct writer w = writer_of(replay, domain, rules, outcome, err);

	return protect_table(&w, domain->root, domain->levels - 1, first, last, perm);
}
