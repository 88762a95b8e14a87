/* iommusim report: what a run found, for people. */
#include <stdio.h>

#include "analysis/report.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/store_json.h"

static const char details[] =
	"Prints the newest run of the store, or the one that --run names: findings by kind, the\n"
	"worst of them, and how long windows were open.\n";

static const char examples[] = "iommusim report results.db\n"
			       "iommusim report --run 3 results.db\n"
			       "iommusim report --json results.db | jq .findings\n";

int cmd_report(int argc, char **argv)
{
	uint64_t run = 0;
	bool json = false;
	const struct option_row rows[] = {
		{ 'r', "run", OPTION_COUNT, &run, "N", "run number (default: the newest)" },
		{ 0, "json", OPTION_FLAG, &json, NULL, "print JSON" },
		{ 0 },
	};
	const struct command_help help = { .name = "report",
					   .operands = "STORE",
					   .summary = "Print what a run found",
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
		return command_failed("report", &err);
	if (json ? store_json(store, run, 0, false, &err) : report_print(store, run, stdout, &err))
		status = command_failed("report", &err);
	else
		status = command_done("report", STATUS_FINE);
	store_close(store);
	return status;
}
