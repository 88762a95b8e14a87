/* The one list of event kinds. The order of fields is the order of bits in event.present. */
#include "traces/event.h"

/* clang-format off */
#define NUMBER(key) { key, FIELD_NUMBER, PLACE_SLOT, false, NULL }
#define NUMBER_(key) { key, FIELD_NUMBER, PLACE_SLOT, true, NULL }
#define HEX(key) { key, FIELD_HEX, PLACE_SLOT, false, NULL }
#define HEX_(key) { key, FIELD_HEX, PLACE_SLOT, true, NULL }
#define SIZE(key) { key, FIELD_SIZE, PLACE_SLOT, false, NULL }
#define SIZE_(key) { key, FIELD_SIZE, PLACE_SLOT, true, NULL }
#define ADDR_(key) { key, FIELD_HEX, PLACE_ADDR, true, NULL }
#define ADDR(key) { key, FIELD_HEX, PLACE_ADDR, false, NULL }
#define LEN_(key) { key, FIELD_NUMBER, PLACE_LEN, true, NULL }
#define PASID { "pasid", FIELD_NUMBER, PLACE_AGENT, false, NULL }
#define YES(key) { key, FIELD_YES, PLACE_SLOT, false, NULL }
#define NO(key) { key, FIELD_NO, PLACE_SLOT, false, NULL }
#define NAME(key) { key, FIELD_NAME, PLACE_SLOT, false, NULL }
#define NAME_(key) { key, FIELD_NAME, PLACE_SLOT, true, NULL }
#define IOMMU(key) { key, FIELD_IOMMU, PLACE_SLOT, false, NULL }
#define IOMMU_(key) { key, FIELD_IOMMU, PLACE_SLOT, true, NULL }
#define CHOICE(key, of) { key, FIELD_CHOICE, PLACE_SLOT, false, of }
#define CHOICE_(key, of) { key, FIELD_CHOICE, PLACE_SLOT, true, of }
#define WORD(of) { "", FIELD_WORD, PLACE_SLOT, false, of }
#define PERM_(key) { key, FIELD_PERM, PLACE_SLOT, true, NULL }
#define OR_NONE(key) { key, FIELD_OR_NONE, PLACE_SLOT, false, NULL }
#define OR_NONE_(key) { key, FIELD_OR_NONE, PLACE_SLOT, true, NULL }
#define LAST \
	[FIELD_CPU] = NUMBER("cpu"), [FIELD_SRC] = NUMBER("src"), [FIELD_AT] = NUMBER("at")

