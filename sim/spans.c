#include "sim/spans.h"

#include <stdlib.h>

enum { NO_NOTE = POOL_NONE };

struct note {
	uint32_t older, key;
	uint64_t data;
};

/* A split copies the chain, so imap's split callback is not used: stretches are cut here, where memory
 * can run out with an answer. */
enum { KEY = SPANS_KEY, DATA = SPANS_DATA, OLDER = SPANS_OLDER };

int spans_create(struct spans **out)
{
	struct spans *spans = calloc(1, sizeof *spans);

	if (!spans)
		return -1;
	spans->notes = pool_of(sizeof(struct note));
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
	pool_free(&spans->notes);
	free(spans);
}

/* ---- chains -------------------------------------------------------------------------------- */

static struct note *note_at(const struct spans *spans, uint32_t at)
{
	return pool_at(&spans->notes, at);
}

static uint32_t new_note(struct spans *spans, struct note note)
{
	uint32_t at = pool_take(&spans->notes);

	if (at != NO_NOTE)
		*note_at(spans, at) = note;
	return at;
}

/* One more note of a stretch that has some. */
static int push_note(struct spans *spans, struct imap_entry *held, uint32_t key, uint64_t data)
{
	uint32_t at =
		new_note(spans, (struct note){ (uint32_t)held->value[OLDER],
					       (uint32_t)held->value[KEY], held->value[DATA] });

	if (at == NO_NOTE)
		return -1;
	held->value[KEY] = key;
	held->value[DATA] = data;
	held->value[OLDER] = at;
	return 0;
}

/* The newest note goes; false: it was the only one. */
static bool pop_note(struct spans *spans, struct imap_entry *held)
{
	uint32_t at = (uint32_t)held->value[OLDER];

	if (at == NO_NOTE)
		return false;
	held->value[KEY] = note_at(spans, at)->key;
	held->value[DATA] = note_at(spans, at)->data;
	held->value[OLDER] = note_at(spans, at)->older;
	pool_give(&spans->notes, at);
	return true;
}

/* ---- stretches ------------------------------------------------------------------------------- */

/* Makes a boundary between at - 1 and at, which the interval spans; -1: no memory, as it was. */
static int split(struct spans *spans, struct imap_entry *whole, uint64_t at)
{
	struct imap_entry right = { at,
				    whole->last,
				    { whole->value[KEY], whole->value[DATA], NO_NOTE } };
	uint32_t older = (uint32_t)whole->value[OLDER];

	for (; older != NO_NOTE; older = note_at(spans, older)->older) {
		struct note note = *note_at(spans, older);

		if (push_note(spans, &right, note.key, note.data))
			return -1;
	}
	whole->last = at - 1;
	whole = imap_insert(spans->map, right.first, right.last);
	if (!whole) {
		imap_at(spans->map, at - 1)->last = right.last;
		return -1;
	}
	*whole = right;
	return 0;
}

/* isolate() where the lowest interval is not just the range. */
static int isolate_parts(struct spans *spans, struct imap_entry *held, uint64_t first,
			 uint64_t last, struct imap_entry **lowest)
{
	if (held->first < first && split(spans, held, first))
		return -1;
	held = imap_at(spans->map, last);
	if (held && held->last > last && split(spans, held, last + 1))
		return -1;
	*lowest = imap_first_in(spans->map, first, last);
	return 0;
}

/*
 * The lowest interval in [first, last], or NULL; none of them sticks out any more. An interval that is
 * just that range, the usual case, is found by one search. -1: no memory.
 */
static inline int isolate(struct spans *spans, uint64_t first, uint64_t last,
			  struct imap_entry **lowest)
{
	struct imap_entry *held = imap_first_in(spans->map, first, last);

	*lowest = held;
	if (!held || (held->first == first && held->last == last))
		return 0;
	return isolate_parts(spans, held, first, last, lowest);
}

static int fill_gap(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct imap_entry *entry = imap_insert(spans->map, first, last);

	if (!entry)
		return -1;
	entry->value[KEY] = key;
	entry->value[DATA] = data;
	entry->value[OLDER] = NO_NOTE;
	return 0;
}

/* Where some of the range has notes. */
int spans_add_over(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct imap_entry *held;
	uint64_t at = first;

	if (isolate(spans, first, last, &held))
		return -1;
	for (; held; held = imap_first_in(spans->map, at, last)) {
		uint64_t begin = held->first, end = held->last;

		if (push_note(spans, held, key, data) ||
		    (begin > at && fill_gap(spans, at, begin - 1, key, data)))
			return -1;
		if (end == last)
			return 0;
		at = end + 1;
	}
	return fill_gap(spans, at, last, key, data);
}

/* Takes one note out of an interval's chain; false: nothing is left. */
static bool without(struct spans *spans, struct imap_entry *held, uint32_t key, uint64_t data)
{
	uint32_t at = (uint32_t)held->value[OLDER], newer = NO_NOTE;

	if (held->value[KEY] == key && held->value[DATA] == data)
		return pop_note(spans, held);
	while (at != NO_NOTE &&
	       (note_at(spans, at)->key != key || note_at(spans, at)->data != data)) {
		newer = at;
		at = note_at(spans, at)->older;
	}
	if (at == NO_NOTE)
		return true;
	if (newer == NO_NOTE)
		held->value[OLDER] = note_at(spans, at)->older;
	else
		note_at(spans, newer)->older = note_at(spans, at)->older;
	pool_give(&spans->notes, at);
	return true;
}

void spans_remove(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct imap_entry *held;

	if (isolate(spans, first, last, &held))
		return;
	while (held) {
		uint64_t end = held->last;

		if (!without(spans, held, key, data))
			imap_erase(spans->map, held);
		held = end < last ? imap_first_in(spans->map, end + 1, last) : NULL;
	}
}

void spans_each(const struct spans *spans, uint64_t first, uint64_t last,
		void (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			      uint64_t data),
		void *ctx)
{
	struct imap_entry *held = imap_first_in(spans->map, first, last);

	while (held) {
		visit(ctx, held->first, held->last, (uint32_t)held->value[KEY], held->value[DATA]);
		for (uint32_t at = (uint32_t)held->value[OLDER]; at != NO_NOTE;
		     at = note_at(spans, at)->older)
			visit(ctx, held->first, held->last, note_at(spans, at)->key,
			      note_at(spans, at)->data);
		held = held->last < last ? imap_first_in(spans->map, held->last + 1, last) : NULL;
	}
}

int spans_update(struct spans *spans, uint64_t first, uint64_t last,
		 bool (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			       uint64_t *data),
		 void *ctx)
{
	struct imap_entry *held;

	if (isolate(spans, first, last, &held))
		return -1;
	while (held) {
		uint64_t begin = held->first, end = held->last, older = held->value[OLDER];
		bool newest =
			visit(ctx, begin, end, (uint32_t)held->value[KEY], &held->value[DATA]);

		for (uint32_t at = (uint32_t)older, newer = NO_NOTE; at != NO_NOTE;) {
			struct note *note = note_at(spans, at);
			uint32_t next = note->older;

			if (visit(ctx, begin, end, note->key, &note->data)) {
				newer = at;
			} else {
				if (newer == NO_NOTE)
					held->value[OLDER] = next;
				else
					note_at(spans, newer)->older = next;
				pool_give(&spans->notes, at);
			}
			at = next;
		}
		if (!newest && !pop_note(spans, held))
			imap_erase(spans->map, held);
		held = end < last ? imap_first_in(spans->map, end + 1, last) : NULL;
	}
	return 0;
}
