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
		.sid = record->sid,
		.did = record->did,
		.entry = entry,
		.width = entry ? (uint8_t)(record->high & 7) : 0,
		.type = entry ? (uint8_t)(record->low >> 2 & 3) : 0,
	};
	result->sid_to_did[record->sid] = record->did;
	return 0;
}

/* Devices and domains that a descriptor names, specification 6.5.2. */
static void see_command(struct scan_result *result, uint64_t low)
{
	unsigned granularity = low >> 4 & 3;
	uint16_t did = (uint16_t)(low >> 16);

	switch (low & 0xf) {
	case 1: /* context cache: 1 global, 2 domain, 3 device */
		if (granularity == 2)
			result->did_seen[did] = true;
		if (granularity == 3 && (low >> 48 & 3) == 0)
			result->sid_seen[low >> 32 & 0xffff] = true;
		break;
	case 2: /* IOTLB: 1 global */
		if (granularity != 1)
			result->did_seen[did] = true;
		break;
	case 3: /* device TLB */
		result->sid_seen[low >> 32 & 0xffff] = true;
		break;
	case 6: /* IOTLB by PASID */
		result->did_seen[did] = true;
		break;
	case 7: /* PASID cache: 3 global */
		if (granularity != 3)
			result->did_seen[did] = true;
		break;
	case 8: /* device TLB by PASID; source id in bits 31:16 */
		result->sid_seen[low >> 16 & 0xffff] = true;
		break;
	}
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
		if (!record->did_known)
			return 0;
		result->did_seen[record->did] = true;
		return result->sid_to_did[record->sid] >= 0
			       ? 0
			       : context_add(result, record, false, err);
	case HOST_FAULT:
		info->faults++;
		result->sid_seen[record->sid] = true;
		return 0;
	case HOST_COMMAND:
		if (!result->has_guest)
			see_command(result, record->low);
		return command_add(&result->host_commands, command, err);
	case HOST_FRR:
		result->sid_seen[record->sid] = true;
		return 0;
	case HOST_CONTEXT:
		result->sid_seen[record->sid] = true;
		result->did_seen[record->did] = true;
		return result->sid_to_did[record->sid] == record->did
			       ? 0
			       : context_add(result, record, true, err);
	case HOST_VERSION:
		return command_add(&result->host_versions, command, err);
	case HOST_WAIT:
	case HOST_REGISTER:
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
	struct qemu_options options = { strict, result->answers_by_page, false };
	uint64_t backward = 0;
	struct host_record record;
	struct qemu *qemu;
	int got;

	if (qemu_open(lines, &options, &qemu, err))
		return -1;
	while ((got = qemu_next(qemu, &record, err)) == 1) {
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
		result->host_commands.n = result->host_versions.n = result->contexts_n = 0;
		result->host_latest = 0;
		for (unsigned sid = 0; sid <= 0xffff; sid++)
			result->sid_to_did[sid] = -1;
		info->faults = 0;
		if (read_host(strict, lines, result, info, err))
			return -1;
	}
	if (!result->host_timed)
		return no_events(lines_path(lines), &info->host,
				 "vtd_* trace events of QEMU (-trace 'vtd_*' -msg timestamp=on)",
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

static int see_guest(struct scan_result *result, const char *path,
		     const struct guest_record *record, struct err *err)
{
	struct command command = { record->words[0], record->words[1], record->time, record->line };

	if (!record->untimed && !result->guest_timed) {
		result->guest_timed = true;
		result->guest_first = record->time;
	}
	if (record->kind == GUEST_COMMAND) {
		see_command(result, record->words[0]);
		if (see_unit(result, path, record, err))
			return -1;
		return command_add(&result->guest_commands, command, err);
	}
	if (record->kind == GUEST_MARK && record->length >= 5 &&
	    memcmp(record->text, "SYNC ", 5) == 0)
		return command_add(&result->guest_marks, command, err);
	return 0;
}

static int scan_guest(const char *path, struct guest *guest, struct scan_result *result,
		      struct import_info *info, struct err *err)
{
	struct guest_record record;
	struct claims *claims;
	uint64_t backward = 0;
	int got;

	if (guest_rewind(guest, err) ||
	    claims_create(result->sid_to_did, &result->decisions, &claims, err))
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
	for (unsigned sid = 0; sid <= 0xffff; sid++)
		result->sid_to_did[sid] = -1;
	result->has_guest = guest;
	if (host && scan_host(options->strict, host, result, info, err))
		return -1;
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
	free(result->host_versions.items);
	free(result->decisions.items);
	free(result->contexts);
}
