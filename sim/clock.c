/* A binary heap of the model's own events, ordered by time and then by scheduling. */
#include <stdlib.h>

#include "sim/replay_private.h"

static bool earlier(const struct action *a, const struct action *b)
{
	return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->order < b->order);
}

int clock_put(struct clock *clock, uint64_t time_ns, enum action_kind kind, uint32_t subject)
{
	size_t at = clock->n;

	if (clock->n == clock->max) {
		size_t max = clock->max ? clock->max * 2 : 16;
		struct action *heap = realloc(clock->heap, max * sizeof *heap);

		if (!heap)
			return -1;
		clock->heap = heap;
		clock->max = max;
	}
	clock->n++;
	clock->heap[at] = (struct action){ time_ns, clock->order++, kind, subject };
	while (at && earlier(&clock->heap[at], &clock->heap[(at - 1) / 2])) {
		struct action parent = clock->heap[(at - 1) / 2];

		clock->heap[(at - 1) / 2] = clock->heap[at];
		clock->heap[at] = parent;
		at = (at - 1) / 2;
	}
	return 0;
}

void clock_settle(struct clock *clock)
{
	size_t at = 0;

	clock->heap[0] = clock->heap[clock->n];
	for (;;) {
		size_t least = at, left = 2 * at + 1;
		struct action moved;

		if (left < clock->n && earlier(&clock->heap[left], &clock->heap[least]))
			least = left;
		if (left + 1 < clock->n && earlier(&clock->heap[left + 1], &clock->heap[least]))
			least = left + 1;
		if (least == at)
			return;
		moved = clock->heap[at];
		clock->heap[at] = clock->heap[least];
		clock->heap[least] = moved;
		at = least;
	}
}
