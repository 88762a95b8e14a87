/*
 * Neutral events out of merged records. Domains are called by what the hardware tags them with,
 * devices by bus, slot and function. src is 0 for the guest, 1 for the host; at is the line.
 */
#include "traces/import_emit.h"
#include "hw/base/bits.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- declarations -------------------------------------------------------------------- */

static uint32_t string_of(struct emitter *emitter, const char *text)
{
	return names_string(emitter->names, text, strlen(text));
}

static uint32_t declare(struct emitter *emitter, enum name_table table, const char *name)
{
	uint32_t string = string_of(emitter, name);
	uint32_t number =
		string == NAME_NONE ? NAME_NONE : names_declare(emitter->names, table, string);

	if (number == NAME_NONE)
		number = names_find(emitter->names, table, name, strlen(name));
	emitter->failed |= number == NAME_NONE;
	return number;
}

static void declare_iommus(struct emitter *emitter, const struct origin *origin)
{
	const struct scan_result *scan = emitter->plan.scan;
	/* One unit needs no name of its own, and the host's log knows none. */
	bool named = scan->units_n > 1;

	emitter->iommus_n = named ? scan->units_n : 1;
	for (unsigned i = 0; i < emitter->iommus_n; i++) {
		struct building building = building_begin(EVENT_IOMMU, 0, origin);

		emitter->iommus[i] =
			declare(emitter, NAMES_IOMMUS, named ? scan->units[i] : "iommu0");
		building_set(&building, IOMMU_NAME,
			     names_string_of(emitter->names, NAMES_IOMMUS, emitter->iommus[i]));
		emitter_push(emitter, &building);
	}
}

static struct domain_state declare_domain(struct emitter *emitter, int32_t space,
					  const struct origin *origin)
{
	const struct import_arch *arch = emitter->plan.scan->arch;
	struct building building = building_begin(EVENT_DOMAIN, 0, origin);
	struct domain_state state;
	char name[24];

	snprintf(name, sizeof name, "%s", space == SPACE_BYPASS ? "bypass" : arch->unknown);
	if (space >= 0 && space < SPACE_BYPASS)
		arch->name_space(space, name);
	state.domain = declare(emitter, NAMES_DOMAINS, name);
	building_set(&building, DOMAIN_NAME, string_of(emitter, name));
	building_set(&building, DOMAIN_OWNER, string_of(emitter, "guest0"));
	if (space == SPACE_BYPASS)
		building_set(&building, DOMAIN_FORMAT, string_of(emitter, "bypass"));
	else if (space >= 0)
		arch->tag_space(space, &building);
	emitter_push(emitter, &building);
	state.agent =
		names_agent(emitter->names, (struct agent){ NAME_NONE, state.domain, PASID_NONE });
	emitter->failed |= state.agent == NAME_NONE;
	return state;
}

static void declare_device(struct emitter *emitter, uint16_t sid, const struct origin *origin)
{
	struct device_state *state = &emitter->devices[sid];
	struct building building = building_begin(EVENT_DEVICE, 0, origin);
	char name[16];

	snprintf(name, sizeof name, "%02x:%02x.%x", sid >> 8u, sid >> 3u & 0x1fu, sid & 7u);
	state->device = declare(emitter, NAMES_DEVICES, name);
	building_set(&building, DEVICE_NAME, string_of(emitter, name));
	building_set(&building, DEVICE_ID, 1ull << 63 | sid);
	building_set(&building, DEVICE_OWNER, string_of(emitter, "guest0"));
	if (state->type == 1 || emitter->plan.scan->requests_pages[sid])
		building_set(&building, DEVICE_ATS, 1);
	if (emitter->plan.scan->requests_pages[sid])
		building_set(&building, DEVICE_PRI, 1);
	emitter_push(emitter, &building);
	state->agent =
		names_agent(emitter->names, (struct agent){ state->device, NAME_NONE, PASID_NONE });
	emitter->failed |= state->agent == NAME_NONE;
	emitter->sids[emitter->sids_n++] = sid;
}

