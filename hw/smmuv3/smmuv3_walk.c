/* What walks of both stages share, and the order in which a request goes through them. */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

enum { CFG_UNPRIVILEGED = 2, CFG_PRIVILEGED = 3, CFG_DATA = 2, CFG_INSTRUCTION = 3 };

void smmu_walker_init(struct smmu *smmu, struct smmu_walker *walker,
		      const struct dma_request *request, bool cached)
{
	memset(walker, 0, offsetof(struct smmu_walker, fills));
	walker->n_fills = 0;
	walker->blamed = NULL;
	walker->freed = 0;
	walker->smmu = smmu;
	walker->request = request;
	walker->cached = walker->hardware = cached;
	walker->s1_level = walker->s2_level = -1;
}

/* Privilege and instruction after STE.PRIVCFG and INSTCFG; writes are always data. */
static void set_access(struct smmu_walker *walker, const struct smmu_context *context)
{
	const struct dma_request *request = walker->request;
	bool write = request->access & ACCESS_WRITE;

	walker->privileged = request->privileged;
	if (context->ste.privcfg >= CFG_UNPRIVILEGED)
		walker->privileged = context->ste.privcfg == CFG_PRIVILEGED;
	walker->instruction = (request->access & ACCESS_EXECUTE) && !write;
	if (context->ste.instcfg >= CFG_DATA && !write)
		walker->instruction = context->ste.instcfg == CFG_INSTRUCTION;
	walker->need = request->access & (TLB_READ | TLB_WRITE);
	if (walker->instruction)
		walker->need = TLB_EXECUTE;
	else if (!walker->need && request->access)
		walker->need = TLB_READ; /* an instruction read made a data read */
}

static enum smmu_start refuse(struct smmu_walker *walker, uint16_t event, bool bypass)
{
	walker->fault = (struct smmu_fault){
		.event = event, .class = CLASS_IN, .level = bypass ? -1 : 0, .bypass = bypass
	};
	walker->report.status = PT_NOT_PRESENT;
	return START_FAULT;
}

/* Which half, and whether the address lies in it (1.5). */
static enum smmu_start select_half(struct smmu_walker *walker, const struct smmu_context *context)
{
	iova_t va = walker->request->iova;
	bool upper = bit(va, 55) && context->ste.world != WORLD_EL2;
	const struct smmu_half *half = &context->half[upper];
	unsigned top = half->tbi ? 55 : 63;
	uint64_t above;

	walker->half = half;
	if (!half->on)
		return refuse(walker, F_TRANSLATION, false);
	above = bits(va, top, half->input_bits);
	if (above != (upper ? low_mask(top + 1 - half->input_bits) : 0))
		return refuse(walker, F_TRANSLATION, false);
	if (half->e0pd && !walker->privileged)
		return refuse(walker, F_TRANSLATION, false);
	walker->key = smmu_key(va, upper);
	return START_WALK;
}

enum smmu_start smmu_begin(struct smmu_walker *walker, const struct smmu_context *context)
{
	iova_t va = walker->request->iova;

	walker->context = context;
	set_access(walker, context);
	if (context->fault.event) {
		walker->fault = context->fault;
		return START_FAULT;
	}
	if (context->ste.abort) {
		walker->fault = (struct smmu_fault){ .event = SMMUV3_SILENT_ABORT, .level = -1 };
		return START_FAULT;
	}
	if (context->stage1)
		return select_half(walker, context);
	if (va & ~low_mask((unsigned)walker->smmu->config.oas))
		return refuse(walker, F_ADDR_SIZE, true);
	if (!context->stage2)
		return START_PASS;
	walker->half = &context->ste.s2;
	walker->key = va;
	return START_WALK;
}

void smmu_walk_blames(struct smmu_walker *walker, struct tlb *tlb, const struct tlb_at *at,
		      iova_t key)
{
	if (walker->blamed)
		return;
	walker->blamed = tlb;
	walker->blamed_at = *at;
	walker->blamed_key = key;
}

/* ---- one level ---------------------------------------------------------------------------- */

