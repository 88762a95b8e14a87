/* iommusim vectors: test vectors against a model, their mutations, and sessions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/vectors.h"
#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/vectors_session.h"

static const char details[] =
	"Runs every vector of the file, YAML or JSON Lines, on a unit of its own with empty\n"
	"caches and prints each field that differs from what the vector expects. Ends with 1\n"
	"when any vector differs, or any mutation survives.\n"
	"With --count and without --iommu the file is only read, checked and counted; that\n"
	"needs no model.\n"
	"'-' answers messages from standard input one by one, one JSON object a line, on a\n"
	"unit whose memory, registers and caches stay:\n"
	"  {\"config\": {...}}  {\"memory\": {\"0x1000\": \"0x2001\"}}  {\"cmd\": [\"0x12\", "
	"\"0x0\"]}\n"
	"  {\"reg\": {\"offset\": \"0x20\", \"value\": \"0x1000\"}}  {\"read\": {\"name\": "
	"\"FSTS\"}}\n"
	"  {\"request\": {\"sid\": \"0x10\", \"iova\": \"0x4abc\"}}\n"
	"docs/vectors.md describes files and messages.\n";

static const char examples[] =
	"iommusim vectors tests/vectors/vtd.yaml\n"
	"iommusim vectors --mutate --count tests/vectors/vtd-sequences.yaml\n"
	"iommusim vectors --count tests/vectors/smmuv3.yaml\n"
	"iommusim vectors --iommu vtd - <session.jsonl\n";

struct printing {
	struct json *json; /* NULL: text */
	const char *path;
};

static void print_one(const struct printing *printing, const struct vector_difference *difference,
		      const char *expected_key, const char *found_key)
{
	json_object(printing->json, NULL);
	json_text(printing->json, "vector", difference->vector);
	json_number(printing->json, "line", difference->line);
	if (difference->step)
		json_number(printing->json, "step", difference->step);
	json_text(printing->json, "field", difference->field);
	json_text(printing->json, expected_key, difference->expected);
	json_text(printing->json, found_key, difference->found);
	json_end(printing->json);
}

static void print_place(const struct printing *printing, const struct vector_difference *difference)
{
	printf("%s:%" PRIu32 ": %s", printing->path, difference->line, difference->vector);
	if (difference->step)
		printf(" step %u", difference->step);
}

static void print_difference(void *ctx, const struct vector_difference *difference)
{
	const struct printing *printing = ctx;

	if (printing->json) {
		print_one(printing, difference, "expected", "found");
		return;
	}
	print_place(printing, difference);
	printf(": %s: expected %s, found %s\n", difference->field, difference->expected,
	       difference->found);
}

static void print_survivor(void *ctx, const struct vector_difference *mutation)
{
	const struct printing *printing = ctx;

	if (printing->json) {
		print_one(printing, mutation, "survived", "expected");
		return;
	}
	print_place(printing, mutation);
	printf(": %s: %s instead of %s is not noticed\n", mutation->field, mutation->expected,
	       mutation->found);
}

static void print_counts(const struct vector_counts *count)
{
	printf("%12s %12s  field\n", "values", "compared");
	for (size_t i = 0; i < count->n_fields; i++)
		printf("%12" PRIu64 " %12" PRIu64 "  %s\n", count->by_field[i].values,
		       count->by_field[i].compared, count->by_field[i].name);
	printf("holds %" PRIu64 " vectors, %" PRIu64 " steps, %" PRIu64 " memory words, %" PRIu64
	       " config values, %" PRIu64 " request values, %" PRIu64 " expected values, %" PRIu64
	       " others\n",
	       count->vectors, count->steps, count->memory_words, count->config_values,
	       count->request_values, count->expected_values, count->other_values);
}

static void print_totals(const struct vector_run *run, bool counts)
{
	const struct vector_counts *count = &run->count;

	if (counts)
		print_counts(count);
	if (run->mutate)
		printf("%" PRIu64 " mutations of vectors that agree, %" PRIu64 " not noticed\n",
		       count->mutations, count->survived);
	if (run->model)
		printf("%" PRIu64 " vectors: %" PRIu64 " agree, %" PRIu64 " differ; %" PRIu64
		       " fields compared, %" PRIu64 " differ\n",
		       count->vectors, count->vectors - count->differ, count->differ, count->fields,
		       count->fields_differ);
}

