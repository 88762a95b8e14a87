/*
 * The loop over plain records, compiled for a model that includes this once, in the file of its loop, behind
 *
 *   PLAIN_UNIT       its struct; `devices` have a `context` each, `ahead` are notes, `looks_ahead` says whether to
 *                    look ahead: worth_looking_ahead() after the call before
 *   PLAIN_CONTEXT    theirs: inputs below `plain` are for the loop, `used` is the clock of the last use, `ahead` is
 *                    ahead_begin() of its tag
 *   PLAIN_CLOCK      the unit's field with that clock
 *   struct loop      what one call serves: `run`, and contexts[AHEAD_REQUESTS] of records looked at ahead
 *   finds_plainly()  whether only copies of 4 KiB pages have to be looked for
 *   serve_plain()    serves one record; false: it is not plain, and nothing was done but for the order of sets
 *
 * and then calls serve_records(). There is no function pointer and no call in it but to serve_plain().
 */
#include "hw/ahead.h"
#include "hw/iommu.h"

/* How far ahead records are fetched into the nearest cache; beyond the last there is nothing to be had. */
enum { RECORDS_AHEAD = 32 };

/* Where most of a run walk, the next one is looked at ahead; not if it is so short that this takes longer. */
static inline bool worth_looking_ahead(size_t served, uint64_t misses)
{
	return misses > served / 2 && served >= AHEAD_REQUESTS / 2;
}

/* Within a page, below the addresses that need a further look. */
static inline bool is_plain(const PLAIN_CONTEXT *context, iova_t iova, uint32_t len)
{
	return iova < context->plain && (iova & 0xfff) + (uint64_t)(len - 1u) < 4096;
}

/*
 * Serves records from number `i` on while they are plain; says up to which, `end` at most.
 * looked: look_ahead() was there; known when this is compiled, as only_4k.
 */
static inline __attribute__((always_inline)) size_t serve_run(PLAIN_UNIT *unit, struct loop *loop,
							      struct dma_result *results, size_t i,
							      size_t end, bool only_4k, bool looked)
{
	const struct dma_run *run = loop->run;
	const struct dma_record *record = run->records + i, *behind = run->records + end;
	const __typeof__(*unit->devices) *devices = unit->devices;
	PLAIN_CONTEXT *const *looked_at = loop->contexts;
	struct dma_result *result = results + i;
	uint64_t clock = unit->PLAIN_CLOCK;

	for (; record < behind; record++, result++) {
		iova_t iova = record->iova;
		PLAIN_CONTEXT *context;

		__builtin_prefetch(record + RECORDS_AHEAD);
		if (looked) {
			context = *looked_at++;
		} else {
			uint32_t device = dma_run_device(run, record);

			if (__builtin_expect(device == NO_DEVICE, 0))
				break;
			context = devices[device].context;
		}
		if (__builtin_expect(!is_plain(context, iova, record->len), 0))
			break;
		context->used = ++clock;
		if (__builtin_expect(!serve_plain(unit, loop, record, context, iova, only_4k,
						  looked, result),
				     0))
			break;
	}
	unit->PLAIN_CLOCK = clock;
	return (size_t)(record - run->records);
}

/* The ways in which runs are served, each compiled for its own. */
#define SERVE(name, only_4k, looked)                                                               \
	static __attribute__((noinline)) size_t name(PLAIN_UNIT *unit, struct loop *loop,          \
						     struct dma_result *results, size_t i,         \
						     size_t end)                                   \
	{                                                                                          \
		return serve_run(unit, loop, results, i, end, only_4k, looked);                    \
	}
SERVE(serve_4k, true, false)
SERVE(serve_4k_ahead, true, true)
SERVE(serve_sizes, false, false)
SERVE(serve_sizes_ahead, false, true)
#undef SERVE

/* Fetches the leaves of some of the next requests; answers up to where. */
static size_t look_ahead(const PLAIN_UNIT *unit, struct loop *loop, size_t i)
{
	const struct dma_run *run = loop->run;
	size_t end = run->n - i < AHEAD_REQUESTS ? run->n : i + AHEAD_REQUESTS;

	for (PLAIN_CONTEXT **context = loop->contexts; i < end; i++, context++) {
		const struct dma_record *record = &run->records[i];
		uint32_t device = dma_run_device(run, record);

		if (device == NO_DEVICE)
			return i;
		*context = unit->devices[device].context;
		ahead_fetch(&unit->ahead[ahead_slot((*context)->ahead, record->iova)],
			    record->iova);
	}
	return i;
}

/* Serves records from the first on while they are plain; says how many. */
static size_t serve_records(PLAIN_UNIT *unit, struct loop *loop, struct dma_result *results)
{
	size_t i = 0, n = loop->run->n, end;
	bool ahead = unit->looks_ahead;

	do {
		bool only_4k = finds_plainly(unit);

		end = ahead ? look_ahead(unit, loop, i) : n;
		if (end == i)
			break;
		if (ahead)
			i = (only_4k ? serve_4k_ahead : serve_sizes_ahead)(unit, loop, results, i,
									   end);
		else
			i = (only_4k ? serve_4k : serve_sizes)(unit, loop, results, i, end);
	} while (i == end && i < n);
	return i;
}
