/*
 * Intel VT-d: Intel Virtualization Technology for Directed I/O, Architecture Specification, rev 3.x
 * to 4.x.
 *
 * Models: root and context tables of legacy and scalable mode (9.1, 9.3, 9.4), PASID directory
 * and table (9.5, 9.6), first-stage tables with 4 and 5 levels (3.6, 9.7), second-stage tables
 * (3.7, 9.8), nested translation (3.8), pass-through, accessed and dirty bits, ATS translation
 * requests and translated requests as the unit answers them, every check in order with its fault
 * reason (7.1); context cache, PASID cache, IOTLB and one paging-structure cache per level and
 * stage (6.2), register and queued invalidation (6.5), primary fault recording with overflow,
 * compression and FPD (7.2, 10.4).
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
	uint64_t pages_2m, pages_1g, snoop_control, coherency, pass_through, zero_length_read;
	uint64_t domain_id_bits, page_selective, mamv, caching_mode;
	uint64_t fault_records, compression;
	uint64_t iotlb_sets, iotlb_ways, iotlb_replacement;
	uint64_t walk_entries, walk_ways, walk_replacement;
	uint64_t context_entries;
	uint64_t ih0_scope, superpage_flush, multi_hit, ih_effective, esrtps;
	uint64_t scalable, first_stage, second_stage, nested, first_stage_5_levels, first_stage_1g;
	uint64_t second_stage_ad, page_walk_snoop, execute_requests, supervisor_requests;
	uint64_t extended_accessed, rid_pasid, device_tlbs;
	uint64_t pasid_entries, driver_tables, retry_bytes;
	uint64_t page_requests, prq_order;
	uint64_t second_stage_reasons, page_request_drain;
};

enum { IH0_RANGE, IH0_DOMAIN };
enum { SUPERPAGE_COVERING, SUPERPAGE_STRICT };
enum { MULTI_HIT_OLDEST, MULTI_HIT_NEWEST, MULTI_HIT_RANDOM };
enum { REASONS_SCALABLE, REASONS_LEGACY };
enum { DRIVER_LEGACY, DRIVER_SECOND_STAGE, DRIVER_FIRST_STAGE, DRIVER_AUTO };

/* cached_copy.level of walk caches of the first stage counts from here, of the second from 0. */
enum { VTD_FIRST_STAGE_LEVEL = 5 };

extern const struct setting vtd_settings[];

enum vtd_fault_reason { /* 7.1.3 */
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

			/* scalable mode */
			VTD_TABLE_MODE_INVALID = 0x30,
			VTD_PASID_IN_LEGACY_MODE = 0x31,
			VTD_PAGE_REQUEST_IN_LEGACY_MODE = 0x32,
			VTD_SCALABLE_ROOT = 0x38, /* and what a structure's faults count from: */
			VTD_SCALABLE_CONTEXT = 0x40,
			VTD_PASID_DIRECTORY = 0x50,
			VTD_PASID_TABLE = 0x58,
			VTD_ATS_BLOCKED = 0x44,
			VTD_PASID_BLOCKED = 0x45,
			VTD_PASID_TOO_LARGE = 0x46,
			VTD_PAGE_REQUEST_BLOCKED = 0x47,
			VTD_RID_PASID_INVALID = 0x48,
			VTD_EXECUTE_DISABLED = 0x5c,
			VTD_SUPERVISOR_DISABLED = 0x5d,
			VTD_FIRST_UNREADABLE = 0x70,
			VTD_FIRST_NOT_PRESENT = 0x71,
			VTD_FIRST_RESERVED = 0x72,
			VTD_FIRST_TOP_UNREADABLE = 0x73,
			VTD_NESTED_TOO_WIDE = 0x74,
			VTD_NESTED_TOP_DENIED = 0x75,
			VTD_NESTED_ENTRY_DENIED = 0x76,
			VTD_NESTED_STATE_DENIED = 0x77,
			VTD_SECOND_UNREADABLE = 0x78,
			VTD_SECOND_NOT_PRESENT = 0x79,
			VTD_SECOND_RESERVED = 0x7a,
			VTD_SECOND_TOP_UNREADABLE = 0x7b,
			VTD_SECOND_STATE_NOT_SNOOPED = 0x7c,
			VTD_NOT_CANONICAL = 0x80,
			VTD_USER_DENIED = 0x81,
			VTD_EXECUTE_DENIED = 0x82,
			VTD_PASS_TOO_WIDE = 0x83,
			VTD_SECOND_TOO_WIDE = 0x84,
			VTD_SCALABLE_WRITE_DENIED = 0x85,
			VTD_SCALABLE_READ_DENIED = 0x86,
			VTD_SCALABLE_INTERRUPT_RANGE = 0x87,
			VTD_FIRST_STATE_NOT_SNOOPED = 0x90,
};

/* The conditions that each configuration structure of scalable mode has, from its first code. */
enum { VTD_UNREADABLE, VTD_NOT_PRESENT, VTD_RESERVED_BIT, VTD_INVALID };

#endif
