/*
 * A device's page request interface: PCI Express Base Specification 10.4.
 *
 * A device may have as many page requests outstanding as software allocated to it (credits). A request
 * holds its credit until its group is answered; a group is answered once, after its last request.
 * A response with the code Response Failure stops the interface.
 *
 * Shared by every IOMMU model's users; knows no IOMMU and no time but what it is told.
 */
#ifndef IOMMUSIM_HW_PRI_H
#define IOMMUSIM_HW_PRI_H

#include "hw/iommu.h"

enum { PRI_GROUPS = 512 }; /* PRG indexes: 9 bits */

/* A group that has no answer yet. */
struct pri_group {
	uint32_t pasid;
	uint16_t group;
	uint32_t requests; /* sent, each with its credit */
	bool complete;	   /* its last was sent */
	bool own;	   /* the simulated device made it; else a recorded one did */
	iova_t iova;	   /* of the first request */
	bool write;
	uint64_t event, time_ns; /* of the first request */
	uint32_t behind;	 /* another device that was ahead of it, or NO_DEVICE */
};

struct pri_interface {
	uint32_t allocation; /* credits in all; 0: not switched on */
	uint32_t used;
	struct pri_group *groups; /* oldest first */
	uint32_t n, max;
	bool stopped; /* Response Failure */
	uint16_t next_group;
	uint64_t unexpected; /* responses with an index that nothing waits for */
	uint64_t beyond;     /* recorded requests sent without a credit */
};

void pri_free(struct pri_interface *pri);

/* Whether the device may send one more request now. */
static inline bool pri_may_send(const struct pri_interface *pri)
{
	return !pri->stopped && pri->used < pri->allocation;
}

/* An index that no group in flight has; PRI_GROUPS: all are. */
unsigned pri_new_group(struct pri_interface *pri);

/* The request is on its way; its group, or NULL: no memory. Stop markers are no requests. */
struct pri_group *pri_sent(struct pri_interface *pri, const struct page_request *request,
			   uint64_t event);

/* The group that a response is for, or NULL; ALL_PASIDS: of any PASID. */
struct pri_group *pri_find(struct pri_interface *pri, uint32_t pasid, unsigned group);
/* The oldest whose last request was sent, or NULL. */
struct pri_group *pri_oldest(struct pri_interface *pri);

/* The group is answered and forgotten; its credits are free. */
void pri_answered(struct pri_interface *pri, struct pri_group *group, enum page_code code);

#endif
