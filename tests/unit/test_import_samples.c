/*
 * Sample lines of every source that is imported, as the programs print them, and what each comes
 * to. They stand beside a line that is certainly used, so that a file of them is a recording.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/unit/import_story.h"

enum outcome {
	EVENT,	 /* one event of `kind`; `value` is its address, or count for lost */
	HINTS,	 /* used, and no event of its own */
	COUNTED, /* by its name */
	NOTHING, /* furniture */
};

struct sample {
	char line[560];
	enum outcome outcome;
	enum event_kind kind;
	uint64_t value;
	char name[32]; /* COUNTED */
};

ParameterizedTestParameters(import_samples, guest_lines)
{
	static struct sample samples[] = {
		/* tracefs */
		{ "# tracer: nop", NOTHING, 0, 0, "" },
		{ "# entries-in-buffer/entries-written: 911/911   #P:2", NOTHING, 0, 0, "" },
		{ "#                                _-----=> irqs-off/BH-disabled", NOTHING, 0, 0,
		  "" },
		{ "##### CPU 1 buffer started ####", NOTHING, 0, 0, "" },
		{ "              dd-19059   [000] ...2.  1077.316941: mm_page_free: "
		  "page=000000007876bbb1 pfn=0x1bf37a order=0",
		  EVENT, EVENT_FREE, 0x1bf37a000, "" },
		{ "              dd-19059   [000] ...2.  1077.316941: mm_page_free: page=00000000 "
		  "pfn=1834874 order=3",
		  EVENT, EVENT_FREE, 1834874ull << 12, "" },
		{ "              dd-19059   [000] ...2.  1077.316941: mm_page_free_batched: "
		  "page=000000007876bbb1 pfn=0x1bf37a order=0",
		  COUNTED, 0, 0, "mm_page_free_batched" },
		{ "              dd-19059   [000] ...2.  1077.316941: mm_page_alloc: "
		  "page=0000000000000000 "
		  "pfn=0x0 order=0 migratetype=0 gfp_flags=GFP_KERNEL",
		  COUNTED, 0, 0, "mm_page_alloc" },
		{ "CPU:1 [LOST 17 EVENTS]", EVENT, EVENT_LOST, 17, "" },
		{ "CPU:1 [LOST EVENTS]", EVENT, EVENT_LOST, 0, "" },
		/* trace-cmd report, -l, -t, -R */
		{ "cpus=2", NOTHING, 0, 0, "" },
		{ "            bash-19722 [001]  1145.233875: mm_page_alloc:        page=0x333de5 "
		  "pfn=0x333de5 order=0 migratetype=1 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_COMP",
		  EVENT, EVENT_ALLOC, 0x333de5000, "" },
		{ "CPU:1 [EVENTS DROPPED]", EVENT, EVENT_LOST, 0, "" },
		{ "CPU:1 [12 EVENTS DROPPED]", EVENT, EVENT_LOST, 12, "" },
		{ "    bash-19722   0.....  1145.233875: mm_page_free: page=0x1 pfn=0x1 order=0",
		  EVENT, EVENT_FREE, 0x1000, "" },
		{ "    ba-sh 1-19722   12d..1.  1145.233875: mm_page_free: page=0x1 pfn=0x1 "
		  "order=0",
		  EVENT, EVENT_FREE, 0x1000, "" },
		{ "            bash-19722 [001]  1145.233884235: mm_page_free: page=0x1 pfn=0x1 "
		  "order=0",
		  EVENT, EVENT_FREE, 0x1000, "" },
		{ "            bash-19722 [001]  1145.233875: mm_page_alloc:  pfn=0x333de5 order=0 "
		  "gfp_flags=0x140cca migratetype=1",
		  EVENT, EVENT_ALLOC, 0x333de5000, "" },
		{ "            bash-19722 [001]  1145.233875: dma_map_phys: device=0000:01:00.0 "
		  "phys_addr=12345000 dma_addr=fffff000 size=2048 dir=2 attrs=0x20",
		  HINTS, 0, 0, "" },
		{ "            bash-19722 [001]  1145.233875: dma_unmap_page: device=0000:00:02.0 "
		  "addr=ffff5000 size=64 dir=1 attrs=0x0",
		  HINTS, 0, 0, "" },
		{ "            bash-19722 [001]  1145.233875: map:                   "
		  "iova=0x00000000fffb8000 paddr=0x000000004b767000 size=4096",
		  EVENT, EVENT_MAP, 0xfffb8000, "" },
		{ "            bash-19722 [001]  1145.233875: unmap:                 "
		  "iova=0x00000000fffb8000 size=16384 unmapped_size=16384",
		  EVENT, EVENT_UNMAP, 0xfffb8000, "" },
		{ "            bash-19722 [001]  1145.233875: qi_submit:             qw0=0x200f2 "
		  "qw1=0xfffff000 qw2=0x0 qw3=0x0 iommu=dmar0",
		  EVENT, EVENT_CMD, 0, "" },
		/* perf script */
		{ "            perf 19124 [001]  1077.821490: kmem:mm_page_alloc: page=0x1d4e90 "
		  "pfn=0x1d4e90 order=0 migratetype=0 gfp_flags=GFP_HIGHUSER|__GFP_ACCOUNT",
		  EVENT, EVENT_ALLOC, 0x1d4e90000, "" },
		{ "            perf 19124/19124 [001]  1077.821490000: kmem:mm_page_free: page=0x1 "
		  "pfn=0x1 order=0",
		  EVENT, EVENT_FREE, 0x1000, "" },
		{ "            perf 19124 [001]  1077.821490: PERF_RECORD_LOST lost 206", EVENT,
		  EVENT_LOST, 206, "" },
		{ "Processed 790 samples and lost 43.80%!", EVENT, EVENT_LOST, 0, "" },
		{ "        ffffffff9a2b3c4d iommu_map+0x1d ([kernel.kallsyms])", NOTHING, 0, 0,
		  "" },
		/* iommu */
		{ "kworker/3:1-88  [003] .....  512.000101: map: IOMMU: iova=0x00000000ffffe000 - "
		  "0x00000000fffff000 paddr=0x0000000104a6b000 size=4096",
		  EVENT, EVENT_MAP, 0xffffe000, "" },
		{ "kworker/3:1-88  [003] .....  512.000455: unmap: IOMMU: iova=0x00000000ffffe000 "
		  "- "
		  "0x00000000fffff000 size=4096 unmapped_size=4096",
		  EVENT, EVENT_UNMAP, 0xffffe000, "" },
		{ "     irq/27-70  [001] .....  512.100002: io_page_fault: IOMMU:e1000e "
		  "0000:00:1f.6 "
		  "iova=0x00000000ffffd000 flags=0x0001",
		  COUNTED, 0, 0, "io_page_fault" },
		{ "     kw-70  [001] .....  512.100002: attach_device_to_domain: IOMMU: "
		  "device=0000:00:00.0",
		  COUNTED, 0, 0, "attach_device_to_domain" },
		{ "     kw-70  [001] .....  512.100002: add_device_to_group: IOMMU: groupID=0 "
		  "device=0000:00:00.0",
		  COUNTED, 0, 0, "add_device_to_group" },
		/* dma */
		{ "dd-4120 [002] ..s1. 812.400113: dma_map_phys: 0000:01:00.0 dir=FROM_DEVICE "
		  "dma_addr=fffff000 size=2048 phys_addr=12345000 attrs=SKIP_CPU_SYNC",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..s1. 812.400951: dma_unmap_phys: 0000:01:00.0 dir=FROM_DEVICE "
		  "dma_addr=fffff000 size=2048 attrs=",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_map_sg: 0000:02:00.0 dir=TO_DEVICE "
		  "nents=2/2 "
		  "ents=1/1 dma_addrs={0xffffe000} sizes={0x2000} phys_addrs={0x1000,0x2000} "
		  "attrs=",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_map_sg: [FAILED TO PARSE] "
		  "device=0000:01:00.0 "
		  "full_nents=2 full_ents=1 truncated=0 phys_addrs=ARRAY[00, 10, 00, 00, 00, 00, "
		  "00, "
		  "00, 00, 50, 00, 00, 00, 00, 00, 00] dma_addrs=ARRAY[00, f0, ff, ff, 00, 00, 00, "
		  "00] "
		  "lengths=ARRAY[00, 20, 00, 00] dir=1 attrs=0x0",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_unmap_sg: [FAILED TO PARSE] "
		  "device=0000:00:01.0 "
		  "addrs=ARRAY[00, 70, 76, 4b, 00, 00, 00, 00] dir=2 attrs=0x0",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_map_sg: [FAILED TO PARSE] "
		  "device=0000:01:00.0 "
		  "dma_addrs=ARRAY[00, f0, ff] lengths=ARRAY[00, 20, 00, 00] dir=1 attrs=0x0",
		  COUNTED, 0, 0, "dma_map_sg" },
		{ "dd-4120 [002] ..... 812.401000: dma_alloc: 0000:00:02.0 dir=BIDIRECTIONAL "
		  "dma_addr=ffffc000 size=6726 virt_addr=00000000c190ab80 flags=GFP_KERNEL "
		  "attrs=NO_WARN",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_free: 0000:00:02.0 dir=BIDIRECTIONAL "
		  "dma_addr=0 "
		  "size=0 virt_addr=0000000000000000 attrs=",
		  COUNTED, 0, 0, "dma_free" },
		{ "dd-4120 [002] ..... 812.401000: dma_alloc: 9050000.smmuv3 dir=BIDIRECTIONAL "
		  "dma_addr=b9b00000 size=1048576 virt_addr=00000000c190ab80 flags=GFP_KERNEL "
		  "attrs=",
		  COUNTED, 0, 0, "dma_alloc" },
		{ "dd-4120 [002] ..... 812.401000: dma_map_resource: 0000:01:00.0 "
		  "dir=BIDIRECTIONAL "
		  "dma_addr=fffff000 size=4096 phys_addr=fe000000 attrs=",
		  HINTS, 0, 0, "" },
		{ "dd-4120 [002] ..... 812.401000: dma_sync_single_for_cpu: 0000:01:00.0 "
		  "dir=FROM_DEVICE dma_addr=fffff000 size=2048",
		  COUNTED, 0, 0, "dma_sync_single_for_cpu" },
		{ "dd-4120 [002] ..... 812.401000: swiotlb_bounced: dev_name: 0000:00:02.0 "
		  "dma_mask=ffffffffffffffff dev_addr=474800f8 size=16 FORCE",
		  COUNTED, 0, 0, "swiotlb_bounced" },
		/* intel_iommu */
		{ "kworker/u8:2-71 [001] d.... 90.120044: qi_submit: iotlb_inv dmar0: 0x200f2 "
		  "0xfffff000 "
		  "0x0 0x0",
		  EVENT, EVENT_CMD, 0, "" },
		{ "irq/24-dmar0-pr-140 [000] ..... 90.200100: prq_report: dmar0/0000:6a:01.0 seq# "
		  "17: "
		  "rid=0x6a08 addr=0x7f12ab344 rw--l pasid=0x3 index=0x0",
		  EVENT, EVENT_REQUEST, 0x7f12ab344000, "" },
		{ "irq/24-dmar0-pr-140 [000] ..... 90.200100: prq_report: dmar0/0000:6a:01.0 seq# "
		  "18: rid=0x6a08 addr=0x7f12ab345 -w--- pasid=0x3 index=0x1ff "
		  "private=0x12/0x34",
		  EVENT, EVENT_REQUEST, 0x7f12ab345000, "" },
		{ "irq/24-dmar0-pr-140 [000] 90.200100: prq_report: dw0=0x36a080101 "
		  "dw1=0x7f12ab34401d dw2=0x0 dw3=0x0 seq=17 iommu=dmar0 dev=0000:6a:01.0",
		  EVENT, EVENT_REQUEST, 0x7f12ab344000, "" },
		{ "kw-1 [001] d.... 90.120044: cache_tag_flush_range: dmar0 dmar0[0] type iotlb "
		  "did 9 "
		  "[0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask 0x0",
		  COUNTED, 0, 0, "cache_tag_flush_range" },
		/* probes of names that are events, too */
		{ "dd-4120 [002] ..... 812.401000: dma_map_page: (dma_map_page_attrs+0x0/0x260) "
		  "dev=\"0000:01:00.0\" size=0x1000",
		  COUNTED, 0, 0, "dma_map_page" },
	};

	return cr_make_param_array(struct sample, samples, sizeof samples / sizeof samples[0]);
}

