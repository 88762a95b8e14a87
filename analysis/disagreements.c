/* Recorded answers that the model does not give: how they differ, and the walk that led there. */
#include <stdio.h>
#include <string.h>

#include "analysis/detect_private.h"
#include "hw/memory.h"

static enum differs_how how_of(const struct disagreement *what)
{
	bool allowed = what->result.outcome == OUTCOME_OK;

	if (what->pa != NO_PA)
		return allowed ? DIFFERS_ADDRESS : DIFFERS_REFUSED;
	return allowed ? DIFFERS_ALLOWED : DIFFERS_REASON;
}

static void say(const struct detector *detector, char *text, size_t size, bool allowed, pa_t pa,
		uint16_t fault)
{
	const char *name = iommu_fault_name(detector->machine->model, fault);

	if (allowed)
		snprintf(text, size, "0x%llx", (unsigned long long)pa);
	else
		snprintf(text, size, "fault %xh %s", fault, name ? name : "");
}

/* What the recording last mapped there. */
static void tell_mapping(const struct detector *detector, const struct disagreement *what,
			 struct story *story)
{
	const struct domain *domain = replay_domain(detector->replay, what->domain);
	const struct imap_entry *mapping =
		domain ? imap_at(domain->ledger, what->request.iova) : NULL;

	if (mapping)
		story_step(story, "mapped", mapping->value[LEDGER_EVENT], FINDING_NONE,
			   "0x%llx to 0x%llx", (unsigned long long)mapping->first,
			   (unsigned long long)mapping->value[LEDGER_PA]);
}

/* Every entry from the domain's root table down to the one where the walk ends. */
static void tell_walk(const struct detector *detector, const struct disagreement *what,
		      struct story *story)
{
	const struct domain *domain = replay_domain(detector->replay, what->domain);
	const struct unit *unit = replay_unit(detector->replay, 0);
	const struct pt_format *format = unit->iommu->model->format(unit->iommu);
	pa_t table;

	if (!domain || !domain->root)
		return;
	table = domain->root;
	for (unsigned level = domain->levels; level-- > 0;) {
		unsigned shift = format->granule_lg2 + format->index_bits * level;
		pa_t at = table + (what->request.iova >> shift & low_mask(format->index_bits)) * 8;
		struct pt_entry entry;
		uint64_t raw;

		if (!replay_word(detector->replay, at, &raw))
			return;
		entry = format->decode(raw, level);
		story_step(story, "walk reads", FINDING_NONE, what->request.time_ns,
			   "level %u: word 0x%llx at 0x%llx", level + 1, (unsigned long long)raw,
			   (unsigned long long)at);
		if (entry.kind != PT_TABLE)
			return;
		table = entry.addr;
	}
}

void disagreements_differ(void *self, const struct disagreement *what)
{
	struct detector *detector = self;
	enum differs_how how = how_of(what);
	char recorded[56], model[56];
	struct story story;

	count_finding(detector, FINDING_DISAGREEMENT, how, false);
	if (!story_wanted(detector, FINDING_DISAGREEMENT, 0))
		return;
	story_begin(&story, FINDING_DISAGREEMENT, how, what->event, what->request.time_ns);
	name_device(detector, story.finding.device, what->device);
	name_domain(detector, story.finding.domain, what->domain);
	story.finding.iova = what->request.iova;
	story.finding.bytes = what->request.len;
	story.finding.write = what->request.access & ACCESS_WRITE;
	story.finding.pa = what->pa == NO_PA ? FINDING_NONE : what->pa;
	story.finding.truth_pa =
		what->result.outcome == OUTCOME_OK ? what->result.pa : FINDING_NONE;
	tell_mapping(detector, what, &story);
	say(detector, recorded, sizeof recorded, what->pa != NO_PA, what->pa, what->fault);
	say(detector, model, sizeof model, what->result.outcome == OUTCOME_OK, what->result.pa,
	    what->result.fault);
	snprintf(story.finding.detail, sizeof story.finding.detail, "recorded %s; the model %s %s",
		 recorded, what->result.cached ? "served from its IOTLB" : "walked to", model);
	tell_walk(detector, what, &story);
	story_step(&story, "answered", what->event, what->request.time_ns, "%s", recorded);
	worst_put(detector, &story, 0);
}
