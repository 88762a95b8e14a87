/*
 * Freed table pages that cached pointers still lead to (table-uaf, grade window): from the free until the
 * last of the pointers that were there went. Memory follows these pointers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

/* A freed table page. */
struct uaf {
	pa_t page;
	uint64_t event, time_ns;
	uint64_t pointers; /* still there; 0: this place is spare */
	uint32_t next;	   /* spare ones */
};

/* A cached pointer, and a free that it outlived; several, if its page was freed more than once. */
struct uaf_pointer {
	uint64_t id; /* 0: none here */
	uint32_t uaf;
};

enum { NONE = UINT32_MAX, FIRST_BUCKETS = 64 };

struct freed_tables {
	struct uaf *uafs;
	uint32_t n_uafs, max_uafs, spare;
	struct uaf_pointer *pointers; /* open addressing, at most half full */
	uint32_t n_buckets, n_pointers;
};

static uint32_t bucket_of(const struct freed_tables *freed, uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (freed->n_buckets - 1);
}

static void put(struct freed_tables *freed, struct uaf_pointer pointer)
{
	uint32_t at = bucket_of(freed, pointer.id);

	while (freed->pointers[at].id)
		at = (at + 1) & (freed->n_buckets - 1);
	freed->pointers[at] = pointer;
	freed->n_pointers++;
}

static bool grow(struct freed_tables *freed)
{
	struct uaf_pointer *old = freed->pointers;
	uint32_t n = freed->n_buckets;
	struct uaf_pointer *pointers = calloc(n ? n * 2 : FIRST_BUCKETS, sizeof *pointers);

	if (!pointers)
		return false;
	freed->pointers = pointers;
	freed->n_buckets = n ? n * 2 : FIRST_BUCKETS;
	freed->n_pointers = 0;
	for (uint32_t i = 0; i < n; i++)
		if (old[i].id)
			put(freed, old[i]);
	free(old);
	return true;
}

static bool add_pointer(struct freed_tables *freed, uint64_t id, uint32_t uaf)
{
	if (freed->n_pointers * 2 >= freed->n_buckets && !grow(freed))
		return false;
	put(freed, (struct uaf_pointer){ id, uaf });
	freed->uafs[uaf].pointers++;
	return true;
}

/* Closes the gap, so that every pointer stays within reach of its bucket. */
static void take_out(struct freed_tables *freed, uint32_t hole)
{
	uint32_t mask = freed->n_buckets - 1;

	for (uint32_t at = (hole + 1) & mask; freed->pointers[at].id; at = (at + 1) & mask) {
		uint32_t home = bucket_of(freed, freed->pointers[at].id);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		freed->pointers[hole] = freed->pointers[at];
		hole = at;
	}
	freed->pointers[hole].id = 0;
	freed->n_pointers--;
}

static uint32_t new_uaf(struct freed_tables *freed)
{
	uint32_t at = freed->spare;

	if (at != NONE) {
		freed->spare = freed->uafs[at].next;
		return at;
	}
	if (freed->n_uafs == freed->max_uafs) {
		uint32_t max = freed->max_uafs ? freed->max_uafs * 2 : 16;
		struct uaf *uafs = realloc(freed->uafs, max * sizeof *uafs);

		if (!uafs)
			return NONE;
		freed->uafs = uafs;
		freed->max_uafs = max;
	}
	return freed->n_uafs++;
}

static void release(struct freed_tables *freed, uint32_t uaf)
{
	freed->uafs[uaf].pointers = 0;
	freed->uafs[uaf].next = freed->spare;
	freed->spare = uaf;
}

struct pointer_search {
	struct detector *detector;
	uint32_t uaf, unit;
	bool failed;
};

static void note(struct pointer_search *search, uint64_t id)
{
	if (!add_pointer(search->detector->freed_tables, id, search->uaf))
		search->failed = true;
}

static void note_pointer(void *ctx, const struct cached_copy *copy)
{
	struct pointer_search *search = ctx;

	if (copy->structure != STRUCTURE_WALK_CACHE)
		return;
	search->detector->saw_walk_cache = true;
	if (copy->pa == search->detector->freed_tables->uafs[search->uaf].page)
		note(search, copy_id(copy, search->unit));
}

static void note_held(void *ctx, uint64_t id)
{
	struct pointer_search *search = ctx;

	search->detector->saw_walk_cache = true;
	note(search, id);
}

