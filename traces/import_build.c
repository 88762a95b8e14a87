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

/* ---- commands ------------------------------------------------------------------------ */

void emit_command(struct emitter *emitter, const struct descriptor *descriptor,
		  enum event_class class)
{
	struct building building = building_begin(EVENT_CMD, 0, descriptor->origin);

	building.event.flags = (uint8_t)((building.event.flags & ~3u) | class);
	if (emitter->iommus_n > 1)
		building_set(&building, CMD_IOMMU, emitter->iommus[descriptor->unit]);
	building_set(&building, CMD_W0, descriptor->words[0]);
	building_set(&building, CMD_W1, descriptor->words[1]);
	if (descriptor->words[2] || descriptor->words[3]) {
		building_set(&building, CMD_W2, descriptor->words[2]);
		building_set(&building, CMD_W3, descriptor->words[3]);
	}
	if (descriptor->has_id)
		building_set(&building, CMD_ID, descriptor->id);
	emitter_push(emitter, &building);
}

struct building begin_inval(const struct descriptor *descriptor)
{
	struct building building = building_begin(EVENT_INVAL, 0, descriptor->origin);

	building.event.flags = (uint8_t)((building.event.flags & ~3u) | CLASS_DERIVED);
	if (descriptor->has_id)
		building_set(&building, INVAL_ID, descriptor->id);
	return building;
}

void invalidate_config(struct emitter *emitter, const struct descriptor *descriptor, uint16_t sid,
		       uint32_t pasid)
{
	struct building building = begin_inval(descriptor);

	if (emitter->devices[sid].agent == EVENT_NO_AGENT)
		return;
	building_device(&building, emitter->devices[sid].device);
	if (pasid != PASID_NONE)
		building_set(&building, INVAL_PASID, pasid);
	building_set(&building, INVAL_CONFIG, 1);
	emitter_push(emitter, &building);
}
