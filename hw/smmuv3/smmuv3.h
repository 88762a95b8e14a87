/*
 * Arm SMMUv3: System Memory Management Unit Architecture Specification version 3, IHI 0070 (3.0 to
 * 3.4), Non-secure programming interface.
 *
 * Models: linear and two-level stream tables, STE and CD with every legality check in order (5.2,
 * 5.4), substreams; stage 1, stage 2 and nested walks of VMSAv8-64 with 4, 16 and 64 KiB granules,
 * contiguous sets, concatenated stage-2 tables, hardware update of access flag and dirty state; one
 * main TLB with tags by StreamWorld, VMID and ASID (3.17), walk caches for each stage and level, a
 * configuration cache; commands (4), event queue, terminate and stall models (3.12), PRI queue,
 * ATS, GERROR.
 * Leaves out: see smmuv3_model.omits.
 */
#ifndef IOMMUSIM_HW_SMMUV3_SMMUV3_H
#define IOMMUSIM_HW_SMMUV3_SMMUV3_H

#include "hw/iommu.h"

extern const struct iommu_model smmuv3_model;
extern const struct setting smmuv3_settings[];
extern const struct iommu_vectors smmuv3_vectors;

/* Every field is a setting; the rows in smmuv3_settings.c are their documentation. */
struct smmuv3_config {
	uint64_t version, oas, s1p, s2p, hyp, gran4k, gran16k, gran64k, stt, vax;
	uint64_t asid16, vmid16, sidsize, ssidsize, cohacc, cd2l, st_level, attr_perms_ovr;
	uint64_t httu, xnx, had, e0pd, ats, ns1ats, pri, pps, ril, bbml;
	uint64_t stall_model, term_model, stall_max, cmdqs, eventqs, priqs;
	uint64_t e2h, recinvsid, rec_cfg_ats, atschk, vmw, gbpa_abort;
	uint64_t tlb_sets, tlb_ways, tlb_replacement;
	uint64_t walk_entries, walk_ways, walk_replacement, config_entries;
	uint64_t multi_hit, contiguous, cache_illegal, over_invalidation, merge;
	uint64_t full_queue, event_class, retry_bytes;
	uint64_t stage, granule, eventq_log2, priq_log2;
};

enum { SMMUV3_CONFLICT, SMMUV3_OLDEST, SMMUV3_NEWEST, SMMUV3_LARGEST };
enum { SMMUV3_OVFLG, SMMUV3_GERROR };

/* Event numbers (7.3); also the fault codes of results. */
enum smmuv3_event {
	F_UUT = 0x01,
	C_BAD_STREAMID = 0x02,
	F_STE_FETCH = 0x03,
	C_BAD_STE = 0x04,
	F_BAD_ATS_TREQ = 0x05,
	F_STREAM_DISABLED = 0x06,
	F_TRANSL_FORBIDDEN = 0x07,
	C_BAD_SUBSTREAMID = 0x08,
	F_CD_FETCH = 0x09,
	C_BAD_CD = 0x0a,
	F_WALK_EABT = 0x0b,
	F_TRANSLATION = 0x10,
	F_ADDR_SIZE = 0x11,
	F_ACCESS = 0x12,
	F_PERMISSION = 0x13,
	F_TLB_CONFLICT = 0x20,
	SMMUV3_SILENT_ABORT = 0x100, /* not an event: STE.Config 0b000, GBPA.ABORT */
};

/* Commands of the Non-secure queue (chapter 4). */
enum smmuv3_opcode {
	CMD_PREFETCH_CONFIG = 0x01,
	CMD_PREFETCH_ADDR = 0x02,
	CMD_CFGI_STE = 0x03,
	CMD_CFGI_STE_RANGE = 0x04,
	CMD_CFGI_CD = 0x05,
	CMD_CFGI_CD_ALL = 0x06,
	CMD_TLBI_NH_ALL = 0x10,
	CMD_TLBI_NH_ASID = 0x11,
	CMD_TLBI_NH_VA = 0x12,
	CMD_TLBI_NH_VAA = 0x13,
	CMD_TLBI_EL2_ALL = 0x20,
	CMD_TLBI_EL2_ASID = 0x21,
	CMD_TLBI_EL2_VA = 0x22,
	CMD_TLBI_EL2_VAA = 0x23,
	CMD_TLBI_S12_VMALL = 0x28,
	CMD_TLBI_S2_IPA = 0x2a,
	CMD_TLBI_NSNH_ALL = 0x30,
	CMD_ATC_INV = 0x40,
	CMD_PRI_RESP = 0x41,
	CMD_RESUME = 0x44,
	CMD_STALL_TERM = 0x45,
	CMD_SYNC = 0x46,
};

