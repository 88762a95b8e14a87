/*
 * Options of a command as a table of rows, so that every command parses, refuses and explains
 * itself in the same way. Built on getopt_long; --help comes for free.
 *
 *     uint64_t limit = 0;
 *     bool json = false;
 *     const struct option_row rows[] = {
 *             { 'n', "limit", OPTION_COUNT, &limit, "N", "stop after N events" },
 *             { 0, "json", OPTION_FLAG, &json, NULL, "print JSON" },
 *             { 0 },
 *     };
 *     const struct command_help help = { .name = "cat", .operands = "RECORDING", ... };
 *     struct operands operands;
 *     int status;
 *
 *     if (!options_parse(&help, argc, argv, &operands, &status))
 *             return status;
 */
#ifndef IOMMUSIM_CMD_OPTIONS_H
#define IOMMUSIM_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,   /* bool */
	OPTION_TEXT,   /* const char *, points into argv */
	OPTION_COUNT,  /* uint64_t: decimal with k, M, G (powers of 1000), or 0x */
	OPTION_TIME,   /* uint64_t nanoseconds: number with ns, us, ms, s; without suffix ns */
	OPTION_REAL,   /* double, not negative, finite */
	OPTION_CHOICE, /* unsigned: index into choices "a|b|c", which is also the shown argument */
	OPTION_LIST,   /* struct option_list: may be given more than once */
};

/* The texts of a repeatable option in order; they point into argv. */
struct option_list {
	const char **texts; /* freed by the caller with free() */
	size_t n;
};

struct option_row {
	char letter;	  /* 0: only the long form */
	const char *name; /* NULL ends the table */
	enum option_type type;
	void *value;	      /* keeps what it holds, the default, when the option is not given */
	const char *argument; /* shown in --help: "FILE"; OPTION_CHOICE: "a|b|c" */
	const char *doc;      /* one line; longer ones are wrapped by --help */
};

/* What --help prints; all texts are plain ASCII. */
struct command_help {
	const char *name;     /* "cat" */
	const char *operands; /* "RECORDING"; "" when there are none */
	const char *summary;  /* one line, no full stop */
	const char *details;  /* paragraphs with their own line breaks, or NULL */
	const char *examples; /* whole command lines, each followed by a newline */
	const struct option_row *options;
	int min_operands, max_operands;
};

struct operands {
	char **texts; /* points into argv */
	int n;
};

/*
 * True: go on. False: return *status, because --help was printed (0) or the command line is
 * wrong (2, with a message that names the nearest option).
 */
bool options_parse(const struct command_help *help, int argc, char **argv,
		   struct operands *operands, int *status);

/* Says what is wrong with the command line and where help is; answers STATUS_WRONG. */
int options_wrong(const struct command_help *help, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
