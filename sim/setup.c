/* Declarations: IOMMUs, domains, devices, and which device uses which domain. */
#include <stdlib.h>
#include <string.h>

#include "sim/points_private.h"

/* The registers and the root table of a unit, as its driver leaves them after start-up. */
static int start_unit(struct replay *replay, struct iommu *iommu, struct err *err)
{
	pa_t root = replay->next_table;
	struct table_row rows[START_ROWS];
	size_t n = 0;

	if (!iommu->model->start)
		return 0;
	if (iommu->model->expect)
		iommu->model->expect(iommu, &replay->use);
	replay->next_table += iommu->model->config_bytes(iommu);
	if (iommu->model->start(iommu, root))
		return err_no_memory(err, "an IOMMU's root table");
	if (iommu->model->start_rows)
		n = iommu->model->start_rows(iommu, rows);
	for (size_t i = 0; i < n; i++)
		if (words_store(replay, rows[i].pa, (unsigned)rows[i].count, rows[i].value,
				rows[i].step, err))
			return -1;
	return 0;
}

static int add_unit(struct replay *replay, uint32_t number, struct err *err)
{
	const struct iommu_model *model = replay->machine->model;
	struct unit *units;
	struct iommu *iommu;
	pa_t limit, root;

	if (replay->n_units == WORLD_UNITS)
		return replay_error(replay, ERR_LIMIT, err, "more than %d IOMMUs", WORLD_UNITS);
	units = realloc(replay->units, (replay->n_units + 1) * sizeof *units);
	if (!units)
		return err_no_memory(err, "IOMMUs");
	replay->units = units;
	if (iommu_create(model, replay->machine->model_config,
			 replay->machine->run.seed + replay->n_units, replay->tables,
			 replay->caches, &iommu, err))
		return -1;
	iommu->reissues = true;
	units[replay->n_units++] = (struct unit){ .number = number, .iommu = iommu };
	replay->caching_mode = model->caching_mode && model->caching_mode(iommu);
	replay->lazy = replay->machine->run.policy == POLICY_LINUX_LAZY &&
		       !(replay->caching_mode && replay->machine->run.force_strict_if_cm);
	if (!model->snoops(iommu) && memory_view_create(replay->memory, err))
		return -1;
	if (replay->table_area == 0) {
		limit = 1ull << model->pa_bits(iommu);
		replay->table_area = replay->next_table = limit / 2;
	}
	root = replay->next_table;
	if (start_unit(replay, iommu, err))
		return -1;
	return replay->points ? points_add_unit(replay, root, err) : 0;
}

/* The unit by its number in names; NAME_NONE: the implicit one, made when there is none. */
struct unit *setup_unit(struct replay *replay, uint32_t number, struct err *err)
{
	for (uint32_t i = 0; i < replay->n_units; i++)
		if (number == NAME_NONE || replay->units[i].number == number)
			return &replay->units[i];
	if (add_unit(replay, number, err))
		return NULL;
	return &replay->units[replay->n_units - 1];
}

static void split_mapping(struct imap_entry *left, struct imap_entry *right)
{
	right->value[LEDGER_PA] += right->first - left->first;
}

static int grow(void **array, uint32_t *n, uint32_t number, size_t size)
{
	uint32_t max = *n ? *n : 16;
	char *bytes;

	if (number < *n)
		return 0;
	if (number >= 1u << 31)
		return -1;
	while (max <= number)
		max *= 2;
	bytes = realloc(*array, max * size);
	if (!bytes)
		return -1;
	memset(bytes + *n * size, 0, (max - *n) * size);
	*array = bytes;
	*n = max;
	return 0;
}

