/*
 * Windows again, as a plain list of pieces that each update, map, invalidation and cached copy is held
 * against one by one (rules R6 and R7). The hardware side is open while a copy in doubt, of all that
 * the caches hold, grants what a piece lost.
 */
#include <stdlib.h>

#include "analysis/verify_private.h"

static struct piece *piece_at(const struct verifier *verifier, size_t i)
{
	return LIST_AT(&verifier->pieces, struct piece, i);
}

static struct opened *window_of(const struct verifier *verifier, const struct piece *piece)
{
	return LIST_AT(&verifier->windows, struct opened, piece->window);
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static struct opened *new_window(struct verifier *verifier, const struct removal *removal)
{
	struct opened *window = NULL;
	size_t i;

	for (i = 0; i < verifier->windows.n && !window; i++) {
		struct opened *known = LIST_AT(&verifier->windows, struct opened, i);

		window = known && !known->used ? known : NULL;
	}
	if (!window)
		window = list_add(&verifier->windows, sizeof *window);
	if (!window) {
		verify_fails(verifier);
		return NULL;
	}
	*window = (struct opened){ .used = true,
				   .cause = removal->cause,
				   .domain = removal->domain->number,
				   .event = removal->event,
				   .time_ns = removal->time_ns,
				   .seq = removal->seq,
				   .first = removal->first,
				   .last = removal->first - 1,
				   .hw_first = FINDING_NONE,
				   .hw_last = FINDING_NONE,
				   .inferred = removal->inferred };
	verifier->last_window = (uint32_t)(window - LIST_AT(&verifier->windows, struct opened, 0));
	return window;
}

void opened_removed(struct verifier *verifier, const struct removal *removal)
{
	struct opened *window =
		verifier->last_window < verifier->windows.n
			? LIST_AT(&verifier->windows, struct opened, verifier->last_window)
			: NULL;
	struct piece *piece;

	if (!domain_holders(removal->domain))
		return;
	if (!window || !window->used || window->domain != removal->domain->number ||
	    window->seq != removal->seq || window->event != removal->event ||
	    window->last + 1 != removal->first)
		window = new_window(verifier, removal);
	piece = window ? list_add(&verifier->pieces, sizeof *piece) : NULL;
	if (!piece) {
		verify_fails(verifier);
		return;
	}
	*piece = (struct piece){ .first = removal->first,
				 .last = removal->last,
				 .pa = removal->pa,
				 .holders = domain_holders(removal->domain),
				 .mapped = removal->mapped,
				 .window = verifier->last_window,
				 .owner = removal->owner,
				 .lost = removal->lost };
	window->last = removal->last;
	window->open_bytes += removal->last - removal->first + 1;
	verifier->windows_changed = true;
}

/* What of the piece lies in [first, last]; the rest becomes pieces of its own. */
static void narrow(struct verifier *verifier, size_t i, iova_t first, iova_t last)
{
	struct piece rest = *piece_at(verifier, i), *more;

	if (rest.first < first) {
		more = list_add(&verifier->pieces, sizeof *more);
		if (!more) {
			verify_fails(verifier);
			return;
		}
		*more = rest;
		more->last = first - 1;
		rest.pa += first - rest.first;
		rest.first = first;
	}
	if (rest.last > last) {
		more = list_add(&verifier->pieces, sizeof *more);
		if (!more) {
			verify_fails(verifier);
			return;
		}
		*more = rest;
		more->pa += last + 1 - rest.first;
		more->first = last + 1;
		rest.last = last;
	}
	*piece_at(verifier, i) = rest;
}

/* ---- telling ---------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Neighbours whose software side ended together are one. */
static void join(struct list *ends)
{
	size_t kept = 0;

	if (ends->n)
		qsort(ends->items, ends->n, sizeof(struct ended), by_place);
	for (size_t i = 0; i < ends->n; i++) {
		struct ended *next = LIST_AT(ends, struct ended, i);
		struct ended *last = kept ? LIST_AT(ends, struct ended, kept - 1) : NULL;

		if (last && last->last + 1 == next->first && last->op == next->op &&
		    last->how == next->how && last->left == next->left)
			last->last = next->last;
		else
			*LIST_AT(ends, struct ended, kept++) = *next;
	}
	ends->n = kept;
}

static void tell_missing(struct verifier *verifier, const struct opened *window,
			 const struct ended *end, enum missing_why why)
{
	struct finding finding =
		finding_at(FINDING_FLUSH_MISSING, why, window->event, window->time_ns);

	finding.iova = end->first;
	finding.bytes = end->last - end->first + 1;
	finding.end_ns = end->how == EXPOSURE_OPEN ? FINDING_NONE : end->end_ns;
	finding.uncertain = verify_lost_since(verifier, window->event);
	derive(verifier, &finding);
}

static bool covers_window(const struct verifier *verifier, const struct inval_op *op,
			  const struct opened *window)
{
	const struct domain *domain = replay_domain(verifier->replay, window->domain);

	return op->scope.what == INVAL_ALL ||
	       (domain && op->scope.tag == domain->tag && op->scope.first <= window->first &&
		op->scope.last >= window->last);
}

/* What was issued for an update that nothing has flushed when the recording ends. */
static enum missing_why why_open(const struct verifier *verifier, const struct opened *window,
				 const struct ended *end)
{
	uint64_t limit = replay_machine(verifier->replay)->run.flush_limit;
	enum missing_why why = MISSING_NEVER_ISSUED;

	if (limit && replay_now_ns(verifier->replay) - window->time_ns < limit)
		return MISSING_ENDED;
	if (!holders_units(end->left))
		return why;
	for (size_t i = 0; i < verifier->issued.n; i++) {
		const struct inval_op *op = LIST_AT(&verifier->issued, struct inval_op, i);

		if (op->seq <= window->seq)
			continue;
		if (op->failed && covers_window(verifier, op, window))
			return MISSING_NOT_COMPLETED;
		why = MISSING_WRONG_SCOPE;
	}
	return why;
}

static void tell(struct verifier *verifier, const struct opened *window, const struct ended *end)
{
	struct finding finding =
		finding_at(FINDING_EXPOSURE, end->how, window->event, window->time_ns);
	uint64_t limit = replay_machine(verifier->replay)->run.flush_limit;

	finding.iova = end->first;
	finding.bytes = end->last - end->first + 1;
	finding.end_ns = end->how == EXPOSURE_OPEN ? FINDING_NONE : end->end_ns;
	finding.hw_ns = window->hw_total;
	finding.hw_first_ns = window->hw_first;
	finding.hw_last_ns = window->hw_last;
	finding.count = window->uses;
	finding.uncertain = verify_lost_since(verifier, window->event);
	derive(verifier, &finding);
	if (end->how == EXPOSURE_OPEN)
		tell_missing(verifier, window, end, why_open(verifier, window, end));
	else if (limit && end->how == EXPOSURE_CLOSED && end->end_ns - window->time_ns > limit)
		tell_missing(verifier, window, end,
			     end->issued_ns - window->time_ns > limit ? MISSING_NEVER_ISSUED
								      : MISSING_NOT_COMPLETED);
}

static void drop_piece(struct verifier *verifier, size_t i)
{
	*piece_at(verifier, i) = *piece_at(verifier, --verifier->pieces.n);
}

static void finish(struct verifier *verifier, struct opened *window)
{
	uint32_t number = (uint32_t)(window - LIST_AT(&verifier->windows, struct opened, 0));

	join(&window->ends);
	for (size_t i = 0; i < window->ends.n; i++)
		tell(verifier, window, LIST_AT(&window->ends, struct ended, i));
	for (size_t i = 0; i < verifier->pieces.n;)
		if (piece_at(verifier, i)->window == number)
			drop_piece(verifier, i);
		else
			i++;
	free(window->ends.items);
	window->ends = (struct list){ 0 };
	window->used = false;
	if (verifier->last_window == number)
		verifier->last_window = UINT32_MAX;
}

/* ---- closing ---------------------------------------------------------------------------------------------- */

/* The software side of the piece is over. */
static void end_piece(struct verifier *verifier, const struct piece *piece, struct ended end)
{
	struct opened *window = window_of(verifier, piece);
	struct ended *put = list_add(&window->ends, sizeof *put);

	if (!put) {
		verify_fails(verifier);
		return;
	}
	end.first = piece->first;
	end.last = piece->last;
	*put = end;
	window->open_bytes -= piece->last - piece->first + 1;
}

static void finish_closed(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->windows.n; i++) {
		struct opened *window = LIST_AT(&verifier->windows, struct opened, i);

		if (window->used && !window->open_bytes && !window->held)
			finish(verifier, window);
	}
}

