/* Files of test vectors, YAML and JSON Lines; the contract is in vector_tree.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_build.h"
#include "traces/lines.h"
#include "traces/packed.h"

enum { IOMMU_NAME_MAX = 64 };

struct vector_file {
	const char *path;
	char iommu[IOMMU_NAME_MAX];
	struct vector_text memory; /* of the vector at hand */
	struct lines *lines;	   /* JSON Lines, else NULL */
	struct packed *packed;	   /* YAML */
	yaml_parser_t parser;
	struct tree_builder builder;
	size_t since;	 /* bytes read since the vector at hand began */
	struct err *err; /* of the call under way, for the read handler */
	bool parsing;	 /* parser is initialized */
	bool ended;
};

static int check_header(struct vector_file *file, const struct value *schema,
			const struct value *iommu, const struct value *at, struct err *err)
{
	if (!schema || schema->kind != VALUE_TEXT || strcmp(schema->text, VECTOR_SCHEMA) != 0)
		return value_wrong(file->path, schema ? schema : at, err,
				   "expected schema: " VECTOR_SCHEMA);
	if (!iommu || iommu->kind != VALUE_TEXT || !*iommu->text ||
	    strlen(iommu->text) >= IOMMU_NAME_MAX)
		return value_wrong(file->path, iommu ? iommu : at, err,
				   "expected iommu: the name of a model");
	snprintf(file->iommu, sizeof file->iommu, "%s", iommu->text);
	return 0;
}

/* ---- YAML ------------------------------------------------------------------------------- */

static int read_bytes(void *self, unsigned char *buffer, size_t size, size_t *got)
{
	struct vector_file *file = self;

	if (file->since > VECTOR_BYTES_MAX) {
		err_fill(file->err, ERR_LIMIT,
			 "%s: after line %zu: a vector of more than %d bytes; expected smaller "
			 "ones",
			 file->path, file->parser.mark.line, VECTOR_BYTES_MAX);
		return 0;
	}
	if (packed_read(file->packed, buffer, size, got, file->err))
		return 0;
	file->since += *got;
	return 1;
}

static int expect_event(struct vector_file *file, yaml_event_type_t type, const char *expected,
			struct err *err)
{
	yaml_event_t event;
	int answer = 0;

	if (tree_event(&file->builder, &file->parser, &event, err))
		return -1;
	if (event.type != type) {
		struct value at = { .line = (uint32_t)event.start_mark.line + 1,
				    .column = (uint32_t)event.start_mark.column + 1 };

		answer = value_wrong(file->path, &at, err, "%s", expected);
	}
	yaml_event_delete(&event);
	return answer;
}

/* schema and iommu, then `vectors` and the beginning of its list. */
static int yaml_header(struct vector_file *file, struct err *err)
{
	static const char layout[] = "expected the keys schema, iommu and then vectors, a list";
	struct value *schema = NULL, *iommu = NULL, *key = NULL;

	if (expect_event(file, YAML_STREAM_START_EVENT, layout, err) ||
	    expect_event(file, YAML_DOCUMENT_START_EVENT, layout, err) ||
	    expect_event(file, YAML_MAPPING_START_EVENT, layout, err))
		return -1;
	for (;;) {
		if (tree_read(&file->builder, &file->parser, err))
			return -1;
		key = file->builder.done;
		if (key->kind != VALUE_TEXT)
			return value_wrong(file->path, key, err, layout);
		if (!strcmp(key->text, "vectors"))
			break;
		if (strcmp(key->text, "schema") != 0 && strcmp(key->text, "iommu") != 0)
			return value_wrong(file->path, key, err, "'%.60s': %s", key->text, layout);
		if (tree_read(&file->builder, &file->parser, err))
			return -1;
		*(!strcmp(key->text, "schema") ? &schema : &iommu) = file->builder.done;
	}
	if (check_header(file, schema, iommu, key, err))
		return -1;
	return expect_event(file, YAML_SEQUENCE_START_EVENT, layout, err);
}

