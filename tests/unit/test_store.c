/* The store: a run is there whole or not at all, and is dumped in one order. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "analysis/store.h"
#include "tests/unit/scratch.h"

static char folder[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];

static void set_up(void)
{
	make_scratch(folder);
	snprintf(path, sizeof path, "%s/results.db", folder);
}

static void tear_down(void)
{
	remove(path);
	/* a folder that holds more, such as a journal, stays and fails the test */
	cr_expect_eq(rmdir(folder), 0, "nothing but the store is left behind");
}

TestSuite(store, .init = set_up, .fini = tear_down);

static struct store *open_store(void)
{
	struct store *store = NULL;
	struct err err = { 0 };

	cr_assert_eq(store_open(path, true, &store, &err), 0, "%s", err.text);
	return store;
}

static const struct run_info info = { .recording = "a.imt",
				      .recording_id = "",
				      .model = "vtd",
				      .policy = "recorded",
				      .config = "a = 1\n",
				      .version = "0",
				      .seed = 5 };

static struct result_sink *begin(struct store *store, uint64_t expected)
{
	struct result_sink *sink = NULL;
	uint64_t run = 0;
	struct err err = { 0 };

	cr_assert_eq(store_begin(store, &info, &sink, &run, &err), 0, "%s", err.text);
	cr_assert_eq(run, expected);
	return sink;
}

static void commit(struct store *store, uint64_t events)
{
	struct err err = { 0 };

	cr_assert_eq(store_commit(store, events, events * 1000, &err), 0, "%s", err.text);
}

/* A number that a query on a connection of its own gives. */
static int64_t ask(const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	int64_t value;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sql);
	cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sql);
	value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