/* Its own root table, or the recording's (root=); known by its address space from now on. */
static int root_of_domain(struct replay *replay, struct domain *domain, struct err *err)
{
	struct frame *frame;
	uint32_t old = replay->n_spaces;

	if (!domain->raw)
		domain->root = words_new_table(replay);
	frame = tables_root(replay->tables, domain->root, domain->format->role, domain->levels - 1,
			    err);
	if (!frame)
		return -1;
	domain->space = frame->node.space;
	for (unsigned part = 1; part < 1u << frame->node.role->frames_lg2; part++)
		if (!tables_root_part(replay->tables, domain->root + ((pa_t)part << FRAME_LG2),
				      frame->node.role, domain->levels - 1, part, domain->space))
			return err_no_memory(err, "a domain's root table");
	if (grow((void **)&replay->space_domain, &replay->n_spaces, domain->space,
		 sizeof(uint32_t)))
		return err_no_memory(err, "address spaces");
	for (uint32_t i = old; i < replay->n_spaces; i++)
		replay->space_domain[i] = NAME_NONE;
	replay->space_domain[domain->space] = domain->number;
	return 0;
}

static bool tag_taken(const struct replay *replay, const struct domain *domain)
{
	for (uint32_t i = 0; i < replay->n_domains; i++)
		if (replay->domains[i] && replay->domains[i] != domain &&
		    replay->domains[i]->tag == domain->tag)
			return true;
	return false;
}

static int tag_of(struct replay *replay, const struct event *event, struct domain *domain,
		  struct err *err)
{
	struct iommu *iommu = replay->units[0].iommu;
	static const unsigned fields[] = { [DOMAIN_TAG_DID] = DOMAIN_DID,
					   [DOMAIN_TAG_ASID] = DOMAIN_ASID,
					   [DOMAIN_TAG_VMID] = DOMAIN_VMID };
	uint64_t tags = iommu->model->tags(iommu);
	unsigned own = fields[iommu->model->tag_kind(iommu)];

	if (event_has(event, own)) {
		domain->tag = event_value(replay->batch, event, own);
		if (domain->tag >= tags)
			return replay_error(replay, ERR_INPUT, err,
					    "%s=%llu: this machine has domain ids 0 to %llu",
					    event_kinds[EVENT_DOMAIN].fields[own].key,
					    (unsigned long long)domain->tag,
					    (unsigned long long)tags - 1);
		return 0;
	}
	/* An identifier of another kind of IOMMU serves as well, as long as it is nobody else's. */
	for (unsigned field = DOMAIN_ASID; field <= DOMAIN_DID; field++) {
		domain->tag =
			event_has(event, field) ? event_value(replay->batch, event, field) : tags;
		if (domain->tag < tags && !tag_taken(replay, domain))
			return 0;
	}
	do
		domain->tag = ++replay->next_tag; /* 0 is reserved by drivers */
	while (tag_taken(replay, domain));
	if (domain->tag >= tags)
		return replay_error(replay, ERR_LIMIT, err,
				    "more domains than the %llu domain ids of this machine",
				    (unsigned long long)tags - 1);
	return 0;
}

/* The number that a declaration gave its name. */
static int declared_number(const struct replay *replay, const struct event *event,
			   enum name_table table, uint32_t *number, struct err *err)
{
	const char *name =
		names_text(replay->names, (uint32_t)event_value(replay->batch, event, 0));

	*number = names_find(replay->names, table, name, strlen(name));
	return *number == NAME_NONE ? replay_error(replay, ERR_INPUT, err,
						   "the name '%.60s' is in no dictionary", name)
				    : 0;
}