/* The same translation again, with all rights that were lost, ends the window there, both sides. */
void opened_mapped(struct verifier *verifier, const struct domain *domain, iova_t first,
		   iova_t last, pa_t pa, unsigned perm, uint64_t time_ns)
{
	struct ended end = { .end_ns = time_ns,
			     .op = replay_seq(verifier->replay),
			     .how = EXPOSURE_RESTORED };
	bool any = false;

	for (size_t i = 0; i < verifier->pieces.n;) {
		const struct piece *piece = piece_at(verifier, i);

		if (window_of(verifier, piece)->domain != domain->number || piece->first > last ||
		    piece->last < first || piece->pa - piece->first != pa - first ||
		    (perm & piece->lost) != piece->lost) {
			i++;
			continue;
		}
		narrow(verifier, i, first, last);
		piece = piece_at(verifier, i);
		if (piece->holders)
			end_piece(verifier, piece, end);
		drop_piece(verifier, i);
		any = true;
	}
	if (!any)
		return;
	verifier->windows_changed = true;
	opened_look(verifier);
	finish_closed(verifier);
}

/* Of the IOMMU's own caches: tags of the domain that the scope says nothing else of. */
static uint64_t tags_flushed(const struct domain *domain, const struct inval_op *op)
{
	uint64_t bits = 0;

	if (op->scope.what != INVAL_ALL && op->scope.tag != domain->tag)
		return 0;
	for (uint32_t i = 0; i < domain->n_tags; i++) {
		bool one = op->scope.what != INVAL_ALL && op->scope.pasid != NO_PASID &&
			   op->scope.pasid != ALL_PASIDS;

		if (domain->tag_units[i] == op->unit &&
		    (!one || op->scope.pasid == domain->tag_pasids[i]))
			bits |= 1ull << i;
	}
	return bits;
}

