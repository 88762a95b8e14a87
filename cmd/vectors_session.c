/* Sessions of test vectors; the contract is in vectors_session.h. */
#include "cmd/vectors_session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_schema.h"
#include "analysis/vectors.h"
#include "cmd/command.h"
#include "cmd/json.h"

/* Place in messages: value_wrong() writes "FILE:LINE:COLUMN: " in front. */
#define INPUT "stdin"

struct session {
	const struct iommu_model *model;
	struct vector_unit *unit;
	struct json json;
	FILE *in, *out;
	char *text; /* of the line at hand */
	size_t bytes;
	uint64_t line;
	bool wrong, differs;
};

/* ---- answers ---------------------------------------------------------------------------- */

static void begin_answer(struct session *session, const struct value *message)
{
	const char *id = value_text(message, "id");

	json_begin_line(&session->json, session->out);
	json_object(&session->json, NULL);
	json_number(&session->json, "line", session->line);
	if (*id)
		json_text(&session->json, "id", id);
}

static void end_answer(struct session *session)
{
	json_end(&session->json);
	json_finish(&session->json);
	fflush(session->out);
}

static void answer_error(struct session *session, const struct value *message,
			 const struct err *err)
{
	uint64_t line = session->line, column = 1;
	const char *text = err->text;
	int skip = 0;

	if (sscanf(text, INPUT ":%" SCNu64 ":%" SCNu64 ": %n", &line, &column, &skip) == 2)
		text += skip;
	else if (message && step_action(message))
		column = step_action(message)->column;
	session->wrong = true;
	begin_answer(session, message);
	json_object(&session->json, "error");
	json_number(&session->json, "line", line);
	json_number(&session->json, "column", column);
	json_text(&session->json, "text", text);
	json_end(&session->json);
	end_answer(session);
}

static void answer_difference(void *ctx, const char *field, const struct value *at,
			      const char *expected, const char *found)
{
	struct session *session = ctx;

	(void)at;
	session->differs = true;
	json_object(&session->json, NULL);
	json_text(&session->json, "field", field);
	json_text(&session->json, "expected", expected);
	json_text(&session->json, "found", found);
	json_end(&session->json);
}

/* The keys of an answer are those that a vector expects. */
static void answer_request(struct session *session, const struct unit_answer *answer)
{
	const struct dma_result *result = &answer->result;
	struct json *json = &session->json;
	const char *name;

	json_object(json, "result");
	json_text(json, "result", vector_word("result", vector_result(result)));
	if (result->outcome == OUTCOME_OK) {
		json_hex(json, "pa", result->pa);
		json_hex(json, "page_size", 1ull << result->page_lg2);
		json_text(json, "perm", vector_word("perm", result->perm & TLB_PERM));
		json_bool(json, "snoop", result->flags & TLB_SNOOP);
	}
	if (result->outcome == OUTCOME_FAULT) {
		json_hex(json, "fault", result->fault);
		name = iommu_fault_name(session->model, result->fault);
		if (name)
			json_text(json, "fault_name", name);
		json_bool(json, "logged", answer->logged);
	}
	if (answer->record_words) {
		json_array(json, "record");
		for (unsigned i = 0; i < answer->record_words; i++)
			json_hex(json, NULL, answer->record[i]);
		json_end(json);
	}
	json_text(json, "device", vector_word("device", result->sees));
	json_bool(json, "cached", result->cached);
	json_bool(json, "stale", answer->stale || answer->stale_config);
	json_end(json);
}

static void answer_encoded(struct session *session)
{
	const struct native_command *command = &session->unit->encoded;

	json_array(&session->json, "result");
	for (size_t i = 0; i < sizeof command->words / sizeof command->words[0]; i++)
		if (i < 2 || command->words[i])
			json_hex(&session->json, NULL, command->words[i]);
	json_end(&session->json);
}

static void answer_removed(struct session *session, const struct comparison *comparison,
			   const struct inval_report *removed)
{
	struct json *json = &session->json;

	json_object(json, "result");
	json_text(json, "result", comparison->command);
	json_number(json, "translations", removed->removed);
	json_number(json, "pointers", removed->pointers);
	json_number(json, "configs", removed->configs);
	json_number(json, "stale", removed->stale);
	json_end(json);
}

/* ---- messages --------------------------------------------------------------------------- */

/* A new unit, empty memory and caches; registers as config says. */
static int new_unit(struct session *session, const struct value *config, const struct value *opts,
		    struct err *err)
{
	struct vector_unit *unit;

	if (unit_create(session->model, config, opts, &unit, err))
		return -1;
	if (config && unit_start(unit, config, err)) {
		unit_destroy(unit);
		return -1;
	}
	unit_destroy(session->unit);
	session->unit = unit;
	return 0;
}

static int configure(struct session *session, const struct value *message, struct err *err)
{
	static const struct field_row rows[] = { { "id", HOLDS_TEXT, NULL, NULL },
						 { "config", HOLDS_MAP, NULL, NULL },
						 { "opts", HOLDS_MAP, NULL, NULL },
						 { 0 } };

	if (schema_check(INPUT, message, rows, err) ||
	    new_unit(session, value_member(message, "config"), value_member(message, "opts"), err))
		return -1;
	begin_answer(session, message);
	json_text(&session->json, "result", "done");
	end_answer(session);
	return 0;
}