static int declare_domain(struct replay *replay, const struct event *event, struct err *err)
{
	uint32_t number;
	uint32_t queues = replay->n_domains;
	struct domain *domain;
	struct iommu *iommu;

	if (declared_number(replay, event, NAMES_DOMAINS, &number, err))
		return -1;
	domain = calloc(1, sizeof *domain);
	if (!domain || imap_create(split_mapping, &domain->ledger) ||
	    grow((void **)&replay->domains, &replay->n_domains, number, sizeof(struct domain *)) ||
	    grow((void **)&replay->queues, &queues, number, sizeof(struct flush_queue *))) {
		free(domain);
		return err_no_memory(err, "a domain");
	}
	replay->domains[number] = domain;
	domain->number = number;
	domain->owner = event_has(event, DOMAIN_OWNER)
				? (uint32_t)event_value(replay->batch, event, DOMAIN_OWNER)
				: NAME_NONE;
	domain->before = event->time_ns == 0;
	if (!setup_unit(replay, NAME_NONE, err) || tag_of(replay, event, domain, err))
		return -1;
	iommu = replay->units[0].iommu;
	domain->levels = iommu->model->levels(iommu);
	if (event_has(event, DOMAIN_LEVELS)) {
		uint64_t levels = event_value(replay->batch, event, DOMAIN_LEVELS);

		if (levels < 2 || levels > PT_LEVELS)
			return replay_error(replay, ERR_INPUT, err, "levels=%llu: expected 2 to %d",
					    (unsigned long long)levels, PT_LEVELS);
		domain->levels = (unsigned)levels;
	}
	domain->format = iommu->model->format(iommu);
	domain->page = page_mask(domain->format->granule_lg2);
	domain->highest = low_mask(iommu->model->address_bits(iommu, domain->levels));
	if (event_has(event, DOMAIN_FORMAT) &&
	    strcmp(names_text(replay->names,
			      (uint32_t)event_value(replay->batch, event, DOMAIN_FORMAT)),
		   "bypass") == 0)
		domain->bypass = true;
	if (event_has(event, DOMAIN_ROOT)) {
		domain->raw = true;
		domain->root = event_value(replay->batch, event, DOMAIN_ROOT);
		if ((domain->root & 0xfff) || !memory_exists(replay->memory, domain->root))
			return replay_error(replay, ERR_INPUT, err,
					    "root=0x%llx: expected a 4K page of memory",
					    (unsigned long long)domain->root);
	}
	return root_of_domain(replay, domain, err);
}

/* A requester id: BDF without its segment, or the number as it is. */
static uint32_t requester_of(const struct replay *replay, const struct event *event,
			     uint32_t number)
{
	uint64_t id;

	if (!event_has(event, DEVICE_ID))
		return number + 8; /* distinct, and none of them 00:00.0 */
	id = event_value(replay->batch, event, DEVICE_ID);
	return (uint32_t)(bit(id, 63) ? id & 0xffff : id);
}

/* Writes the words that attach or detach, in the driver's order. domain: NULL detaches. */
static int write_context(struct replay *replay, const struct device *device, uint32_t pasid,
			 const struct domain *domain, struct err *err)
{
	struct iommu *iommu = replay->units[device->unit].iommu;
	struct attachment attachment = { .requester_id = device->requester_id,
					 .pasid = pasid,
					 .root = !domain	  ? 0
						 : domain->bypass ? (pa_t)ATTACH_BYPASS
								  : domain->root,
					 .levels = domain ? domain->levels : 0,
					 .tag = domain ? domain->tag : 0,
					 .ats = device->ats,
					 .pri = device->pri,
					 .stall = device->stall,
					 .spare = replay->next_table };
	struct table_word words[ATTACH_WORDS];
	size_t n = iommu->model->attach_words(iommu, &attachment, words);

	if (!n)
		return replay_error(
			replay, ERR_INPUT, err,
			"pasid=%u: the tables of this machine's driver have no place for "
			"this PASID; for VT-d choose vtd.driver_tables=first-stage or "
			"second-stage",
			pasid);
	if (replay->points && points_attach(replay, device->unit, &attachment, words, n, err))
		return -1;
	replay->next_table += attachment.used * 4096ull;
	replay->count.tables_made += attachment.used;
	for (size_t i = 0; i < n; i++)
		if (words_store(replay, words[i].pa, 1, words[i].value, 0, err))
			return -1;
	return 0;
}

