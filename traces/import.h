/*
 * Importing recordings made by other programs as one stream of neutral events.
 *
 * Guest side: ftrace text (tracefs `trace`, `trace-cmd report`, `perf script`) or a trace.dat of
 * trace-cmd, with the events iommu:map, iommu:unmap, intel_iommu:qi_submit and trace marker
 * lines; dma:* events (kernel 6.12 and later) tell which device a mapping is for. Host side:
 * QEMU's log of vtd_* or smmu* trace events, with TID@SECONDS.MICROSECONDS: or ISO time before
 * them. Either may be missing; with both, their clocks are put together by the invalidation
 * commands that stand in both (VT-d), or by brackets of marks (SMMUv3).
 *
 * Both files are read three times (scan, sort out domains, stream), so they must be regular
 * files; zstd-compressed ones are unpacked on the way. A trace.dat is decoded once, into a
 * temporary file of about 150 bytes an event. Memory: 4 bytes a map or unmap event, 32 bytes an
 * invalidation command, and what is mapped at one time. docs/import.md tells what is recorded,
 * what is derived and what is inferred.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_H
#define IOMMUSIM_TRACES_IMPORT_H

#include "traces/event.h"

/* The form of a file. */
enum import_from { IMPORT_DETECT, IMPORT_FTRACE, IMPORT_TRACEDAT, IMPORT_QEMU };

/* Tells the form of a file from its beginning; -1: it is none that is imported, and *err says what
 * it is and what to do. */
int import_detect(const char *path, enum import_from *form, struct err *err);

struct import_options {
	const char *guest; /* ftrace text or trace.dat, or NULL */
	enum import_from guest_from;
	const char *host; /* QEMU log, or NULL */
	/* Ticks per second of a guest clock that prints bare integers (x86-tsc); 0: unknown,
	 * which only an import with both sides can do without. */
	double guest_hz;
	bool strict; /* the first line that cannot be read is an error instead of a count */
};

enum { IMPORT_NAMES = 48, IMPORT_NAME_BYTES = 40 };

struct import_skip {
	char name[IMPORT_NAME_BYTES];
	uint64_t count;
};

/* One of the two files. */
struct import_side {
	bool records;	   /* binary: "lines" are records */
	uint64_t lines;	   /* of the file */
	uint64_t used;	   /* lines that became part of an event, or a hint */
	uint64_t bad;	   /* lines that could not be read; first_bad says where and why */
	uint64_t too_long; /* longer than 1 MiB */
	uint64_t backward; /* times before the line above; moved up to it, flagged clamped */
	bool cut;	   /* the last line had no end and was left out */
	char first_bad[256];
	struct import_skip skipped[IMPORT_NAMES]; /* by event name, most frequent first */
	unsigned skipped_names;
	uint64_t skipped_other; /* lines of further names */
};

/* How a map or unmap came to its domain. */
enum import_how {
	HOW_NONE,    /* domain did-unknown */
	HOW_COMMAND, /* derived: an invalidation of the same task that covers it names it */
	HOW_DEVICE,  /* derived: a dma:* event of the same task names the device */
	HOW_ANSWER,  /* derived: the host translated this page to this address in it */
	HOW_PAIRED,  /* derived: unmap of the one mapping live there, whose domain is derived */
	HOW_LIKELY,  /* inferred: unmap of the likeliest of several, or of an inferred mapping */
	HOW_FREE,    /* inferred: the only domain in which the address was free */
	HOW_TASK,    /* inferred: the domain of the mapping that the same task made last */
	HOW_ONLY,    /* inferred: the recording knows one domain only */
	IMPORT_HOWS
};

extern const char *const import_how_names[IMPORT_HOWS];

enum { CLOCK_PIECES = 16 };

/* Holds for guest times from guest_from on:
 * host = host_base + (guest - guest_base) * slope_q40 / 2^40. */
struct clock_piece {
	uint64_t guest_from, guest_base, host_base, slope_q40;
};

/* More than one piece: the guest's clock stood still for a moment while the host's went on. */
struct import_clock {
	struct clock_piece pieces[CLOCK_PIECES];
	unsigned n;
};

struct import_info {
	struct import_side guest, host;
	/* Clock: residuals are execution on the host minus mapped issue, in ns. */
	struct import_clock clock;
	const char *clock_from; /* "commands", "marks", "brackets", "flushes", "one side" */
	uint64_t paired, guest_commands, host_commands, host_commands_before, host_commands_after;
	int64_t residual_p1, residual_p50, residual_p99, residual_max;
	uint64_t clock_outliers; /* pairs that the fit left out: execution over 1 ms before issue */
	uint64_t uncertainty_ns;
	/* Domains of map and unmap events. */
	uint64_t maps[IMPORT_HOWS], unmaps[IMPORT_HOWS];
	uint64_t maps_perm_seen; /* of the maps: permission seen in a recorded answer */
	uint64_t unmaps_without_map;
	uint64_t domains, devices;
	/* Recorded answers (all, and those made by a table walk) before the merge. */
	uint64_t answers, walks, faults;
	/* Executed before time 0, and dropped. */
	uint64_t commands_before_start;
	/* Events moved across sources to put a cause before its effect (R10). Known in advance. */
	uint64_t moved, moved_max_ns;
	uint64_t moved_far; /* of these, beyond the uncertainty (a command after its execution) */
	uint64_t start_ns;  /* host time (or guest time without host) of time 0 */
	/* Complete after the stream's end. */
	uint64_t answers_before_start; /* accesses before time 0, dropped */
	uint64_t events;
};

/*
 * Reads both files twice, then yields the events in time order through *out. -1 with *err when
 * a file cannot be read, is of another kind, or the two do not belong together.
 */
int import_open(const struct import_options *options, struct event_source **out, struct err *err);

/* Both are for sources of import_open() only and stay valid until source_close(). */
const struct import_info *import_info(const struct event_source *source);
/* "key = value" lines for the META block of a native file. */
const char *import_meta(const struct event_source *source);

#endif
