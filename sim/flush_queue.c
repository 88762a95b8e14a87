/* linux-lazy: the per-CPU flush queues of drivers 3.3 and 3.4, step by step. */
#include <stdlib.h>

#include "sim/replay_private.h"

static uint32_t rings_of(const struct run_config *run)
{
	return run->fq_single ? 1 : (uint32_t)run->cpus;
}

void fq_destroy(struct replay *replay, struct flush_queue *queue)
{
	if (!queue)
		return;
	for (uint32_t i = 0; queue->rings && i < rings_of(&replay->machine->run); i++) {
		struct fq_ring *ring = &queue->rings[i];

		for (; ring->entries && ring->head != ring->tail;
		     ring->head = (ring->head + 1) % (uint32_t)replay->machine->run.fq_entries) {
			struct freed_table *free_list = ring->entries[ring->head].free;

			while (free_list) {
				struct freed_table *next = free_list->next;

				free(free_list);
				free_list = next;
			}
		}
		free(ring->entries);
		free(ring->held); /* what waits holds no tables that are not listed elsewhere */
	}
	free(queue->rings);
	free(queue);
}

static struct flush_queue *queue_of(struct replay *replay, uint32_t domain, struct err *err)
{
	const struct run_config *run = &replay->machine->run;
	struct flush_queue *queue = replay->queues[domain];

	if (queue)
		return queue;
	queue = calloc(1, sizeof *queue);
	if (queue)
		queue->rings = calloc(rings_of(run), sizeof *queue->rings);
	for (uint32_t i = 0; queue && queue->rings && i < rings_of(run); i++) {
		queue->rings[i].entries = calloc(run->fq_entries, sizeof *queue->rings[i].entries);
		if (!queue->rings[i].entries) {
			fq_destroy(replay, queue);
			queue = NULL;
		}
	}
	if (!queue || !queue->rings) {
		free(queue);
		err_no_memory(err, "a flush queue");
		return NULL;
	}
	return replay->queues[domain] = queue;
}

/* Frees from the head every entry that a finished flush began after (step 2). With
 * fq_counter_check=no every entry present is released. */
static void release(struct replay *replay, struct flush_queue *queue, struct fq_ring *ring,
		    bool flushed)
{
	const struct run_config *run = &replay->machine->run;

	while (ring->head != ring->tail) {
		struct fq_entry *entry = &ring->entries[ring->head];

		if (entry->counter >= queue->finish && (run->fq_counter_check || !flushed))
			return;
		writer_free_tables(replay, entry->free);
		ring->head = (ring->head + 1) % (uint32_t)run->fq_entries;
	}
}

/* Whole-domain flush; its D runs fq_flushed(). */
static int flush(struct replay *replay, uint32_t domain, struct flush_queue *queue, struct err *err)
{
	const struct domain *of = replay->domains[domain];
	struct invalidation scope = { .what = INVAL_DOMAIN,
				      .tag = of->tag,
				      .pasid = NO_PASID,
				      .last = UINT64_MAX,
				      .drain = true };
	struct awaiting *awaiting;
	uint32_t number;

	queue->start++;
	if (inval_issue(replay, of, &scope, &number, err))
		return -1;
	if (number == NO_INVAL)
		return fq_flushed(replay, domain, queue->start, err);
	awaiting = inval_await(replay, number);
	awaiting->fq_domain = domain;
	awaiting->fq_count = queue->start;
	return 0;
}

static uint64_t timer_at(const struct replay *replay)
{
	const struct run_config *run = &replay->machine->run;
	uint64_t at = replay->now_ns + run->fq_timeout;

	return run->jiffy ? (at + run->jiffy - 1) / run->jiffy * run->jiffy : at;
}

/* Steps 4 and 5. */
static int append(struct replay *replay, uint32_t domain, struct flush_queue *queue,
		  struct fq_ring *ring, struct fq_entry entry, struct err *err)
{
	/* without the barrier the counter may have been read before the flush under way raised it */
	entry.counter =
		queue->start - (!replay->machine->run.fq_barrier && queue->finish < queue->start);
	ring->entries[ring->tail] = entry;
	ring->tail = (ring->tail + 1) % (uint32_t)replay->machine->run.fq_entries;
	if (queue->timer_on)
		return 0;
	queue->timer_on = true;
	if (clock_schedule(&replay->clock, timer_at(replay), ACTION_FQ_TIMER, domain))
		return err_no_memory(err, "the clock");
	return 0;
}

static bool full(const struct replay *replay, const struct fq_ring *ring)
{
	return (ring->tail + 1) % replay->machine->run.fq_entries == ring->head;
}

static int hold(struct fq_ring *ring, struct fq_entry entry, struct err *err)
{
	if (ring->n_held == ring->max_held) {
		uint32_t max = ring->max_held ? ring->max_held * 2 : 4;
		struct fq_entry *held = realloc(ring->held, max * sizeof *held);

		if (!held)
			return err_no_memory(err, "a flush queue");
		ring->held = held;
		ring->max_held = max;
	}
	ring->held[ring->n_held++] = entry;
	return 0;
}

/* After its flush, the unmaps that waited are queued in order, as far as there is room. */
static int append_held(struct replay *replay, uint32_t domain, struct flush_queue *queue,
		       struct fq_ring *ring, struct err *err)
{
	uint32_t done = 0;

	while (done < ring->n_held && !full(replay, ring))
		if (append(replay, domain, queue, ring, ring->held[done++], err))
			return -1;
	ring->n_held -= done;
	for (uint32_t i = 0; i < ring->n_held; i++)
		ring->held[i] = ring->held[i + done];
	return ring->n_held ? flush(replay, domain, queue, err) : 0;
}

int fq_unmapped(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		struct freed_table *free_list, struct err *err)
{
	const struct run_config *run = &replay->machine->run;
	struct flush_queue *queue = queue_of(replay, domain->number, err);
	struct fq_entry entry = { first, last, 0, free_list };
	struct fq_ring *ring;

	if (!queue)
		return -1;
	/* The caller may free its page from here on. */
	replay->observer->unmap_returned(replay->observer->self, domain, first, last,
					 replay->now_ns);
	ring = &queue->rings[run->fq_single ? 0 : replay->cpu % rings_of(run)];
	release(replay, queue, ring, false);
	if (!ring->n_held && !full(replay, ring))
		return append(replay, domain->number, queue, ring, entry, err);
	if (hold(ring, entry, err))
		return -1;
	/* The first one that waits causes the flush; the CPU's later unmaps queue behind it. */
	return ring->n_held == 1 ? flush(replay, domain->number, queue, err) : 0;
}

int fq_timer(struct replay *replay, uint32_t domain, struct err *err)
{
	struct flush_queue *queue = replay->queues[domain];

	queue->timer_on = false;
	queue->timer_flush = queue->start + 1;
	return flush(replay, domain, queue, err);
}

/* D of a whole-domain flush: the timer frees on every ring, a full ring only its own. */
int fq_flushed(struct replay *replay, uint32_t domain, uint64_t count, struct err *err)
{
	struct flush_queue *queue = replay->queues[domain];
	bool by_timer = count == queue->timer_flush;

	if (queue->finish < count)
		queue->finish = count;
	for (uint32_t i = 0; i < rings_of(&replay->machine->run); i++) {
		struct fq_ring *ring = &queue->rings[i];

		if (by_timer || ring->n_held)
			release(replay, queue, ring, true);
		if (ring->n_held && append_held(replay, domain, queue, ring, err))
			return -1;
	}
	return 0;
}
