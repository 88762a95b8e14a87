/* Expected fields against what a unit answered; the contract is in vectors.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_schema.h"
#include "analysis/vector_values.h"
#include "analysis/vectors.h"

enum { FOUND_MAX = 160 };
static const char not_told[] = "not told by the model";

const char *vector_word(const char *field, int value)
{
	const struct field_row *row = field_find(expect_fields, field);

	for (const struct field_word *word = row ? row->words : NULL; word && word->word; word++)
		if (word->value == value)
			return word->word;
	return "?";
}

void vector_compared(struct comparison *comparison, const char *field, const struct value *at,
		     const char *expected, const char *found, bool same)
{
	if (comparison->count) {
		comparison->count->fields++;
		comparison->count->fields_differ += !same;
		vector_field_count(comparison->count, field)->compared++;
	}
	if (same)
		return;
	comparison->n_differ++;
	if (comparison->differs)
		comparison->differs(comparison->ctx, field, at, expected, found);
}

static void compare_number(struct comparison *comparison, const char *field, const struct value *at,
			   bool any, uint64_t found)
{
	char text[32];
	uint64_t expected;
	bool number = text_number(at->text, &expected);

	snprintf(text, sizeof text, "0x%" PRIx64, found);
	/* "none" agrees with there being none. */
	vector_compared(comparison, field, at, at->text, any ? text : "none",
			number ? any && expected == found : !any && !strcmp(at->text, "none"));
}

static void compare_word(struct comparison *comparison, const char *field, const struct value *at,
			 int found)
{
	int expected;

	if (!field_word_value(field_find(expect_fields, field), at->text, &expected) ||
	    expected == WORD_ANY)
		return;
	vector_compared(comparison, field, at, at->text, vector_word(field, found),
			expected == found);
}

/* ---- what came of a request ------------------------------------------------------------- */

int vector_result(const struct dma_result *result)
{
	return result->sees == SEES_NOTHING ? RESULT_STALLED : result->outcome;
}

static const char *fault_name(const struct comparison *comparison)
{
	const struct dma_result *result = &comparison->answer->result;
	const char *name = NULL;

	if (result->outcome == OUTCOME_FAULT)
		name = iommu_fault_name(comparison->unit->model, result->fault);
	return name ? name : "none";
}

/* The name of what software is told; "none", "lost" and "pending": what became of the record. */
static const char *event_name(const struct comparison *comparison)
{
	const struct unit_answer *answer = comparison->answer;

	if (answer->lost)
		return "lost";
	if (answer->told)
		return fault_name(comparison);
	return answer->result.sees == SEES_NOTHING ? "pending" : "none";
}

/* One of several answers that are all right: an address, "bypass", or the name of a fault. */
static bool option_fits(const struct comparison *comparison, const struct value *option)
{
	const struct dma_result *result = &comparison->answer->result;
	uint64_t pa;

	if (option->kind != VALUE_TEXT)
		return false;
	if (text_number(option->text, &pa))
		return result->outcome == OUTCOME_OK && result->pa == pa;
	if (!strcmp(option->text, "bypass"))
		return result->outcome == OUTCOME_OK &&
		       result->pa == comparison->answer->request.iova;
	return !strcmp(option->text, fault_name(comparison));
}

static bool result_fits(const struct comparison *comparison, const struct value *expect,
			int expected)
{
	const struct dma_result *result = &comparison->answer->result;
	const struct value *options = value_member(expect, "options");

	switch (expected) {
	case RESULT_BYPASS:
		return result->outcome == OUTCOME_OK &&
		       result->pa == comparison->answer->request.iova;
	case RESULT_TERMINATED:
		return vector_result(result) == OUTCOME_FAULT ||
		       vector_result(result) == OUTCOME_BLOCKED;
	case RESULT_ANY_OF:
		for (const struct value *option = options ? options->first : NULL; option;
		     option = option->next)
			if (option_fits(comparison, option))
				return true;
		return false;
	default:
		return vector_result(result) == expected;
	}
}

