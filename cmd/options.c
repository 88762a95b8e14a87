/* Options by table; the contract is in options.h. */
#include "cmd/options.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "traces/event.h"

enum {
	OPTIONS_MAX = 40, /* rows of one command, --help included */
	LONG_ONLY = 1000, /* getopt's values start here, so they meet no letter */
	HELP_COLUMN = 26, /* where descriptions start */
	HELP_WIDTH = 90,
};

int options_wrong(const struct command_help *help, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "iommusim %s: ", help->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; 'iommusim %s --help' tells more\n", help->name);
	return STATUS_WRONG;
}

/* ---- --help --------------------------------------------------------------------------- */

/* Words of text from HELP_COLUMN on, wrapped; the cursor stands at column. */
static void print_wrapped(const char *text, int column)
{
	if (column + 2 > HELP_COLUMN) { /* two blanks at least, for scripts that read this */
		putchar('\n');
		column = 0;
	}
	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column < HELP_COLUMN)
			column += printf("%*s", HELP_COLUMN - column, "");
		else if (column + 1 + word > HELP_WIDTH)
			column = printf("\n%*s", HELP_COLUMN, "") - 1;
		else
			column += printf(" ");
		column += printf("%.*s", word, text);
		text += word + (text[word] == ' ');
	}
	putchar('\n');
}

static void print_option(const struct option_row *row)
{
	char left[128];
	int n;

	if (row->letter)
		n = snprintf(left, sizeof left, "  -%c, --%s", row->letter, row->name);
	else
		n = snprintf(left, sizeof left, "      --%s", row->name);
	if (row->argument && (size_t)n < sizeof left)
		snprintf(left + n, sizeof left - (size_t)n, "=%s", row->argument);
	print_wrapped(row->doc, printf("%s", left));
}

