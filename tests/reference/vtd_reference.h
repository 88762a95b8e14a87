/*
 * Intel VT-d, legacy mode, once more: slow, without caches, from the words of memory to the fault
 * record, in the order in which the specification lists its checks. Shares no code with hw/, so
 * that a mistake would have to be made twice.
 *
 * Covers root, context and second-stage tables and primary fault records. Leaves out what
 * the model leaves out (device TLBs, scalable mode), atomics' record type, and the state of fault
 * recording: a record is what is written when recording works and no other is pending.
 */
#ifndef IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_H
#define IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

struct reference_unit {
	const uint64_t *words; /* memory from address 0 */
	uint64_t held;	       /* bytes of it; above, memory is 0 */
	uint64_t limit;	       /* bytes; a read at or above fails */
	uint64_t rtaddr, cap, ecap;
	unsigned haw;
};

enum reference_type { REFERENCE_UNTRANSLATED, REFERENCE_TRANSLATION, REFERENCE_TRANSLATED };

struct reference_request {
	uint16_t sid;
	enum reference_type type;
	uint64_t address;
	uint32_t bytes; /* 0: a zero-length read */
	bool read, write;
};

enum reference_result {
	REFERENCE_OK,
	REFERENCE_FAULT,
	REFERENCE_MESSAGE, /* an interrupt, not DMA */
	REFERENCE_STOPPED, /* without a fault condition */
};

enum reference_completion { COMPLETION_OK, COMPLETION_UNSUPPORTED, COMPLETION_DROPPED };

struct reference_answer {
	enum reference_result result;
	uint64_t pa, page_bytes; /* REFERENCE_OK */
	bool read, write, snoop; /* what the translation grants; its leaf forces snooping */
	unsigned fault;		 /* REFERENCE_FAULT: reason */
	bool recorded;
	uint64_t record[2];
	enum reference_completion completion;
};

void vtd_reference(const struct reference_unit *unit, const struct reference_request *request,
		   struct reference_answer *answer);

#endif