ParameterizedTest(struct sample *sample, import_samples, guest_lines)
{
	static const char anchor[] = " a-1 [000] .... 0.500000: tracing_mark_write: here\n";
	char text[1024];
	struct story *story;
	const struct import_side *guest;

	snprintf(text, sizeof text, "%s%s\n", anchor, sample->line);
	story = import_text(text, NULL);
	cr_assert_eq(story->status, 0, "%s: %s", sample->line, story->err.text);
	guest = &import_info(story->source)->guest;
	cr_expect_eq(guest->bad, 0, "%s", guest->first_bad);
	cr_expect_eq(guest->used, sample->outcome == EVENT || sample->outcome == HINTS ? 2 : 1,
		     "%s", sample->line);
	cr_expect_eq(guest->skipped_names, sample->outcome == COUNTED, "%s", sample->line);
	if (sample->outcome == COUNTED)
		cr_expect_str_eq(guest->skipped[0].name, sample->name);
	if (sample->outcome == EVENT) {
		const struct told *told = find(story, sample->kind, 0);

		cr_expect_eq(sample->kind == EVENT_LOST ? told->values[LOST_COUNT]
							: told->event.addr,
			     sample->value, "%s", sample->line);
	}
	close_story(story);
}

/* ---- host lines -------------------------------------------------------------------------- */

