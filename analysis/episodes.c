/* Faults and their records, DMAs in flight, pages freed while mapped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"
#include "analysis/queue_dumps.h"

/* ---- fault records -------------------------------------------------------------------------------- */

static struct overflow_episode *episode_of(struct detector *detector, uint32_t unit)
{
	if (unit >= detector->n_episodes) {
		struct overflow_episode *episodes =
			realloc(detector->episodes, (unit + 1) * sizeof *episodes);

		if (!episodes)
			return NULL;
		memset(episodes + detector->n_episodes, 0,
		       (unit + 1 - detector->n_episodes) * sizeof *episodes);
		detector->episodes = episodes;
		detector->n_episodes = unit + 1;
	}
	return &detector->episodes[unit];
}

/* "nic0 12, nic1 3": who lost how many, most first. */
static void name_losers(const struct detector *detector, const struct overflow_episode *episode,
			char *text, size_t size)
{
	uint64_t below = UINT64_MAX;
	size_t n = 0;

	text[0] = 0;
	for (;;) {
		uint64_t best = 0;

		for (uint32_t i = 0; i < episode->n_devices; i++)
			if (episode->by_device[i] < below && episode->by_device[i] > best)
				best = episode->by_device[i];
		if (!best)
			return;
		for (uint32_t i = 0; i < episode->n_devices && n + 1 < size; i++) {
			int put;

			if (episode->by_device[i] != best)
				continue;
			put = snprintf(text + n, size - n, "%s%.40s %llu", n ? ", " : "lost by ",
				       names_of(replay_names(detector->replay), NAMES_DEVICES, i),
				       (unsigned long long)best);
			n += put > 0 ? (size_t)put : 0;
		}
		below = best;
		if (n + 1 >= size)
			return;
	}
}

/* Those that lost records while another device held the queue: one each. */
static void tell_starved(struct detector *detector, const struct overflow_episode *episode,
			 const char *queue, uint64_t end_ns)
{
	const struct names *names = replay_names(detector->replay);

	for (uint32_t i = 0; i < episode->n_devices; i++) {
		struct story story;

		if (!episode->by_device[i] || episode->holders[i] == NO_DEVICE)
			continue;
		story_begin(&story, FINDING_STARVED, STARVED_LOST, episode->first_event,
			    episode->first_ns);
		name_device(detector, story.finding.device, i);
		story.finding.end_ns = end_ns;
		story.finding.count = episode->by_device[i];
		snprintf(story.finding.structure, sizeof story.finding.structure, "%s", queue);
		snprintf(story.finding.detail, sizeof story.finding.detail,
			 "lost while %.60s held the queue",
			 names_of(names, NAMES_DEVICES, episode->holders[i]));
		story_step(&story, "first lost", episode->first_event, episode->first_ns, "%s",
			   "of this overflow");
		story_tell(detector, &story);
	}
}

void episode_tell(struct detector *detector, struct overflow_episode *episode, const char *queue,
		  uint64_t end_ns)
{
	struct story story;

	story_begin(&story, FINDING_OVERFLOW, 0, episode->first_event, episode->first_ns);
	story.finding.end_ns = end_ns;
	story.finding.lag_ns =
		episode->noticed ? episode->noticed_ns - episode->first_ns : FINDING_NONE;
	story.finding.count = episode->lost;
	name_losers(detector, episode, story.finding.detail, sizeof story.finding.detail);
	snprintf(story.finding.structure, sizeof story.finding.structure, "%s", queue);
	story_step(&story, "first lost", episode->first_event, episode->first_ns, "%s", "");
	story_step(&story, "last lost", episode->last_event, episode->last_ns, "%llu in all",
		   (unsigned long long)episode->lost);
	if (episode->noticed)
		story_step(&story, "noticed", FINDING_NONE, episode->noticed_ns, "%s",
			   "software cleared the overflow");
	if (end_ns != FINDING_NONE)
		story_step(&story, "recording again", FINDING_NONE, end_ns, "%s", "");
	story_tell(detector, &story);
	tell_starved(detector, episode, queue, end_ns);
	free(episode->by_device);
	free(episode->holders);
	*episode = (struct overflow_episode){ 0 };
}

