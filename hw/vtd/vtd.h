/*
 * Intel VT-d, legacy mode: Intel Virtualization Technology for Directed I/O, Architecture
 * Specification, rev 3.x to 4.x.
 *
 * Models: root and context tables (9.1, 9.3), second-stage tables with 4K, 2M and 1G pages
 * (3.7, 9.8), every check in order with its fault reason (7.1), context cache, IOTLB and one
 * paging-structure cache per level (6.2), register and queued invalidation (6.5), primary fault
 * recording with overflow, compression and FPD (7.2, 10.4).
 * Leaves out: see vtd_model.omits.
 */
#ifndef IOMMUSIM_HW_VTD_VTD_H
#define IOMMUSIM_HW_VTD_VTD_H

#include "hw/iommu.h"

extern const struct iommu_model vtd_model;
extern const struct iommu_vectors vtd_vectors; /* vtd_vectors.c */

/* Every field is a setting; the rows in vtd_settings.c are their documentation. */
struct vtd_config {
	uint64_t haw, mgaw, levels_3, levels_4, levels_5;
	uint64_t pages_2m, pages_1g, snoop_control, pass_through, zero_length_read;
	uint64_t domain_id_bits, page_selective, mamv, caching_mode;
	uint64_t fault_records, compression;
	uint64_t iotlb_sets, iotlb_ways, iotlb_replacement;
	uint64_t walk_entries, walk_ways, walk_replacement;
	uint64_t context_entries;
	uint64_t ih0_scope, superpage_flush, multi_hit, ih_effective, esrtps;
};

enum { IH0_RANGE, IH0_DOMAIN };
enum { SUPERPAGE_COVERING, SUPERPAGE_STRICT };
enum { MULTI_HIT_OLDEST, MULTI_HIT_NEWEST, MULTI_HIT_RANDOM };

extern const struct setting vtd_settings[];

/* Fault reasons of legacy mode (7.1.3). */
enum vtd_fault_reason {
	VTD_ROOT_NOT_PRESENT = 0x1,
	VTD_CONTEXT_NOT_PRESENT = 0x2,
	VTD_CONTEXT_INVALID = 0x3,
	VTD_ADDRESS_TOO_WIDE = 0x4,
	VTD_WRITE_DENIED = 0x5,
	VTD_READ_DENIED = 0x6,
	VTD_ENTRY_UNREADABLE = 0x7,
	VTD_ROOT_UNREADABLE = 0x8,
	VTD_CONTEXT_UNREADABLE = 0x9,
	VTD_ROOT_RESERVED = 0xa,
	VTD_CONTEXT_RESERVED = 0xb,
	VTD_ENTRY_RESERVED = 0xc,
	VTD_REQUEST_BLOCKED = 0xd,
	VTD_INTERRUPT_RANGE = 0xe,
};

#endif
