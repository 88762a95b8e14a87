/*
 * Building neutral events: what import_emit.c and import_vtd.c share. Private to these and to
 * import_build.c.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_EMIT_H
#define IOMMUSIM_TRACES_IMPORT_EMIT_H

#include "traces/import_parts.h"

enum { SRC_GUEST, SRC_HOST };
enum { PENDING = 65536 }; /* commands executed and not waited for; the queue holds at most 32768 */

struct device_state {
	uint32_t agent; /* EVENT_NO_AGENT: not declared */
	uint32_t device;
	int32_t space; /* where it is attached now */
	bool attached;
	bool seen;			       /* some context of it was recorded */
	const struct context_change *at_start; /* what holds at time 0 */
	uint8_t type;			       /* context entry's TT */
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
	struct domain_state *domains; /* SPACES */
	struct domain_state unknown;
	uint32_t iommus[UNITS];
	unsigned iommus_n;
	/* Context changes that come with a host command, by its number. */
	struct context_change *changes;
	size_t changes_n;
	struct pasid_user {
		uint32_t pasid;
		uint16_t sid;
	} * pasid_users; /* that were attached so far */
	size_t pasid_users_n, pasid_users_room;
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

/* The command verbatim, of as many words as are not 0, two at least. */
void emit_command(struct emitter *emitter, const struct descriptor *descriptor, enum event_class);
/* An `inval` that stands for part of what the descriptor means. */
struct building begin_inval(const struct descriptor *descriptor);
/* Of a declared device's cached configuration; of others there is nothing to say. */
void invalidate_config(struct emitter *emitter, const struct descriptor *descriptor, uint16_t sid,
		       uint32_t pasid);

#endif