static void compare_result(struct comparison *comparison, const struct value *expect,
			   const struct value *at)
{
	const struct unit_answer *answer = comparison->answer;
	int expected;

	if (!field_word_value(field_find(expect_fields, "result"), at->text, &expected) ||
	    expected == WORD_ANY)
		return;
	vector_compared(comparison, "result", at, at->text,
			vector_word("result", vector_result(&answer->result)),
			result_fits(comparison, expect, expected));
	/* Not forcing snoops goes without saying. */
	if (expected == OUTCOME_OK && !value_member(expect, "snoop"))
		vector_compared(comparison, "snoop", NULL, "false", "true",
				!(answer->result.flags & TLB_SNOOP));
	if (!answer->stale && !answer->stale_config)
		vector_compared(comparison, "uncached walk", NULL, "the same", "something else",
				answer->truth.outcome == answer->result.outcome &&
					answer->truth.pa == answer->result.pa);
}

static void compare_size(struct comparison *comparison, const struct value *at, bool at_most)
{
	const struct dma_result *result = &comparison->answer->result;
	uint64_t found = result->outcome == OUTCOME_OK ? 1ull << result->page_lg2 : 0, expected;
	char text[32];

	if (!at_most) {
		compare_number(comparison, "page_size", at, found, found);
		return;
	}
	snprintf(text, sizeof text, "0x%" PRIx64, found);
	vector_compared(comparison, "page_size_max", at, at->text, text,
			text_number(at->text, &expected) && found && found <= expected);
}

static void compare_record(struct comparison *comparison, const struct value *expect,
			   const struct value *at)
{
	const struct unit_answer *answer = comparison->answer;
	const struct value *mask = value_member(expect, "record_mask");
	const struct value *mask_word = mask ? mask->first : NULL;
	unsigned i = 0;

	for (const struct value *word = at->first; word; word = word->next, i++) {
		uint64_t expected = 0, care = UINT64_MAX;
		bool any = i < answer->record_words;
		char text[32];

		text_number(word->text, &expected);
		if (mask_word) {
			text_number(mask_word->text, &care);
			mask_word = mask_word->next;
		}
		snprintf(text, sizeof text, "0x%016" PRIx64, answer->record[i]);
		vector_compared(comparison, "record", word, word->text, any ? text : "no record",
				any && !((expected ^ answer->record[i]) & care));
	}
	if (!at->first)
		vector_compared(comparison, "record", at, "no record", "a record",
				!answer->record_words);
}

/* memory_after names every word that hardware changed, and no other. */
static void compare_changes(struct comparison *comparison, const struct value *map)
{
	const struct unit_answer *answer = comparison->answer;
	uint64_t named = 0;

	for (size_t i = 0; i < answer->n_changes && i < ANSWER_CHANGES_MAX; i++) {
		const struct table_word *change = &answer->changes[i];
		char text[64];
		uint64_t pa;
		bool there = false;

		for (const struct value *word = map ? map->first : NULL; word; word = word->next)
			there |= text_number(word->key, &pa) && pa == change->pa;
		named += there;
		if (there)
			continue;
		snprintf(text, sizeof text, "0x%" PRIx64 ": 0x%" PRIx64, change->pa, change->value);
		vector_compared(comparison, "memory_after", map, "no other change", text, false);
	}
	vector_compared(comparison, "memory_after", map, "no other change", "more changes",
			answer->n_changes <= ANSWER_CHANGES_MAX || named == answer->n_changes);
}

/* ---- state ------------------------------------------------------------------------------ */

static void compare_memory(struct comparison *comparison, const char *field,
			   const struct value *map)
{
	for (const struct value *word = map->first; word; word = word->next) {
		uint64_t pa = 0, found = 0;
		bool any = text_number(word->key, &pa) &&
			   memory_read(comparison->unit->memory, pa, &found);

		compare_number(comparison, field, word, any, found);
	}
}

/* One value that only the model can tell. */
static void compare_told_value(struct comparison *comparison, const char *field,
			       const struct value *at, const struct told *told)
{
	const struct field_row *row = field_find(expect_fields, field);
	bool yes = !strcmp(at->text, "true"), no = !strcmp(at->text, "false");

	if (told->text && !told->none)
		vector_compared(comparison, field, at, at->text, told->text,
				!strcmp(at->text, told->text));
	else if (!told->none && row && row->kind == HOLDS_WORD)
		compare_word(comparison, field, at, told->value != 0);
	else if (!told->none && (yes || no))
		vector_compared(comparison, field, at, at->text, told->value ? "true" : "false",
				yes == (told->value != 0));
	else
		compare_number(comparison, field, at, !told->none, told->value);
}

