/* The tables of the vectors' schema, and the check against them. */
#include "analysis/vector_schema.h"

#include <stdio.h>
#include <string.h>

#include "hw/iommu.h"
#include "traces/event.h"

static const struct field_word no_words[] = { { "none", 0 }, { 0 } };
static const struct field_word pasid_words[] = { { "none", 0 }, { 0 } };
static const struct field_word bool_words[] = { { "false", 0 }, { "true", 1 }, { 0 } };
static const struct field_word logged_words[] = {
	{ "false", 0 }, { "true", 1 }, { "unspecified", WORD_ANY }, { 0 }
};
static const struct field_word type_words[] = { { "untranslated", DMA_UNTRANSLATED },
						{ "translation", DMA_TRANSLATION_REQUEST },
						{ "translated", DMA_TRANSLATED },
						{ 0 } };
static const struct field_word access_words[] = { { "read", ACCESS_READ },
						  { "write", ACCESS_WRITE },
						  { 0 } };
static const struct field_word confidence_words[] = {
	{ "high", 0 }, { "medium", 1 }, { "low", 2 }, { 0 }
};
static const struct field_word result_words[] = { { "ok", OUTCOME_OK },
						  { "fault", OUTCOME_FAULT },
						  { "interrupt", OUTCOME_INTERRUPT },
						  { "blocked", OUTCOME_BLOCKED },
						  { "bypass", RESULT_BYPASS },
						  { "terminated", RESULT_TERMINATED },
						  { "stalled", RESULT_STALLED },
						  { "any_of", RESULT_ANY_OF },
						  { "any", WORD_ANY },
						  { 0 } };
static const struct field_word perm_words[] = { { "none", 0 },
						{ "r", TLB_READ },
						{ "w", TLB_WRITE },
						{ "rw", TLB_READ | TLB_WRITE },
						{ "rx", TLB_READ | TLB_EXECUTE },
						{ "rwx", TLB_PERM },
						{ 0 } };
static const struct field_word device_words[] = { { "ok", SEES_OK },
						  { "ur", SEES_UNSUPPORTED },
						  { "dropped", SEES_DROPPED },
						  { "ta", SEES_ABORT },
						  { "ca", SEES_ABORT },
						  { "abort", SEES_ABORT },
						  { "razwi", SEES_ZERO },
						  { "none", SEES_NOTHING },
						  { "no_right", SEES_NO_RIGHT },
						  { 0 } };

/* clang-format off */
const struct field_row request_fields[] = {
	{ "type", HOLDS_WORD, type_words, NULL },
	{ "sid", HOLDS_NUMBER, NULL, NULL },
	{ "pasid", HOLDS_NUMBER, pasid_words, NULL },
	{ "iova", HOLDS_NUMBER, NULL, NULL },
	{ "access", HOLDS_WORD, access_words, NULL },
	{ "size", HOLDS_NUMBER, NULL, NULL },
	{ "priv", HOLDS_NUMBER, NULL, NULL },
	{ "exec", HOLDS_NUMBER, NULL, NULL },
	{ "no_write", HOLDS_NUMBER, NULL, NULL },
	{ 0 },
};

