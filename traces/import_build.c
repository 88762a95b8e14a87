/* One event from its fields, and the list of those not yet taken. */
#include <stdlib.h>

#include "traces/import_emit.h"

struct building building_begin(enum event_kind kind, unsigned verb, const struct origin *origin)
{
	struct building building = {
		.event = {
			.time_ns = origin->time_ns,
			.agent = EVENT_NO_AGENT,
			.kind = (uint8_t)kind,
			.flags = (uint8_t)((unsigned)origin->class | verb << 2 |
					   (origin->clamped ? EVENT_FLAG_CLAMPED : 0u)),
		},
		.agent = { NAME_NONE, NAME_NONE, PASID_NONE },
	};

	if (origin->line) {
		building.event.present = 1u << FIELD_SRC | 1u << FIELD_AT;
		building.values[FIELD_SRC] = origin->src;
		building.values[FIELD_AT] = origin->line;
	}
	return building;
}

void building_set(struct building *building, unsigned field, uint64_t value)
{
	switch (event_kinds[building->event.kind].fields[field].place) {
	case PLACE_ADDR:
		building->event.addr = value;
		break;
	case PLACE_LEN:
		building->event.len = (uint32_t)value;
		break;
	case PLACE_AGENT:
		building->agent.pasid = (uint32_t)value;
		building->has_agent = true;
		break;
	default:
		building->values[field] = value;
		building->event.present = (uint16_t)(building->event.present | 1u << field);
		break;
	}
}

void building_domain(struct building *building, uint32_t domain)
{
	building->agent.domain = domain;
	building->has_agent = true;
}

void building_device(struct building *building, uint32_t device)
{
	building->agent.device = device;
	building->has_agent = true;
}

static bool grow(void **items, size_t *room, size_t need, size_t size)
{
	size_t more = *room ? *room : 4096;
	void *grown;

	while (more < need)
		more *= 2;
	if (more == *room)
		return true;
	grown = realloc(*items, more * size);
	if (!grown)
		return false;
	*items = grown;
	*room = more;
	return true;
}

void emitter_push(struct emitter *emitter, const struct building *building)
{
	struct event event = building->event;
	void *events = emitter->events, *slots = emitter->slots;

	if (building->has_agent && event.agent == EVENT_NO_AGENT)
		event.agent = names_agent(emitter->names, building->agent);
	emitter->failed |= building->has_agent && event.agent == NAME_NONE;
	emitter->failed |=
		!grow(&events, &emitter->events_room, emitter->events_n + 1, sizeof event);
	emitter->events = events;
	emitter->failed |= !grow(&slots, &emitter->slots_room, emitter->slots_n + EVENT_FIELDS,
				 sizeof *emitter->slots);
	emitter->slots = slots;
	if (emitter->failed)
		return;
	event.slot = (uint32_t)emitter->slots_n;
	for (unsigned left = event.present; left; left &= left - 1)
		emitter->slots[emitter->slots_n++] = building->values[__builtin_ctz(left)];
	emitter->events[emitter->events_n++] = event;
}
