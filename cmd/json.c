/* The JSON writer; the contract is in json.h. */
#include "cmd/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at text (RFC 3629, section 4), or 0. */
static size_t utf8_length(const unsigned char *text, size_t bytes)
{
	unsigned char lead = text[0], low = 0x80, high = 0xbf;
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	/* Overlong forms, surrogates and what lies past U+10FFFF show in the second byte. */
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (n > bytes || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void write_escaped(FILE *out, unsigned char c)
{
	static const char letters[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

	if (c < sizeof letters && letters[c])
		fprintf(out, "\\%c", letters[c]);
	else
		fprintf(out, "\\u%04x", c);
}

static void write_string(FILE *out, const char *string, size_t bytes)
{
	const unsigned char *text = (const unsigned char *)string;

	putc('"', out);
	while (bytes > 0) {
		size_t n = utf8_length(text, bytes);

		if (n == 0) {
			fputs("\xef\xbf\xbd", out); /* U+FFFD */
			n = 1;
		} else if (*text < 0x20 || *text == '"' || *text == '\\' || *text == 0x7f) {
			write_escaped(out, *text);
		} else {
			fwrite(text, 1, n, out);
		}
		text += n;
		bytes -= n;
	}
	putc('"', out);
}

static void write_newline(struct json *json)
{
	if (json->line)
		return;
	fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

/* Comma, new line and key: everything that stands before a value. */
static void begin_value(struct json *json, const char *key)
{
	if (json->depth > 0) {
		assert((key != NULL) == (json->closing[json->depth - 1] == '}'));
		if (!json->empty[json->depth - 1])
			fputs(json->line ? ", " : ",", json->out);
		json->empty[json->depth - 1] = false;
		write_newline(json);
	}
	if (key) {
		write_string(json->out, key, strlen(key));
		fputs(": ", json->out);
	}
}

static void open_level(struct json *json, const char *key, char opening, char closing)
{
	begin_value(json, key);
	assert(json->depth < JSON_DEPTH);
	putc(opening, json->out);
	json->closing[json->depth] = closing;
	json->empty[json->depth] = true;
	json->depth++;
}

void json_begin(struct json *json, FILE *out)
{
	*json = (struct json){ .out = out };
}

void json_begin_line(struct json *json, FILE *out)
{
	*json = (struct json){ .out = out, .line = true };
}

void json_finish(struct json *json)
{
	assert(json->depth == 0);
	putc('\n', json->out);
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, '[', ']');
}

void json_end(struct json *json)
{
	assert(json->depth > 0);
	json->depth--;
	if (!json->empty[json->depth])
		write_newline(json);
	putc(json->closing[json->depth], json->out);
}

void json_text_n(struct json *json, const char *key, const char *text, size_t bytes)
{
	begin_value(json, key);
	write_string(json->out, text, bytes);
}

void json_text(struct json *json, const char *key, const char *text)
{
	json_text_n(json, key, text, strlen(text));
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_integer(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json_hex(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "\"0x%" PRIx64 "\"", value);
}

void json_real(struct json *json, const char *key, double value)
{
	begin_value(json, key);
	if (isfinite(value))
		fprintf(json->out, "%.12g", value);
	else
		fputs("null", json->out);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->out);
}
