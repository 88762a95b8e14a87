/* What requests met in the caches: stale uses and refusals, overlaps, freed tables, reused tags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

static const char *structure_of(const struct detector *detector, const struct cached_copy *copy)
{
	return detector->machine->model->structure_name(copy->structure, copy->level);
}

/* Rules, "Grades of a stale use": what the page is now, against its owner at the update. */
static enum stale_grade grade_of(const struct detector *detector, pa_t pa, uint32_t owner,
				 uint64_t update)
{
	const struct imap_entry *now = replay_owner(detector->replay, pa);

	if (replay_is_policy_table(detector->replay, pa))
		return GRADE_TABLE;
	if (!STEP(grade))
		return GRADE_OWN;
	if (!now)
		return GRADE_OWN;
	if (now->value[OWNER_STATE] == OWNER_TABLE)
		return GRADE_TABLE;
	if (now->value[OWNER_STATE] == OWNER_FREE)
		return GRADE_FREED;
	if (now->value[OWNER_NAME] != owner)
		return GRADE_REALLOC_OTHER;
	return now->value[OWNER_EVENT] > update && update != NO_EVENT ? GRADE_REALLOC_SAME
								      : GRADE_OWN;
}

static void tell_copy(struct story *story, const struct detector *detector,
		      const struct cached_copy *copy)
{
	snprintf(story->finding.structure, sizeof story->finding.structure, "%s",
		 structure_of(detector, copy));
	if (copy->filled != NO_EVENT)
		story_step(story, "filled", copy->filled, FINDING_NONE,
			   "%s: 0x%llx..0x%llx to 0x%llx, tag %llu", structure_of(detector, copy),
			   (unsigned long long)copy->first, (unsigned long long)copy->last,
			   (unsigned long long)copy->pa, (unsigned long long)copy->tag);
	if (copy->changed != NO_EVENT)
		story_step(story, "made stale", copy->changed, FINDING_NONE, "%s", "");
}

/* What the answer came from: a copy, or memory that lags behind what software wrote. */
static void tell_source(struct story *story, const struct detector *detector,
			const struct checked_use *use)
{
	if (use->behind && !use->copy->reasons)
		snprintf(story->finding.structure, sizeof story->finding.structure, "%s",
			 "memory behind software");
	else
		tell_copy(story, detector, use->copy);
}

static uint32_t device_of(const struct detector *detector, const struct dma_request *request)
{
	return replay_device(detector->replay, replay_unit_at_hand(detector->replay),
			     request->device)
		->number;
}

static uint32_t domain_of(const struct detector *detector, uint32_t space)
{
	const struct domain *domain = replay_domain_of_space(detector->replay, space);

	return domain ? domain->number : NAME_NONE;
}

static void tell_request(struct story *story, const struct detector *detector,
			 const struct dma_request *request, uint32_t space)
{
	story->finding.iova = request->iova;
	story->finding.bytes = request->len;
	story->finding.write = request->access & ACCESS_WRITE;
	name_device(detector, story->finding.device, device_of(detector, request));
	name_domain(detector, story->finding.domain, domain_of(detector, space));
}

static void tell_walk(struct story *story, const struct checked_use *use)
{
	if (use->behind)
		story_step(story, "not written back", use->behind->event, FINDING_NONE,
			   "the word at 0x%llx, read as 0x%llx",
			   (unsigned long long)use->behind->word,
			   (unsigned long long)use->behind->memory);
	if (use->walk)
		story_step(story, "tables say", FINDING_NONE, use->request->time_ns,
			   "word 0x%llx at 0x%llx", (unsigned long long)use->walk->raw,
			   (unsigned long long)use->walk->word);
}

/* The window that this use falls in, its update and what has happened to the page since. */
static const struct window *tell_window(struct story *story, struct detector *detector,
					const struct checked_use *use, uint32_t *owner,
					uint64_t *update)
{
	uint32_t domain = domain_of(detector, use->copy->space);
	uint32_t at = domain == NAME_NONE
			      ? NO_WINDOW
			      : windows_find(detector, domain, use->request->iova, use->served.pa);
	const struct imap_entry *now;
	struct window *window;
	const struct part *part;

	*owner = domain == NAME_NONE ? NAME_NONE : replay_domain(detector->replay, domain)->owner;
	*update = use->behind && !use->copy->reasons ? use->behind->event : use->copy->changed;
	if (at == NO_WINDOW)
		return NULL;
	part = part_at(detector, at);
	window = window_at(detector, part->window);
	*owner = part->owner;
	*update = window->event;
	if (!window->uses++)
		window->use_event = use->event;
	if (part->mapped != NO_EVENT)
		story_step(story, "mapped", part->mapped, FINDING_NONE, "%s", "");
	tell_source(story, detector, use);
	story_step(story, "unmapped", window->event, window->time_ns, "%s", "");
	now = use->served.pa != NO_PA ? replay_owner(detector->replay, use->served.pa) : NULL;
	if (now && now->value[OWNER_EVENT] > window->event)
		story_step(story, now->value[OWNER_STATE] == OWNER_FREE ? "freed" : "allocated",
			   now->value[OWNER_EVENT], FINDING_NONE, "%s",
			   now->value[OWNER_STATE] == OWNER_FREE
				   ? ""
				   : owner_name(detector, (uint32_t)now->value[OWNER_NAME]));
	return window;
}