static void attach(struct emitter *emitter, uint16_t sid, int32_t space,
		   const struct origin *origin)
{
	struct device_state *state = &emitter->devices[sid];
	struct building building = building_begin(EVENT_ATTACH, 0, origin);
	uint32_t domain = space >= 0 ? emitter->domains[space].domain : emitter->unknown.domain;

	building_device(&building, state->device);
	building_domain(&building, domain);
	emitter_push(emitter, &building);
	state->space = space;
	state->attached = true;
}

static void detach(struct emitter *emitter, uint16_t sid, const struct origin *origin)
{
	struct device_state *state = &emitter->devices[sid];
	struct building building = building_begin(EVENT_DETACH, 0, origin);

	building_device(&building, state->device);
	emitter_push(emitter, &building);
	state->space = NO_SPACE;
	state->attached = false;
}

/* The device's context leads to another space than the last one, or nowhere. */
static void change_context(struct emitter *emitter, uint16_t sid, int32_t space,
			   const struct origin *origin)
{
	const struct device_state *state = &emitter->devices[sid];

	if (state->attached ? state->space == space : space == NO_SPACE)
		return;
	if (state->attached)
		detach(emitter, sid, origin);
	if (space != NO_SPACE)
		attach(emitter, sid, space, origin);
}

/* ---- where devices are attached ------------------------------------------------------ */

/*
 * A context shows at the device's next access, long after it was written. What dropped it from
 * the recorder's caches before that access is when it came to be. Without such a command the
 * first one counts from the start, later ones from the access.
 */
static bool comes_with_a_command(const struct emitter *emitter, const struct context_change *change)
{
	const struct scan_result *scan = emitter->plan.scan;

	return change->after >= 0 &&
	       scan->host_commands.items[change->after].time >= emitter->start_ns;
}

static bool holds_from_the_start(const struct emitter *emitter, const struct context_change *change,
				 bool first)
{
	return !comes_with_a_command(emitter, change) &&
	       (first || change->after >= 0 || change->time_ns <= emitter->start_ns);
}

static int by_command(const void *a, const void *b)
{
	const struct context_change *left = a, *right = b;

	return (left->after > right->after) - (left->after < right->after);
}

static bool place_attaches(struct emitter *emitter)
{
	const struct scan_result *scan = emitter->plan.scan;

	emitter->changes = malloc((scan->contexts_n + 1) * sizeof *emitter->changes);
	if (!emitter->changes)
		return false;
	for (size_t i = 0; i < scan->contexts_n; i++) {
		const struct context_change *change = &scan->contexts[i];
		struct device_state *state = &emitter->devices[change->sid];

		if (change->entry)
			state->type |= change->type;
		if (comes_with_a_command(emitter, change))
			emitter->changes[emitter->changes_n++] = *change;
		else if (holds_from_the_start(emitter, change, !state->seen))
			state->at_start = change;
		state->seen = true;
	}
	qsort(emitter->changes, emitter->changes_n, sizeof *emitter->changes, by_command);
	return true;
}

/* What changes with the host's command of this number, if it has not yet. */
static void change_contexts(struct emitter *emitter, size_t command, const struct origin *origin)
{
	const struct context_change wanted = { .after = (int64_t)command }, *found, *end;
	struct origin inferred = *origin;

	if (emitter->changes_n == 0)
		return;
	found = bsearch(&wanted, emitter->changes, emitter->changes_n, sizeof *emitter->changes,
			by_command);
	if (!found)
		return;
	inferred.class = CLASS_INFERRED;
	end = emitter->changes + emitter->changes_n;
	while (found > emitter->changes && found[-1].after == wanted.after)
		found--;
	for (; found < end && found->after == wanted.after; found++)
		change_context(emitter, found->sid, found->space, &inferred);
}

static void attach_at_start(struct emitter *emitter, uint16_t sid, const struct origin *origin)
{
	const struct device_state *state = &emitter->devices[sid];
	struct origin seen = { .class = CLASS_INFERRED, .src = SRC_HOST };

	if (state->at_start) {
		seen.line = state->at_start->line;
		change_context(emitter, sid, state->at_start->space, &seen);
	} else if (!state->seen && emitter->plan.unknown_domain) {
		attach(emitter, sid, NO_SPACE, origin);
	}
}

