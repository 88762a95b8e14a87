/* Values of test vectors, made of libyaml's events; the contract is in vector_tree.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_build.h"
#include "traces/lines.h"

enum { CHUNK_BYTES = 64 * 1024, FILE_SHOWN = 400 };

/* ---- memory ----------------------------------------------------------------------------- */

struct text_chunk {
	struct text_chunk *next;
	size_t bytes;
	_Alignas(16) char text[];
};

void vector_text_free(struct vector_text *memory)
{
	while (memory->chunks) {
		struct text_chunk *chunk = memory->chunks;

		memory->chunks = chunk->next;
		free(chunk);
	}
	memory->left = 0;
}

static void *text_alloc(struct vector_text *memory, size_t bytes, struct err *err)
{
	struct text_chunk *chunk;
	size_t room;

	bytes = (bytes + 15) & ~(size_t)15;
	if (bytes > memory->left) {
		room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		chunk = malloc(sizeof *chunk + room);
		if (!chunk) {
			err_no_memory(err, "a test vector");
			return NULL;
		}
		chunk->next = memory->chunks;
		chunk->bytes = room;
		memory->chunks = chunk;
		memory->left = room;
	}
	chunk = memory->chunks;
	memory->left -= bytes;
	return chunk->text + chunk->bytes - memory->left - bytes;
}

static const char *text_copy(struct vector_text *memory, const char *text, size_t length,
			     struct err *err)
{
	char *copy = text_alloc(memory, length + 1, err);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

/* ---- values ----------------------------------------------------------------------------- */

struct value *value_member(const struct value *map, const char *key)
{
	if (!map || map->kind != VALUE_MAP)
		return NULL;
	for (struct value *member = map->first; member; member = member->next)
		if (!strcmp(member->key, key))
			return member;
	return NULL;
}

const char *value_text(const struct value *map, const char *key)
{
	const struct value *member = value_member(map, key);

	return member && member->kind == VALUE_TEXT ? member->text : "";
}

bool text_number(const char *text, uint64_t *number)
{
	struct scan scan = scan_of(text, strlen(text));
	bool hex = scan_literal(&scan, "0x");

	return (hex ? scan_hex(&scan, number) : scan_decimal(&scan, number)) && !scan_left(&scan);
}

uint64_t value_number(const struct value *map, const char *key, uint64_t otherwise)
{
	uint64_t number;

	return text_number(value_text(map, key), &number) ? number : otherwise;
}

int value_wrong(const char *file, const struct value *at, struct err *err, const char *format, ...)
{
	char text[sizeof err->text - FILE_SHOWN - 32];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_set(err, ERR_INPUT, "%.*s:%u:%u: %s", FILE_SHOWN, file, at->line, at->column,
		       text);
}

/* ---- from events to values -------------------------------------------------------------- */

static uint32_t line_of(const struct tree_builder *builder, const yaml_mark_t *mark)
{
	return (uint32_t)(builder->line_base + mark->line + 1);
}

static int refuse(const struct tree_builder *builder, const yaml_mark_t *mark, struct err *err,
		  const char *what)
{
	struct value at = { .line = line_of(builder, mark), .column = (uint32_t)mark->column + 1 };

	/* libyaml puts what is missing at a line's end on the line behind. */
	if (builder->line_bytes && mark->line) {
		at.line = (uint32_t)builder->line_base + 1;
		at.column = (uint32_t)builder->line_bytes + 1;
	}
	return value_wrong(builder->file, &at, err, "%s", what);
}

static int no_text(const struct tree_builder *builder, const yaml_parser_t *parser, struct err *err)
{
	yaml_mark_t mark = { .column = parser->problem_offset };

	if (err && err->text[0])
		return -1; /* what reads the file has said it */
	if (builder->line_bytes)
		return refuse(builder, &mark, err, "a byte that is no text; expected UTF-8");
	return err_set(err, ERR_INPUT, "%s: byte %zu is no text; expected UTF-8", builder->file,
		       parser->problem_offset);
}

int tree_event(const struct tree_builder *builder, yaml_parser_t *parser, yaml_event_t *event,
	       struct err *err)
{
	char text[160];

	if (yaml_parser_parse(parser, event))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR)
		return err_no_memory(err, "a test vector");
	if (parser->error == YAML_READER_ERROR)
		return no_text(builder, parser, err);
	snprintf(text, sizeof text, "%s; expected YAML or JSON",
		 parser->problem ? parser->problem : "no value");
	return refuse(builder, &parser->problem_mark, err, text);
}

static int take_key(struct tree_builder *builder, const yaml_event_t *event, struct err *err)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT)
		return refuse(builder, &event->start_mark, err, "expected a key, found a value");
	if (strlen(text) != event->data.scalar.length)
		return refuse(builder, &event->start_mark, err, "a key with a NUL in it");
	builder->key = text_copy(builder->memory, text, event->data.scalar.length, err);
	builder->key_line = line_of(builder, &event->start_mark);
	builder->key_column = (uint32_t)event->start_mark.column + 1;
	return builder->key ? 0 : -1;
}

static struct value *add_value(struct tree_builder *builder, const yaml_event_t *event,
			       enum value_kind kind, struct err *err)
{
	struct value *value = text_alloc(builder->memory, sizeof *value, err);
	struct value *parent = builder->depth ? builder->open[builder->depth - 1] : NULL;

	if (!value)
		return NULL;
	*value = (struct value){ .kind = (uint8_t)kind,
				 .key = builder->key,
				 .line = line_of(builder, &event->start_mark),
				 .column = (uint32_t)event->start_mark.column + 1 };
	builder->key = NULL;
	if (parent) {
		struct value **last = &builder->last[builder->depth - 1];

		*(*last ? &(*last)->next : &parent->first) = value;
		*last = value;
		parent->n++;
	}
	return value;
}

