/*
 * Both recordings in one order. Times of the guest are mapped to the host's clock; at equal
 * times the guest goes first. The order within each side is kept. Two facts outweigh the
 * clocks, because a cause comes before its effect:
 *
 *   - a table walk that found a page mapped comes after the map of that page, if the guest's
 *     map stands at most the uncertainty later (and no unmap of the page in between);
 *   - a command's execution comes after its issue, and after the unmap that it flushes.
 *
 * Then the guest's events up to that one move forward to the host's time; they are counted.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

enum { AHEAD = 4096 }; /* guest events looked at beyond the host's time */

struct ahead {
	struct guest_record record;
	uint64_t time_ns;
	size_t ordinal;
	bool clamped;
	char *text; /* the mark's own copy */
};

struct merge {
	struct merge_plan plan;
	struct qemu *host;
	struct ahead *queue; /* ring of AHEAD */
	size_t head, queued;
	bool guest_ended;
	size_t mappings, commands; /* queued so far */
	size_t issued;		   /* guest commands handed out */
	uint64_t guest_time, guest_ns;
	struct host_record host_record;
	bool host_loaded, host_ended, host_clamped;
	size_t host_commands; /* read so far */
	uint64_t host_ns, last_ns;
	size_t pull;	      /* guest records to hand out before the host's */
	size_t pull_until;    /* or: until so many commands were issued */
	size_t pull_mappings; /* or: until so many maps and unmaps were handed out */
	size_t mapped;	      /* handed out */
	bool pull_checked;
	uint64_t moved, moved_max_ns, moved_far;
};

int merge_open(const struct merge_plan *plan, struct merge **out, struct err *err)
{
	struct merge *merge = calloc(1, sizeof *merge);
	struct qemu_options host = { plan->options->strict, plan->answers_by_page, plan->walks_only,
				     !plan->guest };

	if (!merge || !(merge->queue = calloc(AHEAD, sizeof *merge->queue))) {
		merge_close(merge);
		return err_no_memory(err, "merge");
	}
	merge->plan = *plan;
	merge->guest_ended = !plan->guest;
	merge->host_ended = !plan->host;
	if ((plan->guest && guest_rewind(plan->guest, err)) ||
	    (plan->host && qemu_open(plan->host, &host, &merge->host, err))) {
		merge_close(merge);
		return -1;
	}
	*out = merge;
	return 0;
}

void merge_close(struct merge *merge)
{
	if (!merge)
		return;
	for (size_t i = 0; merge->queue && i < AHEAD; i++)
		free(merge->queue[i].text);
	free(merge->queue);
	qemu_close(merge->host);
	free(merge);
}

static struct ahead *queue_at(struct merge *merge, size_t index)
{
	return &merge->queue[(merge->head + index) % AHEAD];
}

/* Maps the time and keeps it from going back. */
static void set_guest_time(struct merge *merge, struct ahead *ahead)
{
	if (ahead->record.untimed) {
		ahead->time_ns = merge->guest_ns;
		return;
	}
	ahead->clamped = ahead->record.time < merge->guest_time;
	if (!ahead->clamped) {
		uint64_t mapped = clock_map(&merge->plan.clock, ahead->record.time);

		merge->guest_time = ahead->record.time;
		if (mapped > merge->guest_ns)
			merge->guest_ns = mapped;
	}
	ahead->time_ns = merge->guest_ns;
}

/* Control characters (NUL above all) become dots: the text form keeps one event a line. */
static void copy_mark(char *text, const struct guest_record *record)
{
	for (size_t i = 0; i < record->length; i++) {
		unsigned char c = (unsigned char)record->text[i];

		text[i] = c < ' ' || c == 0x7f ? '.' : (char)c;
	}
}

/* Reads one more record of the guest into the queue. */
static int queue_one(struct merge *merge, struct err *err)
{
	struct ahead *ahead = queue_at(merge, merge->queued);
	int got;

	free(ahead->text);
	ahead->text = NULL;
	do {
		got = guest_next(merge->plan.guest, &ahead->record, err);
	} while (got == 1 && ahead->record.kind == GUEST_HINT);
	if (got <= 0) {
		merge->guest_ended = true;
		return got;
	}
	if (ahead->record.kind == GUEST_MARK) {
		ahead->text = malloc(ahead->record.length + 1);
		if (!ahead->text)
			return err_no_memory(err, "marker text");
		copy_mark(ahead->text, &ahead->record);
		ahead->record.text = ahead->text;
	}
	if (guest_is_silent(merge->plan.silent, &ahead->record))
		ahead->ordinal = SIZE_MAX; /* it has no pair */
	else if (ahead->record.kind == GUEST_COMMAND)
		ahead->ordinal = merge->commands++;
	else if (ahead->record.kind == GUEST_MAP || ahead->record.kind == GUEST_UNMAP)
		ahead->ordinal = merge->mappings++;
	set_guest_time(merge, ahead);
	merge->queued++;
	return 0;
}

