#include "analysis/store.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_VERSION = 2, APPLICATION_ID = 0x494f4d55 /* "IOMU" */ };

/* Migrations in order; number i takes a store from user_version i to i + 1. */
static const char *const migrations[STORE_VERSION] = {
	"CREATE TABLE runs(run INTEGER PRIMARY KEY, recording TEXT NOT NULL, recording_id TEXT NOT "
	"NULL,"
	" model TEXT NOT NULL, policy TEXT NOT NULL, version TEXT NOT NULL, seed INTEGER NOT NULL,"
	" events INTEGER, duration_ns INTEGER, config TEXT NOT NULL);"
	"CREATE TABLE findings(run INTEGER NOT NULL REFERENCES runs, finding INTEGER NOT NULL,"
	" kind TEXT NOT NULL, subtype TEXT, uncertain INTEGER NOT NULL, inferred INTEGER NOT NULL,"
	" write INTEGER NOT NULL, event INTEGER, time_ns INTEGER, end_ns INTEGER, lag_ns INTEGER,"
	" hw_ns INTEGER, hw_first_ns INTEGER, hw_last_ns INTEGER, iova INTEGER, bytes INTEGER, pa "
	"INTEGER,"
	" truth_pa INTEGER, count INTEGER, domain TEXT, device TEXT, owner TEXT, owner_now TEXT,"
	" structure TEXT, detail TEXT, PRIMARY KEY(run, finding)) WITHOUT ROWID;"
	"CREATE TABLE evidence(run INTEGER NOT NULL, finding INTEGER NOT NULL, step INTEGER NOT "
	"NULL,"
	" role TEXT NOT NULL, event INTEGER, time_ns INTEGER, note TEXT,"
	" PRIMARY KEY(run, finding, step)) WITHOUT ROWID;"
	"CREATE TABLE evidence_text(run INTEGER NOT NULL, event INTEGER NOT NULL, text TEXT NOT "
	"NULL,"
	" PRIMARY KEY(run, event)) WITHOUT ROWID;"
	"CREATE TABLE counters(run INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, "
	"unit TEXT,"
	" PRIMARY KEY(run, name)) WITHOUT ROWID;"
	"CREATE TABLE histograms(run INTEGER NOT NULL, name TEXT NOT NULL, unit TEXT, count "
	"INTEGER,"
	" min INTEGER, p50 INTEGER, p90 INTEGER, p99 INTEGER, p999 INTEGER, max INTEGER, sum TEXT,"
	" PRIMARY KEY(run, name)) WITHOUT ROWID;"
	"CREATE TABLE notes(run INTEGER NOT NULL, note INTEGER NOT NULL, text TEXT NOT NULL,"
	" PRIMARY KEY(run, note)) WITHOUT ROWID;"
	"CREATE VIEW v_findings AS SELECT run, finding, kind, subtype, device, domain,"
	" printf('0x%x', iova) AS iova, bytes, printf('0x%x', pa) AS pa, write, time_ns / 1e9 AS "
	"time_s,"
	" lag_ns / 1e6 AS lag_ms, hw_ns / 1e6 AS hardware_ms, owner, owner_now, structure, count, "
	"detail"
	" FROM findings;"
	"CREATE VIEW v_stale_uses AS SELECT run, finding, subtype AS grade, device, domain,"
	" printf('0x%x', iova) AS iova, printf('0x%x', pa) AS pa, write, lag_ns / 1e6 AS lag_ms, "
	"owner,"
	" owner_now, structure FROM findings WHERE kind = 'stale-use';"
	"CREATE VIEW v_exposures AS SELECT run, finding, subtype, domain, printf('0x%x', iova) AS "
	"iova, bytes,"
	" lag_ns / 1e6 AS software_ms, hw_ns / 1e6 AS hardware_ms, count AS uses FROM findings"
	" WHERE kind = 'exposure';"
	"CREATE VIEW v_summary AS SELECT run, substr(name, 10) AS finding, value AS count FROM "
	"counters"
	" WHERE name LIKE 'findings.%' AND value > 0;",
	/* Addresses that are not known stay NULL; evidence with the events' text. */
	"DROP VIEW v_findings;"
	"CREATE VIEW v_findings AS SELECT run, finding, kind, subtype, device, domain,"
	" CASE WHEN iova IS NOT NULL THEN printf('0x%x', iova) END AS iova, bytes,"
	" CASE WHEN pa IS NOT NULL THEN printf('0x%x', pa) END AS pa, write, time_ns / 1e9 AS "
	"time_s,"
	" lag_ns / 1e6 AS lag_ms, hw_ns / 1e6 AS hardware_ms, owner, owner_now, structure, count,"
	" detail, event, uncertain FROM findings;"
	"CREATE VIEW v_evidence AS SELECT e.run, e.finding, f.kind, e.step, e.role, e.event,"
	" e.time_ns / 1e9 AS time_s, e.note, t.text FROM evidence e"
	" JOIN findings f ON f.run = e.run AND f.finding = e.finding"
	" LEFT JOIN evidence_text t ON t.run = e.run AND t.event = e.event;",
};

