#include "hw/memory_view.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

int memory_view_create(struct memory *memory, struct err *err)
{
	struct memory_view *view;

	if (memory->view)
		return 0;
	view = calloc(1, sizeof *view);
	if (view)
		view->lines = calloc(FIRST_BUCKETS, sizeof *view->lines);
	if (!view || !view->lines) {
		free(view);
		return err_no_memory(err, "the memory view");
	}
	view->n_buckets = FIRST_BUCKETS;
	memory->view = view;
	return 0;
}

void memory_view_destroy(struct memory_view *view)
{
	if (!view)
		return;
	free(view->lines);
	free(view);
}

static uint64_t bucket_of(const struct memory_view *view, uint64_t number)
{
	return (number * 0x9e3779b97f4a7c15ull >> 20) & (view->n_buckets - 1);
}

/* The line with that number, or the empty place where it would be. */
static struct view_line *find(const struct memory_view *view, uint64_t number)
{
	uint64_t at = bucket_of(view, number);

	while (view->lines[at].number && view->lines[at].number != number)
		at = (at + 1) & (view->n_buckets - 1);
	return &view->lines[at];
}

static int grow(struct memory_view *view)
{
	struct memory_view larger = *view;

	larger.n_buckets = view->n_buckets * 2;
	larger.lines = calloc(larger.n_buckets, sizeof *larger.lines);
	if (!larger.lines)
		return -1;
	for (uint64_t i = 0; i < view->n_buckets; i++)
		if (view->lines[i].number)
			*find(&larger, view->lines[i].number) = view->lines[i];
	free(view->lines);
	*view = larger;
	return 0;
}

/* Closes the gap, so that every line stays within reach of its bucket. */
static void drop(struct memory_view *view, struct view_line *line)
{
	uint64_t mask = view->n_buckets - 1, hole = (uint64_t)(line - view->lines);

	for (uint64_t at = (hole + 1) & mask; view->lines[at].number; at = (at + 1) & mask) {
		uint64_t home = bucket_of(view, view->lines[at].number);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* it would come before its bucket */
		view->lines[hole] = view->lines[at];
		hole = at;
	}
	view->lines[hole].number = 0;
	view->n_lines--;
}

static int hold_word(struct memory_view *view, pa_t pa, uint64_t old, uint64_t value,
		     uint64_t event)
{
	uint64_t number = (pa >> LINE_LG2) + 1;
	struct view_line *line = find(view, number);
	unsigned word = (unsigned)bits(pa, LINE_LG2 - 1, 3);

	if (!line->number && old == value)
		return 0;
	if (!line->number) {
		if (view->n_lines * 2 >= view->n_buckets) {
			if (grow(view))
				return -1;
			line = find(view, number);
		}
		*line = (struct view_line){ .number = number };
		view->n_lines++;
	}
	if (!(line->behind >> word & 1))
		line->words[word] = old;
	line->events[word] = event;
	if (line->words[word] != value)
		line->behind |= (uint8_t)(1u << word);
	else
		line->behind &= (uint8_t) ~(1u << word);
	if (!line->behind)
		drop(view, line);
	return 0;
}

int memory_view_hold(struct memory *memory, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		     uint64_t event)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t old = 0;

		memory_read(memory, pa + i * 8ull, &old);
		if (hold_word(memory->view, pa + i * 8ull, old, base + i * step, event))
			return -1;
	}
	return 0;
}

void memory_view_write_back(struct memory *memory, pa_t first, pa_t last)
{
	struct memory_view *view = memory->view;
	uint64_t number = (first >> LINE_LG2) + 1, end = (last >> LINE_LG2) + 1;

	if (end - number < view->n_buckets) {
		for (; view->n_lines && number <= end; number++) {
			struct view_line *line = find(view, number);

			if (line->number)
				drop(view, line);
		}
		return;
	}
	for (uint64_t i = 0; i < view->n_buckets; i++)
		/* another line may take the place of one that goes */
		while (view->lines[i].number >= number && view->lines[i].number <= end)
			drop(view, &view->lines[i]);
}

uint64_t memory_view_behind(struct memory_view *view, pa_t pa, uint64_t software)
{
	const struct view_line *line = find(view, (pa >> LINE_LG2) + 1);
	unsigned word = (unsigned)bits(pa, LINE_LG2 - 1, 3);

	if (!line->number || !(line->behind >> word & 1))
		return software;
	if (!view->n_met++)
		view->met = (struct memory_behind){ pa, line->words[word], software,
						    line->events[word] };
	return line->words[word];
}

bool memory_view_store(struct memory_view *view, pa_t pa, uint64_t value)
{
	struct view_line *line = find(view, (pa >> LINE_LG2) + 1);
	unsigned word = (unsigned)bits(pa, LINE_LG2 - 1, 3);

	if (!line->number || !(line->behind >> word & 1))
		return false;
	line->words[word] = value;
	return true;
}
