/*
 * The first reading of both files: commands and marks for the clock, devices and domains, and
 * the evidence that the guest's side holds for whose mapping is whose.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

/* ---- host ---------------------------------------------------------------------------- */

static int context_add(struct scan_result *result, const struct host_record *record, bool entry,
		       struct err *err)
{
	int64_t *command = &result->config_command[record->sid];

	if (result->contexts_n == result->contexts_room) {
		size_t room = result->contexts_room ? result->contexts_room * 2 : 64;
		struct context_change *contexts =
			realloc(result->contexts, room * sizeof *contexts);

		if (!contexts)
			return err_no_memory(err, "device contexts");
		result->contexts = contexts;
		result->contexts_room = room;
	}
	result->contexts[result->contexts_n++] = (struct context_change){
		.time_ns = record->time_ns,
		.line = record->line,
		.after = *command,
		.sid = record->sid,
		.space = record->space,
		.entry = entry,
		.width = entry ? (uint8_t)(record->high & 7) : 0,
		.type = entry ? (uint8_t)(record->low >> 2 & 3) : 0,
	};
	*command = -1; /* it explains one change */
	result->sid_to_space[record->sid] = record->space;
	return 0;
}

/* What VT-d commands tell of the tables: types 6 to 9 are of scalable mode, and drivers flush tables of
 * the first stage by type 6, those that requests without a PASID use as PASID 0's. */
static void see_tables(struct scan_result *result, const struct command *command)
{
	unsigned type = command->low & 0xf;

	if (result->arch != &import_vtd)
		return;
	result->scalable |= type >= 6 && type <= 9;
	result->first_stage |= type == 6 && (command->low >> 32 & 0xfffff) == 0;
}

/* Devices and domains that a command names. */
static void see_command(struct scan_result *result, const struct command *command)
{
	const uint64_t words[2] = { command->low, command->high };
	struct command_scope scope;

	if (!result->arch->scope(words, &scope))
		return;
	if (scope.space != NO_SPACE)
		result->space_seen[scope.space] = true;
	if (scope.sid >= 0)
		result->sid_seen[scope.sid] = true;
}

static void see_host_command(struct scan_result *result, const struct command *command)
{
	const uint64_t words[2] = { command->low, command->high };
	struct command_scope scope;

	result->host_types |= 1u << (command->low & 0xf);
	see_tables(result, command);
	/* The guest's own commands tell whom to declare, those of booting do not. */
	if (!result->has_guest || result->arch->host_tells)
		see_command(result, command);
	if (result->arch->scope(words, &scope) && scope.configuration && scope.sid >= 0)
		result->config_command[scope.sid] = (int64_t)result->host_commands.n;
}

static int see_host(struct scan_result *result, const struct host_record *record,
		    struct import_info *info, struct err *err)
{
	struct command command = { record->low, record->high, record->time_ns, record->line };

	switch (record->kind) {
	case HOST_ANSWER:
		info->answers++;
		info->walks += record->walk;
		result->sid_seen[record->sid] = true;
		if (!record->space_known)
			return 0;
		result->space_seen[record->space] = true;
		return result->sid_to_space[record->sid] >= 0
			       ? 0
			       : context_add(result, record, false, err);
	case HOST_FAULT:
		info->faults++;
		result->sid_seen[record->sid] = true;
		return 0;
	case HOST_COMMAND:
		see_host_command(result, &command);
		return command_add(&result->host_commands, command, err);
	case HOST_FRR:
		result->sid_seen[record->sid] = true;
		return 0;
	case HOST_CONTEXT:
		result->sid_seen[record->sid] = true;
		if (record->space != NO_SPACE)
			result->space_seen[record->space] = true;
		return result->sid_to_space[record->sid] == record->space
			       ? 0
			       : context_add(result, record, record->entry, err);
	case HOST_READ:
		return command_add(&result->host_reads, command, err);
	case HOST_WAIT:
	case HOST_REGISTER:
	case HOST_OVERFLOW:
		return 0;
	}
	return 0;
}