struct store {
	sqlite3 *db;
	char *path;
	struct result_sink sink;
	sqlite3_stmt *finding, *step, *counter, *histogram, *note, *text, *evidence;
	uint64_t run, findings, notes;
	bool begun;
};

static int fail(const struct store *store, struct err *err)
{
	if (sqlite3_errcode(store->db) == SQLITE_NOTADB)
		return err_set(err, ERR_INPUT,
			       "%s: no SQLite database; expected a store, as 'iommusim replay "
			       "--store' makes it",
			       store->path);
	return err_set(err, ERR_STORE, "%s: %s", store->path, sqlite3_errmsg(store->db));
}

static int run_sql(struct store *store, const char *sql, struct err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(store, err);
}

static int pragma(struct store *store, const char *sql, int *value, struct err *err)
{
	sqlite3_stmt *statement;
	int answer = -1;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return fail(store, err);
	if (sqlite3_step(statement) == SQLITE_ROW) {
		*value = sqlite3_column_int(statement, 0);
		answer = 0;
	} else {
		fail(store, err);
	}
	sqlite3_finalize(statement);
	return answer;
}

/* Brings the schema up to date in one transaction. */
static int migrate(struct store *store, int version, struct err *err)
{
	char sql[96];

	/* Asked again inside: another program may have migrated it meanwhile. */
	if (run_sql(store, "BEGIN IMMEDIATE", err) ||
	    pragma(store, "PRAGMA user_version", &version, err))
		return -1;
	if (version >= STORE_VERSION)
		return run_sql(store, "COMMIT", err);
	for (; version < STORE_VERSION; version++)
		if (run_sql(store, migrations[version], err)) {
			sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
			return -1;
		}
	snprintf(sql, sizeof sql, "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
		 STORE_VERSION, APPLICATION_ID);
	return run_sql(store, sql, err);
}

static int check_version(struct store *store, struct err *err)
{
	int version, application;

	if (pragma(store, "PRAGMA user_version", &version, err) ||
	    pragma(store, "PRAGMA application_id", &application, err))
		return -1;
	if (application != APPLICATION_ID) {
		int tables;

		if (pragma(store, "SELECT count(*) FROM sqlite_master", &tables, err))
			return -1;
		if (tables)
			return err_set(
				err, ERR_INPUT,
				"%s: a database of another program; expected a store of iommusim",
				store->path);
	}
	if (version > STORE_VERSION)
		return err_set(err, ERR_INPUT,
			       "%s: store version %d; this program knows up to %d, use a newer one",
			       store->path, version, STORE_VERSION);
	return version < STORE_VERSION ? migrate(store, version, err) : 0;
}

int store_open(const char *path, bool create, struct store **out, struct err *err)
{
	struct store *store = calloc(1, sizeof *store);
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);

	if (!store || !(store->path = strdup(path))) {
		free(store);
		return err_no_memory(err, "a store");
	}
	if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
		err_set(err, ERR_STORE, "%s: a store cannot be opened%s here", path,
			create ? " or made" : "");
	} else {
		sqlite3_busy_timeout(store->db, 10000);
		if (!check_version(store, err)) {
			*out = store;
			return 0;
		}
	}
	store_close(store);
	return -1;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_rollback(store);
	sqlite3_close(store->db);
	free(store->path);
	free(store);
}

/* ---- writing a run ---------------------------------------------------------------------------------- */

/* FINDING_NONE is NULL; everything else keeps its 64 bits. */
static void bind_number(sqlite3_stmt *statement, int at, uint64_t value)
{
	if (value == FINDING_NONE)
		sqlite3_bind_null(statement, at);
	else
		sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text && *text)
		sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(statement, at);
}

static int insert(struct store *store, sqlite3_stmt *statement, struct err *err)
{
	int answer = sqlite3_step(statement) == SQLITE_DONE ? 0 : fail(store, err);

	sqlite3_reset(statement);
	return answer;
}

