/*
 * The commands of iommusim and how each of them ends.
 *
 * A command gets its own argument vector: argv[0] is its name. It parses its options with
 * options_parse() (cmd/options.h), calls the layers below, prints results on stdout and
 * everything else on stderr, and returns an enum exit_status.
 */
#ifndef IOMMUSIM_CMD_COMMAND_H
#define IOMMUSIM_CMD_COMMAND_H

#include "hw/base/err.h"
#include "hw/base/version.h"

enum exit_status {
	STATUS_FINE = 0,
	STATUS_GATE_NO = 1, /* the gate says no */
	STATUS_WRONG = 2,   /* the input or the command is wrong */
	STATUS_UNABLE = 3,  /* the program could not finish: disk, memory, a defect of its own */
};

int cmd_cat(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_vectors(int argc, char **argv);

/* Prints "iommusim COMMAND: TEXT" on stderr; answers the exit status for this kind of error. */
int command_failed(const char *command, const struct err *err);

/*
 * 0 when path names something readable, or is "-". A missing input is the user's mistake
 * (ERR_USAGE, exit status 2), unlike a disk that fails later (ERR_IO, 3): asking first tells
 * them apart.
 */
int command_input(const char *path, struct err *err);

/* Flushes stdout and answers status, or STATUS_UNABLE with a message when the flush fails. */
int command_done(const char *command, int status);

#endif
