/* The parts of the slow VT-d among themselves. */
#ifndef IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_PRIVATE_H
#define IOMMUSIM_TESTS_REFERENCE_VTD_REFERENCE_PRIVATE_H

#include "tests/reference/vtd_reference.h"

/* Bits [high:low] of a word, and the address that they hold in place. */
uint64_t field(uint64_t word, unsigned high, unsigned low);
uint64_t address_field(uint64_t word, unsigned high, unsigned low);
bool load(const struct reference_unit *unit, uint64_t address, uint64_t *word);
bool width_supported(const struct reference_unit *unit, unsigned aw);
unsigned max_guest_width(const struct reference_unit *unit);
bool second_is_leaf(uint64_t entry, unsigned level);
bool second_reserved(const struct reference_unit *unit, uint64_t entry, unsigned level);
bool interrupt_range(uint64_t address);
/* Output is input. */
void pass_unchanged(const struct reference_request *request, struct reference_answer *answer);
/* The answer to a request that met this fault, or 0; hidden: FPD keeps it from being recorded. */
void finish(const struct reference_request *request, unsigned fault, bool hidden,
	    struct reference_answer *answer);

/* vtd_reference_scalable.c: RTADDR.TTM is 01. */
void scalable_reference(const struct reference_unit *unit, const struct reference_request *request,
			struct reference_answer *answer);

/*
 * vtd_reference_stages.c: what a usable PASID table entry says, walked. Answers the fault, or 0 with the
 * page in *answer. Accessed and dirty bits are written from the top on, as far as no level refuses the
 * request; those of the page's own entry only if the whole request is granted.
 */
unsigned walk_pasid_entry(const struct reference_unit *unit, const uint64_t entry[8],
			  const struct reference_request *request, struct reference_answer *answer);

#endif
