/*
 * Random recordings under every table code: what the tables say, entry by entry from the root, is what
 * the ledger says, page by page.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "analysis/detect.h"
#include "traces/generate.h"

struct world_case {
	char set[40];
	uint64_t seed;
};

static int drop_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	(void)sink;
	(void)finding;
	(void)err;
	return 0;
}

/* The leaf that maps iova, read with nothing remembered; false: none. */
static bool leaf_of(const struct replay *replay, const struct domain *domain, iova_t iova,
		    struct pt_entry *entry)
{
	pa_t table = domain->root;

	for (unsigned level = domain->levels; level-- > 0; table = entry->addr) {
		unsigned lg2 = domain->format->granule_lg2 + domain->format->index_bits * level;
		uint64_t raw = 0;

		replay_word(replay,
			    table + (iova >> lg2 & low_mask(domain->format->index_bits)) * 8, &raw);
		*entry = domain->format->decode(raw, level);
		if (entry->kind == PT_LEAF)
			entry->addr += iova & low_mask(lg2) & ~low_mask(12);
		if (entry->kind != PT_TABLE)
			return entry->kind == PT_LEAF;
	}
	return false;
}

static void check_page(const struct replay *replay, const struct domain *domain, iova_t iova)
{
	const struct imap_entry *mapping = imap_at(domain->ledger, iova);
	struct pt_entry leaf;
	bool mapped = leaf_of(replay, domain, iova, &leaf);

	cr_assert_eq(mapped, mapping != NULL, "domain %u, 0x%llx: mapped %d", domain->number,
		     (unsigned long long)iova, mapped);
	if (!mapped)
		return;
	cr_assert_eq(leaf.addr, mapping->value[LEDGER_PA] + (iova - mapping->first));
	/* at least: a format may have no entry that is written and not read */
	cr_assert_eq(mapping->value[LEDGER_PERM] & (TLB_READ | TLB_WRITE) & ~leaf.perm, 0);
}

/* Both edges of every mapping, the pages beyond them, and some in the middle. */
static void check_domain(const struct replay *replay, const struct domain *domain)
{
	const struct imap_entry *entry = imap_first_in(domain->ledger, 0, UINT64_MAX);

	for (; entry; entry = imap_next(domain->ledger, entry)) {
		iova_t last = entry->last & ~low_mask(12);
		uint64_t step = ((last - entry->first) / 7 & ~low_mask(12)) + 4096;

		for (iova_t at = entry->first; at <= last; at += step)
			check_page(replay, domain, at);
		check_page(replay, domain, last);
		if (entry->first)
			check_page(replay, domain, entry->first - 4096);
		if (last + 4096 <= domain->highest)
			check_page(replay, domain, last + 4096);
	}
}

ParameterizedTestParameters(table_writer, random_updates_leave_tables_that_say_what_the_ledger_says)
{
	static struct world_case cases[] = {
		{ "policy=recorded", 1 },     { "policy=recorded", 2 },
		{ "policy=linux-strict", 3 }, { "policy=linux-strict", 4 },
		{ "policy=linux-lazy", 5 },   { "iommu=smmuv3", 6 },
	};
	return cr_make_param_array(struct world_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct world_case *c, table_writer,
		  random_updates_leave_tables_that_say_what_the_ledger_says)
{
	const char *const sets[] = { c->set };
	struct result_sink nowhere = { .finding = drop_finding };
	struct generate_options options;
	struct event_source *source;
	struct event_batch batch;
	struct detector *detector;
	struct machine *machine;
	struct replay *replay;
	struct err err = { 0 };
	unsigned mapped = 0;

	generate_defaults("chaos", &options);
	options.seed = c->seed;
	options.events = 4000;
	cr_assert_eq(machine_load(NULL, sets, 1, &machine, &err), 0, "%s", err.text);
	cr_assert_eq(generate_open(&options, &source, &err), 0, "%s", err.text);
	cr_assert_eq(detector_create(machine, &nowhere, &detector, &err), 0);
	cr_assert_eq(replay_create(machine, detector_replay_observer(detector),
				   detector_iommu_observer(detector), &replay, &err),
		     0);
	detector_watch(detector, replay);
	while (source_next(source, &batch, &err) > 0) {
		cr_assert_eq(replay_batch(replay, source, &batch, &err), 0, "%s", err.text);
		for (uint32_t i = 0; i < names_count(source->names, NAMES_DOMAINS); i++) {
			const struct domain *domain = replay_domain(replay, i);

			if (domain && !domain->raw) {
				check_domain(replay, domain);
				mapped += imap_count(domain->ledger) != 0;
			}
		}
	}
	cr_assert(mapped, "the recording maps something");
	replay_destroy(replay);
	detector_destroy(detector);
	source_close(source);
	machine_destroy(machine);
}