/* The lowest table that a walk cache points to, else the root. */
void smmu_table_start(struct smmu_walker *walker, struct smmu_table *at)
{
	struct smmu *smmu = walker->smmu;

	at->level = at->half->top;
	at->table = at->half->root;
	at->perm = COPY_ATTRIBUTES & ~COPY_CLEAN;
	for (unsigned level = 0; walker->cached && level < at->half->top; level++) {
		struct tlb *tlb = smmu->walk[at->stage - 1][level];
		unsigned lg2 = arm_span_lg2(at->half->granule_lg2, level + 1);
		struct tlb_hit hit;
		struct tlb_at copy;

		if (!tlb || !tlb_lookup(tlb, lg2, at->tag, at->key, &hit) || hit.page_lg2 != lg2)
			continue;
		copy = tlb_at_way(hit.way);
		at->level = level;
		at->table = bits_at(*copy.data, 51, 12);
		at->perm = *copy.data & COPY_ATTRIBUTES;
		smmu->count.walk_hits[at->stage - 1][level]++;
		if (!(*copy.data & TLB_CHECK))
			return;
		smmu_walk_blames(walker, tlb, &copy, at->key);
		if (copy.copy->table && !walker->freed &&
		    copy.copy->table->node.was_freed > copy.copy->filled + 1) {
			walker->freed = copy.copy->table->node.was_freed;
			walker->freed_word = smmu_table_word(at);
		}
		return;
	}
}

pa_t smmu_table_word(const struct smmu_table *at)
{
	unsigned span = arm_span_lg2(at->half->granule_lg2, at->level);
	unsigned index_bits = at->level == at->half->top ? at->half->input_bits - span
							 : at->half->granule_lg2 - 3u;

	return at->table + (at->in >> span & low_mask(index_bits)) * 8;
}

/* Reads an entry: abort, then invalid, then output beyond the output size. *event 0: fine. */
bool smmu_table_read(struct smmu_walker *walker, const struct smmu_table *at, pa_t word,
		     uint64_t *raw, struct pt_entry *entry, uint16_t *event)
{
	struct smmu *smmu = walker->smmu;
	const struct frame *frame = memory_frame(smmu->memory, word);

	walker->report.level = (uint8_t)at->level;
	walker->report.word = word;
	walker->report.raw = 0;
	if (walker->cached)
		smmu->count.walk_reads++;
	if (frame && frame->node.freed && !walker->freed) {
		walker->freed = frame->node.freed;
		walker->freed_word = word;
	}
	*event = F_WALK_EABT;
	walker->report.status = PT_UNREADABLE;
	if (!smmu_fetch(smmu, walker->cached, word, raw))
		return false;
	walker->report.raw = *raw;
	*entry = arm_lpae_decode(*raw, at->level, at->half->granule_lg2, smmu->config.oas == 52);
	*event = F_TRANSLATION;
	walker->report.status = PT_NOT_PRESENT;
	if (entry->kind == PT_ABSENT)
		return false;
	*event = F_ADDR_SIZE;
	walker->report.status = PT_RESERVED;
	if (entry->addr & ~low_mask(at->half->output_bits))
		return false;
	*event = 0;
	walker->report.status = PT_OK;
	return true;
}

bool smmu_table_stops(struct smmu_walker *walker, const struct smmu_table *at)
{
	if (walker->stop_stage != at->stage || walker->stop_level != at->level)
		return false;
	walker->stopped = true;
	walker->table = at->table;
	walker->table_perm = at->perm;
	return true;
}

bool smmu_table_next(struct smmu_walker *walker, struct smmu_table *at, pa_t child, uint64_t perm)
{
	struct tlb *tlb;

	at->level--;
	at->table = child;
	at->perm &= perm;
	if (smmu_table_stops(walker, at))
		return false;
	tlb = walker->smmu->walk[at->stage - 1][at->level];
	if (walker->cached && tlb && walker->n_fills < WALK_FILLS)
		walker->fills[walker->n_fills++] = (struct smmu_fill){
			.tlb = tlb,
			.tag = at->tag,
			.key = at->key,
			.data = child | at->perm,
			.copy = { .filled = walker->smmu->iommu.event,
				  .space = at->half->space,
				  .table = memory_frame(walker->smmu->memory, child),
				  .page_lg2 = (uint8_t)arm_span_lg2(at->half->granule_lg2,
								    at->level + 1) },
		};
	return true;
}

/* Whether the members of a contiguous set continue the one that was walked, and its output is
 * aligned to the set; if not, walker->run says so. */
