/* What a unit's detectors reported, and names that steps give to what they met. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_values.h"
#include "analysis/vectors.h"

static const struct {
	const char *name;
	unsigned bit;
} kinds[] = {
	{ "use-after-unmap", REPORT_USE_AFTER_UNMAP },
	{ "multi-hit", REPORT_MULTI_HIT },
	{ "table-uaf", REPORT_TABLE_UAF },
	{ "queue-overflow", REPORT_QUEUE_OVERFLOW },
};

unsigned unit_report_of(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kinds[i].name, name))
			return kinds[i].bit;
	return 0;
}

void unit_note_report(struct vector_unit *unit, unsigned kind, const struct unit_report *report)
{
	struct unit_report *slot = &unit->reports[unit->n_reports++ % UNIT_REPORTS_MAX];

	*slot = *report;
	slot->kind = kind;
	if (unit->answer)
		unit->answer->reports |= kind;
}

/* ---- names ------------------------------------------------------------------------------ */

void unit_note_atc(struct vector_unit *unit, iova_t iova)
{
	unit->atc[unit->n_atc++ % UNIT_ATC_MAX] = iova & ~low_mask(12);
}

bool unit_atc_noted(const struct vector_unit *unit, iova_t iova)
{
	for (uint64_t i = 0; i < unit->n_atc && i < UNIT_ATC_MAX; i++)
		if (unit->atc[i] == iova)
			return true;
	return false;
}

static struct unit_stag *find_stag(const struct vector_unit *unit, const char *name)
{
	for (uint64_t i = 0; i < unit->n_stags && i < UNIT_STAGS_MAX; i++)
		if (!strcmp(unit->stags[i].name, name))
			return (struct unit_stag *)&unit->stags[i];
	return NULL;
}

void unit_note_stag(struct vector_unit *unit, const char *name, uint64_t value)
{
	struct unit_stag *slot = find_stag(unit, name);

	if (!slot)
		slot = &unit->stags[unit->n_stags++ % UNIT_STAGS_MAX];
	snprintf(slot->name, sizeof slot->name, "%s", name);
	slot->value = value;
}

bool unit_stag(const struct vector_unit *unit, const char *name, uint64_t *value)
{
	const struct unit_stag *slot = find_stag(unit, name);

	if (slot)
		*value = slot->value;
	return slot != NULL;
}

/* ---- comparing a report ----------------------------------------------------------------- */

/* The member that a name in a file stands for; NULL: none of them. */
static const uint64_t *detail_of(const struct unit_report *report, const char *name)
{
	return !strcmp(name, "iova")	? &report->iova
	       : !strcmp(name, "pa")	? &report->pa
	       : !strcmp(name, "table") ? &report->table
					: NULL;
}

/* To the byte, or by the page. */
static bool detail_fits(const struct unit_report *report, const struct value *at)
{
	const uint64_t *found = detail_of(report, at->key);
	uint64_t expected;

	return found && at->text && text_number(at->text, &expected) && *found != NO_PA &&
	       (*found == expected || (*found & ~low_mask(12)) == expected);
}

/* Of the reports of that kind, the one that most of the details fit. */
static const struct unit_report *nearest(const struct vector_unit *unit, unsigned kind,
					 const struct value *details)
{
	const struct unit_report *best = NULL;
	unsigned most = 0;

	for (uint64_t i = 0; i < unit->n_reports && i < UNIT_REPORTS_MAX; i++) {
		const struct unit_report *report = &unit->reports[i];
		unsigned fits = 1;

		for (const struct value *at = details->first; at; at = at->next)
			fits += detail_fits(report, at);
		if (report->kind != kind || fits <= most)
			continue;
		best = report;
		most = fits;
	}
	return best;
}

static void compare_detail(struct comparison *comparison, const struct unit_report *report,
			   const struct value *at)
{
	const uint64_t *found = report ? detail_of(report, at->key) : NULL;
	char text[32] = "not told";

	if (found && *found != NO_PA)
		snprintf(text, sizeof text, "0x%" PRIx64, *found);
	vector_compared(comparison, "report", at, at->text ? at->text : "a number", text,
			report && detail_fits(report, at));
}

/* A queue by name: the model counts what it lost. */
static void compare_queue(struct comparison *comparison, const struct value *report,
			  const struct value *kind)
{
	const struct vector_unit *unit = comparison->unit;
	const struct iommu_vectors *vectors = unit->model->vectors;
	const struct value *queue = value_member(report, "queue");
	const struct value *lost = value_member(report, "lost");
	struct named_value beside = { .name = "name", .text = queue ? queue->text : "" };
	struct told told = { .value = unit->lost };
	bool known = true;
	uint64_t expected;
	char text[32];

	if (queue)
		known = beside.text && vectors->field &&
			vectors->field(unit->iommu, "queue.lost", &beside, 1, &told);
	snprintf(text, sizeof text, "%" PRIu64, told.value);
	if (queue)
		vector_compared(comparison, "report", queue, queue->text ? queue->text : "a queue",
				"no such queue", known);
	vector_compared(comparison, "report", kind, kind->text, "no such report",
			known && told.value > 0);
	if (lost)
		vector_compared(comparison, "report", lost, lost->text ? lost->text : "a number",
				text,
				known && lost->text && text_number(lost->text, &expected) &&
					expected == told.value);
}

void vector_compare_report(struct comparison *comparison, const struct value *report)
{
	const struct value *kind = value_member(report, "kind");
	unsigned bit = kind && kind->text ? unit_report_of(kind->text) : 0;
	const struct unit_report *best = bit ? nearest(comparison->unit, bit, report) : NULL;

	if (bit == REPORT_QUEUE_OVERFLOW)
		compare_queue(comparison, report, kind);
	else
		vector_compared(comparison, "report", kind,
				kind && kind->text ? kind->text : "a kind", "no such report",
				best != NULL);
	for (const struct value *at = report->first; at; at = at->next)
		if (at != kind && (bit != REPORT_QUEUE_OVERFLOW ||
				   (strcmp(at->key, "queue") != 0 && strcmp(at->key, "lost") != 0)))
			compare_detail(comparison, best, at);
}
