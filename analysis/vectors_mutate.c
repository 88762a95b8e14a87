/* Expected values changed one at a time: each change must be noticed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/vector_schema.h"
#include "analysis/vectors.h"

struct mutation {
	struct vector_run *run;
	struct value *vector;
	unsigned step;
	struct err *err;
};

/* Runs the vector with `text` in place of what `at` says. */
static int try_text(const struct mutation *mutation, const char *field, struct value *at,
		    const char *text)
{
	const char *as_written = at->text;
	struct vector_run *run = mutation->run;
	uint64_t differ = 0;
	int answer;

	at->text = text;
	answer = vector_execute(run, mutation->vector, false, &differ, mutation->err);
	at->text = as_written;
	if (answer)
		return -1;
	run->count.mutations++;
	if (differ)
		return 0;
	run->count.survived++;
	if (run->survived)
		run->survived(run->ctx, &(struct vector_difference){
						.vector = value_text(mutation->vector, "id"),
						.step = mutation->step,
						.field = field,
						.expected = text,
						.found = as_written,
						.line = at->line });
	return 0;
}

/* In the lowest and in the highest bit that is compared. */
static int mutate_number(const struct mutation *mutation, const char *field, struct value *at,
			 uint64_t number, uint64_t care)
{
	char text[32];

	if (!care)
		return 0;
	snprintf(text, sizeof text, "0x%" PRIx64, number ^ (care & -care));
	if (try_text(mutation, field, at, text))
		return -1;
	snprintf(text, sizeof text, "0x%" PRIx64, number ^ (uint64_t)1 << log2_floor(care));
	return try_text(mutation, field, at, text);
}

/* To each word that means something else; "terminated" leaves open what "fault" says, and "ok" what
 * "bypass" does. */
static int mutate_word(const struct mutation *mutation, const struct field_row *row,
		       struct value *at)
{
	int now, other;

	if (!field_word_value(row, at->text, &now) || now == WORD_ANY)
		return 0;
	for (const struct field_word *word = row->words; word->word; word++) {
		other = word->value;
		if (other == now || other == WORD_ANY || other == RESULT_TERMINATED ||
		    (other == RESULT_BYPASS && now == OUTCOME_OK) ||
		    (now == RESULT_BYPASS && other == OUTCOME_OK) || other == RESULT_ANY_OF ||
		    (now == RESULT_ANY_OF && /* the options say which of these */
		     (other == OUTCOME_OK || other == OUTCOME_FAULT || other == RESULT_BYPASS)) ||
		    (now == RESULT_TERMINATED &&
		     (other == OUTCOME_FAULT || other == OUTCOME_BLOCKED)))
			continue;
		if (try_text(mutation, row->name, at, word->word))
			return -1;
	}
	return 0;
}

static int mutate_text(const struct mutation *mutation, const char *field, struct value *at)
{
	char text[256];

	snprintf(text, sizeof text, "%.200sx", at->text);
	return try_text(mutation, field, at, text);
}

static int mutate_leaf(const struct mutation *mutation, const struct field_row *row,
		       struct value *at, uint64_t care)
{
	uint64_t number;

	if (row->kind == HOLDS_WORD)
		return mutate_word(mutation, row, at);
	/* A name for the tag says that there is one. */
	if (!strcmp(row->name, "stag"))
		return try_text(mutation, row->name, at, strcmp(at->text, "none") ? "none" : "T");
	/* A limit is an inequality: nothing but one that is too small can be noticed. */
	if (!strcmp(row->name, "page_size_max"))
		return try_text(mutation, row->name, at, "0x1");
	if (text_number(at->text, &number))
		return mutate_number(mutation, row->name, at, number, care);
	return mutate_text(mutation, row->name, at);
}

/* The mask of one value of record or registers. */
static uint64_t mask_of(const struct value *expect, const struct value *field,
			const struct value *at, unsigned index)
{
	const struct value *mask;
	uint64_t care = UINT64_MAX;

	if (!strcmp(field->key, "registers"))
		return value_number(value_member(expect, "register_masks"), at->key, UINT64_MAX);
	if (strcmp(field->key, "record") != 0 || !(mask = value_member(expect, "record_mask")))
		return UINT64_MAX;
	for (mask = mask->first; mask && index; index--)
		mask = mask->next;
	if (mask)
		text_number(mask->text, &care);
	return care;
}

static int mutate_members(const struct mutation *mutation, const struct field_row *row,
			  const struct value *expect, const struct value *field, struct value *list)
{
	unsigned index = 0;

	for (struct value *at = list->first; at; at = at->next, index++) {
		uint64_t care = mask_of(expect, field, at, index);
		int answer = at->kind == VALUE_TEXT
				     ? mutate_leaf(mutation, row, at, care)
				     : mutate_members(mutation, row, expect, field, at);

		if (answer)
			return -1;
	}
	return 0;
}

static int mutate_expect(const struct mutation *mutation, struct value *expect)
{
	for (struct value *at = expect ? expect->first : NULL; at; at = at->next) {
		const struct field_row *row = field_find(expect_fields, at->key);
		int answer;

		if (!strcmp(at->key, "options") || !strcmp(at->key, "record_mask") ||
		    !strcmp(at->key, "register_masks"))
			continue;
		answer = at->kind == VALUE_TEXT ? mutate_leaf(mutation, row, at, UINT64_MAX)
						: mutate_members(mutation, row, expect, at, at);
		if (answer)
			return -1;
	}
	return 0;
}

static int mutate_report(const struct mutation *mutation, struct value *report)
{
	uint64_t number;

	for (struct value *at = report->first; at; at = at->next) {
		int answer = at->kind != VALUE_TEXT ? 0
			     : text_number(at->text, &number)
				     ? mutate_number(mutation, "report", at, number, UINT64_MAX)
				     : mutate_text(mutation, "report", at);

		if (answer)
			return -1;
	}
	return 0;
}

int vector_mutate(struct vector_run *run, struct value *vector, struct err *err)
{
	struct mutation mutation = { .run = run, .vector = vector, .err = err };
	struct value *steps = value_member(vector, "steps");

	if (!steps)
		return mutate_expect(&mutation, value_member(vector, "expect"));
	for (struct value *step = steps->first; step; step = step->next) {
		struct value *report = value_member(step, "report");

		mutation.step++;
		if (report && mutate_report(&mutation, report))
			return -1;
		if (mutate_expect(&mutation, value_member(step, "expect")))
			return -1;
	}
	return 0;
}
