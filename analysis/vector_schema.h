/*
 * The schema of test vectors: which keys there are, what stands behind each, and which words.
 * docs/vectors.md explains it; its tables name the same keys.
 */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_SCHEMA_H
#define IOMMUSIM_ANALYSIS_VECTOR_SCHEMA_H

#include "analysis/vector_tree.h"

enum field_kind {
	HOLDS_NUMBER,	/* decimal or 0x */
	HOLDS_NUMBERS,	/* a list of them, at most FIELD_LIST_MAX */
	HOLDS_WORD,	/* one of words */
	HOLDS_MEMORY,	/* a map of 8-byte-aligned address -> 64-bit word */
	HOLDS_VALUES,	/* a map of name -> number */
	HOLDS_COMMANDS, /* one command as a list of numbers, or a list of those */
	HOLDS_TEXT,
	HOLDS_MAP,  /* a map of what the IOMMU's section in docs/vectors.md says */
	HOLDS_ANY,  /* what that section says */
	HOLDS_ROWS, /* a map described by rows */
};
enum { FIELD_LIST_MAX = 8 };

struct field_word {
	const char *word; /* NULL ends the list */
	int value;
};

struct field_row {
	const char *name; /* NULL ends the table */
	enum field_kind kind;
	const struct field_word *words; /* HOLDS_WORD; also words beside a HOLDS_NUMBER */
	const struct field_row *rows;	/* HOLDS_ROWS */
};

extern const struct field_row vector_fields[];	/* of a vector */
extern const struct field_row step_fields[];	/* of a step; a message of a session */
extern const struct field_row request_fields[]; /* of a request */
extern const struct field_row expect_fields[];	/* of what must come of it */

/* Words that are no expectation: "any", "unspecified". */
enum { WORD_ANY = -1 };
/* Results that are more than one enum dma_outcome, or none of the model's. */
enum { RESULT_BYPASS = 16, RESULT_TERMINATED, RESULT_STALLED, RESULT_ANY_OF };

const struct field_row *field_find(const struct field_row *rows, const char *name);
/* The word's value; false: not one of them. */
bool field_word_value(const struct field_row *row, const char *word, int *value);

/* What a step does: its member other than name, note, expect ...; NULL: it only expects. */
const struct value *step_action(const struct value *step);

/* Every key and value is as the tables say; -1: *err tells file, line and what was expected. */
int schema_check(const char *file, const struct value *map, const struct field_row *rows,
		 struct err *err);
/* The same for a step, and for a whole vector, with what they must have. */
int schema_check_step(const char *file, const struct value *step, struct err *err);
int schema_check_vector(const char *file, const struct value *vector, struct err *err);

#endif
