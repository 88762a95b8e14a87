#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report.h"

/* What the sentence at the end needs of a finding. */
struct facts {
	uint64_t run, id, lag_ns, hw_ns, bytes, count, iova, pa, truth_pa;
	bool write, uncertain;
	char kind[32], subtype[32], device[64], domain[64], owner[64], owner_now[64], structure[32],
		detail[160];
};

static void copy_text(sqlite3_stmt *s, int column, char *to, size_t size)
{
	const unsigned char *text = sqlite3_column_text(s, column);

	snprintf(to, size, "%s", text ? (const char *)text : "");
}

static uint64_t number_at(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL
		       ? FINDING_NONE
		       : (uint64_t)sqlite3_column_int64(s, column);
}

static int find(struct store *store, uint64_t run, uint64_t finding, struct facts *facts,
		struct err *err)
{
	static const char sql[] =
		"SELECT finding, kind, subtype, device, domain, owner, owner_now, structure, "
		"detail, lag_ns, hw_ns,"
		" bytes, count, iova, pa, truth_pa, write, uncertain FROM findings WHERE run = ?1 "
		"AND (?2 = 0 "
		"OR finding = ?2)"
		" ORDER BY CASE WHEN kind = 'table-uaf' AND subtype = 'used' THEN 0 WHEN kind = "
		"'stale-use' THEN 1"
		" WHEN kind = 'in-flight' THEN 2 WHEN kind = 'flush-missing' THEN 3 WHEN kind = "
		"'multi-hit' THEN 4"
		" WHEN kind = 'stale-refusal' THEN 5 ELSE 6 END,"
		" CASE subtype WHEN 'table' THEN 0 WHEN 'realloc-other' THEN 1 WHEN 'realloc-same' "
		"THEN 2"
		" WHEN 'freed' THEN 3 ELSE 4 END, write DESC, lag_ns DESC, finding LIMIT 1";
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(store_database(store), sql, -1, &s, NULL) != SQLITE_OK)
		return err_set(err, ERR_STORE, "%s", sqlite3_errmsg(store_database(store)));
	sqlite3_bind_int64(s, 1, (sqlite3_int64)run);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)finding);
	if (sqlite3_step(s) != SQLITE_ROW) {
		sqlite3_finalize(s);
		return err_set(
			err, ERR_INPUT,
			"run %" PRIu64 " holds no such finding; 'iommusim report' lists them", run);
	}
	facts->run = run;
	facts->id = number_at(s, 0);
	copy_text(s, 1, facts->kind, sizeof facts->kind);
	copy_text(s, 2, facts->subtype, sizeof facts->subtype);
	copy_text(s, 3, facts->device, sizeof facts->device);
	copy_text(s, 4, facts->domain, sizeof facts->domain);
	copy_text(s, 5, facts->owner, sizeof facts->owner);
	copy_text(s, 6, facts->owner_now, sizeof facts->owner_now);
	copy_text(s, 7, facts->structure, sizeof facts->structure);
	copy_text(s, 8, facts->detail, sizeof facts->detail);
	facts->lag_ns = number_at(s, 9);
	facts->hw_ns = number_at(s, 10);
	facts->bytes = number_at(s, 11);
	facts->count = number_at(s, 12);
	facts->iova = number_at(s, 13);
	facts->pa = number_at(s, 14);
	facts->truth_pa = number_at(s, 15);
	facts->write = sqlite3_column_int(s, 16);
	facts->uncertain = sqlite3_column_int(s, 17);
	sqlite3_finalize(s);
	return 0;
}

static void print_step(sqlite3_stmt *s, FILE *out)
{
	const unsigned char *event = sqlite3_column_text(s, 1), *text = sqlite3_column_text(s, 4),
			    *note = sqlite3_column_text(s, 3);
	char when[32] = "";

	if (number_at(s, 2) != FINDING_NONE)
		human_time(number_at(s, 2), when);
	fprintf(out, "  %-24s %-14s %s%s%s\n", (const char *)sqlite3_column_text(s, 0), when,
		event ? "event " : "the model's own step", event ? (const char *)event : "",
		text ? ":" : "");
	if (text)
		fprintf(out, "      %s\n", (const char *)text);
	if (note && *note)
		fprintf(out, "      %s\n", (const char *)note);
}

static const char *page_state(const struct facts *facts, char text[128])
{
	if (!strcmp(facts->subtype, "table"))
		snprintf(text, 128, "a page that is in use as a page table");
	else if (!strcmp(facts->subtype, "freed"))
		snprintf(text, 128, "a page that was freed by then");
	else if (!strcmp(facts->subtype, "realloc-other"))
		snprintf(text, 128, "a page that belonged to %s by then", facts->owner_now);
	else if (!strcmp(facts->subtype, "realloc-same"))
		snprintf(text, 128, "a page that was given to %s anew", facts->owner_now);
	else
		snprintf(text, 128, "a page that was still its owner's%s%s%s",
			 *facts->owner ? " (" : "", facts->owner, *facts->owner ? ")" : "");
	return text;
}