static int declare_device(struct replay *replay, const struct event *event, struct err *err)
{
	uint32_t number;
	uint32_t unit_number = event_has(event, DEVICE_IOMMU)
				       ? (uint32_t)event_value(replay->batch, event, DEVICE_IOMMU)
				       : NAME_NONE;
	struct unit *unit = setup_unit(replay, unit_number, err);
	struct device *device;
	uint32_t **handles;

	if (!unit || declared_number(replay, event, NAMES_DEVICES, &number, err))
		return -1;
	device = calloc(1, sizeof *device);
	if (!device ||
	    grow((void **)&replay->devices, &replay->n_devices, number, sizeof(struct device *))) {
		free(device);
		return err_no_memory(err, "a device");
	}
	replay->devices[number] = device;
	device->number = number;
	device->unit = (uint32_t)(unit - replay->units);
	device->domain = NAME_NONE;
	device->requester_id = requester_of(replay, event, number);
	device->ats = event_has(event, DEVICE_ATS);
	device->pri = event_has(event, DEVICE_PRI);
	device->stall = event_has(event, DEVICE_STALL);
	device->config = machine_device(replay->machine, device->requester_id);
	device->pri_state.allocation = (uint32_t)device->config.pri_credits;
	device->owner = event_has(event, DEVICE_OWNER)
				? (uint32_t)event_value(replay->batch, event, DEVICE_OWNER)
				: NAME_NONE;
	if (unit->iommu->model->add_device(unit->iommu, device->requester_id,
					   device->ats ? &device->config.tlb : NULL,
					   &device->handle, err) ||
	    (replay->points && points_add_device(replay, device, err)))
		return -1;
	handles = realloc(replay->handles, replay->n_units * sizeof *handles);
	if (!handles)
		return err_no_memory(err, "devices");
	for (uint32_t i = replay->n_handle_lists; i < replay->n_units; i++)
		handles[i] = NULL;
	replay->handles = handles;
	replay->n_handle_lists = replay->n_units;
	handles[device->unit] = realloc(handles[device->unit],
					(device->handle + 1) * sizeof *handles[device->unit]);
	if (!handles[device->unit])
		return err_no_memory(err, "devices");
	handles[device->unit][device->handle] = number;
	return unit->iommu->model->refuses_unattached
		       ? write_context(replay, device, NO_PASID, NULL, err)
		       : 0;
}

int setup_declare(struct replay *replay, const struct event *event, struct err *err)
{
	if (event->kind == EVENT_DOMAIN)
		return declare_domain(replay, event, err);
	if (event->kind == EVENT_DEVICE)
		return declare_device(replay, event, err);
	for (uint32_t i = 0; i < names_count(replay->names, NAMES_IOMMUS); i++)
		if (names_string_of(replay->names, NAMES_IOMMUS, i) ==
			    (uint32_t)event_value(replay->batch, event, IOMMU_NAME) &&
		    !setup_unit(replay, i, err))
			return -1;
	return 0;
}

struct domain *setup_first_domain(struct replay *replay, const struct event *event, struct err *err)
{
	uint32_t number = names_agent_of(replay->names, event->agent).domain;

	if (number >= replay->n_domains || !replay->domains[number]) {
		replay_error(replay, ERR_INPUT, err,
			     "its domain was never declared; a `domain` event must come first");
		return NULL;
	}
	if (grow((void **)&replay->agent_domains, &replay->n_agent_domains, event->agent,
		 sizeof(struct domain *))) {
		err_no_memory(err, "agents");
		return NULL;
	}
	return replay->agent_domains[event->agent] = replay->domains[number];
}

/* A list for every unit, as long as that of the agents; so far they had `known` places. */
static int grow_plain_handles(struct replay *replay, uint32_t known)
{
	if (grow((void **)&replay->plain_handles, &replay->n_plain_units, replay->n_units,
		 sizeof *replay->plain_handles))
		return -1;
	for (uint32_t unit = 0; unit < replay->n_units; unit++) {
		uint32_t **list = &replay->plain_handles[unit], from = *list ? known : 0;
		uint32_t *longer = *list;

		if (from < replay->n_agents)
			longer = realloc(*list, replay->n_agents * sizeof *longer);
		if (!longer)
			return -1;
		*list = longer;
		for (; from < replay->n_agents; from++)
			longer[from] = NO_DEVICE;
	}
	return 0;
}

int setup_agent(struct replay *replay, uint32_t agent, struct err *err)
{
	struct agent who = names_agent_of(replay->names, agent);
	uint32_t known = replay->n_agents;
	const struct device *device;

	if (grow((void **)&replay->agents, &replay->n_agents, agent, sizeof *replay->agents) ||
	    grow_plain_handles(replay, known))
		return err_no_memory(err, "agents");
	for (; known < replay->n_agents; known++)
		replay->agents[known].unit = UNIT_UNKNOWN;
	device = who.device < replay->n_devices ? replay->devices[who.device] : NULL;
	if (!device)
		return replay_error(
			replay, ERR_INPUT, err,
			"its device was never declared; a `device` event must come first");
	replay->agents[agent] =
		(struct agent_target){ device->unit, who.device, device->handle, who.pasid };
	if (who.pasid == PASID_NONE)
		replay->plain_handles[device->unit][agent] = device->handle;
	return 0;
}