/* Fills the queue past the host's record and the uncertainty behind it. */
static int fill(struct merge *merge, struct err *err)
{
	uint64_t until;

	if (!merge->host_loaded && !merge->host_ended) {
		int got = qemu_next(merge->host, &merge->host_record, err);

		if (got < 0)
			return -1;
		merge->host_loaded = got == 1;
		merge->host_ended = got == 0;
		merge->host_clamped = got == 1 && merge->host_record.time_ns < merge->host_ns;
		if (got == 1 && !merge->host_clamped)
			merge->host_ns = merge->host_record.time_ns;
		merge->pull_checked = false;
	}
	until = merge->host_ns + merge->plan.uncertainty_ns;
	while (!merge->guest_ended && merge->queued < AHEAD &&
	       (merge->queued == 0 ||
		(merge->host_loaded && queue_at(merge, merge->queued - 1)->time_ns <= until)))
		if (queue_one(merge, err))
			return -1;
	return 0;
}

/* How many records of the guest the walk needs before it: up to the map that explains it. */
static size_t needed_by_walk(struct merge *merge)
{
	const struct host_record *host = &merge->host_record;

	for (size_t i = 0; i < merge->queued; i++) {
		const struct ahead *ahead = queue_at(merge, i);
		const struct guest_record *guest = &ahead->record;

		if (ahead->time_ns - merge->host_ns > merge->plan.uncertainty_ns)
			break;
		if ((guest->kind != GUEST_MAP && guest->kind != GUEST_UNMAP) ||
		    host->iova < guest->iova || host->iova > guest->end - 1)
			continue;
		if (guest->kind == GUEST_UNMAP)
			break;
		if (guest->pa + (host->iova - guest->iova) == host->pa)
			return i + 1;
	}
	return 0;
}

/* Decides once for each host record what of the guest must come first. */
static void check_causes(struct merge *merge)
{
	const struct merge_plan *plan = &merge->plan;
	size_t command = merge->host_commands;

	merge->pull_checked = true;
	if (merge->host_record.kind == HOST_COMMAND) {
		merge->host_commands++;
		if (command >= plan->first_pair && command - plan->first_pair < plan->pairs)
			merge->pull_until = command - plan->first_pair + 1;
		if (plan->flushed)
			merge->pull_mappings = plan->flushed[command];
	} else if (merge->host_record.kind == HOST_ANSWER && merge->host_record.walk) {
		merge->pull = needed_by_walk(merge);
	}
}

static void take_guest(struct merge *merge, struct merge_step *step, bool pulled)
{
	struct ahead *ahead = queue_at(merge, 0);
	uint64_t time_ns = ahead->time_ns;
	bool moved = pulled && time_ns > merge->host_ns;

	if (moved) {
		uint64_t distance = time_ns - merge->host_ns;

		merge->moved++;
		merge->moved_far += distance > merge->plan.uncertainty_ns;
		if (distance > merge->moved_max_ns)
			merge->moved_max_ns = distance;
		time_ns = merge->host_ns;
	}
	if (merge->pull > 0)
		merge->pull--;
	merge->head = (merge->head + 1) % AHEAD;
	merge->queued--;
	if (ahead->record.kind == GUEST_COMMAND && ahead->ordinal != SIZE_MAX)
		merge->issued++;
	if (ahead->record.kind == GUEST_MAP || ahead->record.kind == GUEST_UNMAP)
		merge->mapped++;
	if (time_ns > merge->last_ns)
		merge->last_ns = time_ns;
	*step = (struct merge_step){ .guest = &ahead->record,
				     .time_ns = merge->last_ns,
				     .clamped = ahead->clamped || moved,
				     .ordinal = ahead->ordinal };
}

static void take_host(struct merge *merge, struct merge_step *step)
{
	merge->host_loaded = false;
	if (merge->host_ns > merge->last_ns)
		merge->last_ns = merge->host_ns;
	*step = (struct merge_step){ .host = &merge->host_record,
				     .time_ns = merge->last_ns,
				     .clamped = merge->host_clamped,
				     .guest_over = merge->plan.guest && merge->queued == 0,
				     .ordinal = merge->host_commands - 1 };
}

int merge_next(struct merge *merge, struct merge_step *step, struct err *err)
{
	bool guest, pulled;

	if (fill(merge, err))
		return -1;
	guest = merge->queued > 0;
	if (!guest && !merge->host_loaded)
		return 0;
	if (!guest || (merge->host_loaded && queue_at(merge, 0)->time_ns > merge->host_ns)) {
		if (!merge->pull_checked && merge->host_loaded)
			check_causes(merge);
	} else {
		take_guest(merge, step, false);
		return 1;
	}
	pulled = merge->pull > 0 || merge->issued < merge->pull_until ||
		 merge->mapped < merge->pull_mappings;
	if (guest && pulled)
		take_guest(merge, step, true);
	else
		take_host(merge, step);
	return 1;
}

void merge_counts(const struct merge *merge, struct import_info *info)
{
	info->moved = merge->moved;
	info->moved_max_ns = merge->moved_max_ns;
	info->moved_far = merge->moved_far;
}
