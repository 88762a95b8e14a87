/* Running test vectors; the contract is in vectors.h. */
#include "analysis/vectors.h"

#include <stdio.h>
#include <string.h>

#include "analysis/vector_schema.h"

/* ---- counts ----------------------------------------------------------------------------- */

/* Names are rows of the schema and literals, so there are fewer than VECTOR_FIELDS_MAX. */
struct vector_field_count *vector_field_count(struct vector_counts *count, const char *name)
{
	struct vector_field_count *field = count->by_field;

	for (size_t i = 0; i < count->n_fields; i++, field++)
		if (!strcmp(field->name, name))
			return field;
	if (count->n_fields == VECTOR_FIELDS_MAX)
		return count->by_field;
	field->name = name;
	count->n_fields++;
	return field;
}

static uint64_t leaves(const struct value *value)
{
	uint64_t n = value->kind == VALUE_TEXT;

	for (const struct value *member = value->first; member; member = member->next)
		n += leaves(member);
	return n;
}

static void count_expected(struct vector_counts *count, const struct value *expect)
{
	for (const struct value *at = expect->first; at; at = at->next) {
		const char *name = field_find(expect_fields, at->key)->name;
		uint64_t n = leaves(at);

		vector_field_count(count, name)->values += n;
		count->expected_values += n;
	}
}

/* Members of a vector or of a step. */
static void count_values(struct vector_counts *count, const struct value *map)
{
	for (const struct value *at = map->first; at; at = at->next) {
		if (!strcmp(at->key, "expect"))
			count_expected(count, at);
		else if (!strcmp(at->key, "memory"))
			count->memory_words += leaves(at);
		else if (!strcmp(at->key, "config") || !strcmp(at->key, "opts"))
			count->config_values += leaves(at);
		else if (!strcmp(at->key, "request"))
			count->request_values += leaves(at);
		else if (strcmp(at->key, "steps") != 0)
			count->other_values += leaves(at);
	}
}

static void count_vector(struct vector_counts *count, const struct value *vector)
{
	const struct value *steps = value_member(vector, "steps");

	count->vectors++;
	count_values(count, vector);
	for (const struct value *step = steps ? steps->first : NULL; step; step = step->next) {
		count->steps++;
		count_values(count, step);
	}
}

/* ---- steps ------------------------------------------------------------------------------ */

static int free_table(struct vector_unit *unit, const struct value *what)
{
	uint64_t first = value_number(what, "addr", 0) >> FRAME_LG2;
	uint64_t size = value_number(what, "size", 1ull << FRAME_LG2) >> FRAME_LG2;

	unit->event++;
	for (uint64_t i = 0; i < size && i < UNIT_FRAMES_MAX; i++)
		tables_free(unit->tables, (first + i) << FRAME_LG2, unit->event);
	return 0;
}

static int command(struct vector_unit *unit, const struct value *step, const struct value *action,
		   struct comparison *comparison, struct inval_report *removed, struct err *err)
{
	const struct value *tail = value_member(step, "tail");

	comparison->command = "done";
	if (tail)
		return unit_queue_commands(unit, action, value_number(step, "tail", 0), err);
	if (!unit_command(unit, action, value_text(step, "stag"), removed, err))
		return 0;
	comparison->command = "refused";
	comparison->refused = true;
	return err->code == ERR_INPUT ? 0 : -1;
}

static int model_act(struct vector_unit *unit, const struct value *action,
		     struct comparison *comparison, struct err *err)
{
	if (unit_act(unit, action, err))
		return -1;
	comparison->command = unit->acted;
	return 0;
}

int vector_act(struct vector_unit *unit, const struct value *step, struct comparison *comparison,
	       struct unit_answer *answer, struct inval_report *removed, struct err *err)
{
	const struct value *action = step_action(step);

	comparison->unit = unit;
	comparison->answer = NULL;
	comparison->command = NULL;
	comparison->refused = comparison->encoded = false;
	if (!action)
		return 0;
	if (!strcmp(action->key, "request")) {
		if (unit_request(unit, action, value_member(step, "expect") != NULL, answer, err))
			return -1;
		comparison->answer = answer;
		return 0;
	}
	if (!strcmp(action->key, "memory"))
		return unit_store(unit, action, err);
	if (!strcmp(action->key, "reg"))
		return unit_reg_write(unit, action, err);
	if (!strcmp(action->key, "cmd"))
		return command(unit, step, action, comparison, removed, err);
	if (!strcmp(action->key, "cmd_fix"))
		return unit_fix_command(unit, action, err);
	if (!strcmp(action->key, "free_table"))
		return free_table(unit, action);
	if (!strcmp(action->key, "encode")) {
		comparison->encoded = true;
		return unit_encode(unit, action->text, err);
	}
	if (!strcmp(action->key, "report")) {
		vector_compare_report(comparison, action);
		return 0;
	}
	return model_act(unit, action, comparison, err);
}

/* ---- a vector --------------------------------------------------------------------------- */

struct execution {
	struct vector_run *run;
	const struct value *vector;
	bool report;
	unsigned step;
	struct unit_answer answer; /* of the last request */
	struct inval_report removed;
};

static void differs(void *ctx, const char *field, const struct value *at, const char *expected,
		    const char *found)
{
	const struct execution *execution = ctx;
	struct vector_difference difference = {
		.vector = value_text(execution->vector, "id"),
		.step = execution->step,
		.field = field,
		.expected = expected,
		.found = found,
		.line = at ? at->line : execution->vector->line,
	};

	if (execution->report && execution->run->differs)
		execution->run->differs(execution->run->ctx, &difference);
}

