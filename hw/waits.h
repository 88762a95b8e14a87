/*
 * DMA that waits for software: page requests of devices (PCIe 10.4) and transactions that a unit holds
 * (SMMUv3, IHI 0070 3.12.2), as models and their observers tell of them.
 */
#ifndef IOMMUSIM_HW_WAITS_H
#define IOMMUSIM_HW_WAITS_H

#include "hw/dma.h"

struct iommu;
struct native_command;

struct page_request {
	uint64_t time_ns;
	iova_t iova;
	uint32_t device; /* handle */
	uint32_t pasid;	 /* NO_PASID: none */
	uint16_t group;	 /* PRG index, 9 bits */
	bool last;	 /* of its group */
	bool read, write, execute,
		privileged; /* last, pasid, neither read nor write: a stop marker */
	bool private_data;
	uint64_t data[2];
};

/* What became of a page request at the unit; automatic answers come back at once. */
enum page_fate {
	PAGE_QUEUED,
	PAGE_LOST, /* no answer: the queue overflows, and it was not the last of its group */
	PAGE_AUTO_SUCCESS, /* lost too, but the last: the device may ask again */
	PAGE_AUTO_INVALID,
	PAGE_AUTO_FAILURE,
};

enum page_code { PAGE_SUCCESS, PAGE_INVALID, PAGE_FAILURE };
struct page_response {
	uint32_t device, pasid;
	uint16_t group;
	enum page_code code;
};

struct page_report {
	uint64_t event;
	const struct page_request *request;
	enum page_fate fate;
	bool lost;	 /* the queue overflows */
	uint32_t holder; /* another device with requests in the queue, or NO_DEVICE */
};

/* What a model with a page request queue offers. */
struct page_queue_ops {
	/* A request message arrives. */
	enum page_fate (*request)(struct iommu *iommu, uint64_t event,
				  const struct page_request *request);
	/* What software finds in the queue, oldest first; it has seen the interrupt's cause. */
	size_t (*read)(struct iommu *iommu, uint64_t event, struct page_request *requests,
		       size_t max);
	/* Software is through with the first n: their places are free. Once none is left it
	 * clears an overflow; true: it has cleared one. */
	bool (*done)(struct iommu *iommu, uint64_t event, size_t n);
	/* The command by which software answers a group, and back. */
	void (*encode)(const struct iommu *iommu, const struct page_response *response,
		       struct native_command *command);
	bool (*decode)(const struct iommu *iommu, const struct native_command *command,
		       struct page_response *response);
};

/* A transaction that the unit holds until software decides on it, within a page. */
enum stall_state {
	STALL_UNRECORDED, /* its record has no room yet: software cannot know of it */
	STALL_RECORDED,	  /* software finds it in the fault queue, by its tag */
	STALL_AGAIN, /* ended: to be issued again, as if it had just arrived (iommu->reissues) */
	STALL_COMPLETED,  /* ended: tried again by the unit, and served (else) */
	STALL_TERMINATED, /* ended: `end` says what the device sees */
};
struct stall {
	enum stall_state state;
	struct dma_request request;
	uint64_t event;	       /* that brought it here: another one each time that it stalls */
	uint64_t serial;       /* names one stay for ever */
	uint16_t tag;	       /* RECORDED: of no other now */
	uint16_t fault;	       /* the model's code */
	bool told;	       /* of its last step, by next() */
	uint32_t holder;       /* UNRECORDED: another device that has the room, or NO_DEVICE */
	struct dma_result end; /* COMPLETED, TERMINATED */
};

/* What a model with stalls offers. */
struct stall_ops {
	/* The oldest transaction that has taken a step since it was last told; false: there is none, and
	 * iommu->stall_news is cleared. One that has ended is forgotten. */
	bool (*next)(struct iommu *iommu, struct stall *stall);
	/* The command by which software has it tried again, or aborted. */
	void (*encode)(const struct iommu *iommu, const struct stall *stall, bool again,
		       struct native_command *command);
};

#endif
