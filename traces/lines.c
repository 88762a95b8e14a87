#include "traces/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zstd.h>

enum {
	READ_BYTES = 128 * 1024, /* what one read asks for, stored or decompressed */
	BUFFER_BYTES = LINE_MAX_BYTES + 2 * READ_BYTES,
	WINDOW_LOG_MAX = 27, /* zstd's own default: 128 MiB */
};

struct lines {
	char *path;
	FILE *file;
	uint64_t bytes, offset;
	/* Text: [begin, end) is unread, [begin, searched) is known to hold no LF. */
	char *buffer;
	size_t begin, searched, end;
	bool at_end;   /* nothing more will come */
	bool skipping; /* inside a line that is too long */
	bool cut;
	uint64_t number, too_long;
	/* zstd input, NULL for plain text. */
	ZSTD_DCtx *zstd;
	char *stored;
	ZSTD_inBuffer input;
	size_t frame_left; /* ZSTD_decompressStream(): 0 exactly at the end of a frame */
};

static int lines_sniff(struct lines *lines, struct err *err)
{
	unsigned char magic[4];
	size_t got = fread(magic, 1, sizeof magic, lines->file);

	if (got < sizeof magic && ferror(lines->file))
		return err_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
	if (got >= 2 && magic[0] == 0x1f && magic[1] == 0x8b)
		return err_set(err, ERR_INPUT,
			       "%s: gzip data; expected plain text or zstd; unpack it first with "
			       "gunzip",
			       lines->path);
	rewind(lines->file);
	if (got < 4 || memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0)
		return 0;
	lines->stored = malloc(READ_BYTES);
	lines->zstd = ZSTD_createDCtx();
	if (!lines->stored || !lines->zstd)
		return err_no_memory(err, "zstd reader");
	ZSTD_DCtx_setParameter(lines->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	lines->input.src = lines->stored;
	return 0;
}

int lines_open(const char *path, struct lines **out, struct err *err)
{
	struct lines *lines = calloc(1, sizeof *lines);
	struct stat status;

	if (!lines || !(lines->path = strdup(path)) || !(lines->buffer = malloc(BUFFER_BYTES))) {
		err_no_memory(err, "line reader");
		goto fail;
	}
	lines->file = fopen(path, "rb");
	if (!lines->file || fstat(fileno(lines->file), &status) != 0) {
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(status.st_mode)) {
		err_set(err, ERR_IO,
			"%s: not a regular file; an import reads its input several times, so save "
			"it to a file first",
			path);
		goto fail;
	}
	lines->bytes = (uint64_t)status.st_size;
	if (lines_sniff(lines, err))
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
	if (lines->file)
		fclose(lines->file);
	ZSTD_freeDCtx(lines->zstd);
	free(lines->stored);
	free(lines->buffer);
	free(lines->path);
	free(lines);
}

int lines_rewind(struct lines *lines, struct err *err)
{
	if (fseek(lines->file, 0, SEEK_SET) != 0)
		return err_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
	if (lines->zstd)
		ZSTD_DCtx_reset(lines->zstd, ZSTD_reset_session_only);
	lines->input.pos = lines->input.size = 0;
	lines->frame_left = 0;
	lines->begin = lines->searched = lines->end = 0;
	lines->offset = lines->number = lines->too_long = 0;
	lines->at_end = lines->skipping = lines->cut = false;
	return 0;
}

static int read_stored(struct lines *lines, void *to, size_t *got, struct err *err)
{
	*got = fread(to, 1, READ_BYTES, lines->file);
	lines->offset += *got;
	if (*got == 0 && ferror(lines->file))
		return err_set(err, ERR_IO, "%s: byte %llu: %s", lines->path,
			       (unsigned long long)lines->offset, strerror(errno));
	return 0;
}

/* Appends decompressed text; *got stays 0 only at the end of the file. */
static int read_zstd(struct lines *lines, size_t *got, struct err *err)
{
	ZSTD_outBuffer output = { lines->buffer + lines->end, READ_BYTES, 0 };

	while (output.pos == 0) {
		if (lines->input.pos == lines->input.size) {
			lines->input.pos = 0;
			if (read_stored(lines, lines->stored, &lines->input.size, err))
				return -1;
		}
		if (lines->input.size == 0) {
			if (lines->frame_left == 0)
				break;
			return err_set(
				err, ERR_INPUT,
				"%s: byte %llu: the file ends inside its zstd data; it was cut: "
				"fetch it again, or keep what there is with zstd -dc > FILE",
				lines->path, (unsigned long long)lines->offset);
		}
		lines->frame_left = ZSTD_decompressStream(lines->zstd, &output, &lines->input);
		if (ZSTD_isError(lines->frame_left))
			return err_set(
				err, ERR_INPUT,
				"%s: near byte %llu: damaged zstd data (%s); fetch the file again",
				lines->path, (unsigned long long)lines->offset,
				ZSTD_getErrorName(lines->frame_left));
	}
	*got = output.pos;
	return 0;
}

static int refill(struct lines *lines, struct err *err)
{
	size_t got = 0;

	memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
	lines->searched -= lines->begin;
	lines->end -= lines->begin;
	lines->begin = 0;
	if (lines->zstd ? read_zstd(lines, &got, err)
			: read_stored(lines, lines->buffer + lines->end, &got, err))
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
	return lines->path;
}

uint64_t lines_bytes(const struct lines *lines)
{
	return lines->bytes;
}

uint64_t lines_offset(const struct lines *lines)
{
	return lines->offset;
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
