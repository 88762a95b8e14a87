#include "analysis/claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is compared ------------------------------------------------------------------------- */

struct claim_field {
	const char *name;
	size_t at; /* in struct finding; all are uint64_t */
};

#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct finding, name)                                              \
	}
static const struct claim_field fields[] = {
	FIELD(event),	 FIELD(iova),	 FIELD(bytes),	     FIELD(pa),
	FIELD(truth_pa), FIELD(end_ns),	 FIELD(lag_ns),	     FIELD(hw_ns),
	FIELD(count),	 FIELD(time_ns), FIELD(hw_first_ns), FIELD(hw_last_ns),
};
#undef FIELD

/* By kind; a kind without a row is not compared. */
static const char *const compared[FINDING_KINDS] = {
	[FINDING_EXPOSURE] = "event iova bytes end_ns hw_ns hw_first_ns hw_last_ns count",
	[FINDING_STALE_USE] = "event iova pa truth_pa lag_ns",
	[FINDING_IN_FLIGHT] = "event iova pa lag_ns",
	[FINDING_BENIGN_STALE] = "event iova pa",
	[FINDING_STALE_REFUSAL] = "event iova truth_pa",
	[FINDING_MULTI_HIT] = "event iova",
	[FINDING_TABLE_UAF] = "event pa iova end_ns",
	[FINDING_FREE_MAPPED] = "event iova bytes pa",
	[FINDING_FLUSH_MISSING] = "event iova bytes end_ns",
	[FINDING_FLUSH_EXCESS] = "event time_ns count",
	[FINDING_COLLATERAL] = "event time_ns count",
	[FINDING_GAP_FAULT] = "event iova lag_ns",
	[FINDING_OVERFLOW] = "event time_ns end_ns lag_ns count",
	[FINDING_MASKED] = "event iova",
	[FINDING_OVER_UNMAP] = "event iova bytes count",
	[FINDING_TAG_REUSE] = "event count",
};

static uint64_t value_of(const struct finding *finding, const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (strlen(fields[i].name) == length && !memcmp(fields[i].name, name, length)) {
			uint64_t value;

			memcpy(&value, (const char *)finding + fields[i].at, sizeof value);
			return value;
		}
	return 0;
}

void claims_put(struct claims *claims, const struct finding *finding)
{
	const char *name = compared[finding->kind];
	struct claim claim = {
		(uint16_t)finding->kind, (uint16_t)finding->subtype, finding->uncertain, { 0 }
	};

	if (!name)
		return;
	for (unsigned i = 0; i < CLAIM_VALUES && *name; i++) {
		size_t length = strcspn(name, " ");

		claim.values[i] = value_of(finding, name, length);
		name += length + (name[length] == ' ');
	}
	if (claims->n == claims->max) {
		size_t max = claims->max ? claims->max * 2 : 256;
		struct claim *items = realloc(claims->items, max * sizeof *items);

		if (!items) {
			claims->failed = true;
			return;
		}
		claims->items = items;
		claims->max = max;
	}
	claims->items[claims->n++] = claim;
}

void claims_free(struct claims *claims)
{
	free(claims->items);
	*claims = (struct claims){ 0 };
}

/* Those whose count follows from which copies are in doubt. */
static bool of_doubt(const struct claim *claim)
{
	switch (claim->kind) {
	case FINDING_BENIGN_STALE:
	case FINDING_MULTI_HIT:
	case FINDING_TABLE_UAF:
	case FINDING_FLUSH_EXCESS:
	case FINDING_COLLATERAL:
	case FINDING_TAG_REUSE:
		return true;
	default:
		return false;
	}
}

void claims_without_doubt(struct claims *claims)
{
	/* of exposure: the hardware side and the uses; of stale-use: which window it falls in */
	enum { HARDWARE = 4, USES = 7, LAG = 4 };
	size_t kept = 0;

	for (size_t i = 0; i < claims->n; i++) {
		struct claim claim = claims->items[i];

		if (of_doubt(&claim))
			continue;
		for (unsigned k = HARDWARE; claim.kind == FINDING_EXPOSURE && k <= USES; k++)
			claim.values[k] = 0;
		if (claim.kind == FINDING_STALE_USE) {
			claim.values[LAG] = 0;
			claim.subtype = 0;
			claim.uncertain = false;
		}
		claims->items[kept++] = claim;
	}
	claims->n = kept;
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static int by_content(const void *one, const void *other)
{
	const struct claim *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	for (unsigned i = 0; i < CLAIM_VALUES; i++)
		if (a->values[i] != b->values[i])
			return a->values[i] < b->values[i] ? -1 : 1;
	if (a->subtype != b->subtype)
		return a->subtype < b->subtype ? -1 : 1;
	return (a->uncertain > b->uncertain) - (a->uncertain < b->uncertain);
}

static void subtype_of(const struct claim *claim, char text[40])
{
	const char *names = finding_kinds[claim->kind].subtypes;

	text[0] = 0;
	for (unsigned i = 0; names && i < claim->subtype; i++)
		names += strcspn(names, "|") + 1;
	if (names)
		snprintf(text, 40, " (%.*s)", (int)strcspn(names, "|"), names);
}

static void describe(const struct claim *claim, const char *who, char *text, size_t size)
{
	const char *name = compared[claim->kind];
	char subtype[40];
	size_t n;

	subtype_of(claim, subtype);
	snprintf(text, size, "%s%s%s is only %s:", claim->uncertain ? "uncertain " : "",
		 finding_kinds[claim->kind].name, subtype, who);
	for (unsigned i = 0; i < CLAIM_VALUES && *name; i++) {
		size_t length = strcspn(name, " ");

		n = strlen(text);
		snprintf(text + n, size - n,
			 claim->values[i] == FINDING_NONE ? " %.*s none" : " %.*s 0x%llx",
			 (int)length, name, (unsigned long long)claim->values[i]);
		name += length + (name[length] == ' ');
	}
}

uint64_t claims_compare(struct claims *reported, struct claims *derived, char *text, size_t size)
{
	size_t i = 0, k = 0;
	uint64_t n = 0;

	if (reported->n)
		qsort(reported->items, reported->n, sizeof *reported->items, by_content);
	if (derived->n)
		qsort(derived->items, derived->n, sizeof *derived->items, by_content);
	while (i < reported->n || k < derived->n) {
		int order = i == reported->n  ? 1
			    : k == derived->n ? -1
					      : by_content(&reported->items[i], &derived->items[k]);

		if (order && !n++)
			describe(order < 0 ? &reported->items[i] : &derived->items[k],
				 order < 0 ? "reported, not derived again"
					   : "derived again, not reported",
				 text, size);
		i += order <= 0;
		k += order >= 0;
	}
	return n;
}
