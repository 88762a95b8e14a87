/*
 * The SQLite store: results of runs, in plain tables and views that people query as they are.
 * docs/store.md is the schema's contract; PRAGMA user_version numbers it; opening an older
 * store migrates it in one transaction, a newer one is refused.
 *
 * A run enters in one transaction. A killed run leaves nothing, or nothing that reads as whole.
 */
#ifndef IOMMUSIM_ANALYSIS_STORE_H
#define IOMMUSIM_ANALYSIS_STORE_H

#include <stdio.h>

#include "analysis/finding.h"

struct store;

int store_open(const char *path, bool create, struct store **out, struct err *err);
void store_close(struct store *store);

struct run_info {
	const char *recording;	  /* base name of the file */
	const char *recording_id; /* hash of its content, or "" */
	const char *model;	  /* "vtd" */
	const char *policy;	  /* "recorded" */
	const char *config;	  /* canonical "key=value\n" text */
	const char *version;	  /* of this program */
	uint64_t seed;
};

/* Begins the transaction; *sink lives until commit or rollback. Run numbers count from 1. */
int store_begin(struct store *store, const struct run_info *info, struct result_sink **sink,
		uint64_t *run, struct err *err);
int store_commit(struct store *store, uint64_t events, uint64_t last_ns, struct err *err);
void store_rollback(struct store *store);

/*
 * Evidence is stored as event numbers. Once the findings are in and before commit, the replay
 * asks for the distinct numbers in rising order and gives each its line of the text form, so
 * that explain works without the recording. next returns 1 with *event, or 0 at the end.
 */
int store_evidence_next(struct store *store, uint64_t *event, struct err *err);
int store_evidence_text(struct store *store, uint64_t event, const char *text, struct err *err);

/* *run 0 becomes the newest; an error when it is not there, or none is. */
int store_pick_run(struct store *store, uint64_t *run, struct err *err);

/* The newest committed run, 0 when there is none. */
int store_last_run(struct store *store, uint64_t *run, struct err *err);

/* Result tables in canonical order: the same run gives the same bytes. What `dump` prints. */
/* run 0: all runs; findings_only: without counters, histograms and notes. */
int store_dump(struct store *store, uint64_t run, bool findings_only, FILE *out, struct err *err);

/* For reports: the open database, and one query with the run as its parameter, row by row. */
struct sqlite3;
struct sqlite3_stmt;
struct sqlite3 *store_database(struct store *store);
int store_query(struct store *store, const char *sql, uint64_t run,
		void (*row)(struct sqlite3_stmt *s, FILE *out), FILE *out, struct err *err);

#endif
