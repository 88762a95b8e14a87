#include "traces/lines.h"

#include <stdlib.h>

#include "traces/packed.h"

enum {
	READ_BYTES = 128 * 1024,
	BUFFER_BYTES = LINE_MAX_BYTES + 2 * READ_BYTES,
};

struct lines {
	struct packed *file;
	/* Text: [begin, end) is unread, [begin, searched) is known to hold no LF. */
	char *buffer;
	size_t begin, searched, end;
	bool at_end;   /* nothing more will come */
	bool skipping; /* inside a line that is too long */
	bool cut;
	uint64_t number, too_long;
};

int lines_open(const char *path, struct lines **out, struct err *err)
{
	struct lines *lines = calloc(1, sizeof *lines);

	if (!lines || !(lines->buffer = malloc(BUFFER_BYTES))) {
		err_no_memory(err, "line reader");
		goto fail;
	}
	if (packed_open(path, &lines->file, err))
		goto fail;
	*out = lines;
	return 0;

fail:
	lines_close(lines);
	return -1;
}

void lines_close(struct lines *lines)
{
	if (!lines)
		return;
	packed_close(lines->file);
	free(lines->buffer);
	free(lines);
}

int lines_rewind(struct lines *lines, struct err *err)
{
	if (packed_rewind(lines->file, err))
		return -1;
	lines->begin = lines->searched = lines->end = 0;
	lines->number = lines->too_long = 0;
	lines->at_end = lines->skipping = lines->cut = false;
	return 0;
}

static int refill(struct lines *lines, struct err *err)
{
	size_t got = 0;

	memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
	lines->searched -= lines->begin;
	lines->end -= lines->begin;
	lines->begin = 0;
	if (packed_read(lines->file, lines->buffer + lines->end, READ_BYTES, &got, err))
		return -1;
	lines->end += got;
	lines->at_end = got == 0;
	return 0;
}

int lines_next(struct lines *lines, struct line *line, struct err *err)
{
	for (;;) {
		char *text = lines->buffer + lines->begin;
		char *newline =
			memchr(lines->buffer + lines->searched, '\n', lines->end - lines->searched);
		size_t length = newline ? (size_t)(newline - text) : lines->end - lines->begin;
		bool too_long = lines->skipping || length > LINE_MAX_BYTES;

		if (newline) {
			lines->begin += length + 1;
			lines->searched = lines->begin;
			lines->number++;
			lines->skipping = false;
			if (too_long) {
				lines->too_long++;
				continue;
			}
			if (length > 0 && text[length - 1] == '\r')
				length--;
			*line = (struct line){ text, length, lines->number };
			return 1;
		}
		lines->searched = lines->end;
		if (too_long) {
			lines->skipping = true;
			lines->begin = lines->end;
		}
		if (lines->at_end) {
			lines->cut = length > 0 || lines->skipping;
			return 0;
		}
		if (refill(lines, err))
			return -1;
	}
}

const char *lines_path(const struct lines *lines)
{
	return packed_path(lines->file);
}

uint64_t lines_bytes(const struct lines *lines)
{
	return packed_bytes(lines->file);
}

uint64_t lines_offset(const struct lines *lines)
{
	return packed_offset(lines->file);
}

uint64_t lines_total(const struct lines *lines)
{
	return lines->number;
}

uint64_t lines_too_long(const struct lines *lines)
{
	return lines->too_long;
}

bool lines_cut(const struct lines *lines)
{
	return lines->cut;
}
