/*
 * Putting the guest's clock on the host's. Every invalidation command stands in both
 * recordings: where the guest issued it and where the emulator executed it. Execution comes
 * after issue by some microseconds, or by milliseconds when the virtual CPU was stopped in
 * between, and never before it. So the line host = a * guest + b runs along the lower edge.
 */
#include "traces/import_parts.h"

#include <assert.h>
#include <stdlib.h>

enum {
	BUCKETS = 64,	      /* pieces of the recording for the first, robust slope */
	BUCKET_TIES = 8,      /* ties in each at least */
	OUTLIER_NS = 1000000, /* a tie this far below the edge is no tie: the clock was stepped */
	UNCERTAINTY_MIN_NS = 10000,
	UNCERTAINTY_MAX_NS = 1000000,
	MAX_NS_PER_UNIT = 4000001, /* 4 ms: the slowest tick that a guest counts */
	PLACES = 16,		   /* where a command list fits; more are not told apart */
};

int command_add(struct command_list *list, struct command command, struct err *err)
{
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 1024;
		struct command *items = realloc(list->items, room * sizeof *items);

		if (!items)
			return err_no_memory(err, "invalidation commands");
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = command;
	return 0;
}

/* ---- pairing ------------------------------------------------------------------------- */

static bool command_equal(const struct command *a, const struct command *b)
{
	return a->low == b->low && a->high == b->high;
}

struct places {
	size_t first[PLACES];
	unsigned n;
	size_t best_end,
		best_length; /* longest run of guest commands found, and where it stopped */
};

/* Knuth-Morris-Pratt; `border` has room for one number a guest command. */
static void find_places(const struct command_list *guest, const struct command_list *host,
			size_t *border, struct places *places)
{
	size_t matched = 0;

	border[0] = 0;
	for (size_t i = 1; i < guest->n; i++) {
		while (matched > 0 && !command_equal(&guest->items[i], &guest->items[matched]))
			matched = border[matched - 1];
		matched += command_equal(&guest->items[i], &guest->items[matched]);
		border[i] = matched;
	}
	matched = 0;
	for (size_t i = 0; i < host->n; i++) {
		while (matched > 0 && !command_equal(&host->items[i], &guest->items[matched]))
			matched = border[matched - 1];
		matched += command_equal(&host->items[i], &guest->items[matched]);
		if (matched > places->best_length) {
			places->best_length = matched;
			places->best_end = i + 1;
		}
		if (matched == guest->n) {
			/* The last places are kept: the host's extra commands are mostly boot's. */
			if (places->n == PLACES)
				memmove(places->first, places->first + 1,
					sizeof places->first[0] * --places->n);
			places->first[places->n++] = i + 1 - matched;
			matched = border[matched - 1];
		}
	}
}

static int pair_error(const struct command_list *guest, const char *guest_path,
		      const struct command_list *host, const char *host_path,
		      const struct places *places, struct err *err)
{
	const struct command *left = &guest->items[places->best_length];

	if (places->best_end == host->n)
		return err_set(
			err, ERR_INPUT,
			"%s: the invalidation commands of this log do not contain those of %s: "
			"after %zu equal ones the log ends, where the guest goes on with %s:%llu "
			"(0x%llx 0x%llx); are both of the same run, and is the log complete?",
			host_path, guest_path, places->best_length, guest_path,
			(unsigned long long)left->line, (unsigned long long)left->low,
			(unsigned long long)left->high);
	return err_set(
		err, ERR_INPUT,
		"%s:%llu: the invalidation commands of this log do not contain those of %s: "
		"after %zu equal ones the log has 0x%llx 0x%llx, but the guest's next is %s:%llu "
		"0x%llx 0x%llx; are both of the same run, and did the guest's buffer lose "
		"events (give it a larger one)?",
		host_path, (unsigned long long)host->items[places->best_end].line, guest_path,
		places->best_length, (unsigned long long)host->items[places->best_end].low,
		(unsigned long long)host->items[places->best_end].high, guest_path,
		(unsigned long long)left->line, (unsigned long long)left->low,
		(unsigned long long)left->high);
}

/* Of several places the one with the smallest median residual; the last one of equals. */
static int best_place(const struct command_list *guest, const struct command_list *host,
		      const struct places *places, bool ticks, struct tie *ties, size_t *first,
		      struct err *err)
{
	int64_t best = INT64_MAX;