int emit_start(struct emitter *emitter, struct err *err)
{
	const struct scan_result *scan = emitter->plan.scan;
	struct origin origin = { .class = CLASS_INFERRED };

	declare_iommus(emitter, &origin);
	for (int32_t space = 0; space < SPACES; space++)
		if (scan->space_seen[space])
			emitter->domains[space] = declare_domain(emitter, space, &origin);
	if (emitter->plan.unknown_domain)
		emitter->unknown = declare_domain(emitter, NO_SPACE, &origin);
	emitter->failed |= !place_attaches(emitter);
	for (uint32_t sid = 0; sid <= 0xffff; sid++)
		if (scan->sid_seen[sid])
			declare_device(emitter, (uint16_t)sid, &origin);
	for (size_t i = 0; i < emitter->sids_n; i++)
		attach_at_start(emitter, emitter->sids[i], &origin);
	return emitter->failed ? err_no_memory(err, "declarations") : 0;
}

/* ---- guest --------------------------------------------------------------------------- */

static enum event_class class_of(const struct decision *decision)
{
	switch (decision->how) {
	case HOW_COMMAND:
	case HOW_DEVICE:
	case HOW_ANSWER:
	case HOW_PAIRED:
		return CLASS_DERIVED;
	default:
		return CLASS_INFERRED;
	}
}

static void emit_mapping(struct emitter *emitter, const struct merge_step *step,
			 struct origin origin)
{
	const struct guest_record *record = step->guest;
	const struct decision *decision = &emitter->plan.scan->decisions.items[step->ordinal];
	const struct domain_state *domain =
		decision->how == HOW_NONE ? &emitter->unknown : &emitter->domains[decision->space];
	uint64_t size = record->end - record->iova;
	struct building building;

	origin.class = class_of(decision);
	if (record->kind == GUEST_MAP) {
		if (decision->perm == 0)
			origin.class = CLASS_INFERRED;
		building = building_begin(EVENT_MAP, 0, &origin);
		building_set(&building, MAP_IOVA, record->iova);
		building_set(&building, MAP_PA, record->pa);
		building_set(&building, MAP_SIZE, size);
		building_set(&building, MAP_PERM, decision->perm ? decision->perm : 3);
	} else {
		building = building_begin(EVENT_UNMAP, 0, &origin);
		building_set(&building, UNMAP_IOVA, record->iova);
		building_set(&building, UNMAP_SIZE, size);
		if (record->done != size)
			building_set(&building, UNMAP_DONE, record->done);
	}
	building_set(&building, FIELD_CPU, record->cpu);
	building.event.agent = domain->agent;
	emitter_push(emitter, &building);
}

static void emit_issue(struct emitter *emitter, const struct merge_step *step,
		       const struct origin *origin)
{
	const struct guest_record *record = step->guest;
	struct descriptor descriptor = { .origin = origin };

	memcpy(descriptor.words, record->words, sizeof descriptor.words);
	if (step->ordinal < emitter->plan.pairs) {
		descriptor.has_id = true;
		descriptor.id = step->ordinal + 1;
	}
	for (unsigned i = 0; i < emitter->iommus_n && emitter->iommus_n > 1; i++)
		if (strcmp(emitter->plan.scan->units[i], record->unit) == 0)
			descriptor.unit = i;
	emitter->plan.scan->arch->invalidate(emitter, &descriptor);
	if (descriptor.has_id)
		change_contexts(emitter, emitter->plan.first_pair + step->ordinal, origin);
}

/* Who gets a page is not told: it is the guest's. */
static void emit_page(struct emitter *emitter, const struct guest_record *record,
		      const struct origin *origin)
{
	bool alloc = record->kind == GUEST_ALLOC;
	struct building building = building_begin(alloc ? EVENT_ALLOC : EVENT_FREE, 0, origin);

	building_set(&building, FREE_PA, record->pa);
	building_set(&building, FREE_SIZE, record->done);
	if (alloc)
		building_set(&building, ALLOC_OWNER, string_of(emitter, "guest0"));
	building_set(&building, FIELD_CPU, record->cpu);
	emitter_push(emitter, &building);
}

/*
 * A device that makes page requests for a PASID is attached for it. Whose address space that is no event
 * tells: a domain of its own stands for it, the same for every device, as Linux gives out PASIDs.
 */