/* Rows behind "memory_after" are told by the model, through field(). */
const struct field_row expect_fields[] = {
	{ "result", HOLDS_WORD, result_words, NULL },
	{ "pa", HOLDS_NUMBER, NULL, NULL },
	{ "page_size", HOLDS_NUMBER, NULL, NULL },
	{ "page_size_max", HOLDS_NUMBER, NULL, NULL },
	{ "perm", HOLDS_WORD, perm_words, NULL },
	{ "snoop", HOLDS_WORD, bool_words, NULL },
	{ "fault", HOLDS_NUMBER, no_words, NULL },
	{ "fault_name", HOLDS_TEXT, NULL, NULL },
	{ "logged", HOLDS_WORD, logged_words, NULL },
	{ "record", HOLDS_NUMBERS, NULL, NULL },
	{ "record_mask", HOLDS_NUMBERS, NULL, NULL },
	{ "device", HOLDS_WORD, device_words, NULL },
	{ "stale", HOLDS_WORD, bool_words, NULL },
	{ "stale_config", HOLDS_WORD, bool_words, NULL },
	{ "report", HOLDS_TEXT, NULL, NULL },
	{ "options", HOLDS_ANY, NULL, NULL },
	{ "registers", HOLDS_VALUES, NULL, NULL },
	{ "register_masks", HOLDS_VALUES, NULL, NULL },
	{ "memory", HOLDS_MEMORY, NULL, NULL },
	{ "memory_after", HOLDS_MEMORY, NULL, NULL },
	{ "fault_level", HOLDS_NUMBER, no_words, NULL },
	{ "s1_level", HOLDS_NUMBER, NULL, NULL },
	{ "s2_level", HOLDS_NUMBER, NULL, NULL },
	{ "s1_contig_span", HOLDS_NUMBER, NULL, NULL },
	{ "s2", HOLDS_NUMBER, NULL, NULL },
	{ "ipa", HOLDS_NUMBER, NULL, NULL },
	{ "asid", HOLDS_NUMBER, NULL, NULL },
	{ "vmid", HOLDS_NUMBER, NULL, NULL },
	{ "global", HOLDS_WORD, bool_words, NULL },
	{ "bank", HOLDS_NUMBER, NULL, NULL },
	{ "context", HOLDS_NUMBER, NULL, NULL },
	{ "global_fault", HOLDS_TEXT, NULL, NULL },
	{ "irq", HOLDS_TEXT, NULL, NULL },
	{ "stag", HOLDS_TEXT, NULL, NULL },
	{ "tlb", HOLDS_TEXT, NULL, NULL },
	{ "iotval", HOLDS_NUMBER, NULL, NULL },
	{ "iotval2", HOLDS_NUMBER, NULL, NULL },
	{ "pbmt", HOLDS_NUMBER, NULL, NULL },
	{ "msi", HOLDS_NUMBER, NULL, NULL },
	{ "mrif", HOLDS_MAP, NULL, NULL },
	{ "ats", HOLDS_MAP, NULL, NULL },
	{ "walk", HOLDS_ANY, NULL, NULL },
	{ "queue", HOLDS_MAP, NULL, NULL },
	{ "messages", HOLDS_ANY, NULL, NULL },
	{ "answer", HOLDS_TEXT, NULL, NULL },
	{ "completed", HOLDS_MAP, NULL, NULL },
	{ "stalled", HOLDS_MAP, NULL, NULL },
	{ "atc", HOLDS_MAP, NULL, NULL },
	{ "unexpected", HOLDS_NUMBER, NULL, NULL },
	{ "cmd", HOLDS_COMMANDS, NULL, NULL },
	{ "offset", HOLDS_NUMBER, NULL, NULL },
	{ 0 },
};

static const struct field_row reg_fields[] = {
	{ "name", HOLDS_TEXT, NULL, NULL },
	{ "offset", HOLDS_NUMBER, NULL, NULL },
	{ "size", HOLDS_NUMBER, NULL, NULL },
	{ "value", HOLDS_NUMBER, NULL, NULL },
	{ "unit", HOLDS_TEXT, NULL, NULL },
	{ "context", HOLDS_NUMBER, NULL, NULL },
	{ 0 },
};

const struct field_row step_fields[] = {
	{ "id", HOLDS_TEXT, NULL, NULL },
	{ "name", HOLDS_TEXT, NULL, NULL },
	{ "note", HOLDS_TEXT, NULL, NULL },
	{ "request", HOLDS_ROWS, NULL, request_fields },
	{ "memory", HOLDS_MEMORY, NULL, NULL },
	{ "reg", HOLDS_ROWS, NULL, reg_fields },
	{ "cmd", HOLDS_COMMANDS, NULL, NULL },
	{ "tail", HOLDS_NUMBER, NULL, NULL },
	{ "stag", HOLDS_TEXT, NULL, NULL },
	{ "cmd_fix", HOLDS_MAP, NULL, NULL },
	{ "free_table", HOLDS_MAP, NULL, NULL },
	{ "report", HOLDS_MAP, NULL, NULL },
	{ "page_request", HOLDS_MAP, NULL, NULL },
	{ "invalidation_completion", HOLDS_MAP, NULL, NULL },
	{ "ats_timeout", HOLDS_MAP, NULL, NULL },
	{ "atc_fill", HOLDS_ANY, NULL, NULL },
	{ "map", HOLDS_MAP, NULL, NULL },
	{ "encode", HOLDS_TEXT, NULL, NULL },
	{ "find", HOLDS_MAP, NULL, NULL },
	{ "expect", HOLDS_ROWS, NULL, expect_fields },
	{ 0 },
};

