/*
 * The Linux policies against the worked examples of their description: when table pages go back, and what
 * a gather flushes. Windows and uses of the same examples are scenarios, tests/scenarios/drivers-*.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/detect.h"
#include "sim/replay_private.h"
#include "traces/text.h"

static int drop_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	(void)sink;
	(void)finding;
	(void)err;
	return 0;
}

enum { FREED_MAX = 32 };
static uint64_t freed_at[FREED_MAX];
static unsigned n_freed;
static struct invalidation flushed; /* by the last invalidation that was issued */
static struct replay_counters counted;

static void note_freed(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	(void)self;
	(void)pa;
	(void)event;
	if (n_freed < FREED_MAX)
		freed_at[n_freed++] = time_ns;
}

static void note_issued(void *self, const struct inval_op *op)
{
	(void)self;
	flushed = op->scope;
}

/* Replays the text; freed_at[] then holds when table pages went back. */
static void replay_text(const char *text, const char *const *sets, size_t n_sets)
{
	struct result_sink nowhere = { .finding = drop_finding };
	struct replay_observer observer;
	struct event_source *source;
	struct event_batch batch;
	struct detector *detector;
	struct machine *machine;
	struct replay *replay;
	struct err err = { 0 };
	FILE *file = tmpfile();

	fputs(text, file);
	rewind(file);
	cr_assert_eq(text_source_open(file, "x.events", &source, &err), 0, "%s", err.text);
	cr_assert_eq(machine_load(NULL, sets, n_sets, &machine, &err), 0, "%s", err.text);
	cr_assert_eq(detector_create(machine, &nowhere, &detector, &err), 0);
	observer = *detector_replay_observer(detector);
	observer.table_freed = note_freed;
	observer.inval_issued = note_issued;
	cr_assert_eq(
		replay_create(machine, &observer, detector_iommu_observer(detector), &replay, &err),
		0);
	detector_watch(detector, replay);
	n_freed = 0;
	while (source_next(source, &batch, &err) > 0)
		cr_assert_eq(replay_batch(replay, source, &batch, &err), 0, "%s", err.text);
	cr_assert_eq(replay_finish(replay, &err), 0, "%s", err.text);
	counted = *replay_counters(replay);
	replay_destroy(replay);
	detector_destroy(detector);
	source_close(source);
	machine_destroy(machine);
}

/* Unmaps of 2 MiB each, at these microseconds and on these CPUs: each takes a table with it. */
struct unmap_at {
	unsigned us, cpu;
};

static void unmap_tables(const struct unmap_at *unmaps, unsigned n, const char *const *sets,
			 size_t n_sets)
{
	char text[8192];
	int at = snprintf(text, sizeof text,
			  "# iommusim events 1\n0 domain d0 owner=host\n"
			  "0 device nic0 id=0000:03:00.0 owner=host\n0 attach nic0 d0\n"
			  "0 map d0 iova=0x40000000 pa=0x80000000 size=64M perm=rw page=4K\n");

	for (unsigned i = 0; i < n; i++)
		at += snprintf(text + at, sizeof text - (size_t)at,
			       "%uus unmap d0 iova=0x%x size=2M cpu=%u\n", unmaps[i].us,
			       0x40000000 + i * 0x200000, unmaps[i].cpu);
	replay_text(text, sets, n_sets);
}

/* E2: 4 entries (3 usable), timeout 10 ms, whole-domain flush 0.01 ms, 2 CPUs. */
Test(drivers, entries_of_a_flush_queue_are_released_when_their_own_ring_is_looked_at)
{
	static const struct unmap_at unmaps[] = { { 0, 0 },    { 1000, 0 },  { 2000, 0 },
						  { 3000, 1 }, { 4000, 0 },  { 5000, 1 },
						  { 9000, 0 }, { 12000, 1 }, { 13000, 0 } };
	static const uint64_t us[] = { 4010, 4010, 4010, 5000, 10010, 10010, 10010, 22010, 22010 };
	const char *const sets[] = { "policy=linux-lazy", "linux.fq_entries=4", "linux.cpus=2",
				     "time.inval_latency=10us" };

	unmap_tables(unmaps, 9, sets, 4);
	cr_assert_eq(n_freed, 9);
	for (unsigned i = 0; i < 9; i++)
		cr_expect_eq(freed_at[i], us[i] * 1000, "release %u: at %llu ns, expected %llu us",
			     i, (unsigned long long)freed_at[i], (unsigned long long)us[i]);
}

