/*
 * Test vectors run against a model: what each expects, what came of it, which field differs.
 * docs/vectors.md describes the files.
 *
 * Every vector gets a unit of its own with empty caches. A vector that asks for a unit or a step
 * that the model does not have differs in the field of that name ("config", "page_request"), so
 * nothing that was not compared counts as agreement.
 *
 * --mutate: each expected value of a vector that agrees is changed, one at a time, and the vector
 * must then differ: a number in its lowest and in its highest compared bit, a word to each of its
 * other words, a text by a letter. What says "any" expects nothing and is left alone, as are
 * alternatives (`options`), of which another may still fit, and masks.
 */
#ifndef IOMMUSIM_ANALYSIS_VECTORS_H
#define IOMMUSIM_ANALYSIS_VECTORS_H

#include "analysis/vector_unit.h"

enum { VECTOR_FIELDS_MAX = 96 };

/* One field that differs, or a mutation that went unnoticed; texts live until the call returns. */
struct vector_difference {
	const char *vector; /* its id */
	unsigned step;	    /* from 1; 0: the vector has no steps */
	const char *field, *expected, *found;
	uint32_t line;
};

struct vector_counts {
	uint64_t vectors, steps, differ; /* differ: vectors */
	uint64_t fields, fields_differ;	 /* compared */
	uint64_t mutations, survived;
	/* What the file holds: single values. */
	uint64_t memory_words, config_values, request_values, expected_values, other_values;
	/* By name of the field, in the order of first use. */
	struct vector_field_count {
		const char *name;
		uint64_t values, compared;
	} by_field[VECTOR_FIELDS_MAX];
	size_t n_fields;
};

struct vector_run {
	const char *path;
	const struct iommu_model *model; /* NULL: the file is only read, checked and counted */
	bool mutate;
	void *ctx;
	void (*differs)(void *ctx, const struct vector_difference *difference);
	/* expected is the changed value that the vector did not notice. */
	void (*survived)(void *ctx, const struct vector_difference *mutation);
	struct vector_counts count;
};

/* The whole file; -1: it is wrong, *err tells file, line and what was expected. */
int vectors_run(struct vector_run *run, struct err *err);

/* ---- parts, for sessions and between the parts ------------------------------------------ */

/* What the fields of an `expect` are compared with. */
struct comparison {
	struct vector_unit *unit;
	const struct unit_answer *answer; /* NULL: the step is no request */
	const char *command;		  /* what came of it: "done", "refused"; NULL: no command */
	bool refused;			  /* by the hardware's rules */
	bool encoded;			  /* unit->encoded is what came of it */
	struct vector_counts *count;
	void *ctx;
	/* `at` is the expected value, NULL where none is written down. */
	void (*differs)(void *ctx, const char *field, const struct value *at, const char *expected,
			const char *found);
	uint64_t n_differ;
};
void vector_compare(struct comparison *comparison, const struct value *expect);
/* Notes that a field was compared, and reports it where it differs. */
void vector_compared(struct comparison *comparison, const char *field, const struct value *at,
		     const char *expected, const char *found, bool same);
/* Every detail of {kind, iova, ...} with what was reported; vector_report.c. */
void vector_compare_report(struct comparison *comparison, const struct value *report);
/* enum dma_outcome, or that there is no outcome yet. */
int vector_result(const struct dma_result *result);
/* Words for values: "ok", "rw", "ur". */
const char *vector_word(const char *field, int value);

/*
 * What one step does (memory, reg, cmd, request, ..., report); comparing what it expects comes
 * after. -1: it could not be done, *err says why. A command that hardware refuses is done:
 * comparison->command says so, and *err why. *answer is set by a request, *removed by a command.
 */
int vector_act(struct vector_unit *unit, const struct value *step, struct comparison *comparison,
	       struct unit_answer *answer, struct inval_report *removed, struct err *err);

/* Changes every expected value of the vector in turn and runs it; vectors_mutate.c. */
int vector_mutate(struct vector_run *run, struct value *vector, struct err *err);
/* Runs one vector; *differ counts its fields that differ. report: tell and count. */
int vector_execute(struct vector_run *run, const struct value *vector, bool report,
		   uint64_t *differ, struct err *err);
struct vector_field_count *vector_field_count(struct vector_counts *count, const char *name);

#endif
