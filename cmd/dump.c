/* iommusim dump: the result tables in canonical order. */
#include <stdio.h>

#include "analysis/store.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/store_json.h"

static const char details[] =
	"Prints every row of the result tables, one a line, in an order that depends on nothing\n"
	"but the results: the same recording, machine and seed give the same bytes.\n";

static const char examples[] = "iommusim dump results.db\n"
			       "iommusim dump --findings results.db | diff expected.txt -\n";

int cmd_dump(int argc, char **argv)
{
	uint64_t run = 0;
	bool findings = false, json = false;
	const struct option_row rows[] = {
		{ 'r', "run", OPTION_COUNT, &run, "N", "only this run (default: all)" },
		{ 0, "findings", OPTION_FLAG, &findings, NULL, "only findings and their evidence" },
		{ 0, "json", OPTION_FLAG, &json, NULL,
		  "print the newest or the named run as JSON" },
		{ 0 },
	};
	const struct command_help help = { .name = "dump",
					   .operands = "STORE",
					   .summary = "Print the result tables in canonical order",
					   .details = details,
					   .examples = examples,
					   .options = rows,
					   .min_operands = 1,
					   .max_operands = 1 };
	struct operands operands;
	struct store *store;
	struct err err = { 0 };
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (command_input(operands.texts[0], &err) ||
	    store_open(operands.texts[0], false, &store, &err))
		return command_failed("dump", &err);
	if (json ? store_json(store, run, 0, findings, &err)
		 : store_dump(store, run, findings, stdout, &err))
		status = command_failed("dump", &err);
	else
		status = command_done("dump", STATUS_FINE);
	store_close(store);
	return status;
}