/* The bit of who was flushed, or 0 when the invalidation is not about the piece. */
static uint64_t flushed_by(const struct verifier *verifier, const struct inval_op *op,
			   const struct piece *piece)
{
	const struct opened *window = window_of(verifier, piece);
	const struct domain *domain = replay_domain(verifier->replay, window->domain);

	if (op->failed || window->seq > op->seq || piece->first > op->scope.last ||
	    piece->last < op->scope.first || op->scope.what == INVAL_DEVICE_CONFIG)
		return 0;
	if (op->scope.what != INVAL_DEVICE_ATC)
		return tags_flushed(domain, op);
	if (holders_units(piece->holders) || op->seq <= piece->flushed)
		return 0; /* before the IOTLB's: it may have filled again */
	uint64_t bits = 0;

	for (uint32_t i = 0; i < domain->n_atcs; i++)
		if (domain_atc_is(
			    domain, i,
			    replay_device(verifier->replay, op->unit, op->scope.device)->number,
			    &op->scope))
			bits |= 1ull << (WORLD_UNITS + i);
	return bits;
}

/* Remembered until nothing is open: which were issued, and which of them never completed. */
void opened_issued(struct verifier *verifier, const struct inval_op *op)
{
	struct inval_op *put;

	if (!verifier->pieces.n)
		verifier->issued.n = 0;
	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_DEVICE_ATC)
		return;
	put = list_add(&verifier->issued, sizeof *put);
	if (!put) {
		verify_fails(verifier);
		return;
	}
	*put = *op;
	put->failed = true; /* until it is done */
}

void opened_done(struct verifier *verifier, const struct inval_op *op)
{
	struct ended end = { .end_ns = op->done_ns,
			     .issued_ns = op->time_ns,
			     .op = op->seq,
			     .how = EXPOSURE_CLOSED };

	for (size_t i = 0; i < verifier->issued.n; i++)
		if (LIST_AT(&verifier->issued, struct inval_op, i)->seq == op->seq)
			LIST_AT(&verifier->issued, struct inval_op, i)->failed = op->failed;
	for (size_t i = 0; i < verifier->pieces.n; i++) {
		struct piece *piece = piece_at(verifier, i);
		uint64_t holder = piece->holders & flushed_by(verifier, op, piece);

		if (!holder)
			continue;
		narrow(verifier, i, op->scope.first, op->scope.last);
		piece = piece_at(verifier, i);
		piece->holders &= ~holder;
		if (!holders_units(piece->holders) && holders_units(holder))
			piece->flushed = replay_seq(verifier->replay);
		if (!piece->holders)
			end_piece(verifier, piece, end);
	}
	finish_closed(verifier);
}

/* Whether an update in the scope of the invalidation is outstanding on its unit. */
bool opened_outstanding(const struct verifier *verifier, const struct inval_op *op)
{
	for (size_t i = 0; i < verifier->pieces.n; i++) {
		const struct piece *piece = piece_at(verifier, i);

		if (window_of(verifier, piece)->seq < op->seq &&
		    (piece->holders & flushed_by(verifier, op, piece)))
			return true;
	}
	return false;
}

/* ---- the hardware side -------------------------------------------------------------------------------------- */

/* An overlap or a shared tag changes nothing of what a copy's own tables say. */
static bool doubtful(const struct watched *watched)
{
	return watched->copy.structure != STRUCTURE_CONFIG &&
	       (watched->doubt & (CHECK_UPDATE | CHECK_SOURCE));
}

/* An update that its tables cannot express (a page that is written but not read) changes no word, and
 * no copy is wrong by it. */