static void attach_pasid(struct emitter *emitter, uint16_t sid, uint32_t pasid,
			 const struct origin *origin)
{
	struct origin inferred = *origin;
	struct building building;
	uint32_t domain = NAME_NONE;
	char name[24];

	snprintf(name, sizeof name, "pasid%u", (unsigned)pasid);
	for (size_t i = 0; i < emitter->pasid_users_n; i++) {
		const struct pasid_user *user = &emitter->pasid_users[i];

		if (user->pasid == pasid && user->sid == sid)
			return;
		if (user->pasid == pasid)
			domain = names_find(emitter->names, NAMES_DOMAINS, name, strlen(name));
	}
	if (emitter->pasid_users_n == emitter->pasid_users_room) {
		size_t room = emitter->pasid_users_room ? emitter->pasid_users_room * 2 : 16;
		struct pasid_user *users = realloc(emitter->pasid_users, room * sizeof *users);

		if (!users) {
			emitter->failed = true;
			return;
		}
		emitter->pasid_users = users;
		emitter->pasid_users_room = room;
	}
	emitter->pasid_users[emitter->pasid_users_n++] = (struct pasid_user){ pasid, sid };
	inferred.class = CLASS_INFERRED;
	if (domain == NAME_NONE) {
		domain = declare(emitter, NAMES_DOMAINS, name);
		building = building_begin(EVENT_DOMAIN, 0, &inferred);
		building_set(&building, DOMAIN_NAME, string_of(emitter, name));
		building_set(&building, DOMAIN_OWNER, string_of(emitter, "guest0"));
		emitter_push(emitter, &building);
	}
	building = building_begin(EVENT_ATTACH, 0, &inferred);
	building_device(&building, emitter->devices[sid].device);
	building_domain(&building, domain);
	building_set(&building, 0, pasid); /* its only field */
	emitter_push(emitter, &building);
}

/* The driver tells of a request when it takes it from the queue; when it came there is not known. A stop
 * marker, the end of a PASID's requests, asks for nothing. */
static void emit_request(struct emitter *emitter, const struct guest_record *record,
			 const struct origin *origin)
{
	uint64_t low = record->words[0], high = record->words[1];
	struct building building = building_begin(EVENT_REQUEST, bit(high, 1) ? 1 : 0, origin);

	if (!bits(high, 1, 0))
		return;
	if (bit(low, 8))
		attach_pasid(emitter, request_sid(record), (uint32_t)bits(low, 51, 32), origin);
	building_device(&building, emitter->devices[request_sid(record)].device);
	building_set(&building, REQUEST_IOVA, bits_at(high, 63, 12));
	building_set(&building, REQUEST_GROUP, bits(high, 11, 3));
	if (bit(high, 2))
		building_set(&building, REQUEST_LAST, 1);
	if (bit(low, 8))
		building_set(&building, REQUEST_PASID, bits(low, 51, 32));
	emitter_push(emitter, &building);
}

static void emit_guest(struct emitter *emitter, const struct merge_step *step, struct origin origin)
{
	const struct guest_record *record = step->guest;
	struct building building;

	switch (record->kind) {
	case GUEST_MAP:
	case GUEST_UNMAP:
		emit_mapping(emitter, step, origin);
		break;
	case GUEST_COMMAND:
		emit_issue(emitter, step, &origin);
		break;
	case GUEST_MARK: {
		uint32_t text = names_string(emitter->names, record->text, record->length);

		emitter->failed |= text == NAME_NONE;
		building = building_begin(EVENT_MARK, 0, &origin);
		building_set(&building, MARK_TEXT, text);
		emitter_push(emitter, &building);
		break;
	}
	case GUEST_LOST:
		building = building_begin(EVENT_LOST, 0, &origin);
		if (record->count)
			building_set(&building, LOST_COUNT, record->count);
		if (record->has_cpu)
			building_set(&building, FIELD_CPU, record->cpu);
		emitter_push(emitter, &building);
		break;
	case GUEST_FREE:
	case GUEST_ALLOC:
		emit_page(emitter, record, &origin);
		break;
	case GUEST_REQUEST:
		emit_request(emitter, record, &origin);
		break;
	case GUEST_HINT:
	case GUEST_KINDS:
		break;
	}
}