static const char *subtype_name(const struct finding *finding, char text[32])
{
	const char *at = finding_kinds[finding->kind].subtypes;

	if (!at)
		return NULL;
	for (uint32_t i = 0; i < finding->subtype; i++)
		at = strchr(at, '|') + 1;
	snprintf(text, 32, "%.*s", (int)strcspn(at, "|"), at);
	return text;
}

static struct store *store_of(struct result_sink *sink)
{
	return (struct store *)(void *)((char *)sink - offsetof(struct store, sink));
}

static int put_steps(struct store *store, const struct finding *finding, struct err *err)
{
	for (uint32_t i = 0; i < finding->n_evidence; i++) {
		const struct evidence *step = &finding->evidence[i];

		sqlite3_bind_int64(store->step, 1, (sqlite3_int64)store->run);
		sqlite3_bind_int64(store->step, 2, (sqlite3_int64)store->findings);
		sqlite3_bind_int(store->step, 3, (int)i + 1);
		bind_text(store->step, 4, step->role);
		bind_number(store->step, 5, step->event);
		bind_number(store->step, 6, step->time_ns);
		bind_text(store->step, 7, step->note);
		if (insert(store, store->step, err))
			return -1;
	}
	return 0;
}

static int put_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	struct store *store = store_of(sink);
	sqlite3_stmt *s = store->finding;
	char subtype[32];
	int at = 1;

	store->findings++;
	sqlite3_bind_int64(s, at++, (sqlite3_int64)store->run);
	sqlite3_bind_int64(s, at++, (sqlite3_int64)store->findings);
	bind_text(s, at++, finding_kinds[finding->kind].name);
	bind_text(s, at++, subtype_name(finding, subtype));
	sqlite3_bind_int(s, at++, finding->uncertain);
	sqlite3_bind_int(s, at++, finding->inferred);
	sqlite3_bind_int(s, at++, finding->write);
	bind_number(s, at++, finding->event);
	bind_number(s, at++, finding->time_ns);
	bind_number(s, at++, finding->end_ns);
	bind_number(s, at++, finding->lag_ns);
	bind_number(s, at++, finding->hw_ns);
	bind_number(s, at++, finding->hw_first_ns);
	bind_number(s, at++, finding->hw_last_ns);
	/* what names no range stands at no address */
	bind_number(s, at++, finding->iova || finding->bytes ? finding->iova : FINDING_NONE);
	bind_number(s, at++, finding->bytes);
	bind_number(s, at++, finding->pa);
	bind_number(s, at++, finding->truth_pa);
	bind_number(s, at++, finding->count);
	bind_text(s, at++, finding->domain);
	bind_text(s, at++, finding->device);
	bind_text(s, at++, finding->owner);
	bind_text(s, at++, finding->owner_now);
	bind_text(s, at++, finding->structure);
	bind_text(s, at++, finding->detail);
	return insert(store, s, err) || put_steps(store, finding, err) ? -1 : 0;
}

static int put_counter(struct result_sink *sink, const struct counter *counter, struct err *err)
{
	struct store *store = store_of(sink);

	sqlite3_bind_int64(store->counter, 1, (sqlite3_int64)store->run);
	bind_text(store->counter, 2, counter->name);
	sqlite3_bind_int64(store->counter, 3, (sqlite3_int64)counter->value);
	bind_text(store->counter, 4, counter->unit);
	return insert(store, store->counter, err);
}

static void sum_text(unsigned __int128 sum, char text[48])
{
	size_t at = 47;

	text[at] = 0;
	do {
		text[--at] = (char)('0' + (int)(sum % 10));
		sum /= 10;
	} while (sum);
	memmove(text, text + at, 48 - at);
}

static int put_histogram(struct result_sink *sink, const struct result_histogram *result,
			 struct err *err)
{
	static const double percents[] = { 50, 90, 99, 99.9 };
	struct store *store = store_of(sink);
	const struct histogram *histogram = &result->histogram;
	sqlite3_stmt *s = store->histogram;
	char sum[48];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)store->run);
	bind_text(s, 2, result->name);
	bind_text(s, 3, result->unit);
	bind_number(s, 4, histogram->count);
	bind_number(s, 5, histogram->min);
	for (int i = 0; i < 4; i++)
		bind_number(s, 6 + i, histogram_percentile(histogram, percents[i]));
	bind_number(s, 10, histogram->max);
	sum_text((unsigned __int128)histogram->sum[1] << 64 | histogram->sum[0], sum);
	bind_text(s, 11, sum);
	return insert(store, s, err);
}

