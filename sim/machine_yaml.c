#include "sim/machine_yaml.h"
#include "sim/overrides.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { FILE_MAX = 1 << 20, DEPTH_MAX = 8, KEY_MAX = 128, ORIGIN_MAX = 256 };

/* One file being read. Whoever asked for it hears of every scalar with its dotted key. */
struct reader {
	const char *path;
	struct err *err;
	int (*scalar)(struct reader *reader, const char *value, const yaml_mark_t *mark);
	void *ctx;
	char key[KEY_MAX];	    /* of the value that comes next */
	yaml_mark_t key_mark;	    /* where its last part stands */
	size_t ends[DEPTH_MAX + 1]; /* of the part of the key that belongs to each open map */
	unsigned depth;		    /* open maps */
	bool key_next, done;
	unsigned documents;
};

/* "file:3:7", as much of it as a message has room for. */
static const char *place(const struct reader *reader, const yaml_mark_t *mark, char *text,
			 size_t size)
{
	snprintf(text, size, "%.*s:%zu:%zu", ORIGIN_MAX - 48, reader->path, mark->line + 1,
		 mark->column + 1);
	return text;
}

static int refuse(const struct reader *reader, const yaml_mark_t *mark, const char *what)
{
	char origin[ORIGIN_MAX];

	return err_set(reader->err, ERR_CONFIG, "%s: %s",
		       place(reader, mark, origin, sizeof origin), what);
}

/* ---- events --------------------------------------------------------------------------------- */

static int check_plain(const struct reader *reader, const yaml_mark_t *mark,
		       const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(
			reader, mark,
			"an anchor (&name); expected plain keys and values, each written out");
	if (tag)
		return refuse(reader, mark, "a tag (!name); expected plain keys and values");
	return 0;
}

/* The dotted key of the value that follows. */
static int take_key(struct reader *reader, const char *text, const yaml_mark_t *mark)
{
	size_t end = reader->ends[reader->depth];
	size_t room = sizeof reader->key - end;

	if (!*text)
		return refuse(reader, mark, "an empty key");
	if ((size_t)snprintf(reader->key + end, room, "%s%s", end ? "." : "", text) >= room)
		return refuse(reader, mark, "a key of more than 127 bytes; no setting has one");
	reader->key_mark = *mark;
	reader->key_next = false;
	return 0;
}

static int take_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const yaml_mark_t *mark = &event->start_mark;

	if (check_plain(reader, mark, event->data.scalar.anchor, event->data.scalar.tag))
		return -1;
	if (strlen(text) != event->data.scalar.length)
		return refuse(reader, mark, "a NUL character; expected text");
	if (!reader->depth) {
		if (!*text)
			return 0; /* a document of nothing: "---" alone */
		return refuse(reader, mark, "a value without a key; expected key: value");
	}
	if (reader->key_next)
		return take_key(reader, text, mark);
	reader->key_next = true;
	return reader->scalar(reader, text, mark);
}

static int open_map(struct reader *reader, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	if (check_plain(reader, mark, event->data.mapping_start.anchor,
			event->data.mapping_start.tag))
		return -1;
	if (reader->depth && reader->key_next)
		return refuse(reader, mark, "a map as a key; expected a name");
	if (reader->depth == DEPTH_MAX)
		return refuse(reader, mark, "more than 8 levels of maps; no key has as many parts");
	reader->depth++;
	reader->ends[reader->depth] = reader->depth > 1 ? strlen(reader->key) : 0;
	reader->key_next = true;
	return 0;
}

static void close_map(struct reader *reader)
{
	reader->depth--;
	reader->key_next = true;
}

static int take_event(struct reader *reader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (reader->documents++)
			return refuse(reader, &event->start_mark,
				      "a second document (---); expected one");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(reader, &event->start_mark,
			      "an alias (*name); expected plain keys and values, each written out");
	case YAML_SEQUENCE_START_EVENT:
		return refuse(reader, &event->start_mark,
			      "a list; expected key: value with one value");
	case YAML_MAPPING_START_EVENT:
		return open_map(reader, event);
	case YAML_MAPPING_END_EVENT:
		close_map(reader);
		return 0;
	case YAML_SCALAR_EVENT:
		return take_scalar(reader, event);
	case YAML_STREAM_END_EVENT:
		reader->done = true;
		return 0;
	default:
		return 0;
	}
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The whole file, at most FILE_MAX bytes of it. */
static int read_file(const char *path, unsigned char **bytes, size_t *n, struct err *err)
{
	FILE *file = fopen(path, "rb");
	int answer = -1;

	*bytes = NULL;
	if (!file)
		return err_set(err, errno == ENOENT ? ERR_USAGE : ERR_IO,
			       "%s: %s; expected a machine description in YAML", path,
			       strerror(errno));
	*bytes = malloc(FILE_MAX + 1);
	if (!*bytes) {
		err_no_memory(err, "a machine description");
	} else {
		*n = fread(*bytes, 1, FILE_MAX + 1, file);
		if (ferror(file))
			err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
		else if (*n > FILE_MAX)
			err_set(err, ERR_LIMIT,
				"%s: more than 1 MiB; expected a machine description in YAML",
				path);
		else
			answer = 0;
	}
	fclose(file);
	return answer;
}