/* ---- host ---------------------------------------------------------------------------- */

/* An access's length is not recorded: the emulator resolves it word by word or page by page. */
static uint32_t least_length(uint64_t iova)
{
	return iova & 3 ? 1 : 4;
}

static void emit_dma(struct emitter *emitter, const struct host_record *record,
		     const struct origin *origin)
{
	bool fault = record->kind == HOST_FAULT;
	unsigned verb = !record->directed ? DMA_VERB_ANY
			: record->write	  ? DMA_VERB_WRITE
					  : DMA_VERB_READ;
	struct building building = building_begin(EVENT_DMA, verb, origin);

	building_set(&building, DMA_IOVA, record->iova);
	building_set(&building, DMA_LEN, least_length(record->iova));
	if (fault)
		building_set(&building, DMA_FAULT, record->code);
	else
		building_set(&building, DMA_PA, record->pa);
	building.event.agent = emitter->devices[record->sid].agent;
	emitter_push(emitter, &building);
}

/* A paired command was issued by the guest; the others appear here for the first time. */
static void emit_execution(struct emitter *emitter, const struct merge_step *step,
			   const struct origin *origin)
{
	const struct emit_plan *plan = &emitter->plan;
	struct descriptor descriptor = {
		.words = { step->host->low, step->host->high },
		.has_id = true,
		.origin = origin,
	};

	if (step->ordinal >= plan->first_pair && step->ordinal - plan->first_pair < plan->pairs) {
		descriptor.id = step->ordinal - plan->first_pair + 1;
	} else {
		/* Behind all paired ones, so that no number is used twice. */
		descriptor.id = plan->pairs + step->ordinal + 1;
		plan->scan->arch->invalidate(emitter, &descriptor);
		change_contexts(emitter, step->ordinal, origin);
	}
	if (emitter->pending_n < PENDING)
		emitter->pending[emitter->pending_n++] = (uint32_t)descriptor.id;
}

static void emit_wait(struct emitter *emitter, const struct origin *origin)
{
	for (size_t i = 0; i < emitter->pending_n; i++) {
		struct building building = building_begin(EVENT_DONE, 0, origin);

		building_set(&building, DONE_ID, emitter->pending[i]);
		emitter_push(emitter, &building);
	}
	emitter->pending_n = 0;
}

static void emit_fault(struct emitter *emitter, const struct host_record *record,
		       const struct origin *origin)
{
	struct building building = building_begin(EVENT_FAULT, 0, origin);

	building_set(&building, FAULT_IOVA, record->iova);
	building_set(&building, FAULT_CODE, record->code);
	if (record->directed)
		building_set(&building, FAULT_ACCESS, record->write);
	building.event.agent = emitter->devices[record->sid].agent;
	emitter_push(emitter, &building);
}

static void emit_overflow(struct emitter *emitter, const struct origin *origin)
{
	struct building building = building_begin(EVENT_OVERFLOW, 0, origin);

	building_set(&building, OVERFLOW_IOMMU, emitter->iommus[0]);
	building_set(&building, OVERFLOW_QUEUE, string_of(emitter, "eventq"));
	emitter_push(emitter, &building);
}

static void emit_register(struct emitter *emitter, const struct host_record *record,
			  const struct origin *origin)
{
	struct building building = building_begin(EVENT_REG, 0, origin);

	building_set(&building, REG_OFFSET, record->offset);
	building_set(&building, REG_VALUE, record->value);
	building_set(&building, REG_SIZE, record->size);
	emitter_push(emitter, &building);
}

/*
 * The log goes on with commands that the guest's recording does not have: it was stopped, and
 * what was mapped and unmapped since is not known.
 */
static void tell_end_of_guest(struct emitter *emitter, struct origin origin)
{
	struct building building;

	emitter->lost_told = true;
	origin.class = CLASS_INFERRED;
	building = building_begin(EVENT_LOST, 0, &origin);
	emitter_push(emitter, &building);
}