static void json_counts(struct json *json, const struct vector_counts *count)
{
	json_object(json, "holds");
	json_number(json, "memory_words", count->memory_words);
	json_number(json, "config_values", count->config_values);
	json_number(json, "request_values", count->request_values);
	json_number(json, "expected_values", count->expected_values);
	json_number(json, "other_values", count->other_values);
	json_end(json);
	json_object(json, "fields");
	for (size_t i = 0; i < count->n_fields; i++) {
		json_object(json, count->by_field[i].name);
		json_number(json, "values", count->by_field[i].values);
		json_number(json, "compared", count->by_field[i].compared);
		json_end(json);
	}
	json_end(json);
}

static void json_totals(struct json *json, const struct vector_run *run, bool counts)
{
	const struct vector_counts *count = &run->count;

	json_number(json, "vectors", count->vectors);
	json_number(json, "steps", count->steps);
	if (run->model) {
		json_number(json, "agree", count->vectors - count->differ);
		json_number(json, "differ", count->differ);
		json_number(json, "fields_compared", count->fields);
		json_number(json, "fields_differ", count->fields_differ);
	}
	if (run->mutate) {
		json_number(json, "mutations", count->mutations);
		json_number(json, "survived", count->survived);
	}
	if (counts)
		json_counts(json, count);
}

static int run_file(const struct vector_run *asked, bool as_json, bool counts)
{
	struct vector_run run = *asked;
	struct json json;
	struct printing printing = { as_json ? &json : NULL, run.path };
	struct err err = { 0 };
	int failed;

	run.ctx = &printing;
	run.differs = print_difference;
	run.survived = print_survivor;
	if (as_json) {
		json_begin(&json, stdout);
		json_object(&json, NULL);
		json_text(&json, "file", run.path);
		json_text(&json, "iommu", run.model ? run.model->name : "");
		json_array(&json, "differences");
	}
	failed = vectors_run(&run, &err);
	if (as_json) {
		json_end(&json);
		json_totals(&json, &run, counts);
		json_end(&json);
		json_finish(&json);
	} else if (!failed) {
		print_totals(&run, counts);
	}
	if (failed)
		return command_failed("vectors", &err);
	return command_done("vectors",
			    run.count.differ || run.count.survived ? STATUS_GATE_NO : STATUS_FINE);
}

/* The model that the file is for; NULL with *err. */
static const struct iommu_model *model_of_file(const char *path, struct err *err)
{
	const struct iommu_model *model;
	struct vector_file *file;

	if (vector_file_open(path, &file, err))
		return NULL;
	model = iommu_model_find(vector_file_iommu(file));
	if (!model)
		err_fill(
			err, ERR_USAGE,
			"%s: there is no model '%.60s' to run it on; 'iommusim models' lists them, "
			"--count alone needs none",
			path, vector_file_iommu(file));
	vector_file_close(file);
	return model;
}

static int session(const struct iommu_model *model)
{
	struct err err = { 0 };
	int status = vectors_session(model, stdin, stdout, &err);

	return status == STATUS_UNABLE ? command_failed("vectors", &err)
				       : command_done("vectors", status);
}

int cmd_vectors(int argc, char **argv)
{
	struct vector_run run = { 0 };
	const char *name = NULL;
	bool as_json = false, counts = false;
	const struct option_row rows[] = {
		{ 'i', "iommu", OPTION_TEXT, &name, "MODEL",
		  "the model to run; without it the one that the file names" },
		{ 0, "count", OPTION_FLAG, &counts, NULL,
		  "how many values of each field the file holds and how many were compared" },
		{ 0, "mutate", OPTION_FLAG, &run.mutate, NULL,
		  "change each expected value in turn; every change must be noticed" },
		{ 0, "json", OPTION_FLAG, &as_json, NULL, "print JSON" },
		{ 0 },
	};
	const struct command_help help = { .name = "vectors",
					   .operands = "FILE|-",
					   .summary = "Run test vectors against a model",
					   .details = details,
					   .examples = examples,
					   .options = rows,
					   .min_operands = 1,
					   .max_operands = 1 };
	struct operands operands;
	struct err err = { 0 };
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	run.path = operands.texts[0];
	if (name && !(run.model = iommu_model_find(name)))
		return options_wrong(&help, "unknown model '%s'", name);
	if (!strcmp(run.path, "-")) {
		if (!run.model || run.mutate || counts)
			return options_wrong(&help,
					     "a session takes --iommu MODEL and nothing else");
		return session(run.model);
	}
	if (command_input(run.path, &err))
		return command_failed("vectors", &err);
	if (!run.model && !(counts && !run.mutate) && !(run.model = model_of_file(run.path, &err)))
		return command_failed("vectors", &err);
	return run_file(&run, as_json, counts);
}
