/*
 * Text files a line at a time, for importers: plain or zstd-compressed, any length, in memory
 * of at most about 1.3 MiB (plus zstd's window, at most 128 MiB).
 *
 * A line ends with LF or CR LF; bytes of any value may stand in it, NUL too. A line longer than
 * LINE_MAX_BYTES is left out and counted. A last line without its LF may have been cut anywhere
 * ("size=40" of "size=4096"), so it is left out too, and said to be.
 *
 * scan_*: a cursor over one line. Each returns whether it matched and moves only if it did.
 */
#ifndef IOMMUSIM_TRACES_LINES_H
#define IOMMUSIM_TRACES_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hw/base/err.h"

enum { LINE_MAX_BYTES = 1 << 20 };

struct line {
	const char *text; /* not terminated; valid until the next lines_next() */
	size_t length;	  /* without LF or CR LF */
	uint64_t number;  /* from 1 */
};

struct lines;

/* path is a file, not "-": importers read their input more than once. */
int lines_open(const char *path, struct lines **out, struct err *err);
void lines_close(struct lines *lines); /* NULL is allowed */
/* Starts again at the first line; counts start again too. */
int lines_rewind(struct lines *lines, struct err *err);

/* 1: a line; 0: the end; -1: *err names the file and the byte. */
int lines_next(struct lines *lines, struct line *line, struct err *err);

const char *lines_path(const struct lines *lines);
uint64_t lines_bytes(const struct lines *lines);  /* size of the file as stored, 0 if unknown */
uint64_t lines_offset(const struct lines *lines); /* stored bytes read so far */
uint64_t lines_total(const struct lines *lines);  /* lines so far, left-out ones included */
uint64_t lines_too_long(const struct lines *lines);
bool lines_cut(const struct lines *lines); /* the end came without LF */

struct scan {
	const char *at, *end;
};

static inline struct scan scan_of(const char *text, size_t length)
{
	return (struct scan){ text, text + length };
}

static inline size_t scan_left(const struct scan *scan)
{
	return (size_t)(scan->end - scan->at);
}

static inline bool scan_literal(struct scan *scan, const char *literal)
{
	size_t length = strlen(literal);

	if (scan_left(scan) < length || memcmp(scan->at, literal, length) != 0)
		return false;
	scan->at += length;
	return true;
}

static inline void scan_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
		scan->at++;
}

/* Decimal digits, at least one, below 2^64. */
static inline bool scan_decimal(struct scan *scan, uint64_t *value)
{
	const char *at = scan->at;
	uint64_t number = 0;

	for (; at < scan->end && (unsigned char)(*at - '0') < 10; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (at == scan->at)
		return false;
	scan->at = at;
	*value = number;
	return true;
}

static inline int scan_hex_digit(char c)
{
	if ((unsigned char)(c - '0') < 10)
		return c - '0';
	c = (char)(c | 0x20);
	return (unsigned char)(c - 'a') < 6 ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits without a prefix, at least one, below 2^64. */
static inline bool scan_hex(struct scan *scan, uint64_t *value)
{
	const char *at = scan->at;
	uint64_t number = 0;
	int digit;

	for (; at < scan->end && (digit = scan_hex_digit(*at)) >= 0; at++) {
		if (number >> 60)
			return false;
		number = number << 4 | (unsigned)digit;
	}
	if (at == scan->at)
		return false;
	scan->at = at;
	*value = number;
	return true;
}

/* A literal and the hexadecimal number behind it: "iova 0x". */
static inline bool scan_literal_hex(struct scan *scan, const char *literal, uint64_t *value)
{
	struct scan ahead = *scan;

	if (!scan_literal(&ahead, literal) || !scan_hex(&ahead, value))
		return false;
	*scan = ahead;
	return true;
}

static inline bool scan_literal_decimal(struct scan *scan, const char *literal, uint64_t *value)
{
	struct scan ahead = *scan;

	if (!scan_literal(&ahead, literal) || !scan_decimal(&ahead, value))
		return false;
	*scan = ahead;
	return true;
}

/* Moves behind the next occurrence of the text. */
static inline bool scan_seek(struct scan *scan, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = scan->at; (size_t)(scan->end - at) >= length; at++) {
		if (*at == *text && memcmp(at, text, length) == 0) {
			scan->at = at + length;
			return true;
		}
	}
	return false;
}

/* Nothing but blanks is left. */
static inline bool scan_at_end(struct scan *scan)
{
	scan_blanks(scan);
	return scan->at == scan->end;
}

#endif