/* Attach and detach drop the device's cached configuration, unless recordings say when. */
static int drop_config(struct replay *replay, const struct device *device, uint32_t pasid,
		       uint64_t tag, struct err *err)
{
	struct iommu *iommu = replay->units[device->unit].iommu;
	struct invalidation scope = {
		.what = INVAL_DEVICE_CONFIG, .tag = tag, .device = device->handle, .pasid = pasid
	};
	struct invalidation covers; /* no domain's window */
	struct native_command command;
	struct inval_report report;

	if (replay->machine->run.config_inval == CONFIG_INVAL_RECORDED)
		return 0;
	replay->unit_at_hand = device->unit;
	iommu->model->encode(iommu, &scope, &command, &covers);
	return iommu->model->execute(iommu, replay->event, &command, &report, err) ||
			       (replay->points &&
				points_drop_config(replay, device->unit, &command, err))
		       ? -1
		       : 0;
}

int setup_dirty(struct replay *replay, const struct domain *domain, bool on, bool *able,
		struct err *err)
{
	*able = domain->raw; /* its configuration and tables are the recording's */
	for (uint32_t i = 0; i < replay->n_devices && !domain->raw; i++) {
		const struct device *device = replay->devices[i];
		struct table_word words[2];
		struct iommu *iommu;
		int n;

		if (!device || device->domain != domain->number)
			continue;
		iommu = replay->units[device->unit].iommu;
		n = iommu->model->dirty_words
			    ? iommu->model->dirty_words(iommu, device->requester_id, on, words)
			    : -1;
		*able |= n >= 0;
		for (int k = 0; k < n; k++)
			if (words_store(replay, words[k].pa, 1, words[k].value, 0, err))
				return -1;
		if (n > 0 && drop_config(replay, device, NO_PASID, domain->tag, err))
			return -1;
	}
	return 0;
}

static struct device *device_of(struct replay *replay, const struct event *event, struct err *err)
{
	uint32_t number = names_agent_of(replay->names, event->agent).device;

	if (number < replay->n_devices && replay->devices[number])
		return replay->devices[number];
	replay_error(replay, ERR_INPUT, err,
		     "its device was never declared; a `device` event must come first");
	return NULL;
}

/* A bit for the IOMMU and PASID; -1: there is none. What finds no bit of its own shares one of its IOMMU's,
 * which then waits for flushes of all PASIDs. */
static int add_tag(struct domain *domain, uint32_t unit, uint32_t pasid)
{
	uint32_t i = 0, shared = WORLD_UNITS;

	for (; i < domain->n_tags; i++) {
		if (domain->tag_units[i] != unit)
			continue;
		if (domain->tag_pasids[i] == pasid)
			return 0;
		shared = i;
	}
	if (i < WORLD_UNITS) {
		domain->tag_units[i] = unit;
		domain->tag_pasids[i] = pasid;
		domain->unit_tags[unit] |= 1u << i;
		domain->units |= 1u << unit;
		domain->holders |= 1ull << domain->n_tags++;
		return 0;
	}
	if (shared == WORLD_UNITS)
		return -1;
	domain->tag_pasids[shared] = ALL_PASIDS;
	return 0;
}