/* Examples are whole lines; each is indented like the rest of the page. */
static void print_indented(const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");

		printf("  %.*s\n", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

static void print_command_help(const struct command_help *help)
{
	static const struct option_row help_row = { 'h',  "help", OPTION_FLAG,
						    NULL, NULL,	  "print this help and exit" };

	printf("Usage: iommusim %s [OPTION]...%s%s\n\n%s.\n", help->name,
	       *help->operands ? " " : "", help->operands, help->summary);
	if (help->details)
		printf("\n%s%s", help->details,
		       help->details[strlen(help->details) - 1] == '\n' ? "" : "\n");
	puts("\nOptions:");
	for (const struct option_row *row = help->options; row->name; row++)
		print_option(row);
	print_option(&help_row);
	puts("\nExamples:");
	print_indented(help->examples);
	puts("\nExit status: 0 fine, 2 the input or the command is wrong, 3 the program could not\n"
	     "finish.");
}

/* ---- values ----------------------------------------------------------------------------- */

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix count_suffixes[] = {
	{ "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 }, { NULL, 0 },
};
static const struct suffix time_suffixes[] = {
	{ "", 1 }, { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { NULL, 0 },
};

/* "12", "0x1f" or "1.5ms": the fraction must come out whole. False: not a number of this kind. */
static bool parse_number(const char *text, const struct suffix *suffix, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
	const char *rest = text + (hex ? 2 : 0);
	size_t n = strspn(rest, digits);
	uint64_t number = 0, fraction = 0, scale = 1;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)(strchr(digits, rest[i]) - digits);

		if (digit > 15)
			digit -= 6; /* upper case stands behind lower case in digits */
		if (__builtin_mul_overflow(number, hex ? 16u : 10u, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	rest += n;
	if (!hex && *rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale *= 10) {
			if (scale >= 1000000000)
				return false;
			fraction = fraction * 10 + (uint64_t)(*rest - '0');
		}
	}
	while (suffix->text && strcmp(suffix->text, rest) != 0)
		suffix++;
	if (!suffix->text || fraction * suffix->factor % scale)
		return false;
	return !__builtin_mul_overflow(number, suffix->factor, &number) &&
	       !__builtin_add_overflow(number, fraction * suffix->factor / scale, value);
}

static bool parse_real(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && isfinite(*value) && *value >= 0;
}

static bool parse_choice(const char *text, const char *choices, unsigned *value)
{
	size_t length = strlen(text);

	for (unsigned i = 0; *choices; i++) {
		size_t n = strcspn(choices, "|");

		if (n == length && !memcmp(choices, text, n)) {
			*value = i;
			return true;
		}
		choices += n + (choices[n] == '|');
	}
	return false;
}

static bool list_add(struct option_list *list, const char *text)
{
	const char **texts = realloc(list->texts, (list->n + 1) * sizeof *texts);

	if (!texts)
		return false;
	texts[list->n++] = text;
	list->texts = texts;
	return true;
}

/* NULL, or what the option expects instead of text. */
static const char *option_take(const struct option_row *row, const char *text)
{
	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)row->value = true;
		return NULL;
	case OPTION_TEXT:
		*(const char **)row->value = text;
		return NULL;
	case OPTION_COUNT:
		return parse_number(text, count_suffixes, row->value)
			       ? NULL
			       : "a whole number such as 4096, 0x1000, 10k or 1.5M";
	case OPTION_TIME:
		return parse_number(text, time_suffixes, row->value)
			       ? NULL
			       : "a time such as 250us, 1.5ms or 2s (whole nanoseconds)";
	case OPTION_REAL:
		return parse_real(text, row->value) ? NULL : "a number such as 0.9";
	case OPTION_CHOICE:
		return parse_choice(text, row->argument, row->value) ? NULL : row->argument;
	case OPTION_LIST:
		return list_add(row->value, text) ? NULL : "fewer occurrences (out of memory)";
	}
	return NULL;
}

/* ---- the command line ------------------------------------------------------------------- */

struct getopt_tables {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
};

/* Row i answers LONG_ONLY + i as a long option and its letter as a short one. Tables are zero. */
static void make_getopt_tables(const struct command_help *help, struct getopt_tables *tables)
{
	size_t n = 0;
	char *shorts = tables->shorts;

	*shorts++ = ':'; /* missing arguments are told apart from unknown options */
	*shorts++ = 'h';
	for (const struct option_row *row = help->options; row->name && n < OPTIONS_MAX - 1;
	     row++, n++) {
		bool argument = row->type != OPTION_FLAG;

		tables->longs[n] = (struct option){ row->name, argument, NULL, LONG_ONLY + (int)n };
		if (row->letter) {
			*shorts++ = row->letter;
			if (argument)
				*shorts++ = ':';
		}
	}
	tables->longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
}

static const struct option_row *row_of(const struct command_help *help, int value)
{
	if (value >= LONG_ONLY)
		return &help->options[value - LONG_ONLY];
	for (const struct option_row *row = help->options; row->name; row++)
		if (row->letter == value)
			return row;
	return NULL;
}

static const char *option_name(const void *options, uint32_t i)
{
	const struct option_row *rows = options;

	/* nearest_word() asks 0, 1, 2, ... until NULL, so i never jumps past the end. */
	return rows[i].name;
}

/* getopt stopped at what no row takes: an unknown option, or a value where none belongs. */
static int refuse_option(const struct command_help *help, const char *word)
{
	const char *nearest;
	size_t length;

	if (optopt && (optopt >= LONG_ONLY || optopt == 'h') && row_of(help, optopt))
		return options_wrong(help, "option '--%s' takes no value",
				     row_of(help, optopt)->name);
	if (optopt && optopt < LONG_ONLY)
		return options_wrong(help, "unknown option '-%c'", optopt);
	length = strcspn(word, "=");
	nearest =
		length > 2 ? nearest_word(word + 2, length - 2, option_name, help->options) : NULL;
	if (nearest)
		return options_wrong(help, "unknown option '%.*s'; the nearest is '--%s'",
				     (int)length, word, nearest);
	return options_wrong(help, "unknown option '%.*s'", (int)length, word);
}

static int check_operands(const struct command_help *help, const struct operands *operands)
{
	if (operands->n < help->min_operands)
		return options_wrong(help, "%s is missing", help->operands);
	if (operands->n > help->max_operands && help->max_operands == 0)
		return options_wrong(help, "'%s' is one argument too many", operands->texts[0]);
	if (operands->n > help->max_operands)
		return options_wrong(help, "'%s' is one argument too many, expected %s",
				     operands->texts[help->max_operands], help->operands);
	return STATUS_FINE;
}

bool options_parse(const struct command_help *help, int argc, char **argv,
		   struct operands *operands, int *status)
{
	struct getopt_tables tables = { 0 };
	const struct option_row *row;
	const char *expected;
	int value;

	make_getopt_tables(help, &tables);
	opterr = 0;
	optind = 0; /* glibc: start afresh, also in a second parse */
	*status = STATUS_WRONG;
	while ((value = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		if (value == 'h') {
			print_command_help(help);
			*status = STATUS_FINE;
			return false;
		}
		if (value == ':') {
			row = row_of(help, optopt);
			options_wrong(help, "option '--%s' needs a value (%s)", row->name,
				      row->argument);
			return false;
		}
		row = value == '?' ? NULL : row_of(help, value);
		if (!row) {
			refuse_option(help, argv[optind - 1]);
			return false;
		}
		expected = option_take(row, optarg);
		if (expected) {
			options_wrong(help, "option '--%s': found '%s', expected %s", row->name,
				      optarg, expected);
			return false;
		}
	}
	*operands = (struct operands){ argv + optind, argc - optind };
	*status = check_operands(help, operands);
	return *status == STATUS_FINE;
}
