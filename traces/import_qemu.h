/*
 * QEMU's log among its readers: import_qemu.c reads lines, a reader for each emulated IOMMU says
 * what its events mean. Private to traces/import_qemu*.c.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_QEMU_H
#define IOMMUSIM_TRACES_IMPORT_QEMU_H

#include "traces/import_parts.h"

/* One line, split. */
struct qemu_line {
	const struct line *line;
	uint64_t tid, time_ns; /* no thread: 0 */
	const char *name;
	size_t length;	  /* of the name */
	struct scan text; /* behind it */
};

enum parsed {
	PARSED_RECORD,
	PARSED_NOTHING, /* understood, and part of a later record, or of no interest */
	PARSED_BAD,	/* a known name with an unexpected text */
	PARSED_UNKNOWN,
};

/* The VT-d hit or update line that a thread wrote last. */
struct vtd_page {
	uint64_t line;
	uint64_t iova, leaf;
	int32_t space;
	uint16_t sid;
	bool walk, pending;
};

/* The SMMUv3 access that a thread is in. */
struct smmu_access {
	uint64_t line; /* of its lookup */
	uint64_t iova; /* of the lookup: its page in QEMU 7.2 */
	int32_t space;
	uint16_t sid;
	bool known; /* sid, from its configuration line */
	bool looked_up, hit;
};

struct qemu_thread {
	uint64_t tid;
	struct vtd_page vtd;
	struct smmu_access smmu;
};

enum { QEMU_THREADS = 64, SPACE_UNKNOWN = -2 };

/* An SMMUv3 command: its opcode line, and what the lines behind it add. */
struct smmu_command_lines {
	struct host_record record;
	bool pending;
	bool ranged;	/* its range so far: */
	uint64_t pages; /* of the granule */
};

struct qemu {
	struct lines *lines;
	struct qemu_options options;
	struct import_side side;
	struct qemu_thread threads[QEMU_THREADS];
	unsigned last_thread, victim;
	/* "TID@SECONDS." of the line before: most lines begin as it did. */
	char prefix[32];
	size_t prefix_n;
	uint64_t prefix_tid, prefix_ns;
	const struct import_arch *arch; /* NULL: no record yet */
	uint64_t pages;			/* VT-d page lines so far */
	uint64_t commands;		/* VT-d: vtd_inv_desc lines so far */
	bool scalable;			/* VT-d: RTADDR asks for scalable mode */
	int32_t *spaces; /* 65536, by requester: where its last access was translated */
	/* SMMUv3 */
	struct smmu_command_lines command;
	struct host_record waiting[2]; /* to be handed out before the next line is read */
	unsigned waits;
	struct host_record fault; /* the last one, until it is known to be recorded */
	bool faulted;
};

struct qemu_thread *qemu_thread_of(struct qemu *qemu, uint64_t tid);

static inline bool qemu_name_is(const struct qemu_line *line, const char *name)
{
	return line->length == strlen(name) && memcmp(line->name, name, line->length) == 0;
}

/* Where a line becomes a record. Lines that become none, most of them, do without: clearing it
 * costs as much as reading the line. */
static inline void qemu_begin(const struct qemu_line *line, struct host_record *record)
{
	*record = (struct host_record){ .time_ns = line->time_ns, .line = line->line->number };
}

enum parsed qemu_vtd_line(struct qemu *qemu, struct qemu_line *line, struct host_record *record);
enum parsed qemu_smmu_line(struct qemu *qemu, struct qemu_line *line, struct host_record *record);
/* A command whose last line was the log's. */
bool qemu_smmu_end(struct qemu *qemu, struct host_record *record);

#endif