	*first = places->first[places->n - 1];
	for (unsigned p = 0; places->n > 1 && p < places->n; p++) {
		struct import_info fit = { .paired = 0 };

		for (size_t i = 0; i < guest->n; i++)
			ties[i] = (struct tie){ guest->items[i].time,
						host->items[places->first[p] + i].time };
		if (guest->n < 2 && ticks)
			continue;
		if (clock_fit(ties, guest->n, ticks, &fit, err))
			return -1;
		if (fit.residual_p50 <= best) {
			best = fit.residual_p50;
			*first = places->first[p];
		}
	}
	return 0;
}

int commands_pair(const struct command_list *guest, const char *guest_path,
		  const struct command_list *host, const char *host_path, bool ticks, size_t *first,
		  struct err *err)
{
	size_t *border = calloc(guest->n + 1, sizeof *border);
	struct tie *ties = malloc((guest->n + 1) * sizeof *ties);
	struct places places = { .n = 0 };
	int status;

	if (!border || !ties) {
		status = err_no_memory(err, "command pairing");
	} else {
		find_places(guest, host, border, &places);
		if (places.n == 0)
			status = pair_error(guest, guest_path, host, host_path, &places, err);
		else
			status = best_place(guest, host, &places, ticks, ties, first, err);
	}
	free(border);
	free(ties);
	return status;
}

/* ---- fitting ------------------------------------------------------------------------- */

/* A tie relative to the first one, so that doubles hold it exactly. */
struct point {
	double guest, host;
};

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_value);
	return values[n / 2];
}

/* In each piece of the recording the tie that lies lowest under the slope. */
static size_t bucket_minima(const struct point *points, size_t n, double slope,
			    struct point minima[BUCKETS])
{
	size_t buckets = n / BUCKET_TIES < BUCKETS ? n / BUCKET_TIES : BUCKETS;

	if (buckets < 2)
		buckets = n < 2 ? n : 2;
	for (size_t b = 0; b < buckets; b++) {
		size_t end = n * (b + 1) / buckets;

		minima[b] = points[n * b / buckets];
		for (size_t i = n * b / buckets + 1; i < end; i++)
			if (points[i].host - slope * points[i].guest <
			    minima[b].host - slope * minima[b].guest)
				minima[b] = points[i];
	}
	return buckets;
}

/* Theil and Sen: the median of all slopes between two minima; a third of them may be wrong. */
static double robust_slope(const struct point *minima, size_t n, double otherwise)
{
	static const size_t most = (size_t)BUCKETS * (BUCKETS - 1) / 2;
	double slopes[BUCKETS * (BUCKETS - 1) / 2] = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n && count < most; j++)
			if (minima[j].guest > minima[i].guest)
				slopes[count++] = (minima[j].host - minima[i].host) /
						  (minima[j].guest - minima[i].guest);
	return count ? median(slopes, count) : otherwise;
}

/* The slope of the lower hull's edge over the middle of the recording: of all lines that no tie
 * lies below, the one with the least sum of residuals. `hull` has room for n points. */
static double hull_slope(const struct point *points, size_t n, struct point *hull, double otherwise)
{
	double middle = 0;
	size_t top = 0;

	for (size_t i = 0; i < n; i++) {
		const struct point *p = &points[i];

		middle += p->guest / (double)n;
		while (top >= 2 && (hull[top - 1].guest - hull[top - 2].guest) *
							   (p->host - hull[top - 2].host) -
						   (hull[top - 1].host - hull[top - 2].host) *
							   (p->guest - hull[top - 2].guest) <=
					   0)
			top--;
		if (top == 1 && hull[0].guest == p->guest && p->host < hull[0].host)
			top = 0;
		hull[top++] = *p;
	}
	for (size_t i = 1; i < top; i++)
		if (hull[i].guest >= middle && hull[i].guest > hull[i - 1].guest)
			return (hull[i].host - hull[i - 1].host) /
			       (hull[i].guest - hull[i - 1].guest);
	return otherwise;
}

/* Leaves out ties far below the robust line; returns how many stay. */
static size_t drop_outliers(const struct point *points, size_t n, double slope,
			    const struct point *minima, size_t minima_n, struct point *kept)
{
	double heights[BUCKETS] = { 0 }, edge;
	size_t count = 0;

	for (size_t b = 0; b < minima_n; b++)
		heights[b] = minima[b].host - slope * minima[b].guest;
	edge = median(heights, minima_n) - OUTLIER_NS;
	for (size_t i = 0; i < n; i++)
		if (points[i].host - slope * points[i].guest >= edge)
			kept[count++] = points[i];
	if (!count) /* times so far apart that no sum of them is a number */
		kept[count++] = points[0];
	return count;
}

