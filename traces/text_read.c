/* Reading the text form: lines, header and META; traces/text_line.c makes an event of each line. */
#include <stdlib.h>
#include <string.h>

#include "traces/meta.h"
#include "traces/text_private.h"

enum { LINE_MAX_BYTES = 1 << 20, SLOTS_PER_EVENT = EVENT_FIELDS };

struct text_source {
	struct event_source head;
	FILE *file;
	char *path;
	char *line; /* of LINE_MAX_BYTES and a NUL */
	uint64_t line_number, last_ns, records;
	bool header_seen, ended, broken;
	struct event_plan plans[EVENT_KINDS];
	bool held;  /* line is the first event, not parsed yet */
	char *meta; /* NULL: none */
	size_t meta_n;
	struct err broken_why;
	struct event events[EVENT_BATCH];
	uint32_t lines[EVENT_BATCH]; /* of each event, relative to first_line */
	uint64_t first_line;
	uint64_t slots[EVENT_BATCH * SLOTS_PER_EVENT];
	uint64_t n_slots, first;
};

static struct parser parser_of(struct text_source *source)
{
	return (struct parser){ .path = source->path,
				.line = source->line,
				.names = source->head.names,
				.plans = source->plans,
				.err = &source->broken_why };
}

static void take_event(struct text_source *source, struct parser *p, size_t n)
{
	p->event.slot = (uint32_t)source->n_slots;
	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (p->event.present >> f & 1)
			source->slots[source->n_slots++] = p->values[f];
	source->events[n] = p->event;
	source->lines[n] = (uint32_t)(source->line_number - source->first_line);
	source->last_ns = p->event.time_ns;
}

/* One line without its end; 1: there, 0: the end of the file. */
static int read_line(struct text_source *source, struct err *err)
{
	size_t length = 0;
	int c;

	while ((c = getc_unlocked(source->file)) != EOF && c != '\n' && length < LINE_MAX_BYTES)
		source->line[length++] = (char)c;
	source->line[length] = 0;
	if (ferror(source->file))
		return err_set(err, ERR_IO, "%s: cannot be read after line %llu", source->path,
			       (unsigned long long)source->line_number);
	if (c == EOF && !length)
		return 0;
	source->line_number++;
	source->head.offset += length + (c == '\n');
	if (c != EOF && c != '\n')
		return err_set(err, ERR_INPUT, "%s:%llu: a line of more than 1 MiB", source->path,
			       (unsigned long long)source->line_number);
	if (memchr(source->line, 0, length))
		return err_set(err, ERR_INPUT, "%s:%llu:%zu: a NUL byte; expected text",
			       source->path, (unsigned long long)source->line_number,
			       strlen(source->line) + 1);
	while (length && source->line[length - 1] == '\r')
		source->line[--length] = 0;
	return 1;
}

static int check_header(struct text_source *source, struct err *err)
{
	unsigned version;
	char extra;

	if (sscanf(source->line, "# iommusim events %u %c", &version, &extra) != 1)
		return err_set(err, ERR_INPUT,
			       "%s:%llu: '%.60s'; expected the header '# iommusim events 1'",
			       source->path, (unsigned long long)source->line_number, source->line);
	if (version != 1)
		return err_set(err, ERR_INPUT, "%s:%llu: version %u; this program reads version 1",
			       source->path, (unsigned long long)source->line_number, version);
	source->header_seen = true;
	return 0;
}

/* "# meta key = value": kept; every other comment is not. -1: *err says why not. */
static int take_comment(struct text_source *source, struct err *err)
{
	static const char prefix[] = "# meta ";
	size_t n = strlen(source->line), add;
	char *meta;

	if (strncmp(source->line, prefix, sizeof prefix - 1) != 0)
		return 0;
	add = n - (sizeof prefix - 1);
	if (source->meta_n + add + 1 > META_MAX)
		return err_set(err, ERR_LIMIT, "%s:%llu: more than 1 MiB of META", source->path,
			       (unsigned long long)source->line_number);
	meta = realloc(source->meta, source->meta_n + add + 2);
	if (!meta)
		return err_no_memory(err, "META");
	memcpy(meta + source->meta_n, source->line + sizeof prefix - 1, add);
	source->meta = meta;
	source->meta_n += add + 1;
	meta[source->meta_n - 1] = '\n';
	meta[source->meta_n] = 0;
	return 0;
}