/* The conclusion in one sentence. */
static void print_conclusion(const struct facts *facts, FILE *out)
{
	char lag[32], hardware[32], page[128];

	human_time(facts->lag_ns, lag);
	human_time(facts->hw_ns, hardware);
	if (!strcmp(facts->kind, "stale-use"))
		fprintf(out,
			"%s %s %" PRIu64
			" bytes of %s, %s after it was unmapped. The translation came from the %s, "
			"which no invalidation had reached.\n",
			facts->device, facts->write ? "wrote" : "accessed", facts->bytes,
			page_state(facts, page), lag,
			*facts->structure ? facts->structure : "cache");
	else if (!strcmp(facts->kind, "exposure"))
		fprintf(out,
			"For %s after the update software could not be sure that 0x%" PRIx64
			" was out of reach; the model's "
			"caches held it for %s; %" PRIu64 " DMAs used it.\n",
			lag, facts->iova, hardware, facts->count);
	else if (!strcmp(facts->kind, "table-uaf") && !strcmp(facts->subtype, "used"))
		fprintf(out,
			"The walk followed %s%s into a table page that had been given back: %s.\n",
			*facts->structure ? "a cached pointer of the " : "entries in memory",
			facts->structure, facts->detail);
	else if (!strcmp(facts->kind, "stale-refusal"))
		fprintf(out,
			"%s was refused by a copy in the %s although memory maps 0x%" PRIx64
			" to 0x%" PRIx64 ".\n",
			facts->device, facts->structure, facts->iova, facts->truth_pa);
	else if (!strcmp(facts->kind, "flush-missing"))
		fprintf(out, "Nothing closed this window: %s. %s\n", facts->subtype, facts->detail);
	else if (!strcmp(facts->kind, "walk-behind"))
		fputs("The IOMMU does not snoop: it read from memory what software had written "
		      "into a CPU's cache alone.\n",
		      out);
	else if (!strcmp(facts->kind, "torn"))
		fprintf(out,
			"%s fetched an entry that was half old and half new; the rest came %s "
			"later.\n",
			facts->device, lag);
	else if (!strcmp(facts->kind, "lost-dirty"))
		fprintf(out,
			"What was written to %" PRIu64 " bytes at 0x%" PRIx64
			" is in no dirty log: who copies by it keeps the old data.\n",
			facts->bytes, facts->iova);
	else if (!strcmp(facts->kind, "rights-exceed"))
		fprintf(out,
			"Devices of %s reach %" PRIu64 " bytes at 0x%" PRIx64
			" in a way that software did not mean to allow.\n",
			facts->domain, facts->bytes, facts->iova);
	else if (!strcmp(facts->kind, "run-inconsistent"))
		fprintf(out,
			"One copy stands for %" PRIu64 " bytes at 0x%" PRIx64
			", although its members lead elsewhere.\n",
			facts->bytes, facts->iova);
	else if (!strcmp(facts->kind, "disagreement"))
		fputs("The recorded hardware answered otherwise than this model: the recording "
		      "lacks "
		      "an update, or its IOMMU departs from the machine description.\n",
		      out);
	else
		fprintf(out, "%s%s\n", facts->kind, *facts->detail ? "" : ".");
	if (*facts->detail && strcmp(facts->kind, "flush-missing") != 0 &&
	    strcmp(facts->kind, "table-uaf") != 0)
		fprintf(out, "%s\n", facts->detail);
}

int explain_worst(struct store *store, uint64_t run, uint64_t *finding, struct err *err)
{
	struct facts facts;

	if ((store_pick_run(store, &run, err)) || find(store, run, 0, &facts, err))
		return -1;
	*finding = facts.id;
	return 0;
}

int explain_print(struct store *store, uint64_t run, uint64_t finding, FILE *out, struct err *err)
{
	struct facts facts;
	char sql[320];

	if (store_pick_run(store, &run, err))
		return -1;
	if (find(store, run, finding, &facts, err))
		return -1;
	fprintf(out, "finding %" PRIu64 " of run %" PRIu64 ": %s%s%s", facts.id, run, facts.kind,
		*facts.subtype ? ", " : "", facts.subtype);
	if (*facts.device)
		fprintf(out, ", device %s", facts.device);
	if (*facts.domain)
		fprintf(out, ", domain %s", facts.domain);
	if (facts.bytes)
		fprintf(out, ", 0x%" PRIx64 " (%" PRIu64 " bytes)", facts.iova, facts.bytes);
	fputs("\n\n", out);
	snprintf(sql, sizeof sql,
		 "SELECT e.role, e.event, e.time_ns, e.note, t.text FROM evidence e LEFT JOIN "
		 "evidence_text t"
		 " ON t.run = e.run AND t.event = e.event WHERE e.run = ? AND e.finding = %" PRIu64
		 " ORDER BY CASE WHEN e.event IS NULL THEN 1e18 ELSE e.event END, e.step",
		 facts.id);
	if (store_query(store, sql, run, print_step, out, err))
		return -1;
	fputc('\n', out);
	print_conclusion(&facts, out);
	if (facts.uncertain)
		fputs("This is uncertain: events were lost between the steps above, or two of them "
		      "come from different clocks and lie closer than those can tell.\n",
		      out);
	return 0;
}
