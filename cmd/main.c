/* The table of commands, and what is the same for all of them: help, version, exit status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "traces/event.h"

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

/* In the order in which a newcomer meets them. */
static const struct command commands[] = {
	{ "import", "turn what a system recorded into a recording", cmd_import },
	{ "generate", "make a synthetic recording", cmd_generate },
	{ "info", "what a recording holds", cmd_info },
	{ "cat", "print a recording as text, one event a line", cmd_cat },
	{ "replay", "run a recording on a simulated IOMMU", cmd_replay },
	{ "report", "what the runs in a store found", cmd_report },
	{ "explain", "the events behind one finding", cmd_explain },
	{ "dump", "print a store in canonical form, for comparing runs", cmd_dump },
	{ "vectors", "run test vectors against a model and print what differs", cmd_vectors },
	{ "models", "the IOMMUs, their settings and what they leave out", cmd_models },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* What may stand first on the command line, for the nearest to a mistyped word. */
static const char *first_word(const void *unused, uint32_t i)
{
	(void)unused;
	if (i < COMMANDS)
		return commands[i].name;
	return i == COMMANDS ? "--help" : i == COMMANDS + 1 ? "--version" : NULL;
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void print_help(void)
{
	puts("Usage: iommusim COMMAND [OPTION]... [ARGUMENT]...\n"
	     "       iommusim --help | --version\n"
	     "\n"
	     "Replays recordings of page-table updates, invalidations and DMA on simulated "
	     "IOMMUs,\n"
	     "and finds memory that was reachable when it should not have been.\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "'iommusim COMMAND --help' tells options and examples of one command.\n"
	     "\n"
	     "Examples:\n"
	     "  iommusim import --guest trace.txt --host qemu.log -o run.imt\n"
	     "  iommusim replay --store results.db run.imt\n"
	     "  iommusim report results.db\n"
	     "\n"
	     "Exit status:\n"
	     "  0  fine\n"
	     "  1  the gate says no\n"
	     "  2  the input or the command is wrong\n"
	     "  3  the program could not finish");
}

static int unknown_command(const char *name)
{
	const char *nearest = nearest_word(name, strlen(name), first_word, NULL);

	fprintf(stderr, "iommusim: unknown %s '%s'", name[0] == '-' ? "option" : "command", name);
	if (nearest)
		fprintf(stderr, "; the nearest is '%s'", nearest);
	fputs("; 'iommusim --help' lists what there is\n", stderr);
	return STATUS_WRONG;
}

int command_failed(const char *command, const struct err *err)
{
	fflush(stdout);
	fprintf(stderr, "iommusim %s: %s\n", command, err->text);
	switch (err->code) {
	case ERR_USAGE:
	case ERR_CONFIG:
	case ERR_INPUT:
	case ERR_DAMAGED:
	case ERR_LIMIT:
		return STATUS_WRONG;
	case ERR_NONE: /* a failure without a reason is a defect of this program */
	case ERR_IO:
	case ERR_NO_MEMORY:
	case ERR_STORE:
	case ERR_DIFFERS:
		break;
	}
	return STATUS_UNABLE;
}

int command_input(const char *path, struct err *err)
{
	if (strcmp(path, "-") == 0 || !access(path, R_OK))
		return 0;
	return err_set(err, ERR_USAGE, "%s: %s; give the name of a file that can be read", path,
		       strerror(errno));
}

int command_done(const char *command, int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "iommusim %s: standard output: %s\n", command, strerror(errno));
	return STATUS_UNABLE;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	if (argc < 2) {
		fputs("iommusim: no command given; 'iommusim --help' lists what there is\n",
		      stderr);
		return STATUS_WRONG;
	}
	/* "help COMMAND" is what many type first; it means "COMMAND --help". */
	if (strcmp(argv[1], "help") == 0 && argc > 2) {
		command = command_find(argv[2]);
		if (!command)
			return unknown_command(argv[2]);
		return command->run(2, (char *[]){ argv[2], (char[]){ "--help" }, NULL });
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help();
		return command_done("help", STATUS_FINE);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("iommusim " IOMMUSIM_VERSION);
		return command_done("version", STATUS_FINE);
	}
	command = command_find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	status = command->run(argc - 1, argv + 1);
	/* What could not be written was said already. */
	return status == STATUS_UNABLE ? status : command_done(command->name, status);
}
