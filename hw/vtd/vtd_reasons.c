/* Fault reasons: names, and what they mean to recording and to ATS (specification 7.1.3, 4.2). */
#include "hw/vtd/vtd_private.h"

const char *vtd_fault_name(uint16_t code)
{
	static const char *const names[] = {
		[VTD_ROOT_NOT_PRESENT] = "LRT.2 root entry not present",
		[VTD_CONTEXT_NOT_PRESENT] = "LCT.2 context entry not present",
		[VTD_CONTEXT_INVALID] = "LCT.4 context entry invalid",
		[VTD_ADDRESS_TOO_WIDE] = "LGN.1 address beyond the address width",
		[VTD_WRITE_DENIED] = "LGN.2 write not allowed",
		[VTD_READ_DENIED] = "LGN.3 read not allowed",
		[VTD_ENTRY_UNREADABLE] = "LSL.1 paging entry cannot be read",
		[VTD_ROOT_UNREADABLE] = "LRT.1 root entry cannot be read",
		[VTD_CONTEXT_UNREADABLE] = "LCT.1 context entry cannot be read",
		[VTD_ROOT_RESERVED] = "LRT.3 reserved bit in root entry",
		[VTD_CONTEXT_RESERVED] = "LCT.3 reserved bit in context entry",
		[VTD_ENTRY_RESERVED] = "LSL.2 reserved bit in paging entry",
		[VTD_REQUEST_BLOCKED] = "LCT.5 request type blocked",
		[VTD_INTERRUPT_RANGE] = "LGN.4 output in the interrupt range",
		[VTD_TABLE_MODE_INVALID] = "RTA.1 translation table mode invalid",
		[VTD_PASID_IN_LEGACY_MODE] = "RTA.2 request with PASID in legacy mode",
		[VTD_SCALABLE_ROOT + VTD_UNREADABLE] = "SRT.1 root entry cannot be read",
		[VTD_SCALABLE_ROOT + VTD_NOT_PRESENT] = "SRT.2 root entry not present",
		[VTD_SCALABLE_ROOT + VTD_RESERVED_BIT] = "SRT.3 reserved bit in root entry",
		[VTD_SCALABLE_CONTEXT + VTD_UNREADABLE] = "SCT.1 context entry cannot be read",
		[VTD_SCALABLE_CONTEXT + VTD_NOT_PRESENT] = "SCT.2 context entry not present",
		[VTD_SCALABLE_CONTEXT + VTD_RESERVED_BIT] = "SCT.3 reserved bit in context entry",
		[VTD_SCALABLE_CONTEXT + VTD_INVALID] = "SCT.4 context entry invalid",
		[VTD_ATS_BLOCKED] = "SCT.5 ATS request blocked",
		[VTD_PASID_BLOCKED] = "SCT.6 request with PASID blocked",
		[VTD_PAGE_REQUEST_IN_LEGACY_MODE] = "RTA.3 page request in legacy mode",
		[VTD_PAGE_REQUEST_BLOCKED] = "SCT.8 page request blocked",
		[VTD_PASID_TOO_LARGE] = "SCT.7 PASID beyond the directory",
		[VTD_RID_PASID_INVALID] = "SCT.9 RID_PASID not supported",
		[VTD_PASID_DIRECTORY + VTD_UNREADABLE] = "SPD.1 PASID directory cannot be read",
		[VTD_PASID_DIRECTORY + VTD_NOT_PRESENT] = "SPD.2 PASID directory entry not present",
		[VTD_PASID_DIRECTORY + VTD_RESERVED_BIT] =
			"SPD.3 reserved bit in PASID directory entry",
		[VTD_PASID_TABLE + VTD_UNREADABLE] = "SPT.1 PASID table entry cannot be read",
		[VTD_PASID_TABLE + VTD_NOT_PRESENT] = "SPT.2 PASID table entry not present",
		[VTD_PASID_TABLE + VTD_RESERVED_BIT] = "SPT.3 reserved bit in PASID table entry",
		[VTD_PASID_TABLE + VTD_INVALID] = "SPT.4 PASID table entry invalid",
		[VTD_EXECUTE_DISABLED] = "SPT.5 execute requests disabled",
		[VTD_SUPERVISOR_DISABLED] = "SPT.6 supervisor requests disabled",
		[VTD_FIRST_UNREADABLE] = "SFS.1 first-stage entry cannot be read",
		[VTD_FIRST_NOT_PRESENT] = "SFS.2 first-stage entry not present",
		[VTD_FIRST_RESERVED] = "SFS.3 reserved bit in first-stage entry",
		[VTD_FIRST_TOP_UNREADABLE] = "SFS.4 first-stage top table cannot be read",
		[VTD_NESTED_TOO_WIDE] = "SFS.5 first-stage table beyond the second stage",
		[VTD_NESTED_TOP_DENIED] = "SFS.6 first-stage top table not readable",
		[VTD_NESTED_ENTRY_DENIED] = "SFS.7 first-stage table not readable",
		[VTD_NESTED_STATE_DENIED] = "SFS.8 first-stage table not writable",
		[VTD_SECOND_UNREADABLE] = "SSS.1 second-stage entry cannot be read",
		[VTD_SECOND_NOT_PRESENT] = "SSS.2 second-stage entry not present",
		[VTD_SECOND_RESERVED] = "SSS.3 reserved bit in second-stage entry",
		[VTD_SECOND_TOP_UNREADABLE] = "SSS.4 second-stage top table cannot be read",
		[VTD_SECOND_STATE_NOT_SNOOPED] = "SSS.5 accessed or dirty update not snooped",
		[VTD_NOT_CANONICAL] = "SGN.1 address not canonical",
		[VTD_USER_DENIED] = "SGN.2 user access not allowed",
		[VTD_EXECUTE_DENIED] = "SGN.3 execute not allowed",
		[VTD_PASS_TOO_WIDE] = "SGN.4 pass-through address beyond the host width",
		[VTD_SECOND_TOO_WIDE] = "SGN.5 address beyond the address width",
		[VTD_SCALABLE_WRITE_DENIED] = "SGN.6 write not allowed",
		[VTD_SCALABLE_READ_DENIED] = "SGN.7 read not allowed",
		[VTD_SCALABLE_INTERRUPT_RANGE] = "SGN.8 output in the interrupt range",
		[VTD_FIRST_STATE_NOT_SNOOPED] = "SFS.9 accessed or dirty update not snooped",
	};

	return code < sizeof names / sizeof names[0] ? names[code] : NULL;
}

