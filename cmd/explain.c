/* iommusim explain: the story of one finding. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/store_json.h"

static const char details[] = "Prints the events that made the finding, in order, with the table "
			      "words and cache entries\n"
			      "that took part, and what follows from them. FINDING is a number "
			      "from the report, or 'worst':\n"
			      "a walk through a freed table first, then stale uses by grade, "
			      "writes before reads, by lag.\n";

static const char examples[] = "iommusim explain results.db worst\n"
			       "iommusim explain --run 2 results.db 17\n";

int cmd_explain(int argc, char **argv)
{
	uint64_t run = 0, finding = 0;
	bool json = false;
	const struct option_row rows[] = {
		{ 'r', "run", OPTION_COUNT, &run, "N", "run number (default: the newest)" },
		{ 0, "json", OPTION_FLAG, &json, NULL, "print JSON" },
		{ 0 },
	};
	const struct command_help help = { .name = "explain",
					   .operands = "STORE FINDING",
					   .summary = "Tell the story of one finding",
					   .details = details,
					   .examples = examples,
					   .options = rows,
					   .min_operands = 2,
					   .max_operands = 2 };
	struct operands operands;
	struct store *store;
	struct err err = { 0 };
	char *end = NULL;
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (strcmp(operands.texts[1], "worst") != 0) {
		errno = 0;
		finding = strtoull(operands.texts[1], &end, 10);
		if (errno || *end || end == operands.texts[1] || !finding)
			return options_wrong(&help, "'%s'; expected a finding's number, or worst",
					     operands.texts[1]);
	}
	if (command_input(operands.texts[0], &err) ||
	    store_open(operands.texts[0], false, &store, &err))
		return command_failed("explain", &err);
	if ((!finding && explain_worst(store, run, &finding, &err)) ||
	    (json ? store_json(store, run, finding, false, &err)
		  : explain_print(store, run, finding, stdout, &err)))
		status = command_failed("explain", &err);
	else
		status = command_done("explain", STATUS_FINE);
	store_close(store);
	return status;
}