struct host_sample {
	char line[260];
	unsigned used, bad, skipped;
};

ParameterizedTestParameters(import_samples, host_lines)
{
	static struct host_sample samples[] = {
		/* time as QEMU 7.2 to 10.0 print it, and from 10.1 on */
		{ "28188@1795220461.929832:vtd_switch_address_space Device 00:00.0 switching "
		  "address "
		  "space (iommu enabled=0)",
		  0, 0, 1 },
		{ "2025-09-01T10:00:00.123456Z vtd_inv_qi_fetch ", 0, 0, 1 },
		{ "2026-11-21T00:43:50Z vtd_inv_desc_wait_irq disabled", 1, 0, 0 },
		{ "vtd_inv_desc_iotlb_global iotlb invalidate global", 0, 1, 0 },
		{ "qemu-system-x86_64: warning: of another log mask", 0, 0, 1 },
		{ "Invalid read at addr 0x0, size 4, region '(null)', reason: rejected", 0, 0, 1 },
		{ "", 0, 0, 0 },
		/* payloads with a leading blank */
		{ "28188@1795220461.929832:amdvi_cache_update  update iotlb domid 0x1 devid: "
		  "00:01.0 "
		  "gpa 0x0 hpa 0x0",
		  0, 0, 1 },
		/* VT-d */
		{ "1@1.0:vtd_dmar_fault sid 0x50 fault 6 addr 0x10000000 write 0", 1, 0, 0 },
		{ "1@1.0:vtd_frr_new index 0 high 0x40ffff0600000050 low 0x10000000", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc invalidate desc type iotlb high 0xffff8000 low 0x900f2", 1, 0,
		  0 },
		{ "1@1.0:vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x5 addr 0xffff8000 mask "
		  "0x0",
		  1, 0, 0 },
		{ "1@1.0:vtd_page_walk_one domain 0x5 iova 0x0 -> gpa 0x0 mask 0xfff perm 3", 0, 0,
		  1 },
		{ "1@1.0:vtd_reg_write addr 0x34 size 0x4 value 0x83", 1, 0, 0 },
		{ "1@1.0:vtd_dmar_translate dev 00:0a.00 iova 0xffffe000 -> gpa 0x12345000 mask "
		  "0xfff",
		  1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_wait_sw wait invalidate status write addr 0x101 data 0x2", 1,
		  0, 0 },
		{ "1@1.0:vtd_iotlb_page_hit IOTLB page hit sid 0x50 iova 0xffffe000 slpte "
		  "0x12345003 domain 0x5",
		  1, 0, 0 },
		{ "1@1.0:vtd_iotlb_page_update IOTLB page update sid 0x50 iova 0xffffe000 slpte "
		  "0x12345003 domain 0x5",
		  1, 0, 0 },
		{ "1@1.0:vtd_iotlb_cc_hit IOTLB context hit bus 0x0 devfn 0x50 high 0x502 low "
		  "0x4a2a001 gen 1",
		  1, 0, 0 },
		{ "1@1.0:vtd_iotlb_cc_update IOTLB context update bus 0x0 devfn 0x50 high 0x502 "
		  "low "
		  "0x4a2a001 gen 0 -> gen 1",
		  1, 0, 0 },
		/* where vtd_inv_desc was not recorded, its typed lines stand in */
		{ "1@1.0:vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x5", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_iotlb_pasid iotlb invalidate domain 0x5 pasid 0x1", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_iotlb_pasid_pages iotlb invalidate domain 0x5 addr 0x1000 "
		  "mask 0x0 pasid 0x1",
		  1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_cc_global context invalidate globally", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_cc_domain context invalidate domain 0x5", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_cc_device context invalidate device 00:0a.00", 0, 0, 1 },
		{ "1@1.0:vtd_inv_desc_cc_devices context invalidate devices sid 0x50 fmask 0x0", 1,
		  0, 0 },
		{ "1@1.0:vtd_inv_desc_pasid_cache_gsi ", 1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_pasid_cache_dsi Domain selective PC invalidation domain 0x5",
		  1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_pasid_cache_psi PASID selective PC invalidation domain 0x5 "
		  "pasid 0x1",
		  1, 0, 0 },
		{ "1@1.0:vtd_pasid_cache_psi PASID slective PC invalidation domain 0x5 pasid 0x1",
		  1, 0, 0 },
		{ "1@1.0:vtd_inv_desc_iotlb_pasid iotlb invalidate domain 0x5", 0, 1, 0 },
		/* what says again what others say, or nothing that a replay needs */
		{ "1@1.0:vtd_pasid_cache_devsi Dev selective PC invalidation dev: 00:0a.00", 0, 0,
		  1 },
		{ "1@1.0:vtd_inv_qi_tail write tail 3", 0, 0, 1 },
		{ "1@1.0:vtd_as_unmap_whole Device 00:0a.0 start 0x0 size 0x8000000000", 0, 0, 1 },
		{ "1@1.0:vtd_device_attach_hwpt dev_id 1 pasid 0 hwpt_id 2, ret: 0", 0, 0, 1 },
		{ "1@1.0:vtd_device_detach_hwpt dev_id 1 pasid 0 ret: 0", 0, 0, 1 },
		{ "1@1.0:vtd_iotlb_reset IOTLB reset (reason: exceed the size limit)", 0, 0, 1 },
		{ "1@1.0:vtd_context_cache_reset ", 0, 0, 1 },
		{ "1@1.0:vtd_dmar_enable enable 1", 0, 0, 1 },
		{ "1@1.0:vtd_reg_dmar_root addr 0x1000 scalable 0", 1, 0, 0 },
		{ "1@1.0:vtd_reg_dmar_root addr 0x1000 scalable 1", 1, 0, 0 },
		{ "1@1.0:vtd_reg_dmar_root addr 0x1000 scalable 2", 0, 1, 0 },
		{ "1@1.0:x86_iommu_iec_notify Notify IEC invalidation: global=1 index=0 mask=0", 0,
		  0, 1 },
	};

	return cr_make_param_array(struct host_sample, samples, sizeof samples / sizeof samples[0]);
}

ParameterizedTest(struct host_sample *sample, import_samples, host_lines)
{
	char text[512];
	struct story *story;
	const struct import_side *host;

	snprintf(text, sizeof text,
		 "1@0.5:vtd_inv_desc_wait_sw wait invalidate status write addr 0x0 data 0x2\n%s\n",
		 sample->line);
	story = import_text(NULL, text);
	cr_assert_eq(story->status, 0, "%s: %s", sample->line, story->err.text);
	host = &import_info(story->source)->host;
	cr_expect_eq(host->used, 1 + sample->used, "%s", sample->line);
	cr_expect_eq(host->bad, sample->bad, "%s", sample->line);
	cr_expect_eq(host->skipped_names, sample->skipped, "%s", sample->line);
	close_story(story);
}

/* ---- one run in three forms ------------------------------------------------------------- */

static void mappings_of(const char *path, char *text, size_t size)
{
	struct import_options options = { .guest = path };
	struct event_source *source;
	struct event_batch batch;
	struct err err = { 0 };
	size_t n = 0;

	cr_assert_eq(import_open(&options, &source, &err), 0, "%s", err.text);
	while (source_next(source, &batch, &err) == 1)
		for (size_t i = 0; i < batch.n; i++) {
			const struct event *event = &batch.events[i];

			if (event->kind != EVENT_MAP && event->kind != EVENT_UNMAP)
				continue;
			cr_assert_lt(n + 64, size);
			n += (size_t)snprintf(
				text + n, size - n, "%d %llx %llx\n", event->kind,
				(unsigned long long)event->addr,
				(unsigned long long)event_value(
					&batch, event,
					event->kind == EVENT_MAP ? MAP_SIZE : UNMAP_SIZE));
		}
	cr_expect_eq(import_info(source)->guest.skipped_names, 0, "every dma event is read");
	source_close(source);
}

Test(import_samples, a_trace_dat_and_both_reports_of_it_hold_the_same)
{
	static char dat[32768], report[32768], raw[32768];

	mappings_of("tests/data/smmuv3-6.12-tracecmd.trace.dat", dat, sizeof dat);
	mappings_of("tests/data/smmuv3-6.12-tracecmd.report.txt.zst", report, sizeof report);
	mappings_of("tests/data/smmuv3-6.12-tracecmd.raw-report.txt.zst", raw, sizeof raw);
	cr_expect_gt(strlen(dat), 1000);
	cr_expect_str_eq(report, dat);
	cr_expect_str_eq(raw, dat);
}