static int no_events(const char *path, const struct import_side *side, const char *what,
		     struct err *err)
{
	const char *unit = side->records ? "record" : "line";

	if (side->lines == 0)
		return err_set(err, ERR_INPUT, "%s: no complete %s; expected %s", path, unit, what);
	if (side->bad > 0 && side->used == 0 && side->skipped_names == 0)
		return err_set(err, ERR_INPUT, "%s: %s", path, side->first_bad);
	return err_set(err, ERR_INPUT,
		       "%s: none of %llu %ss is an event to import; expected %s; the most frequent "
		       "name is \"%s\"",
		       path, (unsigned long long)side->lines, unit, what,
		       side->skipped_names ? side->skipped[0].name : "(none)");
}

static int read_host(bool strict, struct lines *lines, struct scan_result *result,
		     struct import_info *info, struct err *err)
{
	struct qemu_options options = { strict, result->answers_by_page, false,
					!result->has_guest };
	uint64_t backward = 0;
	struct host_record record;
	struct qemu *qemu;
	int got;

	if (qemu_open(lines, &options, &qemu, err))
		return -1;
	while ((got = qemu_next(qemu, &record, err)) == 1) {
		result->arch = qemu_arch(qemu);
		if (!result->host_timed)
			result->host_first = record.time_ns;
		result->host_timed = true;
		backward += record.time_ns < result->host_latest;
		if (record.time_ns > result->host_latest)
			result->host_latest = record.time_ns;
		got = see_host(result, &record, info, err);
		if (got < 0)
			break;
	}
	info->host = *qemu_side(qemu);
	info->host.backward = backward;
	result->pages = qemu_pages(qemu);
	result->scalable |= qemu_scalable(qemu);
	qemu_close(qemu);
	side_sort(&info->host);
	return got;
}

static int scan_host(bool strict, struct lines *lines, struct scan_result *result,
		     struct import_info *info, struct err *err)
{
	if (read_host(strict, lines, result, info, err))
		return -1;
	/* A log with page lines alone: they are the answers then. */
	if (info->answers == 0 && result->pages > 0) {
		result->answers_by_page = true;
		result->host_commands.n = result->host_reads.n = result->contexts_n = 0;
		result->host_latest = 0;
		for (unsigned sid = 0; sid <= 0xffff; sid++)
			result->sid_to_space[sid] = NO_SPACE;
		info->faults = 0;
		if (read_host(strict, lines, result, info, err))
			return -1;
	}
	if (!result->host_timed)
		return no_events(lines_path(lines), &info->host,
				 "vtd_* or smmu* trace events of QEMU (-trace 'vtd_*', or -trace "
				 "'smmu*', and -msg timestamp=on)",
				 err);
	return 0;
}

/* ---- guest --------------------------------------------------------------------------- */

static int see_unit(struct scan_result *result, const char *path, const struct guest_record *record,
		    struct err *err)
{
	for (unsigned i = 0; i < result->units_n; i++)
		if (strcmp(result->units[i], record->unit) == 0)
			return 0;
	if (result->units_n == UNITS)
		return err_set(err, ERR_LIMIT, "%s:%llu: more than %d IOMMUs: %s", path,
			       (unsigned long long)record->line, UNITS, record->unit);
	memcpy(result->units[result->units_n++], record->unit, sizeof record->unit);
	return 0;
}

/* "LABEL 3 before ...", a read of the SMMU's IIDR, "LABEL 3 after ..." */
static int see_bracket(struct scan_result *result, const struct guest_record *record,
		       struct scan text, struct err *err)
{
	struct command_list *brackets = &result->guest_brackets;
	struct command bracket = { .low = record->time,
				   .high = record->time,
				   .time = record->time,
				   .line = record->line };
	uint64_t number;

	while (text.at < text.end && *text.at != ' ')
		text.at++;
	if (!scan_literal_decimal(&text, " ", &number))
		return 0;
	if (scan_literal(&text, " before"))
		return command_add(brackets, bracket, err);
	if (scan_literal(&text, " after") && brackets->n > 0)
		brackets->items[brackets->n - 1].high = record->time;
	return 0;
}