/* A command by its fields; those that its opcode has none of are 0 and ignored. */
struct smmuv3_command {
	uint8_t opcode;
	uint64_t sid, ssid, ssv; /* ssv: the SubstreamID is valid */
	uint64_t vmid, asid;
	uint64_t page; /* address bits 63:12 */
	uint64_t leaf, num, scale, ttl, tg, size, global;
	uint64_t group, response;    /* PRI_RESP */
	uint64_t retry, abort, stag; /* RESUME: Ac, Ab, STAG */
	uint64_t signal, msi_data, msi_word;
};
/* False: no such opcode. */
bool smmuv3_pack(const struct smmuv3_command *command, struct native_command *native);
bool smmuv3_unpack(const struct native_command *native, struct smmuv3_command *command);

/* Register offsets (6.2) that drivers and tests write. */
enum smmuv3_register {
	SMMU_CR0 = 0x20,
	SMMU_CR0ACK = 0x24,
	SMMU_CR1 = 0x28,
	SMMU_CR2 = 0x2c,
	SMMU_GBPA = 0x44,
	SMMU_IRQ_CTRL = 0x50,
	SMMU_IRQ_CTRLACK = 0x54,
	SMMU_GERROR = 0x60,
	SMMU_GERRORN = 0x64,
	SMMU_STRTAB_BASE = 0x80,
	SMMU_STRTAB_BASE_CFG = 0x88,
	SMMU_CMDQ_BASE = 0x90,
	SMMU_CMDQ_PROD = 0x98,
	SMMU_CMDQ_CONS = 0x9c,
	SMMU_EVENTQ_BASE = 0xa0,
	SMMU_PRIQ_BASE = 0xc0,
	SMMU_EVENTQ_PROD = 0x100a8,
	SMMU_EVENTQ_CONS = 0x100ac,
	SMMU_PRIQ_PROD = 0x100c8,
	SMMU_PRIQ_CONS = 0x100cc,
};

/* What the last translated request met; for tests and reports. */
struct smmuv3_detail {
	int fault_level;	/* the manual's; -1: none */
	int s1_level, s2_level; /* of the leaves, -1: none */
	uint32_t asid, vmid;
	bool tagged_asid, tagged_vmid, global;
	uint8_t contiguous_lg2; /* span of a stage-1 contiguous set, 0: none */
	uint64_t ipa;		/* of a stage-2 fault */
	bool fault_s2;
	uint64_t record[4]; /* the event record that was written, or had to be */
};
const struct smmuv3_detail *smmuv3_detail(const struct iommu *iommu);

/* A transaction that stalled, in order of arrival, resolved ones included until they are forgotten. */
enum smmuv3_stall_state { STALL_HELD_BACK, STALL_RECORDED, STALL_COMPLETED, STALL_TERMINATED };
struct smmuv3_stall {
	enum smmuv3_stall_state state;
	struct dma_request request;
	uint32_t sid;
	uint16_t stag;
	struct dma_result end; /* COMPLETED, TERMINATED */
};
size_t smmuv3_stalls(const struct iommu *iommu, const struct smmuv3_stall **stalls);

/* A page request from an endpoint (chapter 8), and what comes back at once. */
struct smmuv3_page_request {
	uint32_t device, pasid; /* NO_PASID: none */
	iova_t iova;
	uint16_t group;
	bool last, read, write, execute, privileged;
};
enum smmuv3_page_answer { PRI_QUEUED, PRI_DISCARDED, PRI_AUTO_SUCCESS, PRI_AUTO_FAILURE };
enum smmuv3_page_answer smmuv3_page_request(struct iommu *iommu,
					    const struct smmuv3_page_request *request);

/* The endpoint's address translation cache: puts an entry in, asks for one. */
void smmuv3_atc_fill(struct iommu *iommu, uint32_t device, iova_t iova, pa_t pa);
bool smmuv3_atc_holds(const struct iommu *iommu, uint32_t device, iova_t iova);

#endif