static int grow_episode(struct overflow_episode *episode, uint32_t device)
{
	uint64_t *by_device = realloc(episode->by_device, (device + 1) * sizeof *by_device);
	uint32_t *holders;

	if (!by_device)
		return -1;
	episode->by_device = by_device;
	holders = realloc(episode->holders, (device + 1) * sizeof *holders);
	if (!holders)
		return -1;
	episode->holders = holders;
	for (uint32_t i = episode->n_devices; i <= device; i++) {
		by_device[i] = 0;
		holders[i] = NO_DEVICE;
	}
	episode->n_devices = device + 1;
	return 0;
}

void episode_lose(struct detector *detector, struct overflow_episode *episode, uint32_t device,
		  uint32_t holder, uint64_t event, uint64_t now)
{
	if (!episode->active) {
		episode->active = true;
		episode->first_ns = now;
		episode->first_event = event;
	}
	episode->acknowledged = false;
	episode->last_ns = now;
	episode->last_event = event;
	episode->lost++;
	if (device >= episode->n_devices && grow_episode(episode, device)) {
		detector_fails(detector, "an overflow episode");
		return;
	}
	if (episode->holders[device] == NO_DEVICE)
		episode->holders[device] = holder;
	episode->by_device[device]++;
}

static void masked(struct detector *detector, const struct fault_report *report, uint32_t device)
{
	enum masked_why why = report->fate == FAULT_COLLAPSED ? MASKED_COLLAPSED : MASKED_FPD;
	const char *name = iommu_fault_name(detector->machine->model, report->code);
	struct story story;

	if (!STEP(masked))
		return;
	count_finding(detector, FINDING_MASKED, why, false);
	if (!story_wanted(detector, FINDING_MASKED, 0))
		return;
	story_begin(&story, FINDING_MASKED, why, report->event, report->request->time_ns);
	name_device(detector, story.finding.device, device);
	story.finding.iova = report->request->iova;
	story.finding.bytes = report->request->len;
	story.finding.write = report->request->access & ACCESS_WRITE;
	snprintf(story.finding.detail, sizeof story.finding.detail, "fault %xh %s", report->code,
		 name ? name : "");
	story_step(&story, "faulted", report->event, report->request->time_ns, "%s",
		   why == MASKED_COLLAPSED ? "a record of the same source is pending"
					   : "fault processing disabled");
	worst_put(detector, &story, 0);
}

static uint32_t device_number(const struct detector *detector, uint32_t handle)
{
	return handle == NO_DEVICE ? NO_DEVICE
				   : replay_device(detector->replay,
						   replay_unit_at_hand(detector->replay), handle)
					     ->number;
}

void episodes_fault(void *self, const struct fault_report *report)
{
	struct detector *detector = self;
	uint32_t unit = replay_unit_at_hand(detector->replay);
	uint32_t device = replay_device(detector->replay, unit, report->request->device)->number;
	struct overflow_episode *episode = episode_of(detector, unit);

	if (detector->dumps)
		queue_dumps_note(detector->dumps, report);
	if (!episode) {
		detector_fails(detector, "an overflow episode");
		return;
	}
	if (report->fate == FAULT_LOST)
		episode_lose(detector, episode, device, device_number(detector, report->holder),
			     report->event, report->request->time_ns);
	else if (report->fate == FAULT_RECORDED && episode->active && episode->acknowledged)
		episode_tell(detector, episode, "", report->request->time_ns);
	else if (report->fate == FAULT_COLLAPSED || report->fate == FAULT_DISABLED)
		masked(detector, report, device);
}

void episodes_acknowledged(void *self, bool overflow)
{
	struct detector *detector = self;
	struct overflow_episode *episode =
		episode_of(detector, replay_unit_at_hand(detector->replay));

	if (!episode || !overflow || !episode->active)
		return;
	episode->acknowledged = STEP(acknowledged);
	if (!episode->noticed)
		episode->noticed_ns = replay_now_ns(detector->replay);
	episode->noticed = true;
}