static bool members_agree(struct smmu_walker *walker, pa_t first, unsigned members, unsigned span,
			  pa_t word, uint64_t raw)
{
	uint64_t ignored = bits_at(UINT64_MAX, 58, 55), base = raw - ((word - first) / 8 << span);
	bool aligned = !(base >> span & (members - 1));
	struct run_report *run = &walker->run;
	uint32_t before = run->disagree;

	for (unsigned i = 0; i < members; i++) {
		uint64_t member = 0;

		if (smmu_fetch(walker->smmu, walker->cached, first + i * 8ull, &member) &&
		    !((member ^ (base + ((uint64_t)i << span))) & ~ignored) &&
		    (aligned || first + i * 8ull == word))
			continue;
		if (!run->disagree++) {
			run->walked = word;
			run->walked_raw = raw;
			run->other = first + i * 8ull;
			run->other_raw = member;
		}
	}
	run->members = members;
	return run->disagree == before;
}

/*
 * Span of the contiguous set that a leaf belongs to, log2; 0: none. *bad: its members disagree
 * (misprogrammed, D8.7.1), and a copy of the whole set may differ from what a member says.
 */
unsigned smmu_table_run(struct smmu_walker *walker, const struct smmu_table *at, pa_t word,
			uint64_t raw, bool *bad)
{
	unsigned span = arm_span_lg2(at->half->granule_lg2, at->level);
	unsigned lg2 = arm_contiguous_lg2(at->half->granule_lg2, at->level);
	pa_t first = word & ~low_mask(lg2 + 3), output;

	if (!walker->smmu->config.contiguous || !bit(raw, ARM_CONTIGUOUS) || !lg2 ||
	    span + lg2 > at->half->input_bits)
		return 0;
	/* of a set whose output would leave the output size each member is checked by itself */
	output = arm_address(raw, span, at->half->granule_lg2, walker->smmu->config.oas == 52);
	if ((output | low_mask(span + lg2)) & ~low_mask(at->half->output_bits))
		return 0;
	*bad |= !members_agree(walker, first, 1u << lg2, span, word, raw);
	return span + lg2;
}

/*
 * Hardware's own update of a descriptor; never an update in the sense of rules R2. But copies made
 * under a configuration without HD refuse the write that now is allowed: they are compared.
 */
void smmu_descriptor_store(struct smmu_walker *walker, unsigned stage, pa_t word, uint64_t old,
			   uint64_t now)
{
	struct smmu *smmu = walker->smmu;
	const bool *dirty = smmu->dirty[stage - 1];

	if (!walker->hardware)
		return;
	smmu->count.flag_updates++;
	smmu->tables->hardware_writes++;
	walker->report.raw = now;
	/* Where memory is behind, hardware's write reaches it and not what software wrote. */
	if (!smmu->config.cohacc && smmu->memory->view &&
	    memory_view_store(smmu->memory->view, word, now))
		return;
	tables_store(smmu->tables, word, 1, now, 0, NULL);
	if (!bit(old ^ now, ARM_AP2) || !dirty[false] || !dirty[true] || !MARK(MARK_SMMU_DIRTY))
		return;
	for (uint32_t i = 0; i < smmu->tables->n_changes; i++)
		smmu_mark(smmu, &smmu->tables->changes[i]);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void stage2_only(struct smmu_walker *walker)
{
	struct smmu_stage2 out;

	if (!smmu_stage2(walker, walker->request->iova, walker->need, CLASS_IN, &out))
		return;
	walker->pa = out.pa;
	walker->page_lg2 = out.page_lg2;
	walker->span_lg2 = out.span_lg2;
	walker->run_bad = out.run_bad;
	walker->uncacheable = out.uncacheable;
	walker->data = out.perm | COPY_STAGE2 | (uint64_t)out.level << LEVEL2_SHIFT;
}

void smmu_walk(struct smmu_walker *walker)
{
	walker->report = (struct pt_walk){ .status = PT_NOT_PRESENT, .start = walker->half->top };
	if (walker->context->stage1)
		smmu_stage1(walker);
	else
		stage2_only(walker);
	walker->report.pa = walker->pa & ~page_mask(walker->page_lg2);
	walker->report.page_lg2 = walker->page_lg2;
	walker->report.perm = (uint8_t)smmu_allowed(walker->data, walker->privileged);
}