const struct event_kind_row event_kinds[EVENT_KINDS] = {
	[EVENT_DMA] = { "dma", SUBJECT_DEVICE, "read|write|atomic|any",
			"a device's request; pa= or fault= is what recorded hardware answered",
			{ ADDR_("iova"), LEN_("len"), PASID, CHOICE("ats", "request|translated"), HEX("pa"),
			  NUMBER("fault"), LAST } },
	[EVENT_MAP] = { "map", SUBJECT_DOMAIN, NULL, "a logical update: input range to physical range",
			{ ADDR_("iova"), HEX_("pa"), SIZE_("size"), PERM_("perm"), SIZE("page"), LAST } },
	[EVENT_UNMAP] = { "unmap", SUBJECT_DOMAIN, NULL, "a logical update: the range is taken out",
			  { ADDR_("iova"), SIZE_("size"), SIZE("done"), LAST } },
	[EVENT_INVAL] = { "inval", SUBJECT_INVAL, NULL,
			  "an invalidation: range, address space, everything, a device's ATC or configuration",
			  { IOMMU("iommu"), ADDR("iova"), SIZE("size"), PASID, YES("leaf"), NO("drain"),
			    NUMBER("id"), YES("atc"), YES("config"), LAST } },
	[EVENT_DONE] = { "done", SUBJECT_NONE, NULL, "when the invalidation with that id completed",
			 { NUMBER_("id"), CHOICE("status", "ok|timeout|error"), LAST } },
	[EVENT_IOMMU] = { "iommu", SUBJECT_NEW, NULL, "declares an IOMMU", { NAME_("name"), LAST } },
	[EVENT_DOMAIN] = { "domain", SUBJECT_NEW, NULL,
			   "declares an address space; with root= its tables come from write events alone",
			   { NAME_("name"), NAME("owner"), NUMBER("asid"), NUMBER("vmid"), NUMBER("did"),
			     HEX("root"), NUMBER("levels"), NAME("format"), LAST } },
	[EVENT_DEVICE] = { "device", SUBJECT_NEW, NULL, "declares what issues DMA",
			   { NAME_("name"), IOMMU("iommu"), { "id", FIELD_DEVICE_ID, PLACE_SLOT, false, NULL },
			     NAME("owner"), YES("ats"), YES("pri"), YES("stall"), NO("coherent"), LAST } },
	[EVENT_ATTACH] = { "attach", SUBJECT_DEVICE_DOMAIN, NULL, "the device now uses the domain",
			   { PASID, LAST } },
	[EVENT_DETACH] = { "detach", SUBJECT_DEVICE, NULL, "the device uses no domain", { PASID, LAST } },
	[EVENT_PROTECT] = { "protect", SUBJECT_DOMAIN, NULL, "permissions of a mapped range change",
			    { ADDR_("iova"), SIZE_("size"), PERM_("perm"), LAST } },
	[EVENT_P2M] = { "p2m", SUBJECT_DOMAIN, NULL, "a hypervisor's P2M update",
			{ ADDR_("gfn"), OR_NONE_("mfn"), NUMBER_("order"), NAME_("type"), LAST } },
	[EVENT_WRITE] = { "write", SUBJECT_NONE, NULL, "one 64-bit table word, exactly as recorded",
			  { ADDR_("pa"), HEX_("value"), LAST } },
	[EVENT_REG] = { "reg", SUBJECT_NONE, NULL, "software wrote an IOMMU register",
			{ IOMMU("iommu"), ADDR_("offset"), HEX_("value"), NUMBER("size"), LAST } },
	[EVENT_CMD] = { "cmd", SUBJECT_NONE, NULL, "one invalidation descriptor or command, verbatim",
			{ IOMMU("iommu"), { "w", FIELD_WORDS, PLACE_SLOT, true, NULL },
			  { "w1", FIELD_WORD_MORE, PLACE_SLOT, false, NULL },
			  { "w2", FIELD_WORD_MORE, PLACE_SLOT, false, NULL },
			  { "w3", FIELD_WORD_MORE, PLACE_SLOT, false, NULL }, NUMBER("id"), LAST } },
	[EVENT_FREE] = { "free", SUBJECT_NONE, NULL, "ownership of physical pages ends",
			 { ADDR_("pa"), SIZE_("size"), LAST } },
	[EVENT_ALLOC] = { "alloc", SUBJECT_NONE, NULL, "ownership of physical pages begins",
			  { ADDR_("pa"), SIZE_("size"), NAME_("owner"), CHOICE("use", "data|table"), LAST } },
	[EVENT_OWNER] = { "owner", SUBJECT_NONE, NULL, "ownership moves without a free",
			  { ADDR_("pa"), SIZE_("size"), NAME_("from"), NAME_("to"), LAST } },
	[EVENT_FAULT] = { "fault", SUBJECT_DEVICE, NULL, "a fault as software saw it",
			  { ADDR_("iova"), NUMBER("code"), PASID, WORD("read|write"), LAST } },
	[EVENT_REQUEST] = { "request", SUBJECT_DEVICE, "read|write", "a page request",
			    { ADDR_("iova"), NUMBER_("group"), YES("last"), PASID, LAST } },
	[EVENT_RESPOND] = { "respond", SUBJECT_DEVICE, "success|invalid|failure|retry|abort",
			    "software's answer to a stalled or page-requesting transaction",
			    { NUMBER("group"), NUMBER("tag"), LAST } },
	[EVENT_OVERFLOW] = { "overflow", SUBJECT_NONE, NULL, "a queue overflow as recorded",
			     { IOMMU_("iommu"), NAME_("queue"), NUMBER("count"), LAST } },
	[EVENT_DIRTY] = { "dirty", SUBJECT_DOMAIN, "on|off|read|copied|split|merge", "dirty tracking",
			  { ADDR("iova"), SIZE("size"), NO("clear"), LAST } },
	[EVENT_P2M_MOVE] = { "p2m-move", SUBJECT_DOMAIN, NULL, "a guest moves a frame range",
			     { ADDR_("from"), HEX_("to"), NUMBER_("pages"), LAST } },
	[EVENT_CPU] = { "cpu", SUBJECT_NONE, "read|write", "a CPU access",
			{ ADDR_("pa"), LEN_("len"), NO("cached"), LAST } },
	[EVENT_CACHE] = { "cache", SUBJECT_NONE, "clean|invalidate|flush", "CPU cache maintenance",
			  { ADDR_("pa"), LEN_("len"), CHOICE("via", "pfn|hypercall"), LAST } },
	[EVENT_DMA_MAP] = { "dma-map", SUBJECT_DEVICE, NULL, "the DMA API call",
			    { ADDR_("pa"), LEN_("len"), CHOICE_("dir", "to|from|both"), LAST } },
	[EVENT_DMA_UNMAP] = { "dma-unmap", SUBJECT_DEVICE, NULL, "the DMA API call",
			      { ADDR_("pa"), LEN_("len"), CHOICE_("dir", "to|from|both"), LAST } },
	[EVENT_SYNC] = { "sync", SUBJECT_DEVICE, NULL, "the DMA API call",
			 { ADDR_("pa"), LEN_("len"), CHOICE_("for", "cpu|device"),
			   CHOICE_("dir", "to|from|both"), LAST } },
	[EVENT_LINE] = { "line", SUBJECT_NONE, "evict|prefetch", "a CPU cache line leaves or comes by itself",
			 { ADDR_("pa"), LEN_("len"), LAST } },
	[EVENT_GRANT] = { "grant", SUBJECT_NONE, "map|unmap|end", "a foreign page is mapped here",
			  { NUMBER_("ref"), HEX("pfn"), HEX("mfn"), NAME("owner"), LAST } },
	[EVENT_BOUNCE] = { "bounce", SUBJECT_DEVICE, NULL, "a buffer was copied through the bounce pool",
			   { ADDR_("pa"), LEN_("len"), NUMBER("slot"), LAST } },
	[EVENT_LOST] = { "lost", SUBJECT_NONE, NULL, "the recorder lost events here",
			 { NUMBER("count"), IOMMU("iommu"), { "from", FIELD_TIME, PLACE_SLOT, false, NULL },
			   LAST } },
	[EVENT_MARK] = { "mark", SUBJECT_TEXT, NULL, "copied into the evidence",
			 { { "text", FIELD_STRING, PLACE_SLOT, true, NULL }, LAST } },
};
/* clang-format on */