static int put_note(struct result_sink *sink, const struct run_note *note, struct err *err)
{
	struct store *store = store_of(sink);

	sqlite3_bind_int64(store->note, 1, (sqlite3_int64)store->run);
	sqlite3_bind_int64(store->note, 2, (sqlite3_int64)++store->notes);
	bind_text(store->note, 3, note->text);
	return insert(store, store->note, err);
}

static int prepare_all(struct store *store, struct err *err)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} rows[] = {
		{ &store->finding, "INSERT INTO findings "
				   "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" },
		{ &store->step, "INSERT INTO evidence VALUES(?,?,?,?,?,?,?)" },
		{ &store->counter, "INSERT INTO counters VALUES(?,?,?,?)" },
		{ &store->histogram, "INSERT INTO histograms VALUES(?,?,?,?,?,?,?,?,?,?,?)" },
		{ &store->note, "INSERT INTO notes VALUES(?,?,?)" },
		{ &store->text, "INSERT OR REPLACE INTO evidence_text VALUES(?,?,?)" },
		{ &store->evidence,
		  "SELECT DISTINCT event FROM evidence WHERE run = ? AND event IS NOT NULL "
		  "ORDER BY event" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (sqlite3_prepare_v2(store->db, rows[i].sql, -1, rows[i].statement, NULL) !=
		    SQLITE_OK)
			return fail(store, err);
	return 0;
}

static int insert_run(struct store *store, const struct run_info *info, struct err *err)
{
	sqlite3_stmt *s;
	int answer;

	if (sqlite3_prepare_v2(store->db, "INSERT INTO runs VALUES(?,?,?,?,?,?,?,NULL,NULL,?)", -1,
			       &s, NULL) != SQLITE_OK)
		return fail(store, err);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)store->run);
	sqlite3_bind_text(s, 2, info->recording, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 3, info->recording_id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 4, info->model, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 5, info->policy, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 6, info->version, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 7, (sqlite3_int64)info->seed);
	sqlite3_bind_text(s, 8, info->config, -1, SQLITE_TRANSIENT);
	answer = sqlite3_step(s) == SQLITE_DONE ? 0 : fail(store, err);
	sqlite3_finalize(s);
	return answer;
}

int store_begin(struct store *store, const struct run_info *info, struct result_sink **sink,
		uint64_t *run, struct err *err)
{
	if (run_sql(store, "BEGIN IMMEDIATE", err))
		return -1;
	store->begun = true;
	if (store_last_run(store, run, err))
		return -1;
	store->run = ++*run;
	store->findings = store->notes = 0;
	store->sink = (struct result_sink){ put_finding, put_counter, put_histogram, put_note };
	if (prepare_all(store, err) || insert_run(store, info, err))
		return -1;
	*sink = &store->sink;
	return 0;
}

static void finalize_all(struct store *store)
{
	sqlite3_stmt **all[] = { &store->finding, &store->step, &store->counter, &store->histogram,
				 &store->note,	  &store->text, &store->evidence };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		sqlite3_finalize(*all[i]);
		*all[i] = NULL;
	}
}

int store_evidence_next(struct store *store, uint64_t *event, struct err *err)
{
	int got;

	sqlite3_bind_int64(store->evidence, 1, (sqlite3_int64)store->run);
	got = sqlite3_step(store->evidence);
	if (got == SQLITE_ROW) {
		*event = (uint64_t)sqlite3_column_int64(store->evidence, 0);
		return 1;
	}
	sqlite3_reset(store->evidence);
	return got == SQLITE_DONE ? 0 : fail(store, err);
}

int store_evidence_text(struct store *store, uint64_t event, const char *text, struct err *err)
{
	sqlite3_bind_int64(store->text, 1, (sqlite3_int64)store->run);
	sqlite3_bind_int64(store->text, 2, (sqlite3_int64)event);
	sqlite3_bind_text(store->text, 3, text, -1, SQLITE_TRANSIENT);
	return insert(store, store->text, err);
}

int store_commit(struct store *store, uint64_t events, uint64_t last_ns, struct err *err)
{
	char sql[160];

	finalize_all(store);
	snprintf(sql, sizeof sql,
		 "UPDATE runs SET events = %" PRIu64 ", duration_ns = %" PRIu64
		 " WHERE run = %" PRIu64,
		 events, last_ns, store->run);
	if (run_sql(store, sql, err) || run_sql(store, "COMMIT", err))
		return -1;
	store->begun = false;
	return 0;
}

