/*
 * Building neutral events: what import_emit.c and import_vtd.c share. Private to these and to
 * import_build.c.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_EMIT_H
#define IOMMUSIM_TRACES_IMPORT_EMIT_H

#include "traces/import_parts.h"

enum { SRC_GUEST, SRC_HOST };
enum { PENDING = 65536 }; /* commands executed and not waited for; the queue holds at most 32768 */
enum { NO_DID = -1 };

struct device_state {
	uint32_t agent; /* EVENT_NO_AGENT: not declared */
	uint32_t device;
	int32_t did;	   /* where it is attached now */
	int32_t first_did; /* where it was when first seen, or at time 0 */
	uint64_t seen_ns;  /* first evidence of that */
	uint64_t seen_line;
	uint8_t type;	   /* context entry's TT */
	int64_t attach_at; /* guest command after which it is attached; -1: at time 0 */
};

struct domain_state {
	uint32_t agent, domain;
};

struct emitter {
	struct emit_plan plan;
	struct names *names;
	uint64_t start_ns;
	struct device_state *devices; /* 65536, by requester id */
	uint16_t *sids;		      /* of the declared ones, ascending */
	size_t sids_n;
	struct domain_state *domains; /* 65536, by domain id */
	struct domain_state unknown;
	uint32_t iommus[UNITS];
	unsigned iommus_n;
	uint32_t *pending; /* ids executed since the last wait */
	size_t pending_n;
	/* Events not yet taken. */
	struct event *events;
	uint64_t *slots;
	size_t events_n, events_room, slots_n, slots_room, taken;
	uint64_t handed_out;
	bool lost_told;
	bool failed; /* out of memory or of names inside a step */
};

struct building {
	struct event event;
	struct agent agent;
	bool has_agent;
	uint64_t values[EVENT_FIELDS];
};

struct origin {
	uint64_t time_ns; /* from the start */
	uint64_t line;	  /* 0: none */
	unsigned src;
	enum event_class class;
	bool clamped;
};

struct building building_begin(enum event_kind kind, unsigned verb, const struct origin *origin);
/* Puts the value where the table of kinds says that the field lives. */
void building_set(struct building *building, unsigned field, uint64_t value);
void building_domain(struct building *building, uint32_t domain);
void building_device(struct building *building, uint32_t device);
/* Adds the event to those not yet taken; sets emitter->failed without memory. */
void emitter_push(struct emitter *emitter, const struct building *building);

/* A descriptor on its way to become neutral. */
struct descriptor {
	uint64_t words[4];
	bool has_id;
	uint64_t id;
	unsigned unit; /* index into emitter->iommus */
	const struct origin *origin;
};

/* The descriptor as `cmd`, and what it means as `inval`. */
void vtd_invalidate(struct emitter *emitter, const struct descriptor *descriptor);

#endif