/* "CMDQ_CONS.RD": part of a register, which the model tells. */
static bool compare_register_field(struct comparison *comparison, const struct value *reg)
{
	const struct iommu_vectors *vectors = comparison->unit->model->vectors;
	struct told told = { 0 };
	char path[FOUND_MAX];

	snprintf(path, sizeof path, "registers.%.100s", reg->key);
	if (!vectors->field || !vectors->field(comparison->unit->iommu, path, NULL, 0, &told))
		return false;
	compare_told_value(comparison, "registers", reg, &told);
	return true;
}

static void compare_registers(struct comparison *comparison, const struct value *expect,
			      const struct value *map)
{
	const struct value *masks = value_member(expect, "register_masks");

	for (const struct value *reg = map->first; reg; reg = reg->next) {
		uint64_t care = value_number(masks, reg->key, UINT64_MAX), expected, found = 0;
		bool told = !unit_reg_read(comparison->unit, reg->key, &found);
		char text[FOUND_MAX];

		if (!told && compare_register_field(comparison, reg))
			continue;

		snprintf(text, sizeof text, told ? "%.60s 0x%" PRIx64 : "%.60s: no such register",
			 reg->key, found);
		vector_compared(comparison, "registers", reg, reg->text, text,
				told && text_number(reg->text, &expected) &&
					!((expected ^ found) & care));
	}
}

/* What follows from the answer, whatever the model: rights of a translation completion. */
static bool tell_ats(const struct comparison *comparison, const char *path, struct told *told)
{
	static const struct {
		const char *name;
		unsigned perm;
	} rights[] = { { "ats.r", TLB_READ }, { "ats.w", TLB_WRITE }, { "ats.x", TLB_EXECUTE } };

	for (size_t i = 0; comparison->answer && i < sizeof rights / sizeof rights[0]; i++)
		if (!strcmp(path, rights[i].name)) {
			told->value = (comparison->answer->result.perm & rights[i].perm) != 0;
			return true;
		}
	return false;
}

/* A stall tag has no value that a file could know: the expectation names it, or says "none". */
static void compare_stag(struct comparison *comparison, const struct value *at,
			 const struct told *told)
{
	bool none = !strcmp(at->text, "none");
	char text[32] = "none";

	if (!told->none)
		snprintf(text, sizeof text, "0x%" PRIx64, told->value);
	vector_compared(comparison, "stag", at, at->text, text, none == told->none);
	if (!told->none && !none)
		unit_note_stag(comparison->unit, at->text, told->value);
}

/* An entry that is gone has to have been there. */
static bool gone_without_having_been(const struct comparison *comparison, const char *path,
				     const struct value *at)
{
	uint64_t iova;

	return !strncmp(path, "atc.absent.", 11) &&
	       !(text_number(at->text, &iova) && unit_atc_noted(comparison->unit, iova));
}

static void compare_told_leaf(struct comparison *comparison, const char *field,
			      const struct value *at, const struct named_value *leaf,
			      const struct flat_values *beside)
{
	const struct iommu_vectors *vectors = comparison->unit->model->vectors;
	struct told told = { 0 };
	char path[VALUE_NAME_MAX + 32];

	snprintf(path, sizeof path, "%s%s%s", field, *leaf->name ? "." : "", leaf->name);
	if (gone_without_having_been(comparison, path, at) ||
	    (!tell_ats(comparison, path, &told) &&
	     !(vectors->field &&
	       vectors->field(comparison->unit->iommu, path, beside->values, beside->n, &told))))
		vector_compared(comparison, field, at, at->text, not_told, false);
	else if (!strcmp(field, "stag"))
		compare_stag(comparison, at, &told);
	else
		compare_told_value(comparison, field, at, &told);
}

/* Leaves in the order in which values_flatten() has them. */
static void compare_told_leaves(struct comparison *comparison, const char *field,
				const struct value *at, const struct flat_values *flat, size_t *i)
{
	if (at->kind == VALUE_TEXT) {
		compare_told_leaf(comparison, field, at, &flat->values[(*i)++], flat);
		return;
	}
	for (const struct value *member = at->first; member; member = member->next)
		compare_told_leaves(comparison, field, member, flat, i);
}

