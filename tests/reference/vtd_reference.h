/*
 * Intel VT-d once more: slow, without caches, from the words of memory to the fault record, in the
 * order in which the specification lists its checks. Shares no code with hw/, so that a mistake would
 * have to be made twice.
 *
 * Covers root, context and second-stage tables of legacy mode, and of scalable mode root, context and
 * PASID tables, first and second stage, both together, pass-through, accessed and dirty bits, ATS
 * requests as the unit answers them, and primary fault records. Leaves out caches, device TLBs, page
 * requests and the state of fault recording: a record is what is written when recording works
 * and no other is pending. Open points of the specification's reading are read as `iommusim models vtd`
 * lists them.
 */
#ifndef IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_H
#define IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

struct reference_unit {
	uint64_t *words; /* memory from address 0; accessed and dirty bits are written there */
	uint64_t held;	 /* bytes of it; above, memory is 0 */
	uint64_t limit;	 /* bytes; a read at or above fails */
	uint64_t rtaddr, cap, ecap;
	unsigned haw;
};

enum reference_type { REFERENCE_UNTRANSLATED, REFERENCE_TRANSLATION, REFERENCE_TRANSLATED };

enum { REFERENCE_NO_PASID = UINT32_MAX };

struct reference_request {
	uint16_t sid;
	enum reference_type type;
	uint64_t address;
	uint32_t pasid;	  /* or REFERENCE_NO_PASID */
	uint32_t bytes;	  /* 0: a zero-length read */
	bool read, write; /* both: atomic, or a translation request without the no-write flag */
	bool execute, privileged;
};

enum reference_result {
	REFERENCE_OK, /* a translation completion may grant nothing: no right, no address */
	REFERENCE_FAULT,
	REFERENCE_MESSAGE, /* an interrupt, not DMA */
	REFERENCE_STOPPED, /* without a fault condition */
};

enum reference_completion {
	COMPLETION_OK,
	COMPLETION_UNSUPPORTED,
	COMPLETION_DROPPED,
	COMPLETION_ABORT,
};

struct reference_answer {
	enum reference_result result;
	uint64_t pa, page_bytes; /* REFERENCE_OK */
	bool read, write, snoop; /* what the translation grants; its leaf forces snooping */
	bool execute;		 /* the first stage grants it */
	unsigned fault;		 /* REFERENCE_FAULT: reason */
	bool recorded;
	uint64_t record[2];
	enum reference_completion completion;
};

void vtd_reference(const struct reference_unit *unit, const struct reference_request *request,
		   struct reference_answer *answer);

#endif