static void stale_use(struct detector *detector, const struct checked_use *use)
{
	const struct imap_entry *now = replay_owner(detector->replay, use->served.pa);
	struct story story;
	const struct window *window;
	uint64_t update;
	uint32_t owner;

	story_begin(&story, FINDING_STALE_USE, 0, use->event, use->request->time_ns);
	tell_request(&story, detector, use->request, use->copy->space);
	story.finding.pa = use->served.pa;
	story.finding.truth_pa = use->truth.outcome == OUTCOME_OK ? use->truth.pa : FINDING_NONE;
	window = tell_window(&story, detector, use, &owner, &update);
	story_since(&story, update);
	if (window) {
		story.finding.lag_ns = use->request->time_ns - window->time_ns;
		/* R10: closer than two clocks can tell, the update may have come after the use. */
		story.finding.uncertain =
			story.finding.lag_ns <= detector->machine->run.uncertainty &&
			detector->machine->run.uncertainty;
		histogram_add(&detector->lag, story.finding.lag_ns);
	} else {
		tell_source(&story, detector, use);
		snprintf(
			story.finding.detail, sizeof story.finding.detail, "%s",
			use->behind && !use->copy->reasons
				? "its window is closed, but memory still holds what was taken away"
			: use->copy->structure == STRUCTURE_CONFIG
				? "no update of this page stands behind it: the device's "
				  "configuration changed"
			: use->copy->reasons & CHECK_RUN
				? "it was made from a run of entries that disagree"
			: use->copy->reasons & CHECK_TAG
				? "no update of this page stands behind it: its tag stands for "
				  "other tables too"
				: "no update of this page stands behind it: its window is closed");
	}
	story.finding.subtype = grade_of(detector, use->served.pa, owner, update);
	snprintf(story.finding.owner, 64, "%.63s", owner_name(detector, owner));
	if (now && now->value[OWNER_STATE] != OWNER_FREE)
		snprintf(story.finding.owner_now, 64, "%.63s",
			 owner_name(detector, (uint32_t)now->value[OWNER_NAME]));
	tell_walk(&story, use);
	story_step(&story, "used", use->event, use->request->time_ns,
		   "%s %u bytes at 0x%llx, reaching 0x%llx",
		   (use->request->access & ACCESS_WRITE) ? "write of"
		   : use->request->access		 ? "read of"
							 : "access of",
		   use->request->len, (unsigned long long)use->request->iova,
		   (unsigned long long)use->served.pa);
	story_tell(detector, &story);
}

static void stale_refusal(struct detector *detector, const struct checked_use *use)
{
	const char *name = iommu_fault_name(detector->machine->model, use->served.fault);
	struct story story;

	story_begin(&story, FINDING_STALE_REFUSAL, 0, use->event, use->request->time_ns);
	tell_request(&story, detector, use->request, use->copy->space);
	story.finding.truth_pa = use->truth.pa;
	snprintf(story.finding.detail, sizeof story.finding.detail, "%s", name ? name : "fault");
	story_since(&story, use->copy->changed);
	tell_source(&story, detector, use);
	tell_walk(&story, use);
	story_step(&story, "refused", use->event, use->request->time_ns,
		   "fault %xh; memory maps it to 0x%llx", use->served.fault,
		   (unsigned long long)use->truth.pa);
	story_tell(detector, &story);
}

static void benign(struct detector *detector, const struct checked_use *use)
{
	uint64_t value = use->copy->changed != NO_EVENT ? use->event - use->copy->changed : 0;
	bool uncertain = lost_since(detector, use->copy->changed);
	struct story story;

	count_finding(detector, FINDING_BENIGN_STALE, 0, uncertain);
	if (!story_wanted(detector, FINDING_BENIGN_STALE, value))
		return;
	story_begin(&story, FINDING_BENIGN_STALE, 0, use->event, use->request->time_ns);
	story.finding.uncertain = uncertain;
	tell_request(&story, detector, use->request, use->copy->space);
	story.finding.pa = use->served.pa;
	tell_copy(&story, detector, use->copy);
	story_step(&story, "used", use->event, use->request->time_ns, "%s",
		   "agrees with the tables again");
	worst_put(detector, &story, value);
}

