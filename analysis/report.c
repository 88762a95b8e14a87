#include "analysis/report.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 40 };

const char *human_time(uint64_t ns, char text[32])
{
	if (ns == FINDING_NONE)
		snprintf(text, 32, "-");
	else if (ns < 10000)
		snprintf(text, 32, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		snprintf(text, 32, "%.3f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(text, 32, "%.3f ms", (double)ns / 1e6);
	else
		snprintf(text, 32, "%.3f s", (double)ns / 1e9);
	return text;
}

/* ---- columns of a row ---------------------------------------------------------------------------- */

static const char *text_at(sqlite3_stmt *s, int column)
{
	const unsigned char *text = sqlite3_column_text(s, column);

	return text ? (const char *)text : "";
}

static uint64_t number_at(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL
		       ? FINDING_NONE
		       : (uint64_t)sqlite3_column_int64(s, column);
}

static const char *time_at(sqlite3_stmt *s, int column, char text[32])
{
	return human_time(number_at(s, column), text);
}

/* ---- the report ------------------------------------------------------------------------------------ */

static void print_head(sqlite3_stmt *s, FILE *out)
{
	char text[32];

	fprintf(out, "run %s: %s on %s, policy %s\n%s events, %s of recording\n", text_at(s, 0),
		text_at(s, 1), text_at(s, 2), text_at(s, 3), text_at(s, 4), time_at(s, 5, text));
}

static void print_count(sqlite3_stmt *s, FILE *out)
{
	fprintf(out, "  %12s  %s\n", text_at(s, 1), text_at(s, 0));
}

static void print_answers(sqlite3_stmt *s, FILE *out)
{
	double compared = sqlite3_column_double(s, 0);

	if (compared <= 0)
		return;
	fprintf(out,
		"\nwhat the recorded hardware answered\n"
		"  %12s  compared\n  %12s  agree (%.4f %%)\n  %12s  differ\n"
		"  %12s  distinct by device, page and mapping, %s agree\n"
		"  %12s  undecided (clocks or losses)\n  %12s  more taken as start state\n",
		text_at(s, 0), text_at(s, 1), 100 * sqlite3_column_double(s, 1) / compared,
		text_at(s, 2), text_at(s, 5), text_at(s, 6), text_at(s, 3), text_at(s, 4));
}

static void print_stale(sqlite3_stmt *s, FILE *out)
{
	char lag[32];

	fprintf(out, "  %6s  %-14s %-5s 0x%-14llx %-12s %-12s %12s  %s%s%s\n", text_at(s, 0),
		text_at(s, 1), sqlite3_column_int(s, 2) ? "write" : "read",
		(unsigned long long)sqlite3_column_int64(s, 3), text_at(s, 4), text_at(s, 5),
		time_at(s, 6, lag), text_at(s, 7), *text_at(s, 8) ? " -> " : "", text_at(s, 8));
}

static void print_exposure(sqlite3_stmt *s, FILE *out)
{
	char software[32], hardware[32];

	fprintf(out, "  %6s  %-9s 0x%-14llx %10s  %-12s software %12s  hardware %12s  uses %s\n",
		text_at(s, 0), text_at(s, 1), (unsigned long long)sqlite3_column_int64(s, 2),
		text_at(s, 3), text_at(s, 4), time_at(s, 5, software), time_at(s, 6, hardware),
		text_at(s, 7));
}

static void print_other(sqlite3_stmt *s, FILE *out)
{
	char lag[32], address[24] = "-";

	if (sqlite3_column_type(s, 3) != SQLITE_NULL)
		snprintf(address, sizeof address, "0x%llx",
			 (unsigned long long)sqlite3_column_int64(s, 3));
	fprintf(out, "  %6s  %-14s %-19s %-16s %-12s %12s  %s\n", text_at(s, 0), text_at(s, 1),
		text_at(s, 2), address, text_at(s, 4), time_at(s, 5, lag), text_at(s, 6));
}

/* One value of a histogram with a bar relative to the maximum. */
static void print_bar(const char *what, uint64_t value, uint64_t max, bool time, FILE *out)
{
	char text[32];
	int length = max ? (int)((double)value / (double)max * BAR) : 0;

	if (time)
		human_time(value, text);
	else
		snprintf(text, sizeof text, "%" PRIu64, value);
	fprintf(out, "      %-6s %14s  %.*s\n", what, text, length,
		"########################################");
}

static void print_histogram(sqlite3_stmt *s, FILE *out)
{
	static const char *const names[] = { "p50", "p90", "p99", "p99.9", "max" };
	bool time = !strcmp(text_at(s, 1), "ns");

	fprintf(out, "  %s, %s of them\n", text_at(s, 0), text_at(s, 2));
	for (int i = 0; i < 5; i++)
		print_bar(names[i], number_at(s, 3 + i), number_at(s, 7), time, out);
}

static void print_note(sqlite3_stmt *s, FILE *out)
{
	fprintf(out, "  %s\n", text_at(s, 0));
}

/* Whether a query has any row, so that empty headings are left out. */
static int any_row(struct store *store, const char *sql, uint64_t run, bool *any, struct err *err)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(store_database(store), sql, -1, &s, NULL) != SQLITE_OK)
		return err_set(err, ERR_STORE, "%s", sqlite3_errmsg(store_database(store)));
	sqlite3_bind_int64(s, 1, (sqlite3_int64)run);
	*any = sqlite3_step(s) == SQLITE_ROW;
	sqlite3_finalize(s);
	return 0;
}

