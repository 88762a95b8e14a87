/* Events whose values mean nothing, as no text can say but a native file can hold them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "analysis/run.h"
#include "tests/unit/scratch.h"
#include "traces/event_check.h"
#include "traces/imt.h"
#include "traces/rng.h"

/* Rows are copied into another process: values alone. */
struct check_case {
	char name[48];
	uint8_t kind;
	uint16_t present;
	uint64_t addr;
	uint32_t len;
	uint64_t slots[6];
	char wrong[32]; /* "": nothing is */
};

ParameterizedTestParameters(event_check, values_without_a_meaning_are_told)
{
	static struct check_case cases[] = {
		{ "free of a page", EVENT_FREE, 1 << FREE_SIZE, 0x1000, 0, { 4096 }, "" },
		{ "free of size 0", EVENT_FREE, 1 << FREE_SIZE, 0, 0, { 0 }, "a length of 0" },
		{ "free beyond the end",
		  EVENT_FREE,
		  1 << FREE_SIZE,
		  UINT64_MAX - 0xfff,
		  0,
		  { 8192 },
		  "goes beyond 2^64" },
		{ "free up to the end",
		  EVENT_FREE,
		  1 << FREE_SIZE,
		  UINT64_MAX - 0xfff,
		  0,
		  { 4096 },
		  "" },
		{ "alloc by an owner of no name",
		  EVENT_ALLOC,
		  1 << FREE_SIZE | 1 << ALLOC_OWNER,
		  0,
		  0,
		  { 4096, 1 },
		  "owner= number 1 of 1" },
		{ "alloc for a third use",
		  EVENT_ALLOC,
		  1 << FREE_SIZE | 1 << ALLOC_OWNER | 1 << ALLOC_USE,
		  0,
		  0,
		  { 4096, 0, 2 },
		  "use= number 2 of 2" },
		{ "map without any permission",
		  EVENT_MAP,
		  1 << MAP_PA | 1 << MAP_SIZE | 1 << MAP_PERM,
		  0,
		  0,
		  { 0, 4096, 0 },
		  "perm= empty" },
		{ "map with a fourth permission",
		  EVENT_MAP,
		  1 << MAP_PA | 1 << MAP_SIZE | 1 << MAP_PERM,
		  0,
		  0,
		  { 0, 4096, 8 },
		  "perm= number 8" },
		{ "inval by an IOMMU that is not there",
		  EVENT_INVAL,
		  1 << INVAL_IOMMU,
		  0,
		  0,
		  { 0 },
		  "iommu= number 0 of 0" },
		{ "inval of everything", EVENT_INVAL, 0, 0, 0, { 0 }, "" },
		{ "cache maintenance of nothing",
		  EVENT_CACHE,
		  0,
		  0x1000,
		  0,
		  { 0 },
		  "a length of 0" },
		{ "unmap that took nothing",
		  EVENT_UNMAP,
		  1 << UNMAP_SIZE | 1 << UNMAP_DONE,
		  0,
		  0,
		  { 4096, 0 },
		  "" },
	};

	return cr_make_param_array(struct check_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct check_case *c, event_check, values_without_a_meaning_are_told)
{
	struct event_plan plans[EVENT_KINDS];
	struct event event = {
		.kind = c->kind, .present = c->present, .addr = c->addr, .len = c->len
	};
	struct event_batch batch = { .events = &event, .slots = c->slots, .n = 1 };
	char wrong[EVENT_WRONG] = "";
	struct names *names;
	int answer;

	cr_assert(names_create(&names) == 0);
	names_string(names, "host", 4);
	event_plans_make(plans);
	answer = event_check(&plans[c->kind], names, &batch, &event, wrong);
	cr_expect_eq(answer, *c->wrong ? -1 : 0, "%s: %s", c->name, wrong);
	cr_expect(strstr(wrong, c->wrong), "%s: %s", c->name, wrong);
	names_destroy(names);
}

/* Values that are often at an edge, of fields that are often the usual ones. */
static uint64_t some_value(struct rng *rng)
{
	static const uint64_t values[] = { 0, 1, 7, 8, 4096, 1ull << 63, UINT64_MAX };

	return values[rng_below(rng, sizeof values / sizeof values[0])];
}

static uint16_t some_fields(struct rng *rng, const struct event_kind_row *row)
{
	uint16_t present = 0;

	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (row->fields[f].type != FIELD_END && row->fields[f].place == PLACE_SLOT &&
		    (row->fields[f].required || rng_below(rng, 4) == 0))
			present |= (uint16_t)(1u << f);
	return present;
}

Test(event_check, what_surely_means_something_passes_every_check)
{
	struct event_plan plans[EVENT_KINDS];
	struct rng rng = rng_seed(1);
	struct names *names;
	unsigned sure[EVENT_KINDS] = { 0 };

	cr_assert(names_create(&names) == 0);
	names_string(names, "host", 4);
	event_plans_make(plans);
	for (unsigned i = 0; i < 1000000; i++) {
		unsigned kind = rng_below(&rng, EVENT_KINDS);
		uint64_t slots[EVENT_FIELDS];
		struct event event = { .kind = (uint8_t)kind,
				       .present = some_fields(&rng, &event_kinds[kind]),
				       .addr = some_value(&rng) };
		struct event_batch batch = { .events = &event, .slots = slots, .n = 1 };

		for (unsigned slot = 0; slot < EVENT_FIELDS; slot++)
			slots[slot] = some_value(&rng);
		if (!event_surely_means(&plans[kind], &batch, &event))
			continue;
		sure[kind]++;
		cr_assert_eq(event_check(&plans[kind], names, &batch, &event, NULL), 0, "%s 0x%x",
			     event_kinds[kind].word, event.present);
	}
	/* ranges with and without permissions, behind required fields and behind an optional one */
	cr_expect(sure[EVENT_MAP] && sure[EVENT_UNMAP] && sure[EVENT_PROTECT] &&
		  sure[EVENT_INVAL] && sure[EVENT_FREE]);
	names_destroy(names);
}

/* Its checksums hold: only the replay can refuse it. */
Test(event_check, a_replay_refuses_a_native_file_that_frees_nothing)
{
	struct event event = { .kind = EVENT_FREE,
			       .present = 1 << FREE_SIZE,
			       .agent = EVENT_NO_AGENT };
	struct event_batch batch = { .events = &event, .slots = (uint64_t[]){ 0 }, .n = 1 };
	char folder[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
	struct run_options options = { .recording = path };
	struct run_summary summary;
	struct machine *machine;
	struct event_sink *sink;
	struct names *names;
	struct err err;

	make_scratch(folder);
	snprintf(path, sizeof path, "%s/zero.imt", folder);
	cr_assert(names_create(&names) == 0);
	cr_assert(imt_sink_open(path, &(struct imt_options){ .level = 1 }, &sink, &err) == 0);
	cr_assert(sink->put(sink, names, &batch, &err) == 0);
	cr_assert(sink->finish(sink, names, &err) == 0);
	cr_assert(machine_create("vtd", &machine, &err) == 0);
	cr_expect_eq(run_recording(machine, &options, &summary, &err), -1);
	cr_expect(strstr(err.text, "zero.imt: record 0: 'free' with a length of 0"), "%s",
		  err.text);
	machine_destroy(machine);
	names_destroy(names);
	unlink(path);
	rmdir(folder);
}