const struct field_row vector_fields[] = {
	{ "id", HOLDS_TEXT, NULL, NULL },
	{ "title", HOLDS_TEXT, NULL, NULL },
	{ "note", HOLDS_TEXT, NULL, NULL },
	{ "confidence", HOLDS_WORD, confidence_words, NULL },
	{ "config", HOLDS_MAP, NULL, NULL },
	{ "opts", HOLDS_MAP, NULL, NULL },
	{ "memory", HOLDS_MEMORY, NULL, NULL },
	{ "memory_errors", HOLDS_ANY, NULL, NULL },
	{ "request", HOLDS_ROWS, NULL, request_fields },
	{ "expect", HOLDS_ROWS, NULL, expect_fields },
	{ "steps", HOLDS_ANY, NULL, NULL },
	{ 0 },
};

/* clang-format on */

const struct field_row *field_find(const struct field_row *rows, const char *name)
{
	for (; rows->name; rows++)
		if (!strcmp(rows->name, name))
			return rows;
	return NULL;
}

bool field_word_value(const struct field_row *row, const char *word, int *value)
{
	for (const struct field_word *at = row->words; at && at->word; at++) {
		if (strcmp(at->word, word) != 0)
			continue;
		*value = at->value;
		return true;
	}
	return false;
}

/* ---- the check -------------------------------------------------------------------------- */

static const char *row_name(const void *rows, uint32_t i)
{
	const struct field_row *row = rows;

	while (i && row->name) {
		row++;
		i--;
	}
	return row->name;
}

static int unknown_key(const char *file, const struct value *at, const struct field_row *rows,
		       struct err *err)
{
	const char *nearest = nearest_word(at->key, strlen(at->key), row_name, rows);
	char known[400] = "";

	if (nearest)
		return value_wrong(file, at, err, "unknown key '%.60s'; the nearest is '%s'",
				   at->key, nearest);
	for (size_t used = 0; rows->name && used + strlen(rows->name) + 3 < sizeof known; rows++)
		used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
					 used ? ", " : "", rows->name);
	return value_wrong(file, at, err, "unknown key '%.60s'; expected one of %s", at->key,
			   known);
}

static int check_word(const char *file, const struct value *at, const struct field_row *row,
		      struct err *err)
{
	char known[200] = "";
	size_t used = 0;
	int value;

	if (at->kind == VALUE_TEXT && field_word_value(row, at->text, &value))
		return 0;
	for (const struct field_word *word = row->words; word->word; word++)
		used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
					 used ? ", " : "", word->word);
	return value_wrong(file, at, err, "%s: expected one of %s", row->name, known);
}

static int check_number(const char *file, const struct value *at, const struct field_row *row,
			struct err *err)
{
	uint64_t number;
	int value;

	if (at->kind == VALUE_TEXT &&
	    (text_number(at->text, &number) || field_word_value(row, at->text, &value)))
		return 0;
	return value_wrong(file, at, err, "%s: expected a number below 2^64, decimal or 0x%s%s",
			   row->name, row->words ? ", or " : "",
			   row->words ? row->words->word : "");
}

static int check_numbers(const char *file, const struct value *at, const struct field_row *row,
			 struct err *err)
{
	if (at->kind != VALUE_LIST || at->n > FIELD_LIST_MAX)
		return value_wrong(file, at, err, "%s: expected a list of up to %d numbers",
				   row->name, FIELD_LIST_MAX);
	for (const struct value *item = at->first; item; item = item->next)
		if (check_number(file, item, row, err))
			return -1;
	return 0;
}

static int check_commands(const char *file, const struct value *at, const struct field_row *row,
			  struct err *err)
{
	if (at->kind != VALUE_LIST || !at->first || at->first->kind != VALUE_LIST)
		return check_numbers(file, at, row, err);
	for (const struct value *item = at->first; item; item = item->next)
		if (check_numbers(file, item, row, err))
			return -1;
	return 0;
}

static int check_memory(const char *file, const struct value *at, const struct field_row *row,
			struct err *err)
{
	uint64_t address;

	if (at->kind != VALUE_MAP)
		return value_wrong(file, at, err, "%s: expected a map of address: word", row->name);
	for (const struct value *word = at->first; word; word = word->next) {
		if (!text_number(word->key, &address) || (address & 7))
			return value_wrong(file, word, err,
					   "%s: '%.40s': expected an address, a multiple of 8",
					   row->name, word->key);
		if (check_number(file, word, row, err))
			return -1;
	}
	return 0;
}

static int check_map(const char *file, const struct value *at, const struct field_row *row,
		     struct err *err)
{
	if (at->kind != VALUE_MAP)
		return value_wrong(file, at, err, "%s: expected a map", row->name);
	return 0;
}