static void tell(const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static uint64_t last_run(struct store *store)
{
	uint64_t run = 99;

	cr_assert_eq(store_last_run(store, &run, NULL), 0);
	return run;
}

static struct finding stale_use(void)
{
	return (struct finding){ .kind = FINDING_STALE_USE,
				 .subtype = GRADE_REALLOC_OTHER,
				 .event = 12,
				 .time_ns = 12000,
				 .end_ns = FINDING_NONE,
				 .lag_ns = 500,
				 .hw_ns = FINDING_NONE,
				 .hw_first_ns = FINDING_NONE,
				 .hw_last_ns = FINDING_NONE,
				 .iova = 0xfffff000,
				 .bytes = 64,
				 .pa = 0x8000000000001000, /* a bit pattern, not a number */
				 .truth_pa = FINDING_NONE,
				 .write = true,
				 .domain = "d0",
				 .device = "nic0",
				 .detail = "two words" };
}

static void put_finding(struct result_sink *sink, const struct finding *finding)
{
	struct err err = { 0 };

	cr_assert_eq(sink->finding(sink, finding, &err), 0, "%s", err.text);
}

static void put_counter(struct result_sink *sink, const char *name, uint64_t value)
{
	struct counter counter = { .value = value };

	snprintf(counter.name, sizeof counter.name, "%s", name);
	cr_assert_eq(sink->counter(sink, &counter, NULL), 0);
}

static void put_histogram(struct result_sink *sink, const char *name)
{
	static struct result_histogram result;

	memset(&result, 0, sizeof result);
	snprintf(result.name, sizeof result.name, "%s", name);
	snprintf(result.unit, sizeof result.unit, "ns");
	histogram_add(&result.histogram, 3);
	for (int i = 0; i < 3; i++)
		histogram_add(&result.histogram, 15);
	cr_assert_eq(sink->histogram(sink, &result, NULL), 0);
}

static void put_note(struct result_sink *sink, const char *text)
{
	struct run_note note;

	snprintf(note.text, sizeof note.text, "%s", text);
	cr_assert_eq(sink->note(sink, &note, NULL), 0);
}

static void expect_dump(struct store *store, uint64_t run, bool findings_only, const char *expected)
{
	char text[4096];
	size_t n;
	FILE *file = tmpfile();

	cr_assert_not_null(file);
	cr_assert_eq(store_dump(store, run, findings_only, file, NULL), 0);
	rewind(file);
	n = fread(text, 1, sizeof text - 1, file);
	text[n] = 0;
	fclose(file);
	cr_expect_str_eq(text, expected);
}

Test(store, a_new_store_says_what_it_is)
{
	store_close(open_store());
	cr_expect_eq(ask("PRAGMA user_version"), 2);
	cr_expect_eq(ask("PRAGMA application_id"), 0x494f4d55);
	cr_expect_eq(ask("SELECT count(*) FROM runs"), 0);
	store_close(NULL);
}

Test(store, a_run_is_seen_when_it_is_committed_and_stays)
{
	struct store *store = open_store();
	struct finding finding = stale_use();

	cr_expect_eq(last_run(store), 0);
	put_finding(begin(store, 1), &finding);
	cr_expect_eq(ask("SELECT count(*) FROM runs"), 0, "in one transaction");
	cr_expect_eq(ask("SELECT count(*) FROM findings"), 0);
	commit(store, 20);
	cr_expect_eq(ask("SELECT count(*) FROM findings"), 1);
	begin(store, 2);
	commit(store, 30);
	store_close(store);
	store = open_store();
	cr_expect_eq(last_run(store), 2);
	cr_expect_eq(ask("SELECT events FROM runs WHERE run = 2"), 30);
	cr_expect_eq(ask("SELECT duration_ns FROM runs WHERE run = 1"), 20000);
	cr_expect_eq(ask("SELECT seed FROM runs WHERE run = 1"), 5);
	begin(store, 3);
	store_close(store);
}

Test(store, what_is_not_committed_leaves_nothing)
{
	struct store *store = open_store();
	struct finding finding = stale_use();

	put_finding(begin(store, 1), &finding);
	store_rollback(store);
	store_rollback(store);
	put_counter(begin(store, 1), "dma", 3);
	store_close(store); /* as after an error */
	cr_expect_eq(ask("SELECT count(*) FROM runs"), 0);
	cr_expect_eq(ask("SELECT count(*) FROM findings"), 0);
	cr_expect_eq(ask("SELECT count(*) FROM counters"), 0);
	store = open_store();
	put_finding(begin(store, 1), &finding);
	commit(store, 1);
	cr_expect_eq(ask("SELECT finding FROM findings"), 1, "numbers begin anew");
	store_close(store);
}

Test(store, a_newer_store_is_refused_and_left_as_it_is)
{
	struct store *store = open_store();
	struct err err = { 0 };

	begin(store, 1);
	commit(store, 1);
	store_close(store);
	tell("PRAGMA user_version = 3");
	cr_expect_eq(store_open(path, true, &store, &err), -1);
	cr_expect_eq(err.code, ERR_INPUT);
	cr_expect(strstr(err.text, "store version 3; this program knows up to 2") != NULL, "%s",
		  err.text);
	cr_expect_eq(ask("PRAGMA user_version"), 3);
	cr_expect_eq(ask("SELECT count(*) FROM runs"), 1);
}

/* ---- migrations, and the documented schema ------------------------------------------------ */

/* A store as version 1 of the schema made it, with a run; never edited again. */
static void make_version_1(void)
{
	tell("CREATE TABLE runs(run INTEGER PRIMARY KEY, recording TEXT NOT NULL, recording_id "
	     "TEXT NOT NULL,"
	     " model TEXT NOT NULL, policy TEXT NOT NULL, version TEXT NOT NULL, seed INTEGER NOT "
	     "NULL,"
	     " events INTEGER, duration_ns INTEGER, config TEXT NOT NULL);"
	     "CREATE TABLE findings(run INTEGER NOT NULL REFERENCES runs, finding INTEGER NOT NULL,"
	     " kind TEXT NOT NULL, subtype TEXT, uncertain INTEGER NOT NULL, inferred INTEGER NOT "
	     "NULL,"
	     " write INTEGER NOT NULL, event INTEGER, time_ns INTEGER, end_ns INTEGER, lag_ns "
	     "INTEGER,"
	     " hw_ns INTEGER, hw_first_ns INTEGER, hw_last_ns INTEGER, iova INTEGER, bytes "
	     "INTEGER, pa INTEGER,"
	     " truth_pa INTEGER, count INTEGER, domain TEXT, device TEXT, owner TEXT, owner_now "
	     "TEXT,"
	     " structure TEXT, detail TEXT, PRIMARY KEY(run, finding)) WITHOUT ROWID;"
	     "CREATE TABLE evidence(run INTEGER NOT NULL, finding INTEGER NOT NULL, step INTEGER "
	     "NOT NULL,"
	     " role TEXT NOT NULL, event INTEGER, time_ns INTEGER, note TEXT,"
	     " PRIMARY KEY(run, finding, step)) WITHOUT ROWID;"
	     "CREATE TABLE evidence_text(run INTEGER NOT NULL, event INTEGER NOT NULL, text TEXT "
	     "NOT NULL,"
	     " PRIMARY KEY(run, event)) WITHOUT ROWID;"
	     "CREATE TABLE counters(run INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT "
	     "NULL, unit TEXT,"
	     " PRIMARY KEY(run, name)) WITHOUT ROWID;"
	     "CREATE TABLE histograms(run INTEGER NOT NULL, name TEXT NOT NULL, unit TEXT, count "
	     "INTEGER,"
	     " min INTEGER, p50 INTEGER, p90 INTEGER, p99 INTEGER, p999 INTEGER, max INTEGER, sum "
	     "TEXT,"
	     " PRIMARY KEY(run, name)) WITHOUT ROWID;"
	     "CREATE TABLE notes(run INTEGER NOT NULL, note INTEGER NOT NULL, text TEXT NOT NULL,"
	     " PRIMARY KEY(run, note)) WITHOUT ROWID;"
	     "CREATE VIEW v_findings AS SELECT run, finding, printf('0x%x', iova) AS iova FROM "
	     "findings;"
	     "PRAGMA user_version = 1; PRAGMA application_id = 0x494f4d55");
	tell("INSERT INTO runs VALUES(1, 'a.imt', '', 'vtd', 'recorded', '0', 5, 40, 40000, 'a = "
	     "1');"
	     "INSERT INTO findings(run, finding, kind, uncertain, inferred, write)"
	     " VALUES(1, 1, 'overflow', 0, 0, 0);"
	     "INSERT INTO evidence VALUES(1, 1, 1, 'lost', 7, 700, NULL);"
	     "INSERT INTO evidence_text VALUES(1, 7, '700 mark \"a\"')");
}

Test(store, a_store_of_version_1_is_migrated_and_keeps_its_runs)
{
	struct store *store;

	make_version_1();
	store = open_store();
	cr_expect_eq(last_run(store), 1);
	begin(store, 2);
	commit(store, 1);
	store_close(store);
	cr_expect_eq(ask("PRAGMA user_version"), 2);
	cr_expect_eq(ask("SELECT events FROM runs WHERE run = 1"), 40);
	cr_expect_eq(ask("SELECT iova IS NULL FROM v_findings WHERE run = 1"), 1);
	cr_expect_eq(ask("SELECT text = '700 mark \"a\"' FROM v_evidence WHERE run = 1"), 1);
	store_close(open_store()); /* there is nothing left to do */
}

Test(store, a_migration_that_fails_leaves_the_store_as_it_was)
{
	struct store *store;
	struct err err = { 0 };

	make_version_1();
	tell("CREATE VIEW v_evidence AS SELECT 1 AS theirs");
	cr_expect_eq(store_open(path, true, &store, &err), -1);
	cr_expect(strstr(err.text, "v_evidence already exists") != NULL, "%s", err.text);
	cr_expect_eq(ask("PRAGMA user_version"), 1);
	cr_expect_eq(ask("SELECT iova = '0x0' FROM v_findings"), 1, "the old view is still there");
}

/* "table.column" of everything in the store, in order, a line each. */
static void real_schema(char *text, size_t size)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	size_t n = 0;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(
		sqlite3_prepare_v2(db,
				   "SELECT m.name, c.name FROM sqlite_master m, "
				   "pragma_table_info(m.name) c WHERE m.type IN ('table', 'view') "
				   "ORDER BY m.rowid, c.cid",
				   -1, &statement, NULL),
		SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW)
		n += (size_t)snprintf(text + n, size - n, "%s.%s\n",
				      sqlite3_column_text(statement, 0),
				      sqlite3_column_text(statement, 1));
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

/* The same of docs/store.md: a heading "## `table`: ...", then rows "| `column`, `column` | ... |". */
static void documented_schema(char *text, size_t size)
{
	FILE *file = fopen("docs/store.md", "r");
	char line[1024], table[64] = "";
	size_t n = 0;

	cr_assert_not_null(file, "unit tests run at the root of the sources");
	text[0] = 0;
	while (fgets(line, sizeof line, file)) {
		char *end = strchr(line, '|') == line ? strchr(line + 1, '|') : NULL;

		if (sscanf(line, "## `%63[a-z_]`", table) == 1 || !end)
			continue;
		*end = 0;
		for (char *at = strtok(line, "`, |"); at; at = strtok(NULL, "`, |"))
			if (strcmp(at, "column") != 0 && strspn(at, "-") != strlen(at))
				n += (size_t)snprintf(text + n, size - n, "%s.%s\n", table, at);
	}
	fclose(file);
}

Test(store, the_documented_schema_is_the_real_one)
{
	static char real[8192], documented[8192];

	store_close(open_store());
	real_schema(real, sizeof real);
	documented_schema(documented, sizeof documented);
	cr_expect_str_eq(documented, real);
}

Test(store, a_database_of_another_program_is_refused)
{
	struct err err = { 0 };
	struct store *store;

	tell("CREATE TABLE theirs(x)");
	cr_expect_eq(store_open(path, true, &store, &err), -1);
	cr_expect(strstr(err.text, "another program") != NULL, "%s", err.text);
	cr_expect_eq(ask("SELECT count(*) FROM sqlite_master"), 1);
	cr_expect_eq(ask("PRAGMA user_version"), 0);
}

Test(store, a_file_that_is_no_database_is_refused)
{
	FILE *file = fopen(path, "w");
	struct err err = { 0 };
	struct store *store;

	for (int i = 0; i < 100; i++)
		fputs("# iommusim events 1\n", file);
	fclose(file);
	cr_expect_eq(store_open(path, true, &store, &err), -1);
	cr_expect_eq(err.code, ERR_INPUT);
	cr_expect(strstr(err.text, path) != NULL, "%s", err.text);
}

Test(store, a_store_that_is_not_there_is_made_only_when_asked_for)
{
	struct store *store;
	struct err err = { 0 };

	cr_expect_eq(store_open(path, false, &store, &err), -1);
	cr_expect_eq(err.code, ERR_STORE);
	cr_expect_neq(access(path, F_OK), 0);
	store_close(open_store());
	cr_expect_eq(store_open(path, false, &store, &err), 0);
	store_close(store);
}

Test(store, two_writers_do_not_mix)
{
	struct store *one = open_store(), *other = open_store();
	struct result_sink *sink;
	struct err err = { 0 };
	uint64_t run;

	sqlite3_busy_timeout((sqlite3 *)store_database(other), 10);
	begin(one, 1);
	cr_expect_eq(store_begin(other, &info, &sink, &run, &err), -1);
	cr_expect_eq(err.code, ERR_STORE);
	commit(one, 1);
	begin(other, 2);
	commit(other, 1);
	cr_expect_eq(last_run(one), 2);
	store_close(one);
	store_close(other);
}

Test(store, evidence_asks_for_each_event_once_in_order)
{
	static const struct evidence first[] = { { .role = "unmapped", .event = 900 },
						 { .role = "used", .event = 20 },
						 { .role = "walked", .event = FINDING_NONE } },
				     second[] = { { .role = "used", .event = 20 },
						  { .role = "mapped", .event = 3 } };
	static const uint64_t expected[] = { 3, 20, 900 };
	struct store *store = open_store();
	struct result_sink *sink = begin(store, 1);
	struct finding finding = stale_use();
	uint64_t event;

	finding.evidence = first;
	finding.n_evidence = 3;
	put_finding(sink, &finding);
	finding.evidence = second;
	finding.n_evidence = 2;
	put_finding(sink, &finding);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(store_evidence_next(store, &event, NULL), 1);
		cr_expect_eq(event, expected[i]);
		cr_assert_eq(store_evidence_text(store, event, "0 mark \"x\"", NULL), 0);
	}
	cr_expect_eq(store_evidence_next(store, &event, NULL), 0);
	commit(store, 1000);
	cr_expect_eq(ask("SELECT count(*) FROM evidence_text"), 3);
	cr_expect_eq(ask("SELECT count(*) FROM evidence"), 5);
	/* of this run only */
	begin(store, 2);
	cr_expect_eq(store_evidence_next(store, &event, NULL), 0);
	store_close(store);
}

