/* Table pages that were given back: who still points to them, which walks read them. */
#include <stdlib.h>

#include "analysis/verify_private.h"

/* A pointer to a page that is a table again, and proven to lead where the tables lead, is right. */
static bool pointed_to(const struct verifier *verifier, const struct freed *freed)
{
	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		const struct watched *watched = LIST_AT(&verifier->copies.now, struct watched, i);

		if (watched->copy.structure == STRUCTURE_WALK_CACHE &&
		    watched->copy.pa == freed->page && (freed->now || watched->doubt))
			return true;
	}
	return false;
}

/* ---- the last return of a page --------------------------------------------------------------------- */

static struct freed *freed_at(const struct verifier *verifier, size_t i)
{
	return LIST_AT(&verifier->freed, struct freed, i);
}

/* The place of the page in the index: 1 + which of freed, or 0. */
static uint32_t *place_of(const struct verifier *verifier, pa_t page)
{
	uint32_t mask = verifier->n_freed_index - 1;
	uint32_t at = (uint32_t)((page >> 12) * 0x9e3779b97f4a7c15ull >> 32) & mask;

	while (verifier->freed_index[at] &&
	       freed_at(verifier, verifier->freed_index[at] - 1)->page != page)
		at = (at + 1) & mask;
	return &verifier->freed_index[at];
}

static bool grow_index(struct verifier *verifier)
{
	uint32_t n = verifier->n_freed_index ? verifier->n_freed_index * 2 : 256;

	if (verifier->freed.n * 2 < verifier->n_freed_index)
		return true;
	free(verifier->freed_index);
	verifier->freed_index = calloc(n, sizeof *verifier->freed_index);
	verifier->n_freed_index = verifier->freed_index ? n : 0;
	for (size_t i = 0; verifier->freed_index && i + 1 < verifier->freed.n; i++)
		*place_of(verifier, freed_at(verifier, i)->page) = (uint32_t)i + 1;
	return verifier->freed_index;
}

void freed_table(struct verifier *verifier, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct freed *put = list_add(&verifier->freed, sizeof *put);

	if (!put || !grow_index(verifier)) {
		verify_fails(verifier);
		return;
	}
	*put = (struct freed){ pa, event, time_ns, true, false };
	put->held = pointed_to(verifier, put);
	verifier->held += put->held;
	*place_of(verifier, pa) = (uint32_t)verifier->freed.n;
}

/* They are tables again. */
void freed_reused(struct verifier *verifier, pa_t first, pa_t last)
{
	for (size_t i = 0; i < verifier->freed.n; i++) {
		struct freed *freed = LIST_AT(&verifier->freed, struct freed, i);

		if (freed->page >= first && freed->page <= last)
			freed->now = false;
	}
}

static void tell(struct verifier *verifier, struct freed *freed, uint64_t end_ns)
{
	struct finding finding =
		finding_at(FINDING_TABLE_UAF, UAF_WINDOW, freed->event, freed->time_ns);

	freed->held = false;
	verifier->held--;
	finding.pa = freed->page;
	finding.end_ns = end_ns;
	finding.uncertain = verify_lost_since(verifier, freed->event);
	derive(verifier, &finding);
}

void freed_look(struct verifier *verifier)
{
	uint32_t left = verifier->held;

	for (size_t i = verifier->freed.n; i-- > 0 && left;) {
		struct freed *freed = freed_at(verifier, i);

		left -= freed->held;
		if (freed->held && !pointed_to(verifier, freed))
			tell(verifier, freed, replay_now_ns(verifier->replay));
	}
}

void freed_finish(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->freed.n; i++)
		if (LIST_AT(&verifier->freed, struct freed, i)->held)
			tell(verifier, LIST_AT(&verifier->freed, struct freed, i), FINDING_NONE);
}

/* The page's last return: of those that are no tables now, or since the event given. */
static bool freed_since(const struct verifier *verifier, pa_t page, uint64_t since, uint64_t *event)
{
	uint32_t at = *place_of(verifier, page);
	const struct freed *freed = at ? freed_at(verifier, at - 1) : NULL;

	if (!freed)
		return false;
	*event = freed->event;
	return freed->now || freed->event > since;
}

bool freed_walk(const struct verifier *verifier, const struct watched *pointer, uint32_t number,
		iova_t iova, uint64_t *event, pa_t *word)
{
	const struct domain *domain = replay_domain(verifier->replay, number);
	const struct iommu *iommu = replay_unit(verifier->replay, 0)->iommu;
	const struct pt_format *format = iommu->model->format(iommu);
	unsigned level = domain->levels - 1;
	pa_t table = domain->root;
	bool found = false;

	if (!verifier->freed.n)
		return false;
	if (pointer) {
		unsigned span = log2_floor(pointer->copy.last - pointer->copy.first) + 1;

		level = (span - format->granule_lg2) / format->index_bits - 1;
		table = pointer->copy.pa;
	}
	for (;; level--) {
		unsigned shift = format->granule_lg2 + format->index_bits * level;
		struct pt_entry entry;
		uint64_t raw = 0;

		if (!found)
			found = freed_since(verifier, table,
					    pointer && table == pointer->copy.pa
						    ? pointer->copy.filled
						    : UINT64_MAX,
					    event);
		*word = table + (iova >> shift & low_mask(format->index_bits)) * 8;
		if (!replay_word(verifier->replay, *word, &raw))
			return found;
		entry = format->decode(raw, level);
		if (entry.kind != PT_TABLE || level == 0)
			return found;
		table = entry.addr;
	}
}
