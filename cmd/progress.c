/* The progress line; the contract is in progress.h. */
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_PER_LOOK = 16 }; /* a look at the clock costs as much as some events */
static const uint64_t second_ns = 1000000000;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *progress, const char *unit)
{
	uint64_t now = now_ns();

	*progress = (struct progress){ .unit = unit,
				       .enabled = isatty(STDERR_FILENO),
				       .start_ns = now,
				       .next_ns = now + second_ns };
}

/* "12.3 M" */
static void format_count(double value, char *text, size_t size)
{
	static const char *const suffixes[] = { "", " k", " M", " G", " T" };
	unsigned i = 0;

	while (value >= 1000 && i < 4) {
		value /= 1000;
		i++;
	}
	snprintf(text, size, i == 0 ? "%.0f%s" : "%.1f%s", value, suffixes[i]);
}

static void print_line(struct progress *progress, uint64_t now, uint64_t done, double part)
{
	double seconds = (double)(now - progress->start_ns) / (double)second_ns;
	char count[32], rate[32];

	format_count((double)done, count, sizeof count);
	format_count((double)done / seconds, rate, sizeof rate);
	fprintf(stderr, "\r\033[K%s %s, %s/s", count, progress->unit, rate);
	if (part > 0 && part <= 1) {
		uint64_t left = (uint64_t)(seconds / part - seconds + 0.5);

		fprintf(stderr, ", %.0f %%, %" PRIu64 ":%02" PRIu64 " left", 100 * part, left / 60,
			left % 60);
	}
	fflush(stderr);
	progress->shown = true;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t position, uint64_t total)
{
	uint64_t now;

	if (!progress->enabled || progress->countdown-- > 0)
		return;
	progress->countdown = CALLS_PER_LOOK;
	now = now_ns();
	if (now < progress->next_ns)
		return;
	progress->next_ns = now + second_ns / 4;
	print_line(progress, now, done, total ? (double)position / (double)total : 0);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}

bool progress_would_mix(const char *output)
{
	return strcmp(output, "-") == 0 && isatty(STDOUT_FILENO);
}

static int put_all(struct event_source *source, struct event_sink *sink, struct progress *progress,
		   struct copied *copied, struct err *err)
{
	struct event_batch batch;
	int got;

	while ((got = source_next(source, &batch, err)) > 0) {
		if (sink->put(sink, source->names, &batch, err))
			return -1;
		copied->events += batch.n;
		for (size_t i = 0; i < batch.n; i++)
			copied->lost += batch.events[i].kind == EVENT_LOST;
		progress_update(progress, copied->events, source->offset, source->bytes);
	}
	return got;
}

int copy_with_progress(struct event_source *source, struct event_sink *sink, const char *output,
		       struct copied *copied, struct err *err)
{
	struct progress progress = { 0 };
	int failed;

	*copied = (struct copied){ 0 };
	if (!progress_would_mix(output))
		progress_start(&progress, "events");
	failed = put_all(source, sink, &progress, copied, err);
	progress_clear(&progress);
	if (failed) {
		sink->abandon(sink);
		return -1;
	}
	return sink->finish(sink, source->names, err);
}