static int take_text(struct tree_builder *builder, const yaml_event_t *event, struct err *err)
{
	const char *text = (const char *)event->data.scalar.value;
	struct value *value;

	if (strlen(text) != event->data.scalar.length)
		return refuse(builder, &event->start_mark, err, "a text with a NUL in it");
	value = add_value(builder, event, VALUE_TEXT, err);
	if (!value)
		return -1;
	value->text = text_copy(builder->memory, text, event->data.scalar.length, err);
	if (!value->text)
		return -1;
	if (!builder->depth)
		builder->done = value;
	return 0;
}

static int open_value(struct tree_builder *builder, const yaml_event_t *event, struct err *err)
{
	enum value_kind kind = event->type == YAML_MAPPING_START_EVENT ? VALUE_MAP : VALUE_LIST;
	struct value *value;

	if (builder->depth == VECTOR_DEPTH_MAX)
		return refuse(builder, &event->start_mark, err,
			      "too many values inside of each other");
	value = add_value(builder, event, kind, err);
	if (!value)
		return -1;
	builder->last[builder->depth] = NULL;
	builder->open[builder->depth++] = value;
	return 0;
}

struct member {
	const struct value *value;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->value->key,
		      ((const struct member *)b)->value->key);
}

/* Sorted, because a table image can have many thousand keys. */
static int check_duplicates(const struct tree_builder *builder, const struct value *map,
			    struct err *err)
{
	struct member *members;
	int answer = 0;
	size_t n = 0;

	if (map->kind != VALUE_MAP || map->n < 2)
		return 0;
	members = malloc(map->n * sizeof *members);
	if (!members)
		return err_no_memory(err, "a test vector");
	for (const struct value *member = map->first; member; member = member->next)
		members[n++].value = member;
	qsort(members, n, sizeof *members, by_key);
	for (size_t i = 1; i < n && !answer; i++)
		if (!strcmp(members[i - 1].value->key, members[i].value->key))
			answer = value_wrong(builder->file, members[i].value, err,
					     "'%.60s' is there twice; expected each key once",
					     members[i].value->key);
	free(members);
	return answer;
}

static int close_value(struct tree_builder *builder, struct err *err)
{
	struct value *value = builder->open[--builder->depth];

	if (!builder->depth)
		builder->done = value;
	return check_duplicates(builder, value, err);
}

static int check_plain(const struct tree_builder *builder, const yaml_event_t *event,
		       struct err *err)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	}
	if (!anchor && !tag && event->type != YAML_ALIAS_EVENT)
		return 0;
	return refuse(builder, &event->start_mark, err,
		      "an anchor, alias or tag; expected plain values, each written out");
}

int tree_take(struct tree_builder *builder, const yaml_event_t *event, struct err *err)
{
	bool in_map = builder->depth && builder->open[builder->depth - 1]->kind == VALUE_MAP;

	if (check_plain(builder, event, err))
		return -1;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		if (in_map && !builder->key)
			return take_key(builder, event, err);
		return event->type == YAML_SCALAR_EVENT ? take_text(builder, event, err)
							: open_value(builder, event, err);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		if (builder->depth)
			return close_value(builder, err);
		/* fall through */
	default:
		return refuse(builder, &event->start_mark, err, "expected a value");
	}
}

int tree_read(struct tree_builder *builder, yaml_parser_t *parser, struct err *err)
{
	yaml_event_t event;
	int answer = 0;

	builder->done = NULL;
	while (!answer && !builder->done) {
		if (tree_event(builder, parser, &event, err))
			return -1;
		answer = tree_take(builder, &event, err);
		yaml_event_delete(&event);
	}
	return answer;
}

/* ---- one line --------------------------------------------------------------------------- */

/* Takes an event that must be of this type. */
static int skip_event(const struct tree_builder *builder, yaml_parser_t *parser,
		      yaml_event_type_t type, const char *expected, struct err *err)
{
	yaml_event_t event;
	int answer = 0;

	if (tree_event(builder, parser, &event, err))
		return -1;
	if (event.type != type)
		answer = refuse(builder, &event.start_mark, err, expected);
	yaml_event_delete(&event);
	return answer;
}

static int read_line(struct tree_builder *builder, yaml_parser_t *parser, struct err *err)
{
	static const char one[] = "expected one JSON object on the line";

	if (skip_event(builder, parser, YAML_STREAM_START_EVENT, one, err) ||
	    skip_event(builder, parser, YAML_DOCUMENT_START_EVENT, one, err) ||
	    tree_read(builder, parser, err) ||
	    skip_event(builder, parser, YAML_DOCUMENT_END_EVENT, one, err) ||
	    skip_event(builder, parser, YAML_STREAM_END_EVENT, one, err))
		return -1;
	if (builder->done->kind != VALUE_MAP)
		return value_wrong(builder->file, builder->done, err, one);
	return 0;
}

int vector_line_read(struct vector_text *memory, const char *file, uint64_t line, const char *text,
		     size_t bytes, struct value **out, struct err *err)
{
	struct tree_builder builder = {
		.memory = memory, .file = file, .line_base = line - 1, .line_bytes = bytes
	};
	yaml_parser_t parser;
	int answer;

	if (err)
		err->text[0] = '\0';
	if (!yaml_parser_initialize(&parser))
		return err_no_memory(err, "a test vector");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
	answer = read_line(&builder, &parser, err);
	yaml_parser_delete(&parser);
	*out = builder.done;
	return answer;
}
