/*
 * Domains of maps and unmaps as the guest's side alone tells them. The task that unmapped (or,
 * with caching mode, mapped) submits the invalidation right after, and a page-selective one
 * names its domain; a dma:* event beside the map or unmap names the device.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

enum {
	CPU_SLOTS = 256, /* by number; more CPUs share them and lose hints, nothing else */
	RECENT = 32,	 /* maps and unmaps of a CPU that a command or hint may still name */
};

struct recent {
	size_t ordinal;
	uint64_t first, last;
	uint32_t pid;
	bool unmap, claimed;
};

struct claim_cpu {
	uint32_t cpu;
	unsigned n, next;
	struct recent recent[RECENT];
	/* A dma event that comes before its unmap. */
	bool expecting, expect_range;
	uint32_t expect_pid;
	int32_t expect_space;
	uint64_t expect_first, expect_last;
};

struct claims {
	const struct import_arch *arch;
	const int32_t *sid_to_space; /* 65536 entries, -1 unknown; or NULL */
	struct decisions *decisions;
	struct claim_cpu cpus[CPU_SLOTS];
};

int claims_create(const struct import_arch *arch, const int32_t *sid_to_space,
		  struct decisions *decisions, struct claims **out, struct err *err)
{
	struct claims *claims = calloc(1, sizeof *claims);

	if (!claims)
		return err_no_memory(err, "domain evidence");
	claims->arch = arch;
	claims->sid_to_space = sid_to_space;
	claims->decisions = decisions;
	*out = claims;
	return 0;
}

void claims_destroy(struct claims *claims)
{
	free(claims);
}

static int decision_add(struct decisions *list, struct err *err)
{
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 4096;
		struct decision *items = realloc(list->items, room * sizeof *items);

		if (!items)
			return err_no_memory(err, "domains of mappings");
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = (struct decision){ .how = HOW_NONE };
	return 0;
}

static struct claim_cpu *claim_cpu_of(struct claims *claims, uint32_t cpu)
{
	struct claim_cpu *slot = &claims->cpus[cpu % CPU_SLOTS];

	if (slot->cpu != cpu) {
		memset(slot, 0, sizeof *slot);
		slot->cpu = cpu;
	}
	return slot;
}

enum claim_kind { CLAIM_ANY, CLAIM_MAPS, CLAIM_UNMAPS };

/* Whether one of the first n overlaps the range. */
static bool overlaps_any(struct recent *const *taken, unsigned n, const struct recent *recent)
{
	for (unsigned i = 0; i < n; i++)
		if (taken[i]->first <= recent->last && taken[i]->last >= recent->first)
			return true;
	return false;
}

/*
 * Gives the newest unclaimed maps, or the newest unmaps, of this task within [first, last] the
 * domain; of several at one address only the newest. An interrupt's own unmaps and commands may
 * stand in between: newest first pairs them like brackets.
 */
static void claim(struct claims *claims, const struct guest_record *record, enum claim_kind kind,
		  uint64_t first, uint64_t last, struct decision decision)
{
	struct claim_cpu *slot = claim_cpu_of(claims, record->cpu);
	struct recent *taken[RECENT];
	unsigned taken_n = 0;

	for (unsigned i = 0; i < slot->n; i++) {
		struct recent *recent = &slot->recent[(slot->next + RECENT - 1 - i) % RECENT];

		if (recent->pid != record->pid || recent->last < first || recent->first > last)
			continue;
		if (kind == CLAIM_ANY && !recent->claimed)
			kind = recent->unmap ? CLAIM_UNMAPS : CLAIM_MAPS;
		if (kind != CLAIM_ANY && recent->unmap != (kind == CLAIM_UNMAPS))
			break;
		if (recent->claimed || overlaps_any(taken, taken_n, recent))
			continue;
		recent->claimed = true;
		taken[taken_n++] = recent;
		claims->decisions->items[recent->ordinal] = decision;
	}
}

static int claim_mapping(struct claims *claims, const struct guest_record *record, struct err *err)
{
	struct claim_cpu *slot = claim_cpu_of(claims, record->cpu);
	bool unmap = record->kind == GUEST_UNMAP;
	struct recent recent = {
		.ordinal = claims->decisions->n,
		.first = record->iova,
		.last = record->end - 1,
		.pid = record->pid,
		.unmap = unmap,
	};

	if (decision_add(claims->decisions, err))
		return -1;
	if (unmap && slot->expecting && slot->expect_pid == record->pid &&
	    (!slot->expect_range ||
	     (recent.first <= slot->expect_last && recent.last >= slot->expect_first))) {
		claims->decisions->items[recent.ordinal] =
			decision_of(slot->expect_space, HOW_DEVICE, 0);
		recent.claimed = true;
		slot->expecting = false;
	}
	slot->recent[slot->next] = recent;
	slot->next = (slot->next + 1) % RECENT;
	if (slot->n < RECENT)
		slot->n++;
	return 0;
}

static void claim_by_command(struct claims *claims, const struct guest_record *record)
{
	struct command_scope scope;

	if (claims->arch->scope(record->words, &scope) && scope.selective)
		claim(claims, record, CLAIM_ANY, scope.first, scope.last,
		      decision_of(scope.space, HOW_COMMAND, 0));
}

static void claim_by_hint(struct claims *claims, const struct guest_record *record)
{
	struct claim_cpu *slot = claim_cpu_of(claims, record->cpu);
	int32_t space = claims->sid_to_space ? claims->sid_to_space[record->sid & 0xffff] : -1;

	if (space < 0)
		return;
	if (record->hint == HINT_WILL_UNMAP) {
		slot->expecting = true;
		slot->expect_pid = record->pid;
		slot->expect_space = space;
		slot->expect_range = record->end != record->iova;
		slot->expect_first = record->iova;
		slot->expect_last = record->end - 1;
		return;
	}
	claim(claims, record, record->hint == HINT_MAPPED ? CLAIM_MAPS : CLAIM_UNMAPS, record->iova,
	      record->end - 1, decision_of(space, HOW_DEVICE, 0));
}

int claims_add(struct claims *claims, const struct guest_record *record, struct err *err)
{
	switch (record->kind) {
	case GUEST_MAP:
	case GUEST_UNMAP:
		return claim_mapping(claims, record, err);
	case GUEST_COMMAND:
		claim_by_command(claims, record);
		return 0;
	case GUEST_HINT:
		claim_by_hint(claims, record);
		return 0;
	case GUEST_MARK:
	case GUEST_LOST:
	case GUEST_FREE:
	case GUEST_ALLOC:
	case GUEST_REQUEST:
	case GUEST_KINDS:
		return 0;
	}
	return 0;
}
