#include "hw/pri.h"

#include <stdlib.h>
#include <string.h>

void pri_free(struct pri_interface *pri)
{
	free(pri->groups);
	pri->groups = NULL;
	pri->n = pri->max = 0;
}

static bool in_flight(const struct pri_interface *pri, unsigned group)
{
	for (uint32_t i = 0; i < pri->n; i++)
		if (pri->groups[i].group == group)
			return true;
	return false;
}

unsigned pri_new_group(struct pri_interface *pri)
{
	for (unsigned tries = 0; tries < PRI_GROUPS; tries++) {
		unsigned group = pri->next_group;

		pri->next_group = (uint16_t)((group + 1) % PRI_GROUPS);
		if (!in_flight(pri, group))
			return group;
	}
	return PRI_GROUPS;
}

static struct pri_group *add(struct pri_interface *pri)
{
	if (pri->n == pri->max) {
		uint32_t max = pri->max ? pri->max * 2 : 8;
		struct pri_group *groups = realloc(pri->groups, max * sizeof *groups);

		if (!groups)
			return NULL;
		pri->groups = groups;
		pri->max = max;
	}
	return &pri->groups[pri->n++];
}

struct pri_group *pri_sent(struct pri_interface *pri, const struct page_request *request,
			   uint64_t event)
{
	struct pri_group *group = NULL;

	for (uint32_t i = 0; i < pri->n && !group; i++)
		if (pri->groups[i].group == request->group &&
		    pri->groups[i].pasid == request->pasid && !pri->groups[i].complete)
			group = &pri->groups[i];
	if (!group) {
		group = add(pri);
		if (!group)
			return NULL;
		*group = (struct pri_group){ .pasid = request->pasid,
					     .group = request->group,
					     .iova = request->iova,
					     .write = request->write,
					     .event = event,
					     .time_ns = request->time_ns,
					     .behind = NO_DEVICE };
	}
	pri->beyond += pri->used >= pri->allocation;
	pri->used++;
	group->requests++;
	group->complete |= request->last;
	return group;
}

struct pri_group *pri_find(struct pri_interface *pri, uint32_t pasid, unsigned group)
{
	for (uint32_t i = 0; i < pri->n; i++) {
		struct pri_group *at = &pri->groups[i];

		if (at->group == group && (pasid == ALL_PASIDS || at->pasid == pasid))
			return at;
	}
	return NULL;
}

struct pri_group *pri_oldest(struct pri_interface *pri)
{
	for (uint32_t i = 0; i < pri->n; i++)
		if (pri->groups[i].complete)
			return &pri->groups[i];
	return NULL;
}

void pri_answered(struct pri_interface *pri, struct pri_group *group, enum page_code code)
{
	uint32_t at = (uint32_t)(group - pri->groups);

	pri->used -= group->requests;
	pri->stopped |= code == PAGE_FAILURE;
	memmove(group, group + 1, (pri->n - at - 1) * sizeof *group);
	pri->n--;
}