/* The timer's flush begins at 10 ms and takes 2 ms; an entry queued at 11 ms waits for the next one. */
Test(drivers, an_entry_queued_while_a_flush_is_under_way_waits_for_the_next)
{
	static const struct unmap_at unmaps[] = { { 0, 0 }, { 11000, 0 } };
	const char *const sets[] = { "policy=linux-lazy", "time.inval_latency=2ms",
				     "linux.fq_counter_check=yes" };

	unmap_tables(unmaps, 2, sets, 3);
	cr_assert_eq(n_freed, 2);
	cr_expect_eq(freed_at[0], 12000000);
	cr_expect_eq(freed_at[1], 23000000, "armed at 11 ms: flush from 21 to 23");
}

Test(drivers, without_the_counter_check_it_is_released_by_that_flush)
{
	static const struct unmap_at unmaps[] = { { 0, 0 }, { 11000, 0 } };
	const char *const sets[] = { "policy=linux-lazy", "time.inval_latency=2ms",
				     "linux.fq_counter_check=no" };

	unmap_tables(unmaps, 2, sets, 3);
	cr_assert_eq(n_freed, 2);
	cr_expect_eq(freed_at[0], 12000000);
	cr_expect_eq(freed_at[1], 12000000);
}

/* Its counter may have been read before the flush under way raised it. */
Test(drivers, without_the_barrier_it_is_released_by_that_flush)
{
	static const struct unmap_at unmaps[] = { { 0, 0 }, { 11000, 0 }, { 13000, 0 } };
	const char *const sets[] = { "policy=linux-lazy", "time.inval_latency=2ms",
				     "linux.fq_barrier=no" };

	unmap_tables(unmaps, 3, sets, 3);
	cr_assert_eq(n_freed, 3);
	cr_expect_eq(freed_at[0], 12000000);
	cr_expect_eq(freed_at[1], 12000000);
	cr_expect_eq(freed_at[2], 23000000, "queued while none was under way");
}

Test(drivers, strict_gives_tables_back_when_its_flush_is_complete)
{
	static const struct unmap_at unmaps[] = { { 10, 0 }, { 20, 0 } };
	const char *const sets[] = { "policy=linux-strict", "time.inval_latency=2us" };

	unmap_tables(unmaps, 2, sets, 2);
	cr_assert_eq(n_freed, 2);
	cr_expect_eq(freed_at[0], 12000);
	cr_expect_eq(freed_at[1], 22000);
}

/* A table that the second of two unmaps leaves empty, each of a half of what it maps. */
struct empty_case {
	char keep[16];
	unsigned n_freed;
	uint64_t empty; /* tables, at the end */
	iova_t first, last;
};