void episodes_handler(void *self, uint32_t unit, uint64_t time_ns)
{
	(void)self;
	(void)unit;
	(void)time_ns; /* the acknowledgement that follows is what counts */
}

/* ---- in flight (design 4; rules R7) ------------------------------------------------------------------- */

static void keep_flight(struct detector *detector, uint64_t event,
			const struct dma_request *request, const struct dma_result *result,
			uint32_t device, uint32_t domain)
{
	uint64_t flight = detector->machine->run.flight;
	uint32_t old = 0;

	while (old < detector->n_flights &&
	       detector->flights[old].time_ns + flight < request->time_ns)
		old++;
	if (old > 64 || (old && old == detector->n_flights)) {
		detector->n_flights -= old;
		memmove(detector->flights, detector->flights + old,
			detector->n_flights * sizeof *detector->flights);
	}
	if (detector->n_flights == detector->max_flights) {
		uint32_t max = detector->max_flights ? detector->max_flights * 2 : 256;
		struct flight *flights = realloc(detector->flights, max * sizeof *flights);

		if (!flights) {
			detector_fails(detector, "DMAs in flight");
			return;
		}
		detector->flights = flights;
		detector->max_flights = max;
	}
	detector->flights[detector->n_flights++] = (struct flight){ request->time_ns,
								    event,
								    request->iova,
								    request->len,
								    device,
								    domain,
								    request->access & ACCESS_WRITE,
								    result->pa };
}

void episodes_dma(void *self, uint64_t event, const struct dma_request *request,
		  const struct dma_result *result, uint32_t device)
{
	struct detector *detector = self;
	uint32_t unit = replay_unit_at_hand(detector->replay);
	uint32_t domain = device_domain(replay_device(detector->replay, unit, request->device),
					request->pasid);

	if (domain == NAME_NONE)
		return;
	if (result->outcome == OUTCOME_OK) {
		if (detector->machine->run.flight)
			keep_flight(detector, event, request, result, device, domain);
		return;
	}
	if (result->outcome != OUTCOME_FAULT ||
	    !iommu_fault_is_missing(detector->machine->model, result->fault))
		return;
	gaps_refused(detector, domain, event, request, result, device);
}

void episodes_in_flight(struct detector *detector, const struct inval_op *op)
{
	uint64_t flight = detector->machine->run.flight;

	if (!flight || op->failed || op->scope.drain || !STEP(in_flight))
		return;
	for (uint32_t i = 0; i < detector->n_flights; i++) {
		const struct flight *dma = &detector->flights[i];
		const struct domain *domain = replay_domain(detector->replay, dma->domain);
		uint32_t part = windows_find(detector, dma->domain, dma->iova, dma->pa);
		const struct window *window;
		struct story story;

		if (part == NO_WINDOW || dma->time_ns + flight <= op->done_ns ||
		    dma->event > op->event)
			continue;
		if ((op->scope.what != INVAL_ALL && op->scope.tag != domain->tag) ||
		    dma->iova < op->scope.first || dma->iova > op->scope.last)
			continue;
		window = window_at(detector, part_at(detector, part)->window);
		if (window->seq > op->seq)
			continue;
		story_begin(&story, FINDING_IN_FLIGHT, 0, dma->event, dma->time_ns);
		name_device(detector, story.finding.device, dma->device);
		name_domain(detector, story.finding.domain, dma->domain);
		story.finding.iova = dma->iova;
		story.finding.bytes = dma->len;
		story.finding.pa = dma->pa;
		story.finding.write = dma->write;
		story.finding.lag_ns = dma->time_ns + flight - op->done_ns;
		story_since(&story, window->event);
		story_step(&story, "translated", dma->event, dma->time_ns, "%s", "");
		story_step(&story, "unmapped", window->event, window->time_ns, "%s", "");
		story_step(&story, "flushed", op->event, op->done_ns, "%s", "without draining");
		story_step(&story, "reached memory", FINDING_NONE, dma->time_ns + flight, "0x%llx",
			   (unsigned long long)dma->pa);
		story_tell(detector, &story);
	}
}

/* ---- pages freed while mapped --------------------------------------------------------------------------- */