static int yaml_next(struct vector_file *file, struct value **vector, struct err *err)
{
	static const char last[] = "expected nothing after the list of vectors";
	yaml_event_t event;
	bool end;
	int answer;

	if (tree_event(&file->builder, &file->parser, &event, err))
		return -1;
	end = event.type == YAML_SEQUENCE_END_EVENT;
	file->builder.done = NULL;
	answer = end ? 0 : tree_take(&file->builder, &event, err);
	yaml_event_delete(&event);
	if (answer)
		return -1;
	if (end) {
		file->ended = true;
		if (expect_event(file, YAML_MAPPING_END_EVENT, last, err) ||
		    expect_event(file, YAML_DOCUMENT_END_EVENT, last, err) ||
		    expect_event(file, YAML_STREAM_END_EVENT, last, err))
			return -1;
		return 0;
	}
	if (!file->builder.done && tree_read(&file->builder, &file->parser, err))
		return -1;
	*vector = file->builder.done;
	return 1;
}

/* ---- JSON Lines ------------------------------------------------------------------------- */

static int check_line_losses(struct vector_file *file, struct err *err)
{
	if (lines_too_long(file->lines))
		return err_set(err, ERR_LIMIT, "%s: a line of more than %d bytes; expected shorter",
			       file->path, LINE_MAX_BYTES);
	if (lines_cut(file->lines))
		return err_set(err, ERR_INPUT,
			       "%s:%llu: the last line has no line end; expected one, so that a "
			       "torn file is not taken for a whole one",
			       file->path, (unsigned long long)lines_total(file->lines) + 1);
	return 0;
}

static int lines_vector(struct vector_file *file, struct value **vector, struct err *err)
{
	struct line line;
	int answer;

	do {
		answer = lines_next(file->lines, &line, err);
		if (answer < 0 || check_line_losses(file, err))
			return -1;
		if (!answer) {
			file->ended = true;
			return 0;
		}
	} while (!line.length);
	return vector_line_read(&file->memory, file->path, line.number, line.text, line.length,
				vector, err)
		       ? -1
		       : 1;
}

static int lines_header(struct vector_file *file, struct err *err)
{
	struct value *header;
	int answer = lines_vector(file, &header, err);

	if (answer < 0)
		return -1;
	if (!answer)
		return err_set(err, ERR_INPUT, "%s: empty; expected a header line and vectors",
			       file->path);
	return check_header(file, value_member(header, "schema"), value_member(header, "iommu"),
			    header, err);
}

/* ---- both ------------------------------------------------------------------------------- */

/* JSON Lines begin with an object. */
static int is_json(struct packed *packed, bool *json, struct err *err)
{
	char start[4096];
	size_t got, blanks = 0;

	if (packed_read(packed, start, sizeof start, &got, err))
		return -1;
	while (blanks < got && strchr(" \t\r\n", start[blanks]) && start[blanks])
		blanks++;
	*json = blanks < got && start[blanks] == '{';
	return packed_rewind(packed, err);
}

static int open_form(struct vector_file *file, struct err *err)
{
	bool json;

	if (packed_open(file->path, &file->packed, err) || is_json(file->packed, &json, err))
		return -1;
	if (json)
		return lines_open(file->path, &file->lines, err) ? -1 : lines_header(file, err);
	file->parsing = yaml_parser_initialize(&file->parser);
	if (!file->parsing)
		return err_no_memory(err, "a file of test vectors");
	yaml_parser_set_input(&file->parser, read_bytes, file);
	return yaml_header(file, err);
}

int vector_file_open(const char *path, struct vector_file **out, struct err *err)
{
	struct vector_file *file = calloc(1, sizeof *file);

	if (!file)
		return err_no_memory(err, "a file of test vectors");
	file->path = path;
	file->err = err;
	file->builder = (struct tree_builder){ .memory = &file->memory, .file = path };
	if (err)
		err->text[0] = '\0';
	if (open_form(file, err)) {
		vector_file_close(file);
		return -1;
	}
	*out = file;
	return 0;
}

void vector_file_close(struct vector_file *file)
{
	if (!file)
		return;
	if (file->parsing)
		yaml_parser_delete(&file->parser);
	lines_close(file->lines);
	packed_close(file->packed);
	vector_text_free(&file->memory);
	free(file);
}

const char *vector_file_iommu(const struct vector_file *file)
{
	return file->iommu;
}

int vector_file_next(struct vector_file *file, struct value **vector, struct err *err)
{
	if (file->ended)
		return 0;
	vector_text_free(&file->memory);
	file->since = 0;
	file->err = err;
	if (err)
		err->text[0] = '\0';
	return file->lines ? lines_vector(file, vector, err) : yaml_next(file, vector, err);
}
