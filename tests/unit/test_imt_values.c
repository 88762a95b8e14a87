/* The native container: values that never vary, and what a reader says of whole batches. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/scratch.h"
#include "traces/event_check.h"
#include "traces/generate.h"
#include "traces/imt.h"

static char folder[SCRATCH_BYTES];
static char path[64];

static struct event_sink *new_file(const struct imt_options *options)
{
	struct event_sink *sink;

	make_scratch(folder);
	snprintf(path, sizeof path, "%s/x.imt", folder);
	cr_assert_eq(imt_sink_open(path, options, &sink, NULL), 0);
	return sink;
}

/* A file of that batch, whose events name nobody, opened again. */
static struct event_source *written(const struct event_batch *batch)
{
	struct imt_options options = { 0 };
	struct event_sink *sink = new_file(&options);
	struct event_source *source;
	struct names *names;

	cr_assert_eq(names_create(&names), 0);
	cr_assert_eq(sink->put(sink, names, batch, NULL), 0);
	cr_assert_eq(sink->finish(sink, names, NULL), 0);
	names_destroy(names);
	cr_assert_eq(imt_source_open(path, &options, &source, NULL), 0);
	return source;
}

static void close_and_remove(struct event_source *source)
{
	source_close(source);
	remove(path);
	rmdir(folder);
}

/* ---- values that never vary --------------------------------------------------------------------- */

/* Two events of each of 64 shapes, all with the same values: more than a batch keeps once for all its events. */
Test(imt_values, events_of_many_shapes_keep_their_values)
{
	enum { SHAPES = 64, EVENTS = 2 * SHAPES };
	static const uint64_t values[EVENT_FIELDS] = { 1, 2, 3, 4, 5, 6, 7 };
	struct event events[EVENTS];
	struct event_batch batch = { .events = events, .slots = values, .n = EVENTS };
	struct event_source *source;
	size_t n = 0;

	for (unsigned i = 0; i < EVENTS; i++)
		events[i] = (struct event){
			.kind = EVENT_MAP,
			.agent = EVENT_NO_AGENT,
			.flags = i & 3,
			.present = (uint16_t)(1 << MAP_PA | 1 << MAP_SIZE | 1 << MAP_PERM |
					      (i >> 2 & 1) << MAP_PAGE | (i >> 3 & 7) << FIELD_CPU)
		};
	source = written(&batch);
	while (source_next(source, &batch, NULL) > 0)
		for (size_t i = 0; i < batch.n; i++, n++) {
			const struct event *event = &batch.events[i];

			cr_expect_eq(event->present, events[n].present);
			cr_expect_eq(event->flags, events[n].flags);
			cr_expect_arr_eq(batch.slots + event->slot, values,
					 event_slots(event) * sizeof *values);
		}
	cr_expect_eq(n, EVENTS);
	close_and_remove(source);
}

/* ---- batches whose events surely mean something ------------------------------------------------ */

/* Events that a block holds alone. */
struct sure_case {
	char name[40];
	struct event event;
	uint64_t slots[4];
	bool sure;
};

ParameterizedTestParameters(imt_values, a_block_is_sure_of_ranges_and_permissions_that_it_has_seen)
{
	enum {
		MAP = 1 << MAP_PA | 1 << MAP_SIZE | 1 << MAP_PERM,
		PROTECT = 1 << PROTECT_SIZE | 1 << PROTECT_PERM,
		UNMAP = 1 << UNMAP_SIZE,
	};
	static struct sure_case cases[] = {
		{ "a map", { .kind = EVENT_MAP, .present = MAP }, { 0, 4096, 7 }, true },
		{ "no permission", { .kind = EVENT_MAP, .present = MAP }, { 0, 4096, 0 }, false },
		{ "permissions beyond x",
		  { .kind = EVENT_PROTECT, .present = PROTECT },
		  { 1, 8 },
		  false },
		{ "a size of 0", { .kind = EVENT_UNMAP, .present = UNMAP }, { 0 }, false },
		{ "2^63", { .kind = EVENT_UNMAP, .present = UNMAP }, { 1ull << 63 }, false },
		{ "2^63 - 1", { .kind = EVENT_UNMAP, .present = UNMAP }, { INT64_MAX }, true },
		{ "at 2^63",
		  { .kind = EVENT_UNMAP, .addr = 1ull << 63, .present = UNMAP },
		  { 1 },
		  false },
		{ "no range", { .kind = EVENT_INVAL }, { 0 }, false },
		{ "a dma of 0 bytes at the end",
		  { .kind = EVENT_DMA, .addr = INT64_MAX },
		  { 0 },
		  true },
	};
	return cr_make_param_array(struct sure_case, cases, sizeof cases / sizeof cases[0]);
}

/* Before it and behind it in its shape stand events with nothing wrong in them, so that values vary. */
ParameterizedTest(struct sure_case *c, imt_values,
		  a_block_is_sure_of_ranges_and_permissions_that_it_has_seen)
{
	for (unsigned alone = 0; alone < 2; alone++) {
		uint64_t slots[12] = { 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2 };
		struct event events[3] = { c->event, c->event, c->event };
		struct event_batch batch = { .events = events, .slots = slots, .n = 3 };
		struct event_source *source;

		memcpy(slots + 4, c->slots, sizeof c->slots);
		events[0].addr = events[2].addr = 0;
		for (unsigned i = 0; i < 3; i++) {
			events[i].agent = EVENT_NO_AGENT;
			events[i].slot = 4 * i;
		}
		if (alone) {
			batch.events++;
			batch.n = 1;
		}
		source = written(&batch);
		cr_assert_eq(source_next(source, &batch, NULL), 1);
		cr_expect_eq(batch.sure, c->sure, "%s, %s", c->name,
			     alone ? "alone" : "among others");
		close_and_remove(source);
	}
}

/* Only the first of these blocks holds declarations. */
Test(imt_values, updates_are_sure_and_mean_something)
{
	struct generate_options options;
	struct imt_options native = { .block_records = 1000 };
	struct event_plan plans[EVENT_KINDS];
	struct event_source *source;
	struct event_sink *sink;
	struct event_batch batch;

	event_plans_make(plans);
	generate_defaults("strict", &options);
	options.events = 2000;
	cr_assert_eq(generate_open(&options, &source, NULL), 0);
	sink = new_file(&native);
	while (source_next(source, &batch, NULL) > 0)
		cr_assert_eq(sink->put(sink, source->names, &batch, NULL), 0);
	cr_assert_eq(sink->finish(sink, source->names, NULL), 0);
	source_close(source);
	cr_assert_eq(imt_source_open(path, &native, &source, NULL), 0);
	while (source_next(source, &batch, NULL) > 0) {
		cr_expect_eq(batch.sure, batch.first >= 1000, "batch at %zu", (size_t)batch.first);
		for (size_t i = 0; i < batch.n && batch.sure; i++)
			cr_expect(batch.events[i].kind == EVENT_DMA ||
				  event_surely_means(&plans[batch.events[i].kind], &batch,
						     &batch.events[i]));
	}
	close_and_remove(source);
}