void store_rollback(struct store *store)
{
	finalize_all(store);
	if (store->begun)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store->begun = false;
}

int store_last_run(struct store *store, uint64_t *run, struct err *err)
{
	int value = 0;

	if (pragma(store, "SELECT coalesce(max(run), 0) FROM runs", &value, err))
		return -1;
	*run = (uint64_t)value;
	return 0;
}

int store_pick_run(struct store *store, uint64_t *run, struct err *err)
{
	uint64_t last;

	if (store_last_run(store, &last, err))
		return -1;
	if (!last)
		return err_set(err, ERR_INPUT,
			       "this store holds no run yet; 'iommusim replay --store' adds one");
	if (!*run)
		*run = last;
	if (*run > last)
		return err_set(err, ERR_INPUT,
			       "no run %" PRIu64 "; this store holds runs 1 to %" PRIu64, *run,
			       last);
	return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------- */

/* One row as key=value pairs; NULL fields and zero flags are left out. */
static void print_row(sqlite3_stmt *s, FILE *out)
{
	int n = sqlite3_column_count(s);

	for (int i = 0; i < n; i++) {
		const char *name = sqlite3_column_name(s, i),
			   *text = (const char *)sqlite3_column_text(s, i);
		bool address =
			!strcmp(name, "iova") || !strcmp(name, "pa") || !strcmp(name, "truth_pa");
		bool flag = !strcmp(name, "uncertain") || !strcmp(name, "inferred") ||
			    !strcmp(name, "write") || !strcmp(name, "count") ||
			    !strcmp(name, "bytes");

		if (!text || (flag && !strcmp(text, "0")))
			continue;
		if (address)
			fprintf(out, " %s=0x%llx", name,
				(unsigned long long)sqlite3_column_int64(s, i));
		else if (strchr(text, ' '))
			fprintf(out, " %s=\"%s\"", name, text);
		else
			fprintf(out, " %s=%s", name, text);
	}
	fputc('\n', out);
}

int store_query(struct store *store, const char *sql, uint64_t run,
		void (*row)(sqlite3_stmt *s, FILE *out), FILE *out, struct err *err)
{
	sqlite3_stmt *s;
	int got;

	if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) != SQLITE_OK)
		return fail(store, err);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)run);
	while ((got = sqlite3_step(s)) == SQLITE_ROW)
		row(s, out);
	sqlite3_finalize(s);
	return got == SQLITE_DONE ? 0 : fail(store, err);
}

static const struct {
	const char *title, *sql;
	bool findings;
} sections[] = {
	{ "run",
	  "SELECT run, recording, model, policy, events, duration_ns FROM runs WHERE run = ?",
	  false },
	{ "findings",
	  "SELECT finding AS id, kind, subtype, device, domain, iova, bytes, pa, truth_pa, write, "
	  "event, time_ns, end_ns, lag_ns, hw_ns, hw_first_ns, hw_last_ns, count, owner, "
	  "owner_now, "
	  "structure, uncertain, inferred, detail FROM findings WHERE run = ? ORDER BY finding",
	  true },
	{ "evidence",
	  "SELECT finding AS id, step, role, event, time_ns, note FROM evidence WHERE run = ? "
	  "ORDER BY finding, step",
	  true },
	{ "counters",
	  "SELECT name, value, unit FROM counters WHERE run = ? AND value <> 0 ORDER BY name",
	  false },
	{ "histograms",
	  "SELECT name, unit, count AS n, min, p50, p90, p99, p999, max, sum FROM histograms "
	  "WHERE run = ? ORDER BY name",
	  false },
	{ "notes", "SELECT note, text FROM notes WHERE run = ? ORDER BY note", false },
};

int store_dump(struct store *store, uint64_t only_run, bool findings_only, FILE *out,
	       struct err *err)
{
	uint64_t last = only_run;

	if (only_run ? store_pick_run(store, &only_run, err) : store_last_run(store, &last, err))
		return -1;
	for (uint64_t run = only_run ? only_run : 1; run <= last; run++) {
		for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
			if (findings_only && !sections[i].findings)
				continue;
			fprintf(out, "[%s]\n", sections[i].title);
			if (store_query(store, sections[i].sql, run, print_row, out, err))
				return -1;
		}
	}
	return 0;
}

sqlite3 *store_database(struct store *store)
{
	return store->db;
}
