#include "analysis/verify_windows.h"

#include <stdlib.h>

/* A stretch of input that an update removed, and the IOMMUs whose invalidation it waits for. */
struct piece {
	iova_t first, last;
	pa_t pa; /* of first */
	uint64_t seq, time_ns, holders;
	uint64_t flushed; /* step at which its last IOMMU was flushed */
	unsigned lost;
	uint32_t domain;
};

struct window_check {
	struct piece *pieces;
	size_t n, max;
	uint64_t bytes;
	unsigned __int128 byte_ns;
	bool failed;
};

int window_check_create(struct window_check **out)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : -1;
}

void window_check_destroy(struct window_check *check)
{
	if (!check)
		return;
	free(check->pieces);
	free(check);
}

static void add(struct window_check *check, const struct piece *piece)
{
	if (check->n == check->max) {
		size_t max = check->max ? check->max * 2 : 64;
		struct piece *pieces = realloc(check->pieces, max * sizeof *pieces);

		if (!pieces) {
			check->failed = true;
			return;
		}
		check->pieces = pieces;
		check->max = max;
	}
	check->pieces[check->n++] = *piece;
}

/* What of the piece lies in [first, last]; the rest becomes pieces of its own. */
static void narrow(struct window_check *check, size_t i, iova_t first, iova_t last)
{
	struct piece rest = check->pieces[i];

	if (rest.first < first) {
		struct piece before = rest;

		before.last = first - 1;
		add(check, &before);
		rest.pa += first - rest.first;
		rest.first = first;
	}
	if (rest.last > last) {
		struct piece after = rest;

		after.pa += last + 1 - rest.first;
		after.first = last + 1;
		add(check, &after);
		rest.last = last;
	}
	check->pieces[i] = rest;
}

static void close_piece(struct window_check *check, size_t i, uint64_t now_ns)
{
	const struct piece *piece = &check->pieces[i];
	uint64_t bytes = piece->last - piece->first + 1;

	check->bytes += bytes;
	check->byte_ns += (unsigned __int128)bytes * (now_ns - piece->time_ns);
	check->pieces[i] = check->pieces[--check->n];
}

void window_check_removed(struct window_check *check, const struct removal *removal)
{
	struct piece piece = { .first = removal->first,
			       .last = removal->last,
			       .pa = removal->pa,
			       .seq = removal->seq,
			       .time_ns = removal->time_ns,
			       .holders = removal->domain->holders,
			       .lost = removal->lost,
			       .domain = removal->domain->number };

	if (piece.holders)
		add(check, &piece);
}

/* The same translation again, with all rights that were lost, ends the window there. */
void window_check_mapped(struct window_check *check, const struct domain *domain, iova_t first,
			 iova_t last, pa_t pa, unsigned perm, uint64_t time_ns)
{
	for (size_t i = 0; i < check->n;) {
		const struct piece *piece = &check->pieces[i];

		if (piece->domain != domain->number || piece->first > last || piece->last < first ||
		    piece->pa - piece->first != pa - first || (perm & piece->lost) != piece->lost) {
			i++;
			continue;
		}
		narrow(check, i, first, last);
		close_piece(check, i, time_ns);
	}
}

/* The bit of who was flushed, or 0 when the invalidation is not about the piece. */
static uint64_t flushed_by(const struct replay *replay, const struct inval_op *op,
			   const struct piece *piece)
{
	const struct domain *domain = replay_domain(replay, piece->domain);

	if (op->failed || piece->seq > op->seq || piece->first > op->scope.last ||
	    piece->last < op->scope.first || op->scope.what == INVAL_DEVICE_CONFIG)
		return 0;
	if (op->scope.what != INVAL_DEVICE_ATC)
		return op->scope.what == INVAL_ALL || domain_in_scope(domain, &op->scope)
			       ? 1ull << op->unit
			       : 0;
	if (holders_units(piece->holders) || op->seq <= piece->flushed)
		return 0; /* before the IOTLB's: it may have filled again */
	uint64_t bits = 0;

	for (uint32_t i = 0; i < domain->n_atcs; i++)
		if (domain_atc_is(domain, i,
				  replay_device(replay, op->unit, op->scope.device)->number,
				  &op->scope))
			bits |= 1ull << (WORLD_UNITS + i);
	return bits;
}

void window_check_done(struct window_check *check, const struct replay *replay,
		       const struct inval_op *op)
{
	for (size_t i = 0; i < check->n;) {
		struct piece *piece = &check->pieces[i];
		uint64_t holder = piece->holders & flushed_by(replay, op, piece);

		if (!holder) {
			i++;
			continue;
		}
		narrow(check, i, op->scope.first, op->scope.last);
		piece = &check->pieces[i];
		piece->holders &= ~holder;
		if (!holders_units(piece->holders) && holders_units(holder))
			piece->flushed = replay_seq(replay);
		if (piece->holders)
			i++;
		else
			close_piece(check, i, op->done_ns);
	}
}

bool window_check_finish(struct window_check *check, uint64_t now_ns, uint64_t *bytes,
			 unsigned __int128 *byte_ns)
{
	while (check->n)
		close_piece(check, check->n - 1, now_ns);
	*bytes = check->bytes;
	*byte_ns = check->byte_ns;
	return !check->failed;
}
