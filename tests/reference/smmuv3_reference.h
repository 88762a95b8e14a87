/*
 * Arm SMMUv3 once more: slow, without caches, from a StreamID to the event record, in the order of
 * IHI 0070 7.3.22. Shares no code with hw/, so that a mistake would have to be made twice.
 *
 * Covers stream tables, STE and CD with their legality, substreams, both stages with all granules,
 * block sizes, concatenated tables, permissions, hardware update of access flag and dirty state, the
 * stall and terminate models, event records. Leaves out what the model leaves out, and the state of
 * the event queue: a record is what is written when there is room; its STAG is 0.
 */
#ifndef IOMMUSIM_TESTS_REFERENCE_SMMUV3_REFERENCE_H
#define IOMMUSIM_TESTS_REFERENCE_SMMUV3_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

struct smmu_reference_unit {
	void *memory;
	/* False: external abort. */
	bool (*load)(void *memory, uint64_t address, uint64_t *word);
	void (*store)(void *memory, uint64_t address, uint64_t word);
	/* ID registers; sizes in bits */
	unsigned oas, sidsize, ssidsize, httu, stall_model, term_model;
	bool s1p, s2p, hyp, gran4k, gran16k, gran64k, stt, vax, asid16, vmid16, cd2l, st_level;
	bool xnx, had, e0pd, ats, ns1ats, attr_perms_ovr;
	/* registers */
	bool enabled, recinvsid, e2h, gbpa_abort;
	uint64_t strtab_base;
	unsigned log2size, split, format;
};

struct smmu_reference_request {
	uint32_t sid, ssid;
	bool ssv;
	uint64_t address;
	bool write, instruction, privileged; /* not write: a read */
};

enum smmu_reference_response { REFERENCE_DATA, REFERENCE_ABORT, REFERENCE_RAZWI, REFERENCE_STALL };

struct smmu_reference_answer {
	enum smmu_reference_response response;
	/* REFERENCE_DATA */
	uint64_t pa, page_bytes, span_bytes; /* span: with contiguous sets */
	bool read, write, execute;	     /* what the requester's privilege is granted */
	/* else */
	unsigned event; /* 0: none there is (a silent abort) */
	bool recorded;
	uint64_t record[4];
};

/* Stores access flags and dirty state as it goes. */
void smmuv3_reference(const struct smmu_reference_unit *unit,
		      const struct smmu_reference_request *request,
		      struct smmu_reference_answer *answer);

#endif