/* Times of a hostile file may lie anywhere. */
static int64_t whole_ns(double ns)
{
	if (ns > 9e18)
		return INT64_MAX;
	return ns < -9e18 ? -INT64_MAX : (int64_t)ns;
}

static int64_t quantile(const double *sorted, size_t n, double q)
{
	size_t at = (size_t)((double)n * q);

	return whole_ns(sorted[at < n ? at : n - 1]);
}

/*
 * How far the line may be off: the highest of the lowest residuals of all pieces, since the true
 * delay there cannot be known, but no less than 10 us (rounding to a microsecond on both sides,
 * the time between event and stamp) and no more than 1 ms.
 */
static uint64_t uncertainty(const struct point *minima, size_t n, double slope, double height)
{
	double most = 0;

	for (size_t b = 0; b < n; b++) {
		double above = minima[b].host - slope * minima[b].guest - height;

		if (above > most)
			most = above;
	}
	if (most < UNCERTAINTY_MIN_NS)
		return UNCERTAINTY_MIN_NS;
	return most > UNCERTAINTY_MAX_NS ? UNCERTAINTY_MAX_NS : (uint64_t)most;
}

static void fit(struct point *points, size_t n, struct point *work, double *residuals, bool ticks,
		struct import_info *info)
{
	struct point minima[BUCKETS];
	double slope = 1, exact, height;
	size_t buckets, kept;

	if (ticks && points[n - 1].guest > 0)
		slope = points[n - 1].host / points[n - 1].guest;
	for (int round = 0; round < 3; round++) {
		buckets = bucket_minima(points, n, slope, minima);
		slope = robust_slope(minima, buckets, slope);
	}
	kept = drop_outliers(points, n, slope, minima, buckets, work);
	exact = hull_slope(work, kept, work, slope);
	/* 200 ppm: no pair of clocks drifts apart from its own median slope by that much. */
	if (exact > slope * 0.9998 && exact < slope * 1.0002)
		slope = exact;
	kept = drop_outliers(points, n, slope, minima, buckets, work);
	height = work[0].host - slope * work[0].guest;
	for (size_t i = 1; i < kept; i++)
		if (work[i].host - slope * work[i].guest < height)
			height = work[i].host - slope * work[i].guest;
	for (size_t i = 0; i < n; i++)
		residuals[i] = points[i].host - slope * points[i].guest - height;
	qsort(residuals, n, sizeof *residuals, by_value);
	info->residual_p1 = quantile(residuals, n, 0.01);
	info->residual_p50 = quantile(residuals, n, 0.5);
	info->residual_p99 = quantile(residuals, n, 0.99);
	info->residual_max = whole_ns(residuals[n - 1]);
	info->clock_outliers = n - kept;
	buckets = bucket_minima(points, n, slope, minima);
	info->uncertainty_ns = uncertainty(minima, buckets, slope, height);
	if (slope > 0 && slope < MAX_NS_PER_UNIT)
		info->clock.pieces[0].slope_q40 = (uint64_t)(slope * (double)(1ull << 40) + 0.5);
	info->clock.pieces[0].host_base += (uint64_t)whole_ns(height);
}

int clock_fit(const struct tie *ties, size_t n, bool ticks, struct import_info *info,
	      struct err *err)
{
	struct point *points, *work;
	double *residuals;

	assert(n > 0);
	points = calloc(n, sizeof *points);
	work = calloc(n, sizeof *work);
	residuals = calloc(n, sizeof *residuals);
	if (!points || !work || !residuals) {
		free(points);
		free(work);
		free(residuals);
		return err_no_memory(err, "clock fit");
	}
	info->clock = (struct import_clock){
		.pieces[0] = { .guest_base = ties[0].guest, .host_base = ties[0].host },
		.n = 1,
	};
	for (size_t i = 0; i < n; i++) {
		points[i].guest = (double)(int64_t)(ties[i].guest - ties[0].guest);
		points[i].host = (double)(int64_t)(ties[i].host - ties[0].host);
	}
	fit(points, n, work, residuals, ticks, info);
	free(points);
	free(work);
	free(residuals);
	if (info->clock.pieces[0].slope_q40 == 0)
		return err_set(
			err, ERR_INPUT,
			"the clocks of both recordings do not run together: from the first to "
			"the last common point the guest counts %llu, the host %llu ns; are both "
			"of the same run?",
			(unsigned long long)(ties[n - 1].guest - ties[0].guest),
			(unsigned long long)(ties[n - 1].host - ties[0].host));
	return 0;
}