struct freeing {
	struct detector *detector;
	struct story story;
	uint32_t domain;
	struct imap_entry first; /* of the lowest page, at the lowest input */
	bool any;
};

static void still_maps(void *ctx, const struct domain *domain, const struct imap_entry *mapping)
{
	struct freeing *freeing = ctx;
	uint64_t pa = mapping->value[LEDGER_PA];

	if (domain->number != freeing->domain)
		return;
	if (!freeing->any || pa < freeing->first.value[LEDGER_PA] ||
	    (pa == freeing->first.value[LEDGER_PA] && mapping->first < freeing->first.first))
		freeing->first = *mapping;
	freeing->any = true;
	story_since(&freeing->story, mapping->value[LEDGER_EVENT]);
	freeing->story.finding.bytes += mapping->last - mapping->first + 1;
}

void episodes_owner(void *self, pa_t first, pa_t last, uint32_t owner, enum owner_state state,
		    uint64_t event, uint64_t time_ns)
{
	struct detector *detector = self;

	(void)owner;
	if (state != OWNER_FREE || !STEP(free_mapped))
		return;
	for (uint32_t i = 0;; i++) {
		const struct domain *domain = replay_domain(detector->replay, i);
		struct freeing freeing = { .detector = detector, .domain = i };

		if (i >= names_count(replay_names(detector->replay), NAMES_DOMAINS))
			return;
		if (!domain)
			continue;
		story_begin(&freeing.story, FINDING_FREE_MAPPED, 0, event, time_ns);
		replay_mappings_of(detector->replay, first, last, still_maps, &freeing);
		if (!freeing.any)
			continue;
		name_domain(detector, freeing.story.finding.domain, i);
		freeing.story.finding.iova = freeing.first.first;
		freeing.story.finding.pa = freeing.first.value[LEDGER_PA];
		story_step(&freeing.story, "mapped", freeing.first.value[LEDGER_EVENT],
			   FINDING_NONE, "0x%llx to 0x%llx",
			   (unsigned long long)freeing.first.first,
			   (unsigned long long)freeing.first.value[LEDGER_PA]);
		story_step(&freeing.story, "freed", event, time_ns, "%s", "still mapped");
		story_tell(detector, &freeing.story);
	}
}

/* ---- tables that grant more than was asked --------------------------------------------------------------- */

static const char *rights_name(unsigned perm)
{
	static const char *const names[] = { "nothing", "r", "w", "rw", "x", "rx", "wx", "rwx" };

	return names[perm & TLB_PERM];
}

void episodes_rights(void *self, const struct rights_excess *excess)
{
	struct detector *detector = self;
	struct story story;

	story_begin(&story, FINDING_RIGHTS_EXCEED, excess->asked ? RIGHTS_PERMISSION : RIGHTS_PAGES,
		    excess->said != NO_EVENT ? excess->said : excess->mapped, excess->time_ns);
	name_domain(detector, story.finding.domain, excess->domain->number);
	story.finding.iova = excess->first;
	story.finding.bytes = excess->last - excess->first + 1;
	story.finding.pa = excess->pa;
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "tables grant %s, %s was asked for%s", rights_name(excess->granted),
		 rights_name(excess->asked),
		 excess->asked || excess->said == NO_EVENT ? "" : ", or another page");
	story_since(&story, excess->mapped);
	story_step(&story, "mapped", excess->mapped, FINDING_NONE, "0x%llx to 0x%llx",
		   (unsigned long long)excess->first, (unsigned long long)excess->pa);
	if (excess->said != NO_EVENT)
		story_step(&story, "asked", excess->said, FINDING_NONE, "%s",
			   rights_name(excess->asked));
	story_step(&story, "compared", FINDING_NONE, excess->time_ns, "%s", "");
	story_tell(detector, &story);
}

void episodes_finish(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_episodes; i++)
		if (detector->episodes[i].active)
			episode_tell(detector, &detector->episodes[i], "", FINDING_NONE);
	free(detector->episodes);
	free(detector->flights);
	detector->episodes = NULL;
	detector->n_episodes = 0;
	detector->flights = NULL;
	detector->n_flights = detector->max_flights = 0;
}