/* The device's IOMMU and, with ATS, its device TLB may hold the domain's translations from now on. */
static int add_holders(struct replay *replay, struct domain *domain, const struct device *device,
		       uint32_t pasid, struct err *err)
{
	domain->pasid = !domain->holders || domain->pasid == pasid ? pasid : ALL_PASIDS;
	if (add_tag(domain, device->unit, pasid == NO_PASID ? 0 : pasid))
		return replay_error(replay, ERR_LIMIT, err,
				    "more than %d IOMMUs and PASIDs in one domain", WORLD_UNITS);
	domain->flushed = 0;
	if (!device->ats)
		return 0;
	for (uint32_t i = 0; i < domain->n_atcs; i++)
		if (domain->atc_devices[i] == device->number && domain->atc_pasids[i] == pasid)
			return 0;
	if (domain->n_atcs == WORLD_ATCS)
		return replay_error(replay, ERR_LIMIT, err,
				    "more than %d devices with ATS in one domain", WORLD_ATCS);
	domain->holders |= 1ull << (WORLD_UNITS + domain->n_atcs);
	domain->atc_pasids[domain->n_atcs] = pasid;
	domain->atc_devices[domain->n_atcs++] = device->number;
	return 0;
}

/* Where the device's attachment for the PASID is kept, made if it is not there; NULL: no memory. */
static uint32_t *domain_slot(struct device *device, uint32_t pasid)
{
	struct pasid_attachment *pasids;

	if (pasid == NO_PASID)
		return &device->domain;
	for (uint32_t i = 0; i < device->n_pasids; i++)
		if (device->pasids[i].pasid == pasid)
			return &device->pasids[i].domain;
	pasids = realloc(device->pasids, (device->n_pasids + 1) * sizeof *pasids);
	if (!pasids)
		return NULL;
	device->pasids = pasids;
	pasids[device->n_pasids] = (struct pasid_attachment){ pasid, NAME_NONE };
	return &pasids[device->n_pasids++].domain;
}

static uint32_t pasid_of(const struct replay *replay, const struct event *event)
{
	uint32_t pasid = names_agent_of(replay->names, event->agent).pasid;

	return pasid == PASID_NONE ? NO_PASID : pasid;
}

static void leave(const struct replay *replay, struct domain *domain)
{
	if (!--domain->devices)
		domain->left_seq = replay->seq;
}

void setup_flushed(struct replay *replay, const struct inval_op *op)
{
	const struct invalidation *scope = &op->scope;

	for (uint32_t i = 0; i < replay->n_domains && !op->failed; i++) {
		struct domain *domain = replay->domains[i];

		if (!domain || domain->devices || !domain->holders || domain->left_seq >= op->seq)
			continue;
		if (scope->what == INVAL_ALL || scope->what == INVAL_DOMAIN)
			domain->flushed |= domain_tags_in(domain, op->unit, scope);
		for (uint32_t k = 0; scope->what == INVAL_DEVICE_ATC && k < domain->n_atcs; k++)
			if (scope->first == 0 && scope->last >= domain->highest &&
			    domain_atc_is(domain, k, replay->handles[op->unit][scope->device],
					  scope))
				domain->flushed |= 1ull << (WORLD_UNITS + k);
	}
}

int setup_attach(struct replay *replay, const struct event *event, struct err *err)
{
	struct device *device = device_of(replay, event, err);
	struct domain *domain = device ? setup_domain(replay, event, err) : NULL;
	uint32_t pasid = pasid_of(replay, event), *slot;
	bool able;

	if (!domain)
		return -1;
	slot = domain_slot(device, pasid);
	if (!slot)
		return err_no_memory(err, "a device's PASIDs");
	if (*slot != NAME_NONE)
		leave(replay, replay->domains[*slot]);
	*slot = domain->number;
	domain->devices++;
	if (add_holders(replay, domain, device, pasid, err))
		return -1;
	if (write_context(replay, device, pasid, domain, err) ||
	    drop_config(replay, device, pasid, domain->tag, err))
		return -1;
	return domain->tracked ? setup_dirty(replay, domain, true, &able, err) : 0;
}

int setup_detach(struct replay *replay, const struct event *event, struct err *err)
{
	struct device *device = device_of(replay, event, err);
	uint32_t pasid = pasid_of(replay, event), *slot;
	uint64_t tag;

	if (!device)
		return -1;
	if (device_domain(device, pasid) == NAME_NONE)
		return 0;
	slot = domain_slot(device, pasid);
	tag = replay->domains[*slot]->tag;
	leave(replay, replay->domains[*slot]);
	*slot = NAME_NONE;
	return write_context(replay, device, pasid, NULL, err) ||
			       drop_config(replay, device, pasid, tag, err)
		       ? -1
		       : 0;
}
