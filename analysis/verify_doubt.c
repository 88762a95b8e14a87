/*
 * Which copies rules R1 to R5 put in doubt, found by looking at all of them. The rules in their plain
 * form: a changed word puts every copy in doubt that covers any input the word stands for (R2); a
 * copy made from one in doubt is in doubt where it differs from truth (R3); so are two translations
 * that overlap (R5), and all copies of a tag that stands for several address spaces. A copy that a
 * request has shown to equal truth as a whole is in doubt no more (R1).
 */
#include "analysis/verify_private.h"

static struct watched *copy_at(const struct verifier *verifier, size_t i)
{
	return LIST_AT(&verifier->copies.now, struct watched, i);
}

static void put_in_doubt(struct verifier *verifier, struct watched *watched, unsigned reason,
			 uint64_t changed)
{
	if (changed != NO_EVENT || !watched->doubt)
		watched->changed = changed;
	watched->doubt |= reason;
	verifier->doubt_changed = true;
}

/* ---- R2: changed words ------------------------------------------------------------------------------ */

/*
 * Configuration tables count their input in device ids, or in device ids and 20 bits of PASID. An entry
 * that leads to other entries is changed by a word that stands for all of them.
 */
static bool of_device(const struct cached_copy *copy, const struct table_change *change)
{
	unsigned shift = change->last >> 16 ? 20 : 0;
	uint64_t first = copy->first << shift, last = first | low_mask(shift);

	if (shift && copy->tagged && copy->serves != NO_PASID)
		first = last = first | copy->serves;
	return first >= change->first && last <= change->last;
}

/* Of a model that says what it read its configuration from. */
static bool was_read(const struct cached_copy *copy, const struct table_change *change)
{
	for (unsigned i = 0; i < COPY_READS; i++)
		if (copy->read[i].space && copy->read[i].space == change->space &&
		    copy->read[i].first <= change->last && copy->read[i].last >= change->first)
			return true;
	return false;
}

static bool says_what_it_read(const struct cached_copy *copy)
{
	for (unsigned i = 0; i < COPY_READS; i++)
		if (copy->read[i].space)
			return true;
	return false;
}

/* Level of the table that a pointer leads to. */
static unsigned pointer_level(const struct verifier *verifier, const struct watched *watched)
{
	const struct iommu *iommu = replay_unit(verifier->replay, watched->unit)->iommu;
	const struct pt_format *format = iommu->model->format(iommu);
	unsigned lg2 = log2_floor(watched->copy.last - watched->copy.first) + 1;

	return (lg2 - format->granule_lg2) / format->index_bits - 1;
}

static bool concerns(const struct verifier *verifier, const struct watched *watched,
		     const struct table_change *change)
{
	const struct cached_copy *copy = &watched->copy;

	if (change->configuration && copy->structure == STRUCTURE_CONFIG)
		return says_what_it_read(copy) ? was_read(copy, change) : of_device(copy, change);
	if (change->configuration)
		return false;
	if (copy->structure == STRUCTURE_CONFIG || copy->space != change->space ||
	    copy->first > change->last || copy->last < change->first)
		return false;
	return copy->structure == STRUCTURE_TLB ||
	       (change->pointer && pointer_level(verifier, watched) < change->level);
}

void doubt_changed_words(struct verifier *verifier, const struct table_change *changes, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		for (size_t i = 0; i < verifier->copies.now.n; i++)
			if (!changes[k].state_only &&
			    concerns(verifier, copy_at(verifier, i), &changes[k]))
				put_in_doubt(verifier, copy_at(verifier, i), CHECK_UPDATE,
					     replay_event(verifier->replay));
}

/* ---- tags -------------------------------------------------------------------------------------------- */

static struct tag_use *use_of(const struct verifier *verifier, const struct watched *watched)
{
	for (size_t i = 0; i < verifier->tags.n; i++) {
		struct tag_use *use = LIST_AT(&verifier->tags, struct tag_use, i);

		if (use->unit == watched->unit && use->tag == watched->copy.tag &&
		    use->pasid == watched->copy.pasid)
			return use;
	}
	return NULL;
}

static bool doubt_conflicted(const struct verifier *verifier, const struct watched *watched)
{
	const struct tag_use *use = use_of(verifier, watched);

	return use && use->conflicted;
}

static bool under(const struct tag_use *use, const struct watched *watched, bool config)
{
	return watched->unit == use->unit && watched->copy.tag == use->tag &&
	       watched->copy.pasid == use->pasid &&
	       (watched->copy.structure == STRUCTURE_CONFIG) == config;
}

/* Whether cached configurations lead under this tag to more than one space; *space: one of them. */
static bool shared(const struct verifier *verifier, const struct tag_use *use, uint32_t *space)
{
	*space = 0;
	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		const struct watched *watched = copy_at(verifier, i);

		if (!under(use, watched, true) || !watched->copy.tagged || !watched->copy.space)
			continue;
		if (*space && *space != watched->copy.space)
			return true;
		*space = watched->copy.space;
	}
	return false;
}