/* name -> number, or a word that the model knows ("active"). */
static int check_values(const char *file, const struct value *at, const struct field_row *row,
			struct err *err)
{
	if (check_map(file, at, row, err))
		return -1;
	for (const struct value *member = at->first; member; member = member->next)
		if (member->kind != VALUE_TEXT)
			return value_wrong(file, member, err, "%s: %.60s: expected a number",
					   row->name, member->key);
	return 0;
}

static int check_field(const char *file, const struct value *at, const struct field_row *row,
		       struct err *err)
{
	switch (row->kind) {
	case HOLDS_NUMBER:
		return check_number(file, at, row, err);
	case HOLDS_NUMBERS:
		return check_numbers(file, at, row, err);
	case HOLDS_WORD:
		return check_word(file, at, row, err);
	case HOLDS_MEMORY:
		return check_memory(file, at, row, err);
	case HOLDS_VALUES:
		return check_values(file, at, row, err);
	case HOLDS_COMMANDS:
		return check_commands(file, at, row, err);
	case HOLDS_TEXT:
		if (at->kind != VALUE_TEXT)
			return value_wrong(file, at, err, "%s: expected a text", row->name);
		return 0;
	case HOLDS_MAP:
		return check_map(file, at, row, err);
	case HOLDS_ROWS:
		return schema_check(file, at, row->rows, err);
	case HOLDS_ANY:
		break;
	}
	return 0;
}

int schema_check(const char *file, const struct value *map, const struct field_row *rows,
		 struct err *err)
{
	if (map->kind != VALUE_MAP)
		return value_wrong(file, map, err, "expected a map");
	for (const struct value *member = map->first; member; member = member->next) {
		const struct field_row *row = field_find(rows, member->key);

		if (!row)
			return unknown_key(file, member, rows, err);
		if (check_field(file, member, row, err))
			return -1;
	}
	return 0;
}

static int check_request(const char *file, const struct value *step, struct err *err)
{
	const struct value *request = value_member(step, "request");
	uint64_t size, iova;

	if (!request)
		return 0;
	if (!value_member(request, "sid") || !value_member(request, "iova"))
		return value_wrong(file, request, err, "request: expected sid and iova");
	size = value_number(request, "size", 1);
	iova = value_number(request, "iova", 0);
	if (size > 4096 - (iova & 4095))
		return value_wrong(file, request, err,
				   "request: expected an access inside of one 4 KiB page");
	if (value_number(request, "sid", 0) > UINT32_MAX)
		return value_wrong(file, request, err, "request: sid: expected 32 bits");
	if (value_number(request, "pasid", 0) >= NO_PASID)
		return value_wrong(file, request, err, "request: pasid: expected 32 bits");
	return 0;
}

/* A step does one thing; name, note, tail, stag and expect say more of it. */
static bool is_action(const char *key)
{
	static const char *const beside[] = { "id", "name", "note", "tail", "stag", "expect" };

	for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
		if (!strcmp(beside[i], key))
			return false;
	return true;
}

const struct value *step_action(const struct value *step)
{
	for (const struct value *member = step->first; member; member = member->next)
		if (is_action(member->key))
			return member;
	return NULL;
}

int schema_check_step(const char *file, const struct value *step, struct err *err)
{
	const struct value *action;

	if (schema_check(file, step, step_fields, err))
		return -1;
	action = step_action(step);
	for (const struct value *more = action ? action->next : NULL; more; more = more->next)
		if (is_action(more->key))
			return value_wrong(file, more, err,
					   "'%s' beside '%s': expected one of "
					   "them in a step",
					   more->key, action->key);
	return check_request(file, step, err);
}

int schema_check_vector(const char *file, const struct value *vector, struct err *err)
{
	const struct value *steps;

	if (schema_check(file, vector, vector_fields, err))
		return -1;
	steps = value_member(vector, "steps");
	if (!value_member(vector, "id"))
		return value_wrong(file, vector, err, "expected an id");
	if (!steps == !value_member(vector, "request"))
		return value_wrong(file, vector, err,
				   "expected either request and expect, or steps");
	if (check_request(file, vector, err))
		return -1;
	if (!steps)
		return 0;
	if (steps->kind != VALUE_LIST)
		return value_wrong(file, steps, err, "steps: expected a list");
	for (const struct value *step = steps->first; step; step = step->next)
		if (schema_check_step(file, step, err))
			return -1;
	return 0;
}