int report_print(struct store *store, uint64_t run, FILE *out, struct err *err)
{
	static const struct {
		const char *title, *sql;
		void (*row)(sqlite3_stmt *s, FILE *out);
	} parts[] = {
		{ "",
		  "SELECT run, recording, model, policy, events, duration_ns FROM runs WHERE run = "
		  "?",
		  print_head },
		{ "\nfindings\n",
		  "SELECT substr(name, 10), value FROM counters WHERE run = ? AND name LIKE "
		  "'findings.%' AND value > 0",
		  print_count },
		{ "",
		  "SELECT sum(value * (name = 'answers.compared')), sum(value * (name = "
		  "'answers.agree')),"
		  " sum(value * (name = 'answers.differ')), sum(value * (name = "
		  "'answers.undecided')),"
		  " sum(value * (name = 'answers.adopted')), sum(value * (name = "
		  "'answers.distinct')), sum(value * (name = 'answers.distinct.agree'))"
		  " FROM counters WHERE run = ?",
		  print_answers },
		{ "\nworst stale uses: number, grade, access, page, device, domain, lag, owner -> "
		  "owner now\n",
		  "SELECT finding, subtype, write, iova & ~4095, device, domain, lag_ns, owner, "
		  "owner_now FROM findings"
		  " WHERE run = ? AND kind = 'stale-use' ORDER BY CASE subtype WHEN 'table' THEN 0 "
		  "WHEN 'realloc-other'"
		  " THEN 1 WHEN 'realloc-same' THEN 2 WHEN 'freed' THEN 3 ELSE 4 END, write DESC, "
		  "lag_ns DESC, finding"
		  " LIMIT 10",
		  print_stale },
		{ "\nworst exposures: number, end, address, bytes, domain\n",
		  "SELECT finding, subtype, iova, bytes, domain, lag_ns, hw_ns, count FROM "
		  "findings WHERE run = ?"
		  " AND kind = 'exposure' ORDER BY lag_ns DESC, finding LIMIT 10",
		  print_exposure },
		{ "\nothers: number, kind, subtype, address, device, time\n",
		  "SELECT finding, kind, subtype, iova, device, lag_ns, detail FROM findings WHERE "
		  "run = ? AND kind NOT IN"
		  " ('stale-use', 'exposure', 'benign-stale', 'flush-excess', 'collateral', "
		  "'masked')"
		  " ORDER BY finding LIMIT 20",
		  print_other },
		{ "\nhow long and how many\n",
		  "SELECT name, unit, count, p50, p90, p99, p999, max FROM histograms WHERE run = "
		  "? ORDER BY name",
		  print_histogram },
		{ "\nnotes\n", "SELECT text FROM notes WHERE run = ? ORDER BY note", print_note },
	};

	if (store_pick_run(store, &run, err))
		return -1;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		bool any = false;

		if (any_row(store, parts[i].sql, run, &any, err))
			return -1;
		if (!any)
			continue;
		fputs(parts[i].title, out);
		if (store_query(store, parts[i].sql, run, parts[i].row, out, err))
			return -1;
	}
	fputs("\nnext: iommusim explain STORE worst, or a number from above; sqlite3 STORE 'SELECT "
	      "* FROM v_findings'\n",
	      out);
	return 0;
}