int clock_fit_lists(const struct command_list *guest, const struct command_list *host, size_t first,
		    bool ticks, struct import_info *info, struct err *err)
{
	struct tie *ties = calloc(guest->n, sizeof *ties);
	int status;

	if (!ties)
		return err_no_memory(err, "clock ties");
	for (size_t i = 0; i < guest->n; i++)
		ties[i] = (struct tie){ guest->items[i].time, host->items[first + i].time };
	status = clock_fit(ties, guest->n, ticks, info, err);
	free(ties);
	return status;
}

/* ---- brackets ------------------------------------------------------------------------ */

/* How far off a clock of pieces may be. */
struct piece_doubt {
	uint64_t half; /* of the widest range of an offset */
	uint64_t
		step; /* the largest between two pieces: it may lie anywhere between their brackets */
	int64_t offset; /* of the last piece */
};

/* Closes a piece whose offset lies between low and high. */
static int add_piece(struct import_clock *clock, uint64_t guest_from, int64_t low, int64_t high,
		     struct piece_doubt *doubt)
{
	uint64_t half = (uint64_t)(high - low) / 2, step;
	int64_t offset = low + (int64_t)half;

	if (clock->n == CLOCK_PIECES)
		return -1;
	step = offset > doubt->offset ? (uint64_t)(offset - doubt->offset)
				      : (uint64_t)(doubt->offset - offset);
	if (clock->n > 0 && step > doubt->step)
		doubt->step = step;
	if (half > doubt->half)
		doubt->half = half;
	doubt->offset = offset;
	clock->pieces[clock->n++] = (struct clock_piece){
		.guest_from = guest_from,
		.guest_base = guest_from,
		.host_base = guest_from + (uint64_t)offset,
		.slope_q40 = 1ull << 40,
	};
	return 0;
}

/*
 * Both clocks run at one rate. Each bracket holds the offset between two bounds; a piece is as
 * many brackets in a row as agree.
 */
int clock_enclose(const struct command *brackets, const struct command *reads, size_t n,
		  struct import_info *info, struct err *err)
{
	struct piece_doubt doubt = { 0 };
	uint64_t from = brackets[0].low, uncertainty_ns;
	int64_t low = INT64_MIN / 2, high = INT64_MAX / 2;
	size_t used = 0;

	info->clock = (struct import_clock){ .n = 0 };
	for (size_t i = 0; i < n; i++) {
		int64_t least = (int64_t)(reads[i].time - brackets[i].high);
		int64_t most = (int64_t)(reads[i].time - brackets[i].low);

		/* one that ends before it begins, or lies 146 years off, tells nothing */
		if (least > most || least < INT64_MIN / 2 || most > INT64_MAX / 2)
			continue;
		if (used++ > 0 && (least > high || most < low)) {
			if (add_piece(&info->clock, from, low, high, &doubt))
				break;
			from = brackets[i].low;
			low = INT64_MIN / 2;
			high = INT64_MAX / 2;
		}
		low = least > low ? least : low;
		high = most < high ? most : high;
	}
	if (!used)
		return err_set(
			err, ERR_INPUT,
			"the clocks cannot be put together: of %zu brackets none ends after it "
			"begins; are both of the same run?",
			n);
	if (add_piece(&info->clock, from, low, high, &doubt))
		return err_set(err, ERR_INPUT,
			       "the clocks of both recordings do not run together: the offset that "
			       "%zu brackets tell changes more than %d times; are both of the same "
			       "run?",
			       n, CLOCK_PIECES - 1);
	uncertainty_ns = doubt.half + doubt.step;
	if (uncertainty_ns > UNCERTAINTY_MAX_NS)
		uncertainty_ns = UNCERTAINTY_MAX_NS;
	info->uncertainty_ns =
		uncertainty_ns < UNCERTAINTY_MIN_NS ? UNCERTAINTY_MIN_NS : uncertainty_ns;
	return 0;
}