/* Translations and pointers that the caches held under the tag before this request. */
static uint64_t copies_under(const struct verifier *verifier, const struct tag_use *use)
{
	uint64_t n = 0;

	for (size_t i = 0; i < verifier->copies.before.n; i++)
		n += under(use, LIST_AT(&verifier->copies.before, struct watched, i), false);
	return n;
}

/* A configuration came into a cache: its tag stands for its space from now on. */
static void use_tag(struct verifier *verifier, const struct watched *config)
{
	struct tag_use *use = use_of(verifier, config);
	uint64_t copies;
	uint32_t space, old;

	if (!config->copy.tagged || !config->copy.space)
		return;
	if (!use) {
		use = list_add(&verifier->tags, sizeof *use);
		if (!use) {
			verify_fails(verifier);
			return;
		}
		*use = (struct tag_use){ config->unit, config->copy.pasid, 0, config->copy.tag,
					 false };
	}
	old = use->space;
	use->space = config->copy.space;
	if (!old || old == config->copy.space)
		return;
	copies = copies_under(verifier, use);
	if (copies) {
		struct finding finding =
			finding_at(FINDING_TAG_REUSE, 0, replay_event(verifier->replay),
				   replay_now_ns(verifier->replay));

		finding.count = copies;
		derive(verifier, &finding);
	}
	if (!shared(verifier, use, &space) && !copies)
		return;
	use->conflicted = true;
	/* the request that brought it in has found them so already */
	for (size_t i = 0; i < verifier->copies.now.n; i++)
		if (under(use, copy_at(verifier, i), false))
			put_in_doubt(verifier, copy_at(verifier, i), CHECK_TAG, NO_EVENT);
	for (size_t i = 0; i < verifier->copies.before.n; i++)
		if (under(use, LIST_AT(&verifier->copies.before, struct watched, i), false))
			put_in_doubt(verifier, LIST_AT(&verifier->copies.before, struct watched, i),
				     CHECK_TAG, NO_EVENT);
}

void doubt_tags(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		struct watched *watched = copy_at(verifier, i);

		if (watched->fresh && watched->copy.structure == STRUCTURE_CONFIG)
			use_tag(verifier, watched);
	}
}

/* After a flush of the whole tag only what cached configurations say is left of it. */
void doubt_flushed(struct verifier *verifier, const struct inval_op *op)
{
	if (op->executes_as != INVAL_ALL && op->executes_as != INVAL_DOMAIN)
		return;
	for (size_t i = 0; i < verifier->tags.n; i++) {
		struct tag_use *use = LIST_AT(&verifier->tags, struct tag_use, i);
		uint32_t space;

		if (use->unit != op->unit || !use->space ||
		    (op->executes_as == INVAL_DOMAIN && op->scope.tag != use->tag))
			continue;
		use->conflicted = shared(verifier, use, &space);
		use->space = space;
	}
}

/* ---- R3 and R5: what a request brought in ------------------------------------------------------------ */

static bool overlaps(const struct watched *a, const struct watched *b)
{
	return a->copy.structure == STRUCTURE_TLB && b->copy.structure == STRUCTURE_TLB &&
	       a->unit == b->unit && a->copy.tag == b->copy.tag && a->copy.pasid == b->copy.pasid &&
	       a->copy.page_lg2 != b->copy.page_lg2 && a->copy.first <= b->copy.last &&
	       b->copy.first <= a->copy.last;
}

/* Those that were there when it came, and those that still are. */
static bool fill_overlaps(struct verifier *verifier, struct watched *filled)
{
	bool any = false;

	for (size_t i = 0; i < verifier->copies.before.n; i++)
		any |= overlaps(filled, LIST_AT(&verifier->copies.before, struct watched, i));
	for (size_t i = 0; i < verifier->copies.now.n && any; i++)
		if (overlaps(filled, copy_at(verifier, i)))
			put_in_doubt(verifier, copy_at(verifier, i), CHECK_OVERLAP, NO_EVENT);
	if (any)
		put_in_doubt(verifier, filled, CHECK_OVERLAP, NO_EVENT);
	return any;
}

/* Whether a pointer leads where the tables of its space lead. */
static bool pointer_true(const struct verifier *verifier, const struct watched *watched)
{
	uint32_t number = verify_domain_of(verifier, &watched->copy);
	const struct domain *domain =
		number == NAME_NONE ? NULL : replay_domain(verifier->replay, number);
	const struct iommu *iommu = replay_unit(verifier->replay, watched->unit)->iommu;
	const struct pt_format *format = iommu->model->format(iommu);
	unsigned perm = TLB_PERM, bottom = pointer_level(verifier, watched), level;
	pa_t table;

	if (!domain)
		return false;
	table = domain->root;
	for (level = domain->levels - 1; level > bottom; level--) {
		unsigned shift = format->granule_lg2 + format->index_bits * level;
		uint64_t raw = 0;
		struct pt_entry entry;

		replay_word(verifier->replay,
			    table + (watched->copy.first >> shift & low_mask(format->index_bits)) *
					    8,
			    &raw);
		entry = format->decode(raw, level);
		if (entry.kind != PT_TABLE)
			return false;
		perm &= entry.perm;
		table = entry.addr;
	}
	return table == watched->copy.pa && !((perm ^ watched->copy.perm) & (TLB_READ | TLB_WRITE));
}

