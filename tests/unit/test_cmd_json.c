#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/json.h"

/* One text value written by json_text_n(), without the quotes around it. */
struct escape_case {
	char name[48];
	char text[16];
	size_t bytes;
	char written[48];
};

ParameterizedTestParameters(json, text_is_escaped_and_always_utf8)
{
	static struct escape_case cases[] = {
		{ "plain", "net0", 4, "net0" },
		{ "empty", "", 0, "" },
		{ "quote and backslash", "a\"b\\c", 5, "a\\\"b\\\\c" },
		{ "short escapes", "\b\t\n\f\r", 5, "\\b\\t\\n\\f\\r" },
		{ "other control characters", "\x01\x1f\x7f", 3, "\\u0001\\u001f\\u007f" },
		{ "a zero byte inside", "a\0b", 3, "a\\u0000b" },
		{ "two to four bytes", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "cut sequence", "\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "overlong slash", "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "surrogate", "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "past U+10FFFF", "\xf4\x90\x80\x80", 4,
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "lone continuation", "\x80x", 2, "\xef\xbf\xbdx" },
	};
	return cr_make_param_array(struct escape_case, cases, sizeof cases / sizeof cases[0]);
}

/* What the caller's function writes, as a string to be freed. */
static char *written_by(void (*write)(struct json *json, const void *what), const void *what)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct json json;

	json_begin(&json, out);
	write(&json, what);
	json_finish(&json);
	fclose(out);
	return text;
}

static void write_case(struct json *json, const void *what)
{
	const struct escape_case *c = what;

	json_text_n(json, NULL, c->text, c->bytes);
}

ParameterizedTest(struct escape_case *c, json, text_is_escaped_and_always_utf8)
{
	char *text = written_by(write_case, c);
	char expected[64];

	snprintf(expected, sizeof expected, "\"%s\"\n", c->written);
	cr_expect_str_eq(text, expected, "%s", c->name);
	free(text);
}

static void write_nested(struct json *json, const void *unused)
{
	(void)unused;
	json_object(json, NULL);
	json_array(json, "empty");
	json_end(json);
	json_array(json, "numbers");
	json_number(json, NULL, UINT64_MAX);
	json_integer(json, NULL, INT64_MIN);
	json_real(json, NULL, 0.5);
	json_real(json, NULL, NAN);
	json_hex(json, NULL, 0xfee00000);
	json_end(json);
	json_object(json, "a \"key\"");
	json_bool(json, "yes", true);
	json_null(json, "none");
	json_end(json);
	json_end(json);
}

Test(json, commas_and_indentation_follow_the_structure)
{
	char *text = written_by(write_nested, NULL);

	cr_expect_str_eq(text, "{\n"
			       "  \"empty\": [],\n"
			       "  \"numbers\": [\n"
			       "    18446744073709551615,\n"
			       "    -9223372036854775808,\n"
			       "    0.5,\n"
			       "    null,\n"
			       "    \"0xfee00000\"\n"
			       "  ],\n"
			       "  \"a \\\"key\\\"\": {\n"
			       "    \"yes\": true,\n"
			       "    \"none\": null\n"
			       "  }\n"
			       "}\n");
	free(text);
}
