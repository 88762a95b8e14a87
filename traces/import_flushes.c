/*
 * Unmaps and the commands that flush them, where the guest does not record its commands. In
 * strict mode a driver unmaps a range, then invalidates it: the host's page-selective command that
 * covers the range next names the space it was unmapped in, and the unmap came before it.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

enum {
	WITHIN_NS = 20000000, /* a virtual CPU is stopped for some milliseconds at most */
	WITHIN_COMMANDS = 4096,
	FLUSHES_MIN = 16, /* fewer ranges may be found by chance */
};

/*
 * The first command from `start` on that flushes the unmap. One of the same range flushes one
 * unmap, a larger one may be the flush of several (VFIO).
 */
static size_t find_flush(const struct scan_result *scan, const struct command *unmap,
			 uint64_t time_ns, size_t start, struct command_scope *scope)
{
	const struct command_list *host = &scan->host_commands;

	for (size_t i = start; i < host->n && i - start < WITHIN_COMMANDS; i++) {
		const struct command *command = &host->items[i];
		const uint64_t words[2] = { command->low, command->high };

		if (command->time > time_ns + WITHIN_NS)
			break;
		if (!scan->arch->scope(words, scope) || !scope->selective ||
		    scope->first > unmap->low || scope->last < unmap->high)
			continue;
		if (scope->first == unmap->low && scope->last == unmap->high && scan->flushed[i])
			continue;
		return i;
	}
	return SIZE_MAX;
}

/* The ranges of the host's page-selective commands, in order. */
static int list_ranges(const struct scan_result *scan, struct command_list *ranges, struct err *err)
{
	for (size_t i = 0; i < scan->host_commands.n; i++) {
		const struct command *command = &scan->host_commands.items[i];
		const uint64_t words[2] = { command->low, command->high };
		struct command_scope scope;
		struct command range = { .time = command->time, .line = command->line };

		if (!scan->arch->scope(words, &scope) || !scope.selective)
			continue;
		range.low = scope.first;
		range.high = scope.last;
		if (command_add(ranges, range, err))
			return -1;
	}
	return 0;
}

bool flushes_tie(const struct scan_result *scan, struct import_info *info)
{
	struct command_list ranges = { 0 };
	struct err ignored = { 0 };
	size_t first;
	bool tied =
		scan->guest_unmaps.n >= FLUSHES_MIN && list_ranges(scan, &ranges, &ignored) == 0 &&
		commands_pair(&scan->guest_unmaps, "", &ranges, "", scan->ticks, &first,
			      &ignored) == 0 &&
		clock_fit_lists(&scan->guest_unmaps, &ranges, first, scan->ticks, info, &ignored) ==
			0;

	free(ranges.items);
	return tied;
}

int flushes_pair(struct scan_result *scan, const struct import_info *info, struct err *err)
{
	const struct command_list *host = &scan->host_commands;
	size_t start = 0;

	if (scan->guest_unmaps.n == 0 || host->n == 0)
		return 0;
	scan->flushed = calloc(host->n, sizeof *scan->flushed);
	if (!scan->flushed)
		return err_no_memory(err, "flushes of unmaps");
	for (size_t i = 0; i < scan->guest_unmaps.n; i++) {
		const struct command *unmap = &scan->guest_unmaps.items[i];
		struct decision *decision = &scan->decisions.items[unmap->line];
		uint64_t time_ns = clock_map(&info->clock, unmap->time);
		struct command_scope scope;
		size_t at;

		while (start < host->n && host->items[start].time + info->uncertainty_ns < time_ns)
			start++;
		at = find_flush(scan, unmap, time_ns, start, &scope);
		if (at == SIZE_MAX)
			continue;
		if (scan->flushed[at] < unmap->line + 1)
			scan->flushed[at] = (uint32_t)unmap->line + 1;
		if (decision->how == HOW_NONE)
			*decision = decision_of(scope.space, HOW_COMMAND, 0);
	}
	return 0;
}