Test(store, numbers_keep_their_bits_and_unknown_ones_are_null)
{
	struct store *store = open_store();
	struct finding finding = stale_use();

	put_finding(begin(store, 1), &finding);
	commit(store, 1);
	cr_expect_eq((uint64_t)ask("SELECT pa FROM findings"), 0x8000000000001000);
	cr_expect_eq(ask("SELECT end_ns IS NULL AND hw_ns IS NULL AND truth_pa IS NULL AND "
			 "owner IS NULL AND lag_ns = 500 FROM findings"),
		     1);
	store_close(store);
}

ParameterizedTestParameters(store, every_subtype_has_its_name)
{
	static enum finding_kind kinds[FINDING_KINDS];

	for (int kind = 0; kind < FINDING_KINDS; kind++)
		kinds[kind] = (enum finding_kind)kind;
	return cr_make_param_array(enum finding_kind, kinds, FINDING_KINDS);
}

ParameterizedTest(enum finding_kind *kind, store, every_subtype_has_its_name)
{
	const char *names = finding_kinds[*kind].subtypes;
	struct store *store = open_store();
	struct result_sink *sink = begin(store, 1);
	struct finding finding = stale_use();
	char sql[200];

	finding.kind = *kind;
	finding.subtype = 0;
	put_finding(sink, &finding);
	for (const char *at = names; at && (at = strchr(at, '|')); at++) {
		finding.subtype++;
		put_finding(sink, &finding);
	}
	commit(store, 1);
	snprintf(sql, sizeof sql,
		 "SELECT count(*) FROM findings WHERE kind = '%s' AND coalesce("
		 "(SELECT group_concat(subtype, '|') FROM findings), '') = '%s'",
		 finding_kinds[*kind].name, names ? names : "");
	cr_expect_eq(ask(sql), finding.subtype + 1, "%s", sql);
	store_close(store);
}

