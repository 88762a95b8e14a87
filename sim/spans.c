#include "sim/spans.h"

#include <stdlib.h>

#include "sim/imap.h"

enum { NO_NOTE = UINT32_MAX };

struct note {
	uint32_t next, key;
	uint64_t data;
};

/* Interval value[0]: the first note of the chain. A split copies the chain, so imap's split
 * callback is not used: stretches are cut here, where memory can run out with an answer. */
struct spans {
	struct imap *map;
	struct note *notes;
	uint32_t n, max, spare;
};

int spans_create(struct spans **out)
{
	struct spans *spans = calloc(1, sizeof *spans);

	if (!spans)
		return -1;
	spans->spare = NO_NOTE;
	if (imap_create(NULL, &spans->map)) {
		free(spans);
		return -1;
	}
	*out = spans;
	return 0;
}

void spans_destroy(struct spans *spans)
{
	if (!spans)
		return;
	imap_destroy(spans->map);
	free(spans->notes);
	free(spans);
}

static uint32_t new_note(struct spans *spans, struct note note)
{
	uint32_t at = spans->spare;

	if (at != NO_NOTE) {
		spans->spare = spans->notes[at].next;
	} else {
		if (spans->n == spans->max) {
			uint32_t max = spans->max ? spans->max * 2 : 64;
			struct note *notes = realloc(spans->notes, max * sizeof *notes);

			if (!notes)
				return NO_NOTE;
			spans->notes = notes;
			spans->max = max;
		}
		at = spans->n++;
	}
	spans->notes[at] = note;
	return at;
}

static void drop_note(struct spans *spans, uint32_t at)
{
	spans->notes[at].next = spans->spare;
	spans->spare = at;
}

static int copy_chain(struct spans *spans, uint32_t chain, uint32_t *copy)
{
	*copy = NO_NOTE;
	for (; chain != NO_NOTE; chain = spans->notes[chain].next) {
		struct note note = spans->notes[chain];
		uint32_t at;

		note.next = *copy;
		at = new_note(spans, note);
		if (at == NO_NOTE)
			return -1;
		*copy = at;
	}
	return 0;
}

/* Makes a boundary between at - 1 and at, if an interval spans it. */
static int split_at(struct spans *spans, uint64_t at)
{
	struct imap_entry *whole = at ? imap_at(spans->map, at) : NULL;
	struct imap_entry right;
	uint32_t copy;

	if (!whole || whole->first == at)
		return 0;
	right = *whole;
	right.first = at;
	if (copy_chain(spans, (uint32_t)whole->value[0], &copy))
		return -1;
	right.value[0] = copy;
	whole->last = at - 1;
	if (imap_insert(spans->map, &right) == 0)
		return 0;
	imap_at(spans->map, at - 1)->last = right.last; /* no memory: as it was */
	return -1;
}

static int isolate(struct spans *spans, uint64_t first, uint64_t last)
{
	return split_at(spans, first) || (last != UINT64_MAX && split_at(spans, last + 1));
}

static int fill_gap(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct imap_entry entry = { .first = first, .last = last };
	uint32_t at = new_note(spans, (struct note){ NO_NOTE, key, data });

	entry.value[0] = at;
	return at == NO_NOTE ? -1 : imap_insert(spans->map, &entry);
}

int spans_add(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	uint64_t at = first;

	if (isolate(spans, first, last))
		return -1;
	for (;;) {
		struct imap_entry *held = imap_first_in(spans->map, at, last);
		uint64_t end;

		if (!held)
			return fill_gap(spans, at, last, key, data);
		if (held->first > at) {
			end = held->first - 1;
			if (fill_gap(spans, at, end, key, data))
				return -1;
		} else {
			uint32_t note = new_note(
				spans, (struct note){ (uint32_t)held->value[0], key, data });

			if (note == NO_NOTE)
				return -1;
			held->value[0] = note;
			end = held->last;
		}
		if (end >= last)
			return 0;
		at = end + 1;
	}
}

/* Takes the note out of one chain; the new head. */
static uint32_t without(struct spans *spans, uint32_t chain, uint32_t key, uint64_t data)
{
	uint32_t head = chain, *link = &head;

	while (*link != NO_NOTE) {
		struct note *note = &spans->notes[*link];

		if (note->key == key && note->data == data) {
			uint32_t gone = *link;

			*link = note->next;
			drop_note(spans, gone);
			return head;
		}
		link = &note->next;
	}
	return head;
}

static int drop_interval(void *ctx, const struct imap_entry *piece)
{
	(void)ctx;
	(void)piece;
	return 0;
}

void spans_remove(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct imap_entry *held;

	if (isolate(spans, first, last))
		return;
	while ((held = imap_first_in(spans->map, first, last))) {
		uint64_t begin = held->first, end = held->last;

		held->value[0] = without(spans, (uint32_t)held->value[0], key, data);
		if (held->value[0] == NO_NOTE)
			imap_cut(spans->map, begin, end, drop_interval, NULL);
		if (end >= last)
			return;
		first = end + 1;
	}
}

void spans_each(const struct spans *spans, uint64_t first, uint64_t last,
		void (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			      uint64_t data),
		void *ctx)
{
	struct imap_entry *held = imap_first_in(spans->map, first, last);

	for (; held && held->first <= last; held = imap_next(spans->map, held))
		for (uint32_t at = (uint32_t)held->value[0]; at != NO_NOTE;
		     at = spans->notes[at].next)
			visit(ctx, held->first, held->last, spans->notes[at].key,
			      spans->notes[at].data);
}

int spans_update(struct spans *spans, uint64_t first, uint64_t last,
		 bool (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			       uint64_t *data),
		 void *ctx)
{
	struct imap_entry *held;

	if (isolate(spans, first, last))
		return -1;
	while ((held = imap_first_in(spans->map, first, last))) {
		uint64_t begin = held->first, end = held->last;
		uint32_t head = (uint32_t)held->value[0], *link = &head;

		while (*link != NO_NOTE) {
			struct note *note = &spans->notes[*link];
			uint32_t at = *link;

			if (visit(ctx, begin, end, note->key, &note->data)) {
				link = &note->next;
			} else {
				*link = note->next;
				drop_note(spans, at);
			}
		}
		held->value[0] = head;
		if (head == NO_NOTE)
			imap_cut(spans->map, begin, end, drop_interval, NULL);
		if (end >= last)
			return 0;
		first = end + 1;
	}
	return 0;
}