/* "SYNC name": a read of VT-d's version register follows. */
static int see_mark(struct scan_result *result, const struct guest_record *record, struct err *err)
{
	struct command command = { .time = record->time, .line = record->line };
	struct scan text = scan_of(record->text, record->length);

	if (scan_literal(&text, "SYNC "))
		return command_add(&result->guest_marks, command, err);
	return scan_literal(&text, "clksync ") ? see_bracket(result, record, text, err) : 0;
}

static int see_guest(struct scan_result *result, const char *path,
		     const struct guest_record *record, struct err *err)
{
	struct command command = { record->words[0], record->words[1], record->time, record->line };

	if (!record->untimed && !result->guest_timed) {
		result->guest_timed = true;
		result->guest_first = record->time;
	}
	if (record->kind == GUEST_COMMAND) {
		see_command(result, &command);
		see_tables(result, &command);
		if (see_unit(result, path, record, err))
			return -1;
		if (guest_is_silent(result->silent, record))
			return 0;
		return command_add(&result->guest_commands, command, err);
	}
	if (record->kind == GUEST_UNMAP && result->arch->host_tells) {
		command.low = record->iova;
		command.high = record->end - 1;
		command.line = result->decisions.n;
		return command_add(&result->guest_unmaps, command, err);
	}
	if (record->kind == GUEST_REQUEST) {
		result->sid_seen[request_sid(record)] = true;
		result->requests_pages[request_sid(record)] = true;
	}
	return record->kind == GUEST_MARK ? see_mark(result, record, err) : 0;
}

static int scan_guest(const char *path, struct guest *guest, struct scan_result *result,
		      struct import_info *info, struct err *err)
{
	struct guest_record record;
	struct claims *claims;
	uint64_t backward = 0;
	int got;

	if (guest_rewind(guest, err) ||
	    claims_create(result->arch, result->sid_to_space, &result->decisions, &claims, err))
		return -1;
	while ((got = guest_next(guest, &record, err)) == 1) {
		if (!record.untimed) {
			backward += record.time < result->guest_latest;
			if (record.time > result->guest_latest)
				result->guest_latest = record.time;
		}
		got = see_guest(result, path, &record, err);
		if (got == 0)
			got = claims_add(claims, &record, err);
		if (got < 0)
			break;
	}
	result->ticks = guest_ticks(guest);
	info->guest = *guest_side(guest);
	info->guest.backward = backward;
	claims_destroy(claims);
	side_sort(&info->guest);
	if (got == 0 && !result->guest_timed)
		return no_events(path, &info->guest,
				 "an ftrace recording with iommu:map, iommu:unmap or qi_submit",
				 err);
	return got;
}

int scan_files(const struct import_options *options, struct guest *guest, struct lines *host,
	       struct scan_result *result, struct import_info *info, struct err *err)
{
	for (unsigned sid = 0; sid <= 0xffff; sid++) {
		result->sid_to_space[sid] = NO_SPACE;
		result->config_command[sid] = -1;
	}
	result->arch = &import_vtd; /* until the host's log says otherwise */
	result->has_guest = guest;
	if (host && scan_host(options->strict, host, result, info, err))
		return -1;
	if (host && result->arch == &import_vtd)
		result->silent = 0x3c0 & ~result->host_types;
	if (guest && scan_guest(options->guest, guest, result, info, err))
		return -1;
	info->guest_commands = result->guest_commands.n;
	info->host_commands = result->host_commands.n;
	return 0;
}

void scan_free(struct scan_result *result)
{
	free(result->guest_commands.items);
	free(result->host_commands.items);
	free(result->guest_marks.items);
	free(result->host_reads.items);
	free(result->guest_brackets.items);
	free(result->guest_unmaps.items);
	free(result->flushed);
	free(result->decisions.items);
	free(result->contexts);
}
