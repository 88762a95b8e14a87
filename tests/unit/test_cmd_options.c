#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"

struct values {
	bool flag;
	const char *text;
	uint64_t count, time_ns;
	double real;
	unsigned choice;
	struct option_list list;
};

/* Parses "demo WORDS..." with one row of each type; words end with NULL. */
static bool parse(const char *const *words, struct values *values, struct operands *operands,
		  int *status)
{
	const struct option_row rows[] = {
		{ 'f', "flag", OPTION_FLAG, &values->flag, NULL, "a flag" },
		{ 't', "text", OPTION_TEXT, &values->text, "TEXT", "a text" },
		{ 'n', "count", OPTION_COUNT, &values->count, "N", "a count" },
		{ 0, "time", OPTION_TIME, &values->time_ns, "TIME", "a time" },
		{ 0, "real", OPTION_REAL, &values->real, "X", "a number" },
		{ 0, "choice", OPTION_CHOICE, &values->choice, "one|two|three", "a choice" },
		{ 's', "set", OPTION_LIST, &values->list, "K=V", "may come again" },
		{ 0 },
	};
	const struct command_help help = {
		.name = "demo",
		.operands = "FILE",
		.summary = "Test",
		.examples = "iommusim demo\n",
		.options = rows,
		.max_operands = 1,
	};
	/* Static: values and operands point into it after the return. */
	static char copies[16][40];
	static char *argv[17];
	int argc = 1;

	argv[0] = strcpy(copies[0], "demo");
	for (; *words; words++, argc++)
		argv[argc] = strcpy(copies[argc], *words);
	argv[argc] = NULL;
	return options_parse(&help, argc, argv, operands, status);
}

Test(options, every_type_takes_its_value_and_operands_may_stand_between)
{
	const char *const words[] = { "-f",	"file",		"--text=a b",  "-n",	"0x1F",
				      "--time", "1.5us",	"--real=0.25", "-sa=1", "--set",
				      "b=2",	"--choice=two", NULL };
	struct values values = { 0 };
	struct operands operands;
	int status;

	cr_assert(parse(words, &values, &operands, &status));
	cr_expect(values.flag);
	cr_expect_str_eq(values.text, "a b");
	cr_expect_eq(values.count, 31);
	cr_expect_eq(values.time_ns, 1500);
	cr_expect_eq(values.real, 0.25);
	cr_expect_eq(values.choice, 1);
	cr_assert_eq(values.list.n, 2);
	cr_expect_str_eq(values.list.texts[0], "a=1");
	cr_expect_str_eq(values.list.texts[1], "b=2");
	cr_assert_eq(operands.n, 1);
	cr_expect_str_eq(operands.texts[0], "file");
	free(values.list.texts);
}

struct number_case {
	char word[40];
	bool taken;
	uint64_t count, time_ns;
};

ParameterizedTestParameters(options, numbers_are_exact_or_refused)
{
	static struct number_case cases[] = {
		{ "--count=0", true, 0, 0 },
		{ "--count=18446744073709551615", true, UINT64_MAX, 0 },
		{ "--count=18446744073709551616", false, 0, 0 },
		{ "--count=0xffffffffffffffff", true, UINT64_MAX, 0 },
		{ "--count=0x10000000000000000", false, 0, 0 },
		{ "--count=1.5M", true, 1500000, 0 },
		{ "--count=1.5", false, 0, 0 },
		{ "--count=20000000000G", false, 0, 0 },
		{ "--count=", false, 0, 0 },
		{ "--count=-1", false, 0, 0 },
		{ "--count= 1", false, 0, 0 },
		{ "--count=1k ", false, 0, 0 },
		{ "--count=0x", false, 0, 0 },
		{ "--count=0xG", false, 0, 0 },
		{ "--time=7", true, 0, 7 },
		{ "--time=0.000000001s", true, 0, 1 },
		{ "--time=0.0000000001s", false, 0, 0 },
		{ "--time=0.5ns", false, 0, 0 },
		{ "--time=18446744073.709551615s", true, 0, UINT64_MAX },
		{ "--time=18446744073.709551616s", false, 0, 0 },
		{ "--time=1m", false, 0, 0 },
	};
	return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct number_case *c, options, numbers_are_exact_or_refused)
{
	const char *const words[] = { c->word, NULL };
	struct values values = { 0 };
	struct operands operands;
	int status;

	cr_redirect_stderr();
	cr_expect_eq(parse(words, &values, &operands, &status), c->taken, "%s", c->word);
	if (c->taken) {
		cr_expect_eq(values.count, c->count, "%s", c->word);
		cr_expect_eq(values.time_ns, c->time_ns, "%s", c->word);
	} else {
		cr_expect_eq(status, STATUS_WRONG);
	}
}

struct refused_case {
	char words[3][24];
	char message[120];
};

ParameterizedTestParameters(options, what_is_wrong_is_said_with_what_was_meant)
{
	static struct refused_case cases[] = {
		{ { "--coutn=3" },
		  "iommusim demo: unknown option '--coutn'; the nearest is '--count'; "
		  "'iommusim demo --help' tells more\n" },
		{ { "-x" },
		  "iommusim demo: unknown option '-x'; 'iommusim demo --help' tells more\n" },
		{ { "--count" },
		  "iommusim demo: option '--count' needs a value (N); 'iommusim demo --help' tells "
		  "more\n" },
		{ { "--flag=1" },
		  "iommusim demo: option '--flag' takes no value; 'iommusim demo --help' tells "
		  "more\n" },
		{ { "--choice=four" },
		  "iommusim demo: option '--choice': found 'four', expected one|two|three; "
		  "'iommusim demo --help' tells more\n" },
		{ { "a", "b" },
		  "iommusim demo: 'b' is one argument too many, expected FILE; "
		  "'iommusim demo --help' tells more\n" },
	};
	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refused_case *c, options, what_is_wrong_is_said_with_what_was_meant)
{
	const char *words[4] = { NULL };
	struct values values = { 0 };
	struct operands operands;
	int status;

	for (int i = 0; i < 3 && c->words[i][0]; i++)
		words[i] = c->words[i];
	cr_redirect_stderr();
	cr_expect_not(parse(words, &values, &operands, &status));
	cr_expect_eq(status, STATUS_WRONG);
	fflush(stderr);
	cr_assert_stderr_eq_str(c->message);
}