static void multi_hit(struct detector *detector, enum multi_hit_at at, uint64_t event,
		      const struct dma_request *request, const struct cached_copy *one,
		      const struct cached_copy *other)
{
	struct story story;

	story_begin(&story, FINDING_MULTI_HIT, at, event, request->time_ns);
	tell_request(&story, detector, request, one->space);
	story.finding.pa = one->pa;
	story.finding.truth_pa = other->pa;
	story_since(&story, one->filled);
	story_since(&story, other->filled);
	tell_copy(&story, detector, other);
	if (at == MULTI_HIT_REQUEST)
		tell_copy(&story, detector, one);
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "2^%u bytes to 0x%llx and 2^%u bytes to 0x%llx", one->page_lg2,
		 (unsigned long long)one->pa, other->page_lg2, (unsigned long long)other->pa);
	story_step(&story, at == MULTI_HIT_FILL ? "overlaps" : "matches both", event,
		   request->time_ns, "%s",
		   at == MULTI_HIT_FILL ? "this walk's entry covers a valid one in part" : "");
	story_tell(detector, &story);
}

static void freed_table(struct detector *detector, const struct checked_use *use)
{
	struct story story;

	story_begin(&story, FINDING_TABLE_UAF, UAF_USED, use->event, use->request->time_ns);
	tell_request(&story, detector, use->request, use->copy->space);
	story.finding.pa = use->table_word;
	story.finding.truth_pa = use->truth.outcome == OUTCOME_OK ? use->truth.pa : FINDING_NONE;
	if (use->copy->reasons) /* else live entries led there */
		tell_copy(&story, detector, use->copy);
	story_since(&story, use->table_freed);
	story_step(&story, "freed", use->table_freed, FINDING_NONE, "table page 0x%llx",
		   (unsigned long long)(use->table_word & ~0xfffull));
	tell_walk(&story, use);
	story_step(&story, "walked", use->event, use->request->time_ns,
		   "read 0x%llx in the freed page", (unsigned long long)use->table_word);
	snprintf(story.finding.detail, sizeof story.finding.detail, "%s",
		 use->served.outcome == OUTCOME_OK
			 ? "the walk found a translation in the freed page"
		 : use->truth.outcome == OUTCOME_OK ? "refused, although memory maps it"
						    : "refused, as memory does");
	story_tell(detector, &story);
}

static void behind(struct detector *detector, const struct checked_use *use)
{
	char device[64] = "", domain[64] = "";

	name_device(detector, device, device_of(detector, use->request));
	name_domain(detector, domain, domain_of(detector, use->copy->space));
	walks_behind(detector, use, device, domain);
}

void uses_checked(void *self, const struct checked_use *use)
{
	struct detector *detector = self;

	if (use->behind)
		behind(detector, use);
	if (use->undirtied && detector->n_dirty_logs)
		dirty_written(detector, use, domain_of(detector, use->copy->space),
			      device_of(detector, use->request));

	if (use->page_freed_table && STEP(freed_table))
		freed_table(detector, use);
	if (use->matches > 1)
		multi_hit(detector, MULTI_HIT_REQUEST, use->event, use->request, use->copy,
			  &use->other);
	if (use->verdict == VERDICT_STALE_USE)
		stale_use(detector, use);
	else if (use->verdict == VERDICT_STALE_REFUSAL)
		stale_refusal(detector, use);
	else if (use->verdict == VERDICT_BENIGN)
		benign(detector, use);
}

void uses_overlap(void *self, uint64_t event, const struct dma_request *request,
		  const struct cached_copy *filled, const struct cached_copy *valid)
{
	if (STEP(overlap))
		multi_hit(self, MULTI_HIT_FILL, event, request, filled, valid);
}

void uses_tag_reused(void *self, uint64_t event, uint32_t device, uint64_t tag, uint32_t old_space,
		     uint32_t space, uint64_t copies)
{
	struct detector *detector = self;
	char old_name[64] = "?", now_name[64] = "?";
	struct story story;

	story_begin(&story, FINDING_TAG_REUSE, 0, event, replay_now_ns(detector->replay));
	name_domain(detector, old_name, domain_of(detector, old_space));
	name_domain(detector, now_name, domain_of(detector, space));
	memcpy(story.finding.domain, now_name, sizeof story.finding.domain);
	name_device(detector, story.finding.device,
		    replay_device(detector->replay, replay_unit_at_hand(detector->replay), device)
			    ->number);
	story.finding.count = copies;
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "id %llu stood for %.40s and stands for %.40s; %llu copies remain",
		 (unsigned long long)tag, old_name, now_name, (unsigned long long)copies);
	story_step(&story, "used with the other tables", event, story.finding.time_ns, "%s", "");
	story_tell(detector, &story);
}
