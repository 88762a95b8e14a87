/* Page requests and stalls: overflows of the queue, waits without an answer, waits behind others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

static const char queue[] = "page request queue";

/* ---- overflow ---------------------------------------------------------------------------------- */

static struct overflow_episode *episode_of(struct detector *detector, uint32_t unit)
{
	if (unit >= detector->n_page_episodes) {
		struct overflow_episode *episodes =
			realloc(detector->page_episodes, (unit + 1) * sizeof *episodes);

		if (!episodes) {
			detector_fails(detector, "an overflow episode");
			return NULL;
		}
		memset(episodes + detector->n_page_episodes, 0,
		       (unit + 1 - detector->n_page_episodes) * sizeof *episodes);
		detector->page_episodes = episodes;
		detector->n_page_episodes = unit + 1;
	}
	return &detector->page_episodes[unit];
}

void pages_requested(void *self, const struct page_report *report)
{
	struct detector *detector = self;
	uint32_t unit = replay_unit_at_hand(detector->replay);
	struct overflow_episode *episode = episode_of(detector, unit);
	uint32_t device = replay_device(detector->replay, unit, report->request->device)->number;
	uint32_t holder = report->holder;

	if (!episode)
		return;
	if (holder != NO_DEVICE)
		holder = replay_device(detector->replay, unit, holder)->number;
	if (report->lost)
		episode_lose(detector, episode, device, holder, report->event,
			     report->request->time_ns);
	else if (report->fate == PAGE_QUEUED && episode->active && episode->acknowledged)
		episode_tell(detector, episode, queue, report->request->time_ns);
}

void pages_acknowledged(void *self)
{
	struct detector *detector = self;
	struct overflow_episode *episode =
		episode_of(detector, replay_unit_at_hand(detector->replay));

	if (!episode || !episode->active)
		return;
	episode->acknowledged = true;
	if (!episode->noticed)
		episode->noticed_ns = replay_now_ns(detector->replay);
	episode->noticed = true;
}

/* ---- waits --------------------------------------------------------------------------------------- */

/* What a wait begins with, and why it could not. */
static const char *asked(const struct page_wait *wait)
{
	return wait->stalled ? "stalled" : "requested";
}

static const char *why_held_back(const struct page_wait *wait)
{
	return wait->stalled ? "its record had no room, so that software could not know of it"
			     : "the device had no credit for a page request";
}

static void tell_stall(struct detector *detector, const struct page_wait *wait, enum stall_why why)
{
	bool open = wait->end == WAIT_NEVER || wait->end == WAIT_HELD_NEVER;
	struct story story;

	story_begin(&story, FINDING_STALL_TIMEOUT, why, wait->event, wait->time_ns);
	name_device(detector, story.finding.device, wait->device);
	name_domain(detector, story.finding.domain, wait->domain);
	story.finding.iova = wait->iova;
	story.finding.write = wait->write;
	story.finding.end_ns = open ? FINDING_NONE : wait->end_ns;
	story.finding.lag_ns = wait->end_ns - wait->time_ns;
	story_step(&story, why == STALL_HELD_BACK ? "held back" : asked(wait), wait->event,
		   wait->time_ns, "%s", why == STALL_HELD_BACK ? why_held_back(wait) : "");
	if (!open)
		story_step(&story,
			   why != STALL_HELD_BACK ? "answered"
			   : wait->stalled	  ? "tried again"
						  : "requested",
			   FINDING_NONE, wait->end_ns, "%s", "");
	story_tell(detector, &story);
}

static struct delays *delays_of(struct detector *detector, uint32_t device)
{
	if (device >= detector->n_delays) {
		struct delays *delays = realloc(detector->delays, (device + 1) * sizeof *delays);

		if (!delays) {
			detector_fails(detector, "waits of devices");
			return NULL;
		}
		memset(delays + detector->n_delays, 0,
		       (device + 1 - detector->n_delays) * sizeof *delays);
		detector->delays = delays;
		detector->n_delays = device + 1;
	}
	return &detector->delays[device];
}

static void tell_delays(struct detector *detector, uint32_t device, struct delays *delays)
{
	struct story story;

	if (!delays->n)
		return;
	story_begin(&story, FINDING_STARVED, STARVED_DELAYED, delays->first_event,
		    delays->first_ns);
	name_device(detector, story.finding.device, device);
	story.finding.end_ns = delays->last_ns;
	story.finding.lag_ns = delays->longest_ns;
	story.finding.count = delays->n;
	snprintf(story.finding.structure, sizeof story.finding.structure, "%s",
		 delays->stalled ? "stalled transactions" : queue);
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 delays->stalled ? "waited while %.60s held the stalls or the fault queue"
				 : "answered late behind requests of %.60s",
		 names_of(replay_names(detector->replay), NAMES_DEVICES, delays->behind));
	story_step(&story, delays->stalled ? "stalled" : "requested", delays->first_event,
		   delays->first_ns, "%s", "the first of them");
	story_tell(detector, &story);
	*delays = (struct delays){ 0 };
}

/* One finding for a row of late answers; one in time ends it. */
static void note_delay(struct detector *detector, const struct page_wait *wait)
{
	uint64_t took = wait->end_ns - wait->time_ns;
	bool late = took > detector->machine->run.starve_limit && wait->behind != NO_DEVICE;
	struct delays *delays = delays_of(detector, wait->device);

	if (!delays)
		return;
	if (!late) {
		tell_delays(detector, wait->device, delays);
		return;
	}
	if (!delays->n++) {
		delays->first_event = wait->event;
		delays->first_ns = wait->time_ns;
		delays->behind = wait->behind;
		delays->stalled = wait->stalled;
	}
	delays->last_ns = wait->end_ns;
	if (took > delays->longest_ns)
		delays->longest_ns = took;
}

void pages_waited(void *self, const struct page_wait *wait)
{
	struct detector *detector = self;
	uint64_t took = wait->end_ns - wait->time_ns, limit = detector->machine->run.stall_limit;

	switch (wait->end) {
	case WAIT_ANSWERED:
		histogram_add(&detector->page_wait, took);
		note_delay(detector, wait);
		if (took > limit)
			tell_stall(detector, wait, STALL_LATE);
		break;
	case WAIT_NEVER:
		tell_stall(detector, wait, STALL_NEVER);
		break;
	case WAIT_HELD_BACK:
		if (wait->stalled)
			note_delay(detector, wait);
		if (took > limit)
			tell_stall(detector, wait, STALL_HELD_BACK);
		break;
	case WAIT_HELD_NEVER:
		if (wait->stalled)
			note_delay(detector, wait);
		tell_stall(detector, wait, STALL_HELD_BACK);
		break;
	}
}

void pages_finish(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_page_episodes; i++)
		if (detector->page_episodes[i].active)
			episode_tell(detector, &detector->page_episodes[i], queue, FINDING_NONE);
	for (uint32_t i = 0; i < detector->n_delays; i++)
		tell_delays(detector, i, &detector->delays[i]);
	free(detector->page_episodes);
	free(detector->delays);
	detector->page_episodes = NULL;
	detector->delays = NULL;
	detector->n_page_episodes = detector->n_delays = 0;
}
