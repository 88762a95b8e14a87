#include "cmd/store_json.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/report.h"
#include "cmd/json.h"

/* Numbers stay numbers; NULL columns are left out. */
static void put_row(struct json *json, sqlite3_stmt *s)
{
	json_object(json, NULL);
	for (int i = 0; i < sqlite3_column_count(s); i++) {
		const char *name = sqlite3_column_name(s, i);

		if (sqlite3_column_type(s, i) == SQLITE_INTEGER)
			json_number(json, name, (uint64_t)sqlite3_column_int64(s, i));
		else if (sqlite3_column_type(s, i) == SQLITE_TEXT)
			json_text(json, name, (const char *)sqlite3_column_text(s, i));
	}
	json_end(json);
}

static int put_table(struct json *json, struct store *store, const char *name, const char *sql,
		     uint64_t run, uint64_t finding, struct err *err)
{
	sqlite3_stmt *s;
	int got;

	if (sqlite3_prepare_v2(store_database(store), sql, -1, &s, NULL) != SQLITE_OK)
		return err_set(err, ERR_STORE, "%s", sqlite3_errmsg(store_database(store)));
	sqlite3_bind_int64(s, 1, (sqlite3_int64)run);
	if (sqlite3_bind_parameter_count(s) > 1)
		sqlite3_bind_int64(s, 2, (sqlite3_int64)finding);
	json_array(json, name);
	while ((got = sqlite3_step(s)) == SQLITE_ROW)
		put_row(json, s);
	json_end(json);
	sqlite3_finalize(s);
	return got == SQLITE_DONE
		       ? 0
		       : err_set(err, ERR_STORE, "%s", sqlite3_errmsg(store_database(store)));
}

/* The story of one finding as people read it; the caller frees it. First of all: it knows whether there is one. */
static int story_of(struct store *store, uint64_t run, uint64_t finding, char **text,
		    struct err *err)
{
	size_t size;
	FILE *memory = open_memstream(text, &size);
	int answer;

	if (!memory)
		return err_no_memory(err, "a story");
	answer = explain_print(store, run, finding, memory, err);
	fclose(memory);
	if (answer)
		free(*text);
	return answer;
}

int store_json(struct store *store, uint64_t run, uint64_t finding, bool findings_only,
	       struct err *err)
{
	char *story = NULL;
	struct json json;
	int answer;

	if (store_pick_run(store, &run, err) ||
	    (finding && story_of(store, run, finding, &story, err)))
		return -1;
	json_begin(&json, stdout);
	json_object(&json, NULL);
	answer =
		put_table(
			&json, store, "runs",
			"SELECT run, recording, model, policy, version, seed, events, duration_ns, "
			"config FROM runs WHERE run = ?",
			run, 0, err) ||
		put_table(&json, store, "findings",
			  "SELECT * FROM findings WHERE run = ?1 AND (?2 = 0 OR finding = ?2) "
			  "ORDER BY finding",
			  run, finding, err) ||
		put_table(&json, store, "evidence",
			  "SELECT e.finding, e.step, e.role, e.event, e.time_ns, e.note, t.text "
			  "FROM evidence e LEFT JOIN"
			  " evidence_text t ON t.run = e.run AND t.event = e.event WHERE e.run = "
			  "?1 AND (?2 = 0 OR"
			  " e.finding = ?2) ORDER BY e.finding, e.step",
			  run, finding, err);
	if (story)
		json_text(&json, "story", story);
	else if (!answer && !findings_only)
		answer = put_table(&json, store, "counters",
				   "SELECT name, value FROM counters WHERE run = ? AND value <> 0 "
				   "ORDER BY name",
				   run, 0, err) ||
			 put_table(&json, store, "histograms",
				   "SELECT name, unit, count, min, p50, p90, p99, p999, max, sum "
				   "FROM histograms WHERE run = "
				   "? ORDER BY name",
				   run, 0, err) ||
			 put_table(&json, store, "notes",
				   "SELECT text FROM notes WHERE run = ? ORDER BY note", run, 0,
				   err);
	json_end(&json);
	json_finish(&json);
	free(story);
	return answer ? -1 : 0;
}