ParameterizedTestParameters(drivers, a_table_left_empty_stays_or_goes)
{
	static struct empty_case cases[] = {
		{ "yes", 0, 1, 0x40040000, 0x4007ffff },
		{ "no", 1, 0, 0x40040000, 0x4007ffff },
		{ "widened", 1, 0, 0x40000000, 0x401fffff },
	};

	return cr_make_param_array(struct empty_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct empty_case *c, drivers, a_table_left_empty_stays_or_goes)
{
	char keep[64];
	const char *const sets[] = { "policy=linux-strict", "time.inval_latency=2us", keep };

	snprintf(keep, sizeof keep, "intel.keep_empty_tables=%s", c->keep);
	/* the tables above have another entry, which keeps them */
	replay_text("# iommusim events 1\n0 domain d0 owner=host\n"
		    "0 device nic0 id=0000:03:00.0 owner=host\n0 attach nic0 d0\n"
		    "0 map d0 iova=0x40000000 pa=0x80000000 size=512K perm=rw page=4K\n"
		    "0 map d0 iova=0x40200000 pa=0x90000000 size=4K perm=rw\n"
		    "10us unmap d0 iova=0x40000000 size=256K\n"
		    "20us unmap d0 iova=0x40040000 size=256K\n",
		    sets, 3);
	cr_assert_eq(n_freed, c->n_freed, "%s", c->keep);
	if (n_freed)
		cr_expect_eq(freed_at[0], 22000, "%s", c->keep);
	cr_expect_eq(counted.tables_empty, c->empty, "%s", c->keep);
	cr_expect_eq(flushed.first, c->first, "%s", c->keep);
	cr_expect_eq(flushed.last, c->last, "%s", c->keep);
	cr_expect_eq(flushed.leaf, !c->n_freed, "%s: the hint, unless a table went", c->keep);
}

/* E3: leaves of one call in their order, and what each sync flushes. */
struct gather_case {
	char name[40];
	unsigned n, syncs;
	struct {
		iova_t iova;
		uint64_t size;
	} leaves[4];
	struct {
		iova_t start, end;
	} flushed[3];
};

ParameterizedTestParameters(drivers, a_gather_syncs_at_another_size_and_at_a_gap)
{
	static struct gather_case cases[] = {
		{ "upwards", 2, 1, { { 0x1000, 4096 }, { 0x2000, 4096 } }, { { 0x1000, 0x2fff } } },
		{ "downwards",
		  2,
		  1,
		  { { 0x2000, 4096 }, { 0x1000, 4096 } },
		  { { 0x1000, 0x2fff } } },
		{ "a gap",
		  2,
		  2,
		  { { 0x1000, 4096 }, { 0x5000, 4096 } },
		  { { 0x1000, 0x1fff }, { 0x5000, 0x5fff } } },
		{ "a gap downwards",
		  2,
		  2,
		  { { 0x5000, 4096 }, { 0x1000, 4096 } },
		  { { 0x5000, 0x5fff }, { 0x1000, 0x1fff } } },
		{ "another size",
		  2,
		  2,
		  { { 0x200000, 0x200000 }, { 0x400000, 4096 } },
		  { { 0x200000, 0x3fffff }, { 0x400000, 0x400fff } } },
		{ "the first and the last page of all",
		  2,
		  2,
		  { { 0, 4096 }, { UINT64_MAX - 4095, 4096 } },
		  { { 0, 0xfff }, { UINT64_MAX - 4095, UINT64_MAX } } },
		{ "up to the last page of all",
		  2,
		  1,
		  { { UINT64_MAX - 8191, 4096 }, { UINT64_MAX - 4095, 4096 } },
		  { { UINT64_MAX - 8191, UINT64_MAX } } },
	};

	return cr_make_param_array(struct gather_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct gather_case *c, drivers, a_gather_syncs_at_another_size_and_at_a_gap)
{
	struct gather_list list = { 0 };

	for (unsigned i = 0; i < c->n; i++)
		cr_assert_eq(gather_add_page(&list, c->leaves[i].iova, c->leaves[i].size, NULL), 0);
	cr_assert_eq(list.n, c->syncs, "%s", c->name);
	for (unsigned i = 0; i < c->syncs; i++) {
		cr_expect_eq(list.items[i].start, c->flushed[i].start, "%s, sync %u", c->name, i);
		cr_expect_eq(list.items[i].end, c->flushed[i].end, "%s, sync %u", c->name, i);
	}
	gather_list_free(&list);
}

/* E3: the block that a page-selective flush names. */
struct block_case {
	char name[40];
	iova_t start, end;
	uint64_t psi_align, gather_consumer;
	bool flushes;
	iova_t first, last;
};

ParameterizedTestParameters(drivers, a_page_selective_flush_names_an_aligned_block)
{
	static struct block_case cases[] = {
		{ "one page", 0x3000, 0x3fff, PSI_FOLDED, 0, true, 0x3000, 0x3fff },
		{ "pages 3 to 5, folded", 0x3000, 0x5fff, PSI_FOLDED, 0, true, 0, 0x7fff },
		{ "pages 3 to 5, by their count", 0x3000, 0x5fff, PSI_PAGE_COUNT, 0, true, 0,
		  0x3fff },
		{ "pages 4 to 7", 0x4000, 0x7fff, PSI_FOLDED, 0, true, 0x4000, 0x7fff },
		{ "pages 7 and 8, folded", 0x7000, 0x8fff, PSI_FOLDED, 0, true, 0, 0xffff },
		{ "pages 7 and 8, by their count", 0x7000, 0x8fff, PSI_PAGE_COUNT, 0, true, 0x6000,
		  0x7fff },
		{ "up to the last page of all", UINT64_MAX - 4095, UINT64_MAX, PSI_FOLDED, 0, true,
		  UINT64_MAX - 4095, UINT64_MAX },
		{ "all there is", 0, UINT64_MAX, PSI_FOLDED, 0, true, 0, UINT64_MAX },
		{ "two pages, one granule short", 0x1000, 0x2fff, PSI_FOLDED, GATHER_EXCLUSIVE,
		  true, 0x1000, 0x1fff },
		{ "one page, one granule short", 0x1000, 0x1fff, PSI_FOLDED, GATHER_EXCLUSIVE,
		  false, 0, 0 },
	};

	return cr_make_param_array(struct block_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct block_case *c, drivers, a_page_selective_flush_names_an_aligned_block)
{
	struct gather gather = { c->start, c->end, 4096 };
	struct run_config run = { .psi_align = c->psi_align,
				  .gather_consumer = c->gather_consumer };
	iova_t first = 0, last = 0;

	cr_expect_eq(gather_block(&gather, &run, &first, &last), c->flushes, "%s", c->name);
	cr_expect_eq(first, c->first, "%s: first 0x%llx", c->name, (unsigned long long)first);
	cr_expect_eq(last, c->last, "%s: last 0x%llx", c->name, (unsigned long long)last);
}