#define RUN(n, events, ns)                                                                         \
	"[run]\n run=" n " recording=a.imt model=vtd policy=recorded events=" events               \
	" duration_ns=" ns "\n"
#define FINDINGS                                                                                   \
	"[findings]\n"                                                                             \
	" id=1 kind=stale-use subtype=realloc-other device=nic0 domain=d0 iova=0xfffff000 "        \
	"bytes=64 pa=0x8000000000001000 write=1 event=12 time_ns=12000 lag_ns=500 "                \
	"detail=\"two words\"\n"                                                                   \
	" id=2 kind=over-unmap device=nic0 domain=d0 pa=0x8000000000001000 event=3 "               \
	"time_ns=12000 lag_ns=500 uncertain=1 detail=\"two words\"\n"
#define EVIDENCE                                                                                   \
	"[evidence]\n"                                                                             \
	" id=1 step=1 role=unmapped event=9 time_ns=900\n"                                         \
	" id=1 step=2 role=walked time_ns=950 note=\"a word\"\n"
#define REST                                                                                       \
	"[counters]\n name=aaa value=2\n name=zzz value=1\n"                                       \
	"[histograms]\n"                                                                           \
	" name=lag unit=ns n=4 min=3 p50=15 p90=15 p99=15 p999=15 max=15 sum=48\n"                 \
	" name=window unit=ns n=4 min=3 p50=15 p90=15 p99=15 p999=15 max=15 sum=48\n"              \
	"[notes]\n note=1 text=\"z first\"\n note=2 text=\"a second\"\n"