/*
 * What the model cannot be or do makes the vector differ; running out of memory or of this
 * program's limits ends the run.
 */
static int not_done(struct comparison *comparison, const char *field, const struct value *at,
		    const struct err *err)
{
	if (err->code == ERR_NO_MEMORY || err->code == ERR_LIMIT)
		return -1;
	vector_compared(comparison, field, at, "done", err->text, false);
	return 0;
}

static const char *action_name(const struct value *step)
{
	const struct value *action = step_action(step);
	const struct field_row *row = action ? field_find(step_fields, action->key) : NULL;

	return row ? row->name : "expect";
}

static int run_steps(struct execution *execution, struct vector_unit *unit,
		     struct comparison *comparison, struct err *err)
{
	const struct value *steps = value_member(execution->vector, "steps");

	for (const struct value *step = steps->first; step; step = step->next) {
		const struct value *expect = value_member(step, "expect");
		bool failed;

		execution->step++;
		failed = vector_act(unit, step, comparison, &execution->answer, &execution->removed,
				    err);
		/* A vector that expects a refusal says so. */
		if (comparison->refused)
			failed |= !value_member(expect, "answer");
		/* What follows rests on this step. */
		if (failed)
			return not_done(comparison, action_name(step), step, err);
		if (expect)
			vector_compare(comparison, expect);
	}
	return 0;
}

/* What caches now hold must answer the same. */
static int ask_again(struct execution *execution, struct vector_unit *unit,
		     struct comparison *comparison, struct err *err)
{
	const struct value *request = value_member(execution->vector, "request");
	const struct dma_result *first = &execution->answer.result;
	struct unit_answer again;

	if (unit_request(unit, request, false, &again, err))
		return not_done(comparison, "request", request, err);
	vector_compared(comparison, "asked again", NULL, "the same", "something else",
			again.result.outcome == first->outcome && again.result.pa == first->pa &&
				again.result.fault == first->fault &&
				again.result.sees == first->sees);
	return 0;
}

static int run_single(struct execution *execution, struct vector_unit *unit,
		      struct comparison *comparison, struct err *err)
{
	const struct value *vector = execution->vector;

	comparison->unit = unit;
	if (unit_request(unit, value_member(vector, "request"), true, &execution->answer, err))
		return not_done(comparison, "request", value_member(vector, "request"), err);
	comparison->answer = &execution->answer;
	if (value_member(vector, "expect"))
		vector_compare(comparison, value_member(vector, "expect"));
	return ask_again(execution, unit, comparison, err);
}

static int run_in(struct execution *execution, struct comparison *comparison, struct err *err)
{
	const struct value *vector = execution->vector, *config = value_member(vector, "config");
	const struct value *failures = value_member(vector, "memory_errors");
	struct vector_unit *unit;
	int answer;

	if (unit_create(execution->run->model, config, value_member(vector, "opts"), &unit, err))
		return not_done(comparison, "config", config, err);
	if (unit_store(unit, value_member(vector, "memory"), err))
		answer = not_done(comparison, "memory", value_member(vector, "memory"), err);
	else if (unit_memory_errors(unit, failures, err))
		answer = not_done(comparison, "memory_errors", failures, err);
	else if (unit_start(unit, config, err))
		answer = not_done(comparison, "config", config, err);
	else if (value_member(vector, "steps"))
		answer = run_steps(execution, unit, comparison, err);
	else
		answer = run_single(execution, unit, comparison, err);
	unit_destroy(unit);
	return answer;
}

int vector_execute(struct vector_run *run, const struct value *vector, bool report,
		   uint64_t *differ, struct err *err)
{
	struct execution execution = { .run = run, .vector = vector, .report = report };
	struct comparison comparison = { .count = report ? &run->count : NULL,
					 .ctx = &execution,
					 .differs = differs };

	if (run_in(&execution, &comparison, err))
		return err->code == ERR_NO_MEMORY
			       ? -1
			       : value_wrong(run->path, vector, err, "%.200s", err->text);
	*differ = comparison.n_differ;
	return 0;
}

/* ---- a file ----------------------------------------------------------------------------- */

static int one_vector(struct vector_run *run, struct value *vector, struct err *err)
{
	uint64_t differ = 0;

	if (schema_check_vector(run->path, vector, err))
		return -1;
	count_vector(&run->count, vector);
	if (!run->model)
		return 0;
	if (vector_execute(run, vector, true, &differ, err))
		return -1;
	run->count.differ += differ != 0;
	return run->mutate && !differ ? vector_mutate(run, vector, err) : 0;
}

static int all_vectors(struct vector_run *run, struct vector_file *file, struct err *err)
{
	struct value *vector;
	int more;

	if (run->model && !run->model->vectors)
		return err_set(err, ERR_USAGE, "the model %s runs no test vectors",
			       run->model->name);
	while ((more = vector_file_next(file, &vector, err)) > 0)
		if (one_vector(run, vector, err))
			return -1;
	return more;
}

int vectors_run(struct vector_run *run, struct err *err)
{
	struct vector_file *file;
	struct err own;
	int answer;

	if (!err)
		err = &own; /* the reason is also data here */
	if (vector_file_open(run->path, &file, err))
		return -1;
	answer = all_vectors(run, file, err);
	vector_file_close(file);
	return answer;
}