void opened_written(struct verifier *verifier, const struct table_change *changes, uint32_t n)
{
	for (size_t i = 0; i < verifier->pieces.n; i++) {
		struct piece *piece = piece_at(verifier, i);
		const struct domain *domain =
			replay_domain(verifier->replay, window_of(verifier, piece)->domain);

		for (uint32_t k = 0; k < n; k++)
			if (!changes[k].configuration && !changes[k].state_only && domain &&
			    changes[k].space == domain->space && changes[k].first <= piece->last &&
			    changes[k].last >= piece->first) {
				verifier->windows_changed |= !piece->written;
				piece->written = true;
			}
	}
}

/* Whether a copy in doubt grants what the piece lost; a pointer leads to all in its range. */
static bool grants(const struct watched *watched, const struct piece *piece)
{
	const struct cached_copy *copy = &watched->copy;
	iova_t at = copy->first > piece->first ? copy->first : piece->first;

	if (copy->first > piece->last || copy->last < piece->first)
		return false;
	return copy->structure == STRUCTURE_WALK_CACHE ||
	       (piece->written &&
		copy->pa + (at - copy->first) == piece->pa + (at - piece->first) &&
		(copy->perm & piece->lost));
}

static bool held(const struct verifier *verifier, uint32_t number, uint32_t domain)
{
	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		const struct watched *watched = LIST_AT(&verifier->copies.now, struct watched, i);

		if (!doubtful(watched) || verify_domain_of(verifier, &watched->copy) != domain)
			continue;
		for (size_t k = 0; k < verifier->pieces.n; k++)
			if (piece_at(verifier, k)->window == number &&
			    grants(watched, piece_at(verifier, k)))
				return true;
	}
	return false;
}

void opened_look(struct verifier *verifier)
{
	uint64_t now = replay_now_ns(verifier->replay);

	if (!verifier->copies.differ && !verifier->doubt_changed && !verifier->windows_changed)
		return;
	verifier->doubt_changed = verifier->windows_changed = false;
	for (uint32_t i = 0; i < verifier->windows.n; i++) {
		struct opened *window = LIST_AT(&verifier->windows, struct opened, i);
		bool is = window->used && held(verifier, i, window->domain);

		if (!window->used || is == window->held)
			continue;
		window->held = is;
		if (is) {
			window->hw_since = now;
			if (!window->ever_held)
				window->hw_first = now;
			window->ever_held = true;
		} else {
			window->hw_total += now - window->hw_since;
			window->hw_last = now;
		}
	}
	finish_closed(verifier);
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

void opened_finish(struct verifier *verifier)
{
	uint64_t now = replay_now_ns(verifier->replay);

	for (size_t i = 0; i < verifier->pieces.n; i++) {
		const struct piece *piece = piece_at(verifier, i);

		if (piece->holders)
			end_piece(verifier, piece,
				  (struct ended){ .end_ns = now,
						  .op = UINT64_MAX,
						  .left = piece->holders,
						  .how = EXPOSURE_OPEN });
	}
	for (size_t i = 0; i < verifier->windows.n; i++) {
		struct opened *window = LIST_AT(&verifier->windows, struct opened, i);

		if (!window->used)
			continue;
		if (window->held) {
			window->hw_total += now - window->hw_since;
			window->hw_last = FINDING_NONE;
		}
		finish(verifier, window);
	}
}

/* ---- which window a use falls in, and whose the page is ----------------------------------------------------- */

uint32_t opened_find(const struct verifier *verifier, uint32_t domain, iova_t iova, pa_t pa)
{
	uint32_t best = NO_PIECE;

	for (uint32_t i = 0; i < verifier->pieces.n; i++) {
		const struct piece *piece = piece_at(verifier, i);

		if (window_of(verifier, piece)->domain != domain || iova < piece->first ||
		    iova > piece->last ||
		    (pa != NO_PA && (piece->pa + (iova - piece->first)) >> 12 != pa >> 12))
			continue;
		if (best == NO_PIECE || window_of(verifier, piece)->seq >
						window_of(verifier, piece_at(verifier, best))->seq)
			best = i;
	}
	return best;
}

enum stale_grade owned_grade(const struct verifier *verifier, pa_t pa, uint32_t owner,
			     uint64_t update)
{
	if (replay_is_policy_table(verifier->replay, pa))
		return GRADE_TABLE;
	for (size_t i = verifier->owners.n; i-- > 0;) {
		const struct owned *now = LIST_AT(&verifier->owners, struct owned, i);

		if (pa < now->first || pa > now->last)
			continue;
		if (now->state == OWNER_TABLE)
			return GRADE_TABLE;
		if (now->state == OWNER_FREE)
			return GRADE_FREED;
		if (now->owner != owner)
			return GRADE_REALLOC_OTHER;
		return now->event > update && update != NO_EVENT ? GRADE_REALLOC_SAME : GRADE_OWN;
	}
	return GRADE_OWN;
}