/*
 * Who points to the page. A policy unlinks a table before it gives the page back, so that pointers to
 * it are marked and known; else all copies are looked at, as they are a few times to learn whether
 * there are walk caches at all.
 */
static void find_pointers(struct pointer_search *search, pa_t page)
{
	struct detector *detector = search->detector;

	if (replay_is_policy_table(detector->replay, page)) {
		windows_pointers_to(detector, page, note_held, search);
		if (detector->saw_walk_cache || detector->tables_seen++ > 64)
			return;
	}
	for (search->unit = 0; search->unit < replay_units(detector->replay); search->unit++) {
		struct iommu *iommu = replay_unit(detector->replay, search->unit)->iommu;

		iommu->model->each_copy(iommu, note_pointer, search);
	}
}

static struct freed_tables *freed_tables_of(struct detector *detector)
{
	if (!detector->freed_tables) {
		detector->freed_tables = calloc(1, sizeof *detector->freed_tables);
		if (detector->freed_tables)
			detector->freed_tables->spare = NONE;
	}
	return detector->freed_tables;
}

void freed_tables_add(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct detector *detector = self;
	struct freed_tables *freed = freed_tables_of(detector);
	struct pointer_search search = { .detector = detector };

	search.uaf = freed ? new_uaf(freed) : NONE;
	if (search.uaf == NONE) {
		detector_fails(detector, "freed tables");
		return;
	}
	freed->uafs[search.uaf] = (struct uaf){ .page = pa, .event = event, .time_ns = time_ns };
	find_pointers(&search, pa);
	if (search.failed)
		detector_fails(detector, "freed tables");
	if (!freed->uafs[search.uaf].pointers)
		release(freed, search.uaf);
}

static void tell(struct detector *detector, const struct uaf *uaf, uint64_t end_ns)
{
	struct story story;

	story_begin(&story, FINDING_TABLE_UAF, UAF_WINDOW, uaf->event, uaf->time_ns);
	story.finding.pa = uaf->page;
	story.finding.end_ns = end_ns;
	if (end_ns != FINDING_NONE)
		story.finding.lag_ns = end_ns - uaf->time_ns;
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "cached pointers to a table page outlived it");
	story_step(&story, "freed", uaf->event, uaf->time_ns, "table page 0x%llx",
		   (unsigned long long)uaf->page);
	if (end_ns != FINDING_NONE)
		story_step(&story, "flushed", FINDING_NONE, end_ns, "%s", "the last pointer went");
	story_tell(detector, &story);
}

void freed_tables_pointer_closes(struct detector *detector, uint64_t id)
{
	struct freed_tables *freed = detector->freed_tables;
	uint32_t at;

	if (!freed->n_pointers || copy_name_structure(id) != STRUCTURE_WALK_CACHE ||
	    !STEP(pointer_closes))
		return;
	at = bucket_of(freed, id);
	while (freed->pointers[at].id) {
		uint32_t uaf = freed->pointers[at].uaf;

		if (freed->pointers[at].id != id) {
			at = (at + 1) & (freed->n_buckets - 1);
			continue;
		}
		take_out(freed, at); /* another may stand here now */
		if (--freed->uafs[uaf].pointers)
			continue;
		tell(detector, &freed->uafs[uaf], replay_now_ns(detector->replay));
		release(freed, uaf);
	}
}

static int by_event(const void *a, const void *b)
{
	const struct uaf *x = a, *y = b;

	if (x->event != y->event)
		return x->event < y->event ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

void freed_tables_finish(struct detector *detector)
{
	struct freed_tables *freed = detector->freed_tables;

	if (!freed)
		return;
	if (freed->n_uafs) /* spare places are free to use: the order tells nothing */
		qsort(freed->uafs, freed->n_uafs, sizeof *freed->uafs, by_event);
	for (uint32_t i = 0; i < freed->n_uafs; i++)
		if (freed->uafs[i].pointers)
			tell(detector, &freed->uafs[i], FINDING_NONE);
	freed_tables_destroy(detector);
}

void freed_tables_destroy(struct detector *detector)
{
	if (!detector->freed_tables)
		return;
	free(detector->freed_tables->uafs);
	free(detector->freed_tables->pointers);
	free(detector->freed_tables);
	detector->freed_tables = NULL;
}