static void emit_host(struct emitter *emitter, const struct merge_step *step,
		      const struct origin *origin)
{
	const struct host_record *record = step->host;
	bool before = step->time_ns < emitter->start_ns;
	struct origin derived = *origin;

	/* Before time 0 nothing is cached or mapped: only registers keep their state. */
	if (before && record->kind != HOST_REGISTER)
		return;
	if (step->guest_over && !emitter->lost_told && emitter->plan.info->host_commands_after > 0)
		tell_end_of_guest(emitter, *origin);
	switch (record->kind) {
	case HOST_ANSWER:
	case HOST_FAULT:
		emit_dma(emitter, record, origin);
		break;
	case HOST_COMMAND:
		emit_execution(emitter, step, origin);
		break;
	case HOST_WAIT:
		emit_wait(emitter, origin);
		break;
	case HOST_FRR:
		emit_fault(emitter, record, origin);
		break;
	case HOST_REGISTER:
		emit_register(emitter, record, origin);
		break;
	case HOST_CONTEXT:
		derived.class = CLASS_DERIVED;
		change_context(emitter, record->sid, record->space, &derived);
		break;
	case HOST_OVERFLOW:
		emit_overflow(emitter, origin);
		break;
	case HOST_READ:
		break;
	}
}

int emit_step(struct emitter *emitter, const struct merge_step *step, struct err *err)
{
	struct origin origin = {
		.time_ns =
			step->time_ns > emitter->start_ns ? step->time_ns - emitter->start_ns : 0,
		.line = step->guest ? step->guest->line : step->host->line,
		.src = step->guest ? SRC_GUEST : SRC_HOST,
		.clamped = step->clamped,
	};

	if (emitter->taken == emitter->events_n)
		emitter->taken = emitter->events_n = emitter->slots_n = 0;
	if (step->guest)
		emit_guest(emitter, step, origin);
	else
		emit_host(emitter, step, &origin);
	return emitter->failed ? err_set(err, ERR_LIMIT, "line %llu: too many names or no memory",
					 (unsigned long long)origin.line)
			       : 0;
}

size_t emitter_waiting(const struct emitter *emitter)
{
	return emitter->events_n - emitter->taken;
}

void emitter_take(struct emitter *emitter, struct event_batch *batch)
{
	size_t n = emitter_waiting(emitter);

	if (n > EVENT_BATCH)
		n = EVENT_BATCH;
	*batch = (struct event_batch){ .events = emitter->events + emitter->taken,
				       .slots = emitter->slots,
				       .n = n,
				       .first = emitter->handed_out };
	emitter->taken += n;
	emitter->handed_out += n;
}

int emitter_create(const struct emit_plan *plan, struct names *names, struct emitter **out,
		   struct err *err)
{
	struct emitter *emitter = calloc(1, sizeof *emitter);

	if (emitter) {
		emitter->devices = malloc(65536 * sizeof *emitter->devices);
		emitter->sids = malloc(65536 * sizeof *emitter->sids);
		emitter->domains = malloc(SPACES * sizeof *emitter->domains);
		emitter->pending = malloc(PENDING * sizeof *emitter->pending);
	}
	if (!emitter || !emitter->devices || !emitter->sids || !emitter->domains ||
	    !emitter->pending) {
		emitter_destroy(emitter);
		return err_no_memory(err, "import");
	}
	emitter->plan = *plan;
	emitter->names = names;
	emitter->start_ns = plan->info->start_ns;
	emitter->unknown = (struct domain_state){ EVENT_NO_AGENT, NAME_NONE };
	for (unsigned i = 0; i < SPACES; i++)
		emitter->domains[i] = (struct domain_state){ EVENT_NO_AGENT, NAME_NONE };
	for (unsigned i = 0; i <= 0xffff; i++)
		emitter->devices[i] = (struct device_state){
			.agent = EVENT_NO_AGENT,
			.space = NO_SPACE,
		};
	*out = emitter;
	return 0;
}

void emitter_destroy(struct emitter *emitter)
{
	if (!emitter)
		return;
	free(emitter->devices);
	free(emitter->sids);
	free(emitter->domains);
	free(emitter->pending);
	free(emitter->pasid_users);
	free(emitter->changes);
	free(emitter->events);
	free(emitter->slots);
	free(emitter);
}