static int no_yaml(const struct reader *reader, const yaml_parser_t *parser)
{
	char origin[ORIGIN_MAX];
	const char *problem = parser->problem ? parser->problem : "cannot be read";

	if (parser->error == YAML_MEMORY_ERROR)
		return err_no_memory(reader->err, "a machine description");
	if (parser->error == YAML_READER_ERROR)
		return err_set(reader->err, ERR_CONFIG, "%s: byte %zu: %s; expected YAML in UTF-8",
			       reader->path, parser->problem_offset, problem);
	return err_set(reader->err, ERR_CONFIG, "%s: %s%s%s; expected YAML, key: value",
		       place(reader, &parser->problem_mark, origin, sizeof origin), problem,
		       parser->context ? " " : "", parser->context ? parser->context : "");
}

static int parse(struct reader *reader, yaml_parser_t *parser)
{
	yaml_event_t event;
	int answer = 0;

	while (!answer && !reader->done) {
		if (!yaml_parser_parse(parser, &event))
			return no_yaml(reader, parser);
		answer = take_event(reader, &event);
		yaml_event_delete(&event);
	}
	return answer;
}

static int read_yaml(struct reader *reader)
{
	yaml_parser_t parser;
	unsigned char *bytes;
	size_t n = 0;
	int answer = read_file(reader->path, &bytes, &n, reader->err);

	if (!answer) {
		if (yaml_parser_initialize(&parser)) {
			yaml_parser_set_input_string(&parser, bytes, n);
			answer = parse(reader, &parser);
			yaml_parser_delete(&parser);
		} else {
			answer = err_no_memory(reader->err, "a YAML parser");
		}
	}
	free(bytes);
	return answer;
}

/* ---- loading -------------------------------------------------------------------------------- */

struct loading {
	const struct setting_table *tables;
	size_t n;
	size_t *lines; /* by row: the line that set it, or 0 */
};

static bool is_group(const struct loading *loading, const char *key)
{
	const struct setting_table *table;
	const struct setting *row;
	size_t length = strlen(key);

	for (size_t i = 0; (row = settings_row(loading->tables, loading->n, i, &table)); i++)
		if (!strncmp(row->key, key, length) && row->key[length] == '.')
			return true;
	for (size_t t = 0; t < loading->n; t++)
		if (loading->tables[t].overrides && !strcmp(key, "devices"))
			return true;
	return false;
}

/* Where overrides that come next stand; 0: those that were read are none of the next file's. */
static void at_line(const struct loading *loading, size_t line)
{
	for (size_t t = 0; t < loading->n; t++) {
		struct setting_overrides *overrides = loading->tables[t].overrides;

		for (size_t i = 0; overrides && !line && i < overrides->n; i++)
			overrides->all[i].line = 0;
		if (overrides)
			overrides->line = line;
	}
}

static int load_scalar(struct reader *reader, const char *value, const yaml_mark_t *mark)
{
	struct loading *loading = reader->ctx;
	char origin[ORIGIN_MAX];
	size_t row;

	place(reader, &reader->key_mark, origin, sizeof origin);
	if (settings_find(loading->tables, loading->n, reader->key, &row)) {
		if (loading->lines[row])
			return err_set(reader->err, ERR_CONFIG,
				       "%s: '%s' stands twice; line %zu has it already", origin,
				       reader->key, loading->lines[row]);
		loading->lines[row] = mark->line + 1;
		place(reader, mark, origin, sizeof origin);
	} else if (!*value && is_group(loading, reader->key)) {
		return 0; /* a heading under which all keys are commented out */
	}
	at_line(loading, reader->key_mark.line + 1);
	return settings_set_key(loading->tables, loading->n, reader->key, value, origin,
				reader->err);
}

int settings_load_yaml(const struct setting_table *tables, size_t n, const char *path,
		       struct err *err)
{
	struct loading loading = { .tables = tables, .n = n };
	struct reader reader = { .path = path, .err = err, .scalar = load_scalar, .ctx = &loading };
	const struct setting_table *table;
	size_t rows = 0;
	int answer;

	while (settings_row(tables, n, rows, &table))
		rows++;
	loading.lines = calloc(rows + 1, sizeof *loading.lines);
	if (!loading.lines)
		return err_no_memory(err, "a machine description");
	answer = read_yaml(&reader);
	at_line(&loading, 0);
	free(loading.lines);
	return answer;
}

struct peeking {
	const char *key;
	char *value;
	size_t size;
	bool found;
};

static int peek_scalar(struct reader *reader, const char *value, const yaml_mark_t *mark)
{
	struct peeking *peeking = reader->ctx;

	if (strcmp(reader->key, peeking->key) != 0)
		return 0;
	if (strlen(value) >= peeking->size)
		return refuse(reader, mark, "this value is too long");
	memcpy(peeking->value, value, strlen(value) + 1);
	peeking->found = true;
	return 0;
}

int settings_peek_yaml(const char *path, const char *key, char *value, size_t size, struct err *err)
{
	struct peeking peeking = { .key = key, .value = value, .size = size };
	struct reader reader = { .path = path, .err = err, .scalar = peek_scalar, .ctx = &peeking };

	return read_yaml(&reader) ? -1 : peeking.found;
}
