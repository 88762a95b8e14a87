/*
 * A small JSON writer: the caller says what comes, commas and indentation follow.
 *
 *     json_begin(&json, stdout);
 *     json_object(&json, NULL);
 *     json_text(&json, "name", "net0");
 *     json_number(&json, "bytes", 4096);
 *     json_end(&json);
 *     json_finish(&json);
 *
 * `key` is NULL inside arrays and for the outermost value. Numbers above 2^53 are written as they
 * are: JSON has no limit, but readers that keep doubles round them. Write errors stay in the
 * stream (ferror).
 */
#ifndef IOMMUSIM_CMD_JSON_H
#define IOMMUSIM_CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH = 16 };

struct json {
	FILE *out;
	unsigned depth;
	char closing[JSON_DEPTH]; /* '}' or ']' of each open level */
	bool empty[JSON_DEPTH];	  /* nothing written in the level yet */
	bool line;		  /* all on one line */
};

void json_begin(struct json *json, FILE *out);
void json_begin_line(struct json *json, FILE *out); /* the same without line breaks inside */
void json_finish(struct json *json);		    /* every level must be closed; ends the line */

void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(struct json *json); /* closes the innermost object or array */

/*
 * Text is UTF-8. Control characters, quotes and backslashes are escaped; bytes that are not
 * UTF-8 become U+FFFD, because a JSON text cannot hold them.
 */
void json_text(struct json *json, const char *key, const char *text);
void json_text_n(struct json *json, const char *key, const char *text, size_t bytes);
void json_number(struct json *json, const char *key, uint64_t value);
void json_integer(struct json *json, const char *key, int64_t value);
void json_hex(struct json *json, const char *key, uint64_t value); /* as text: "0x1000" */
void json_real(struct json *json, const char *key, double value);  /* not finite: null */
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