/* Whatever only the model can tell: each value under its dotted name. */
static void compare_told(struct comparison *comparison, const char *field, const struct value *at)
{
	struct flat_values *flat = malloc(sizeof *flat);
	struct named_value alone = { .name = "" };
	size_t i = 0;
	struct err err;

	if (!flat || (at->kind != VALUE_TEXT && values_flatten(at, field, flat, &err))) {
		vector_compared(comparison, field, at, "fewer values", "too many", false);
	} else if (at->kind == VALUE_TEXT) {
		flat->n = 0;
		compare_told_leaf(comparison, field, at, &alone, flat);
	} else {
		compare_told_leaves(comparison, field, at, flat, &i);
	}
	free(flat);
}

/* The words of a command that was named in words. */
static void compare_encoded(struct comparison *comparison, const struct value *at)
{
	const struct value *word = at->first;

	for (unsigned i = 0; i < sizeof(struct native_command) / 8; i++) {
		uint64_t found = comparison->unit->encoded.words[i];

		if (word)
			compare_number(comparison, "cmd", word, true, found);
		else if (found)
			vector_compared(comparison, "cmd", at, "no further word", "one", false);
		word = word ? word->next : NULL;
	}
}

/* ---- all of it -------------------------------------------------------------------------- */

/* Fields of every model's answers; false: none of them. */
static bool compare_answer(struct comparison *comparison, const struct value *expect,
			   const struct value *at)
{
	const struct unit_answer *answer = comparison->answer;
	const struct dma_result *result = &answer->result;
	bool ok = result->outcome == OUTCOME_OK;
	const char *field = at->key;

	if (!strcmp(field, "result"))
		compare_result(comparison, expect, at);
	else if (!strcmp(field, "pa"))
		compare_number(comparison, field, at, ok, result->pa);
	else if (!strcmp(field, "page_size") || !strcmp(field, "page_size_max"))
		compare_size(comparison, at, !strcmp(field, "page_size_max"));
	else if (!strcmp(field, "perm"))
		compare_word(comparison, field, at, ok ? result->perm : 0);
	else if (!strcmp(field, "snoop"))
		compare_word(comparison, field, at, ok && (result->flags & TLB_SNOOP));
	else if (!strcmp(field, "fault"))
		compare_number(comparison, field, at, result->outcome == OUTCOME_FAULT,
			       result->fault);
	else if (!strcmp(field, "fault_name"))
		vector_compared(comparison, field, at, at->text, event_name(comparison),
				!strcmp(at->text, event_name(comparison)));
	else if (!strcmp(field, "logged"))
		compare_word(comparison, field, at, answer->logged);
	else if (!strcmp(field, "record"))
		compare_record(comparison, expect, at);
	else if (!strcmp(field, "device"))
		compare_word(comparison, field, at, result->sees);
	else if (!strcmp(field, "stale"))
		compare_word(comparison, field, at, answer->stale);
	else if (!strcmp(field, "stale_config"))
		compare_word(comparison, field, at, answer->stale_config);
	else if (!strcmp(field, "report"))
		vector_compared(comparison, field, at, at->text, "no such report",
				answer->reports & unit_report_of(at->text));
	else
		return false;
	return true;
}

static void compare_field(struct comparison *comparison, const struct value *expect,
			  const struct value *at)
{
	const char *field = at->key;

	if (!strcmp(field, "options") || !strcmp(field, "record_mask") ||
	    !strcmp(field, "register_masks"))
		return; /* read with what they belong to */
	if (!strcmp(field, "registers"))
		compare_registers(comparison, expect, at);
	else if (!strcmp(field, "memory") || !strcmp(field, "memory_after"))
		compare_memory(comparison, field, at);
	else if (comparison->command && !strcmp(field, "answer"))
		vector_compared(comparison, field, at, at->text, comparison->command,
				!strcmp(at->text, comparison->command));
	else if (comparison->encoded && !strcmp(field, "cmd"))
		compare_encoded(comparison, at);
	else if (!comparison->answer || !compare_answer(comparison, expect, at))
		compare_told(comparison, field, at);
}

void vector_compare(struct comparison *comparison, const struct value *expect)
{
	for (const struct value *at = expect->first; at; at = at->next)
		compare_field(comparison, expect, at);
	if (comparison->answer)
		compare_changes(comparison, value_member(expect, "memory_after"));
}
