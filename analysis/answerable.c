#include "analysis/answerable.h"

const char *const answerable_names[] = { "answerable", "lower bound", "impossible" };

/* Facts without which a finding cannot be made at all, and those without which some are missed or
 * are told smaller than they were. Losses make every answer a lower bound. */
#define F(fact) (1u << FACT_##fact)
static const struct {
	unsigned needs, full;
} rows[FINDING_KINDS] = {
	[FINDING_EXPOSURE] = { F(UPDATES) | F(INVALS) | F(ATTACH), F(COMPLETIONS) },
	[FINDING_STALE_USE] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA), F(FREES) | F(OWNERS) },
	[FINDING_IN_FLIGHT] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA), F(COMPLETIONS) },
	[FINDING_BENIGN_STALE] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_STALE_REFUSAL] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA), F(DIRECTIONS) },
	[FINDING_MULTI_HIT] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_TABLE_UAF] = { F(TABLE_PAGES) | F(INVALS) | F(DMA), 0 },
	[FINDING_FREE_MAPPED] = { F(FREES) | F(ATTACH), F(OWNERS) },
	[FINDING_FLUSH_MISSING] = { F(UPDATES) | F(INVALS) | F(ATTACH), 0 },
	[FINDING_FLUSH_EXCESS] = { F(UPDATES) | F(INVALS) | F(ATTACH), 0 },
	[FINDING_COLLATERAL] = { F(INVALS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_GAP_FAULT] = { F(UPDATES) | F(ATTACH) | F(DMA), F(DIRECTIONS) },
	[FINDING_OVERFLOW] = { F(ATTACH) | F(DMA), F(REGISTERS) | F(DIRECTIONS) },
	[FINDING_MASKED] = { F(ATTACH) | F(DMA), F(REGISTERS) | F(DIRECTIONS) },
	[FINDING_OVER_UNMAP] = { F(UPDATES) | F(ATTACH), F(DMA) },
	[FINDING_TAG_REUSE] = { F(INVALS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_STARVED] = { F(ATTACH), F(DMA) | F(REGISTERS) | F(PAGE_REQUESTS) },
	[FINDING_STALL_TIMEOUT] = { F(ATTACH) | F(PAGE_REQUESTS), 0 },
	[FINDING_WALK_BEHIND] = { F(WORDS) | F(WRITE_BACKS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_TORN] = { F(WORDS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_RUN_INCONSISTENT] = { F(WORDS) | F(ATTACH) | F(DMA), 0 },
	[FINDING_RIGHTS_EXCEED] = { F(WORDS) | F(MAPS), 0 },
	[FINDING_LOST_DIRTY] = { F(DIRTY) | F(ATTACH) | F(DMA),
				 F(UPDATES) | F(INVALS) | F(DIRECTIONS) },
	[FINDING_DISAGREEMENT] = { F(UPDATES) | F(INVALS) | F(ATTACH) | F(DMA) | F(ANSWERS), 0 },
};
#undef F

static const struct {
	const char *missing, *recorded_by;
} words[FACTS] = {
	[FACT_UPDATES] = { "no unmap, protect or table write",
			   "trace-cmd record -e iommu:map -e iommu:unmap" },
	[FACT_INVALS] = { "no invalidation", "trace-cmd record -e intel_iommu:qi_submit, or QEMU "
					     "-trace 'vtd_inv_*' or "
					     "'smmu*'" },
	[FACT_COMPLETIONS] = { "no completion of an invalidation: each is taken to complete "
			       "inval_latency after its issue",
			       "QEMU -trace 'vtd_inv_*' or 'smmu*', or a kretprobe on the driver's "
			       "submit" },
	[FACT_ATTACH] = { "no device is attached to a domain",
			  "trace-cmd record -e iommu:attach_device_to_domain from boot on, or "
			  "QEMU -trace 'vtd_*' or 'smmu*'" },
	[FACT_DMA] = { "no DMA",
		       "QEMU -trace 'vtd_iotlb_*' -trace 'vtd_dmar_*', or 'smmu*', a device's own "
		       "trace, or a bus analyser" },
	[FACT_DIRECTIONS] = { "DMAs without a direction prove no permission fault",
			      "QEMU -trace 'riscv_iommu_dma', or a bus analyser; QEMU's VT-d "
			      "and SMMUv3 events "
			      "do not say" },
	[FACT_FREES] = { "no page is given back", "trace-cmd record -e kmem:mm_page_free" },
	[FACT_OWNERS] = { "no page is given out: grades end at freed",
			  "trace-cmd record -e kmem:mm_page_alloc" },
	[FACT_TABLE_PAGES] = { "no table page is given back", "write, alloc use=table and free "
							      "events, or replay with "
							      "policy=linux-strict or linux-lazy" },
	[FACT_WORDS] = { "no table word: the replay's driver writes whole entries at one instant",
			 "write events, of a hypervisor that traps tables or a debugger's watch" },
	[FACT_MAPS] = { "no map or p2m says what the tables are to grant",
			"trace-cmd record -e iommu:map beside the table words" },
	[FACT_WRITE_BACKS] = { "no cache maintenance says when table words reach memory",
			       "cache events, of a kprobe on clflush_cache_range or "
			       "dma_sync_single_for_device" },
	[FACT_DIRTY] = { "no read of the dirty log",
			 "dirty events, of a kprobe on iommufd's or the hypervisor's log read" },
	[FACT_REGISTERS] = { "no register write: nobody clears fault records unless "
			     "fault_handler=linux",
			     "QEMU -trace 'vtd_reg_write' or 'smmu*'" },
	[FACT_ANSWERS] = { "no DMA says what the hardware answered",
			   "QEMU -trace 'vtd_dmar_*' -trace 'vtd_iotlb_*', or 'smmu*'" },
	[FACT_PAGE_REQUESTS] = { "no page request, and no device that makes any (pri=yes) or "
				 "stalls (stall=yes)",
				 "trace-cmd record -e intel_iommu:prq_report" },
	[FACT_NO_LOSS] = { "events were lost",
			   "trace-cmd record -b with a larger buffer, fewer events" },
};

void facts_count(struct recording_facts *facts, const struct event_batch *batch,
		 const struct event *event)
{
	facts->kinds[event->kind]++;
	if (event->kind == EVENT_DMA) {
		facts->any_direction += event_verb(event) == DMA_VERB_ANY;
		facts->answers += event_has(event, DMA_PA) || event_has(event, DMA_FAULT);
	}
	if (event->kind == EVENT_DEVICE)
		facts->with_pri += event_has(event, DEVICE_PRI) || event_has(event, DEVICE_STALL);
	if (event->kind == EVENT_INVAL)
		facts->with_id += event_has(event, INVAL_ID);
	else if (event->kind == EVENT_CMD)
		facts->with_id += event_has(event, CMD_ID);
	else if (event->kind == EVENT_ALLOC && event_has(event, ALLOC_USE))
		facts->table_pages += event_value(batch, event, ALLOC_USE) == 1;
}

bool facts_have(const struct recording_facts *facts, enum recording_fact fact)
{
	const uint64_t *n = facts->kinds;

	switch (fact) {
	case FACT_UPDATES:
		return n[EVENT_UNMAP] || n[EVENT_PROTECT] || n[EVENT_P2M] || n[EVENT_WRITE];
	case FACT_INVALS:
		return n[EVENT_INVAL] || n[EVENT_CMD];
	case FACT_COMPLETIONS:
		return n[EVENT_DONE] && facts->with_id;
	case FACT_ATTACH: /* raw configuration entries are attachments too */
		return n[EVENT_ATTACH] || (n[EVENT_WRITE] && n[EVENT_REG]);
	case FACT_DMA:
		return n[EVENT_DMA];
	case FACT_DIRECTIONS:
		return !facts->any_direction;
	case FACT_FREES:
		return n[EVENT_FREE];
	case FACT_OWNERS:
		return n[EVENT_ALLOC] || n[EVENT_OWNER];
	case FACT_TABLE_PAGES:
		return facts->table_pages && n[EVENT_FREE];
	case FACT_WORDS:
		return n[EVENT_WRITE];
	case FACT_MAPS:
		return n[EVENT_MAP] || n[EVENT_P2M];
	case FACT_WRITE_BACKS:
		return n[EVENT_CACHE];
	case FACT_DIRTY:
		return n[EVENT_DIRTY];
	case FACT_REGISTERS:
		return n[EVENT_REG];
	case FACT_ANSWERS:
		return facts->answers;
	case FACT_PAGE_REQUESTS:
		return n[EVENT_REQUEST] || (facts->with_pri && n[EVENT_DMA]);
	case FACT_NO_LOSS:
		return !n[EVENT_LOST];
	case FACTS:
		break;
	}
	return true;
}

const char *fact_missing(enum recording_fact fact)
{
	return words[fact].missing;
}

const char *fact_recorded_by(enum recording_fact fact)
{
	return words[fact].recorded_by;
}

static enum recording_fact first_missing(const struct recording_facts *facts, unsigned of)
{
	for (unsigned fact = 0; fact < FACTS; fact++)
		if ((of >> fact & 1) && !facts_have(facts, (enum recording_fact)fact))
			return (enum recording_fact)fact;
	return FACTS;
}

enum answerable answerable(const struct recording_facts *facts, enum finding_kind kind,
			   enum recording_fact *missing)
{
	*missing = first_missing(facts, rows[kind].needs);
	if (*missing != FACTS)
		return ANSWER_IMPOSSIBLE;
	*missing = first_missing(facts, rows[kind].full | 1u << FACT_NO_LOSS);
	return *missing == FACTS ? ANSWER_FULL : ANSWER_LOWER_BOUND;
}