/* Up to the first event, whose line is held: where a recording comes from is known from the start. */
static void read_head(struct text_source *source)
{
	struct parser parser = parser_of(source);

	while (!source->held && !source->ended && !source->broken) {
		int got = read_line(source, &source->broken_why);

		source->ended = got == 0;
		source->broken = got < 0;
		if (got <= 0)
			return;
		if (!source->header_seen) {
			source->broken = check_header(source, &source->broken_why) != 0;
			continue;
		}
		parser.at = source->line;
		source->held = !text_at_end(&parser);
		if (!source->held)
			source->broken = take_comment(source, &source->broken_why) != 0;
	}
}

/* Reads until the batch is full; what came before a bad line is delivered first. */
static int text_next(struct event_source *head, struct event_batch *batch, struct err *err)
{
	struct text_source *source = (struct text_source *)head;
	struct parser parser = parser_of(source);
	size_t n = 0;

	source->n_slots = 0;
	source->first = source->records;
	source->first_line = source->line_number;
	while (n < EVENT_BATCH && !source->ended && !source->broken) {
		int got = source->held ? 1 : read_line(source, &source->broken_why);

		source->held = false;
		if (got == 0) {
			source->ended = true;
		} else if (got < 0) {
			source->broken = true;
		} else {
			parser.at = source->line;
			parser.line_number = source->line_number;
			parser.last_ns = source->last_ns;
			if (text_at_end(&parser))
				continue;
			if (text_parse_line(&parser))
				source->broken = true;
			else
				take_event(source, &parser, n++);
		}
	}
	if (!n && source->broken) {
		if (err)
			*err = source->broken_why;
		return -1;
	}
	if (!n && !source->header_seen)
		return err_set(err, ERR_INPUT,
			       "%s: empty; expected the header '# iommusim events 1'",
			       source->path);
	source->records += n;
	*batch = (struct event_batch){
		.events = source->events, .slots = source->slots, .n = n, .first = source->first
	};
	return n > 0;
}

static void text_where(const struct event_source *head, uint64_t number, char *text, size_t size)
{
	const struct text_source *source = (const struct text_source *)head;
	uint64_t line = source->line_number;

	if (number >= source->first && number - source->first < EVENT_BATCH)
		line = source->first_line + source->lines[number - source->first];
	snprintf(text, size, "%s:%llu", source->path, (unsigned long long)line);
}

static void text_close(struct event_source *head)
{
	struct text_source *source = (struct text_source *)head;

	fclose(source->file);
	names_destroy(head->names);
	free(source->path);
	free(source->line);
	free(source->meta);
	free(source);
}

int text_source_open(FILE *file, const char *path, struct event_source **out, struct err *err)
{
	static const struct event_source_ops ops = { text_next, text_where, text_close };
	struct text_source *source = calloc(1, sizeof *source);

	if (source) {
		source->path = strdup(path);
		source->line = malloc(LINE_MAX_BYTES + 1);
	}
	if (!source || !source->path || !source->line || names_create(&source->head.names)) {
		fclose(file);
		if (source) {
			free(source->path);
			free(source->line);
		}
		free(source);
		return err_no_memory(err, "a text reader");
	}
	source->head.ops = &ops;
	source->head.kind = "text";
	event_plans_make(source->plans);
	source->file = file;
	read_head(source);
	source->head.meta = source->meta;
	source->head.uncertainty_ns = meta_uncertainty_ns(source->meta);
	*out = &source->head;
	return 0;
}