/* Whether the configuration says what was recorded last of its device. */
static bool config_true(const struct verifier *verifier, const struct watched *config,
			const struct device *device)
{
	uint32_t number =
		device_domain(device, config->copy.serves_both ? NO_PASID : config->copy.serves);
	const struct domain *domain =
		number == NAME_NONE ? NULL : replay_domain(verifier->replay, number);

	if (!config->copy.tagged)
		return domain != NULL;
	return domain && domain->space == config->copy.space && domain->tag == config->copy.tag;
}

/*
 * Whether a translation is the whole of what the tables say. A request that is refused shows it as
 * well; but where they have accessed bits (first stages, which are tagged by a PASID) such a request
 * leaves open whether the bits of the page would be set.
 */
static bool translation_true(const struct verifier *verifier, const struct watched *watched)
{
	const struct dma_result *truth =
		watched->copy.pasid == NO_PASID ? &verifier->page : &verifier->truth;

	return truth->outcome == OUTCOME_OK && truth->page_lg2 >= watched->copy.page_lg2 &&
	       (truth->perm & TLB_PERM) == watched->copy.perm &&
	       (truth->pa & ~low_mask(watched->copy.page_lg2)) == watched->copy.pa;
}

static const struct device *device_of(const struct verifier *verifier, uint32_t unit,
				      const struct dma_request *request)
{
	return replay_device(verifier->replay, unit, request->device);
}

static bool in_space(const struct verifier *verifier, const struct watched *watched, uint32_t unit,
		     const struct dma_request *request)
{
	const struct device *device = device_of(verifier, unit, request);
	uint32_t number = device_domain(device, request->pasid);
	const struct domain *domain =
		number == NAME_NONE ? NULL : replay_domain(verifier->replay, number);

	return domain && domain->space == watched->copy.space && domain->tag == watched->copy.tag;
}

void doubt_filled(struct verifier *verifier, bool from_doubt, uint64_t changed,
		  const struct dma_request *request, uint32_t unit)
{
	bool overlapped = false;

	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		struct watched *watched = copy_at(verifier, i);
		bool same, differs;

		if (!watched->fresh || watched->copy.structure == STRUCTURE_CONFIG)
			continue;
		if (doubt_conflicted(verifier, watched))
			put_in_doubt(verifier, watched, CHECK_TAG, NO_EVENT);
		same = in_space(verifier, watched, unit, request);
		differs = watched->copy.structure == STRUCTURE_TLB
				  ? !same || !translation_true(verifier, watched)
				  : !same || !pointer_true(verifier, watched);
		if (from_doubt && differs)
			put_in_doubt(verifier, watched, CHECK_SOURCE, changed);
		if (watched->copy.structure == STRUCTURE_TLB)
			overlapped |= fill_overlaps(verifier, watched);
	}
	if (overlapped) {
		struct finding finding =
			finding_at(FINDING_MULTI_HIT, MULTI_HIT_FILL,
				   replay_event(verifier->replay), request->time_ns);

		finding.iova = request->iova;
		derive(verifier, &finding);
	}
}

/* ---- R1: a request compared with truth -------------------------------------------------------------- */

static void proven(struct verifier *verifier, struct watched *watched)
{
	watched->doubt = 0;
	watched->changed = NO_EVENT;
	verifier->doubt_changed = true;
}

/* used: the translation or the pointer, of `before`, that the answer was made from; NULL: neither. */
void doubt_proven(struct verifier *verifier, const struct watched *used, uint32_t unit,
		  const struct dma_request *request)
{
	const struct device *device = device_of(verifier, unit, request);

	for (size_t i = 0; i < verifier->copies.now.n; i++) {
		struct watched *config = copy_at(verifier, i);

		if (config->copy.structure == STRUCTURE_CONFIG && config->unit == unit &&
		    config->copy.first == device->requester_id && config->doubt &&
		    config_true(verifier, config, device))
			proven(verifier, config);
	}
	if (!used || !used->doubt || doubt_conflicted(verifier, used) ||
	    !in_space(verifier, used, unit, request))
		return;
	if (used->copy.structure != STRUCTURE_TLB ? !pointer_true(verifier, used)
						  : !translation_true(verifier, used))
		return;
	for (size_t i = 0; i < verifier->copies.before.n; i++)
		if (overlaps(used, LIST_AT(&verifier->copies.before, struct watched, i)))
			return;
	if (!used->gone)
		proven(verifier, copy_at(verifier, used->now));
}