#define EMPTY "[findings]\n[evidence]\n[counters]\n[histograms]\n[notes]\n"

/* The tables of the run are the same whatever comes first. */
static void put_run(struct store *store, uint64_t run, bool backwards)
{
	static const struct evidence steps[] = {
		{ .role = "unmapped", .event = 9, .time_ns = 900 },
		{ .role = "walked", .event = FINDING_NONE, .time_ns = 950, .note = "a word" },
	};
	struct result_sink *sink = begin(store, run);
	struct finding finding = stale_use();

	put_counter(sink, backwards ? "zzz" : "aaa", backwards ? 1 : 2);
	put_histogram(sink, backwards ? "window" : "lag");
	finding.evidence = steps;
	finding.n_evidence = 2;
	put_finding(sink, &finding);
	finding = stale_use();
	finding.kind = FINDING_OVER_UNMAP;
	finding.iova = finding.bytes = 0;
	finding.event = 3;
	finding.write = false;
	finding.uncertain = true;
	put_finding(sink, &finding);
	put_note(sink, "z first");
	put_note(sink, "a second");
	put_counter(sink, "nothing", 0);
	put_counter(sink, backwards ? "aaa" : "zzz", backwards ? 2 : 1);
	put_histogram(sink, backwards ? "lag" : "window");
	commit(store, 40);
}

Test(store, a_dump_has_one_order)
{
	struct store *store = open_store();
	struct err err = { 0 };

	put_run(store, 1, true);
	begin(store, 2);
	commit(store, 7);
	put_run(store, 3, false);
	expect_dump(store, 1, false, RUN("1", "40", "40000") FINDINGS EVIDENCE REST);
	expect_dump(store, 3, false, RUN("3", "40", "40000") FINDINGS EVIDENCE REST);
	expect_dump(store, 3, true, FINDINGS EVIDENCE);
	expect_dump(store, 0, false,
		    RUN("1", "40", "40000") FINDINGS EVIDENCE REST RUN("2", "7", "7000")
			    EMPTY RUN("3", "40", "40000") FINDINGS EVIDENCE REST);
	cr_expect_eq(store_dump(store, 9, false, stderr, &err), -1);
	cr_expect(strstr(err.text, "no run 9") != NULL, "%s", err.text);
	store_close(store);
}