/* {"read": {"name": "FSTS"}}, {"load": "0x1000"}: what a step has no use for. */
static int look(struct session *session, const struct value *message, struct err *err)
{
	static const struct field_row reg[] = { { "name", HOLDS_TEXT, NULL, NULL },
						{ "offset", HOLDS_NUMBER, NULL, NULL },
						{ "size", HOLDS_NUMBER, NULL, NULL },
						{ 0 } };
	static const struct field_row rows[] = { { "id", HOLDS_TEXT, NULL, NULL },
						 { "read", HOLDS_ROWS, NULL, reg },
						 { "load", HOLDS_NUMBER, NULL, NULL },
						 { 0 } };
	const struct value *read = value_member(message, "read");
	uint64_t offset, value;
	unsigned size;

	if (schema_check(INPUT, message, rows, err))
		return -1;
	offset = value_number(message, "load", 0);
	if (read) {
		if (unit_register(session->unit, read, &offset, &size, err))
			return -1;
		if (!session->model->reg_read(session->unit->iommu, offset, size, &value))
			return value_wrong(INPUT, read, err,
					   "the model has no register at 0x%" PRIx64, offset);
	} else if ((offset & 7) || !memory_read(session->unit->memory, offset, &value)) {
		return value_wrong(INPUT, value_member(message, "load"), err,
				   "load: expected a multiple of 8 below ram_limit");
	}
	begin_answer(session, message);
	json_hex(&session->json, "result", value);
	end_answer(session);
	return 0;
}

static int step(struct session *session, const struct value *message, struct err *err)
{
	const struct value *expect = value_member(message, "expect");
	struct comparison comparison = { .ctx = session, .differs = answer_difference };
	struct inval_report removed = { 0 };
	struct unit_answer answer;

	if (schema_check_step(INPUT, message, err))
		return -1;
	if (!step_action(message) && !expect)
		return value_wrong(INPUT, message, err,
				   "expected config, memory, reg, cmd, request, free_table, read, "
				   "load or expect");
	if (vector_act(session->unit, message, &comparison, &answer, &removed, err))
		return -1;
	begin_answer(session, message);
	if (comparison.answer)
		answer_request(session, &answer);
	else if (comparison.encoded)
		answer_encoded(session);
	else if (comparison.command && strcmp(step_action(message)->key, "cmd") != 0)
		json_text(&session->json, "result", comparison.command);
	else if (comparison.command)
		answer_removed(session, &comparison, &removed);
	else
		json_text(&session->json, "result", "done");
	if (expect) {
		json_array(&session->json, "differs");
		vector_compare(&comparison, expect);
		json_end(&session->json);
	}
	end_answer(session);
	return 0;
}

static int answer(struct session *session, const struct value *message, struct err *err)
{
	if (value_member(message, "config") || value_member(message, "opts"))
		return configure(session, message, err);
	if (!session->unit && new_unit(session, NULL, NULL, err))
		return -1;
	if (value_member(message, "read") || value_member(message, "load"))
		return look(session, message, err);
	return step(session, message, err);
}

/* -1: the session cannot go on. */
static int take_line(struct session *session, struct err *err)
{
	struct vector_text memory = { 0 };
	struct value *message = NULL;
	int failed;

	err->code = ERR_NONE;
	failed = vector_line_read(&memory, INPUT, session->line, session->text, session->bytes,
				  &message, err);
	if (!failed)
		failed = answer(session, message, err);
	if (failed)
		answer_error(session, message, err);
	vector_text_free(&memory);
	return failed && err->code == ERR_NO_MEMORY ? -1 : 0;
}

/* 1: a line; 0: the end. A longer one than fits is read to its end and is wrong. */
static int next_line(struct session *session, bool *too_long)
{
	int c;

	session->bytes = 0;
	*too_long = false;
	while ((c = getc(session->in)) != EOF && c != '\n') {
		if (session->bytes == VECTOR_BYTES_MAX)
			*too_long = true;
		else
			session->text[session->bytes++] = (char)c;
	}
	session->text[session->bytes] = '\0';
	session->line++;
	return c != EOF || session->bytes;
}

static int all_lines(struct session *session, struct err *err)
{
	bool too_long;

	while (next_line(session, &too_long)) {
		if (too_long) {
			err_fill(err, ERR_LIMIT, "a line of more than %d bytes; expected shorter",
				 VECTOR_BYTES_MAX);
			answer_error(session, NULL, err);
		} else if (session->text[strspn(session->text, " \t\r")] != '\0' &&
			   take_line(session, err)) {
			return -1;
		}
	}
	return 0;
}

int vectors_session(const struct iommu_model *model, FILE *in, FILE *out, struct err *err)
{
	struct session session = { .model = model, .in = in, .out = out };
	int failed;

	session.text = malloc(VECTOR_BYTES_MAX + 1);
	if (!session.text) {
		err_no_memory(err, "a session");
		return STATUS_UNABLE;
	}
	failed = all_lines(&session, err);
	unit_destroy(session.unit);
	free(session.text);
	if (failed)
		return STATUS_UNABLE;
	return session.wrong ? STATUS_WRONG : session.differs ? STATUS_GATE_NO : STATUS_FINE;
}