/* Not present, or a permission missing: what a later mapping would have served. */
bool vtd_fault_is_missing(uint16_t code)
{
	switch (code) {
	case VTD_WRITE_DENIED:
	case VTD_READ_DENIED:
	case VTD_FIRST_NOT_PRESENT:
	case VTD_SECOND_NOT_PRESENT:
	case VTD_USER_DENIED:
	case VTD_SCALABLE_WRITE_DENIED:
	case VTD_SCALABLE_READ_DENIED:
		return true;
	default:
		return false;
	}
}

/* Whether FPD can hide it. 50h and 58h are taken as qualified (sheet 9). */
bool vtd_fault_qualified(uint16_t code)
{
	switch (code) {
	case VTD_ROOT_UNREADABLE:
	case VTD_ROOT_NOT_PRESENT:
	case VTD_ROOT_RESERVED:
	case VTD_CONTEXT_UNREADABLE:
	case VTD_SCALABLE_CONTEXT + VTD_UNREADABLE:
		return false;
	default:
		return code < VTD_TABLE_MODE_INVALID || code > VTD_SCALABLE_ROOT + VTD_RESERVED_BIT;
	}
}

/* How a translation request that meets the condition is answered (sheet 2.4, medium). */
enum vtd_ats_answer vtd_fault_ats(uint16_t code)
{
	switch (code) {
	case VTD_ADDRESS_TOO_WIDE:
	case VTD_WRITE_DENIED:
	case VTD_READ_DENIED:
	case VTD_FIRST_NOT_PRESENT:
	case VTD_SECOND_NOT_PRESENT:
	case VTD_NOT_CANONICAL:
	case VTD_USER_DENIED:
	case VTD_EXECUTE_DENIED:
	case VTD_PASS_TOO_WIDE:
	case VTD_SECOND_TOO_WIDE:
	case VTD_SCALABLE_WRITE_DENIED:
	case VTD_SCALABLE_READ_DENIED:
		return ATS_NOTHING;
	case VTD_ROOT_NOT_PRESENT:
	case VTD_CONTEXT_NOT_PRESENT:
	case VTD_REQUEST_BLOCKED:
	case VTD_PASID_IN_LEGACY_MODE:
	case VTD_SCALABLE_ROOT + VTD_NOT_PRESENT:
	case VTD_SCALABLE_CONTEXT + VTD_NOT_PRESENT:
	case VTD_ATS_BLOCKED:
	case VTD_PASID_BLOCKED:
	case VTD_PASID_TOO_LARGE:
	case VTD_PASID_DIRECTORY + VTD_NOT_PRESENT:
	case VTD_PASID_TABLE + VTD_NOT_PRESENT:
	case VTD_EXECUTE_DISABLED:
	case VTD_SUPERVISOR_DISABLED:
		return ATS_UNSUPPORTED;
	default:
		return ATS_ABORT;
	}
}
