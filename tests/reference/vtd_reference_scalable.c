/* The slow VT-d in scalable mode: root, context, PASID directory and table. */
#include "tests/reference/vtd_reference_private.h"

enum { SECOND_ONLY = 2, NESTED = 3, PASS_THROUGH = 4 };

struct path {
	uint64_t context[4], directory, entry[8];
	bool fpd; /* of what was read so far */
};

static bool load_words(const struct reference_unit *unit, uint64_t address, unsigned n,
		       uint64_t *words)
{
	for (unsigned i = 0; i < n; i++)
		if (!load(unit, address + 8 * i, &words[i]))
			return false;
	return true;
}

static bool above_haw(const struct reference_unit *unit, uint64_t word)
{
	return field(word, 63, unit->haw);
}

static unsigned find_context(const struct reference_unit *unit, uint16_t sid, struct path *path)
{
	uint64_t half = sid & 0x80 ? 8 : 0, root;
	uint64_t at = address_field(unit->rtaddr, 63, 12) + (uint64_t)(sid >> 8) * 16 + half;

	if (!load(unit, at, &root))
		return 0x38;
	if (!field(root, 0, 0))
		return 0x39;
	if (field(root, 11, 1) || above_haw(unit, root))
		return 0x3a;
	at = address_field(root, unit->haw - 1, 12) + (uint64_t)(sid & 0x7f) * 32;
	if (!load_words(unit, at, 4, path->context))
		return 0x40;
	path->fpd = field(path->context[0], 1, 1);
	return 0;
}

static uint64_t pasids(const struct path *path)
{
	return 1ull << (field(path->context[0], 11, 9) + 13);
}

static unsigned check_context(const struct reference_unit *unit, const struct path *path)
{
	const uint64_t *words = path->context;

	if (!field(words[0], 0, 0))
		return 0x41;
	if (field(words[0], 8, 5) || above_haw(unit, words[0]) || field(words[1], 63, 21) ||
	    words[2] || words[3])
		return 0x42;
	return field(words[1], 19, 0) >= pasids(path) ? 0x43 : 0;
}

/* Steps 7 to 11; *pasid is what it is translated by. */
static unsigned check_request(const struct reference_unit *unit, const struct path *path,
			      const struct reference_request *request, uint32_t *pasid)
{
	bool ats = field(unit->ecap, 2, 2) && field(path->context[0], 2, 2);

	if (request->type != REFERENCE_UNTRANSLATED && !ats)
		return 0x44;
	*pasid = request->pasid;
	if (request->pasid != REFERENCE_NO_PASID)
		return !field(path->context[0], 3, 3)	? 0x45
		       : request->pasid >= pasids(path) ? 0x46
							: 0;
	*pasid = (uint32_t)field(path->context[1], 19, 0);
	return *pasid && !field(unit->ecap, 49, 49) ? 0x48 : 0;
}

static unsigned find_entry(const struct reference_unit *unit, uint32_t pasid, struct path *path)
{
	uint64_t at = address_field(path->context[0], unit->haw - 1, 12) + (pasid >> 6) * 8ull;

	if (!load(unit, at, &path->directory))
		return 0x50;
	path->fpd |= field(path->directory, 1, 1);
	if (!field(path->directory, 0, 0))
		return 0x51;
	if (field(path->directory, 11, 2) || above_haw(unit, path->directory))
		return 0x52;
	at = address_field(path->directory, unit->haw - 1, 12) + (pasid & 63) * 64ull;
	if (!load_words(unit, at, 8, path->entry))
		return 0x58;
	path->fpd |= field(path->entry[0], 1, 1);
	return field(path->entry[0], 0, 0) ? 0 : 0x59;
}

/* Enable bits whose capability is missing count as reserved, where the type uses them. */
static bool entry_reserved(const struct reference_unit *unit, const uint64_t *entry)
{
	unsigned type = (unsigned)field(entry[0], 8, 6);
	bool first = type == 1 || type == NESTED, second = type == SECOND_ONLY || type == NESTED;

	if (field(entry[0], 11, 10) || above_haw(unit, entry[0]))
		return true;
	for (unsigned i = 3; i < 8; i++)
		if (entry[i])
			return true;
	if (field(entry[1], 23, 23) && !field(unit->ecap, 48, 48)) /* PWSNP, SMPWCS */
		return true;
	if (field(entry[2], 0, 0) && !field(unit->ecap, 31, 31)) /* SRE, SRS */
		return true;
	if (field(entry[2], 1, 1) && !field(unit->ecap, 30, 30)) /* ERE, ERS */
		return true;
	if (second && field(entry[0], 9, 9) && !field(unit->ecap, 45, 45)) /* SSADE, SSADS */
		return true;
	return first && field(entry[2], 7, 7) && !field(unit->ecap, 34, 34); /* EAFE, EAFS */
}

static bool entry_invalid(const struct reference_unit *unit, const uint64_t *entry)
{
	static const unsigned capability[] = {
		[1] = 47, [SECOND_ONLY] = 46, [NESTED] = 26, [PASS_THROUGH] = 6
	};
	unsigned type = (unsigned)field(entry[0], 8, 6), depth = (unsigned)field(entry[2], 3, 2);

	if (type < 1 || type > PASS_THROUGH ||
	    !field(unit->ecap, capability[type], capability[type]))
		return true;
	if ((type == SECOND_ONLY || type == NESTED) &&
	    !width_supported(unit, (unsigned)field(entry[0], 4, 2)))
		return true;
	if (type != 1 && type != NESTED)
		return false;
	return depth > 1 || (depth == 1 && !field(unit->cap, 60, 60));
}

static unsigned pass_through(const struct reference_unit *unit, const uint64_t *entry,
			     const struct reference_request *request,
			     struct reference_answer *answer)
{
	if (request->address >> unit->haw)
		return 0x83;
	if (interrupt_range(request->address))
		return 0x87;
	pass_unchanged(request, answer);
	answer->snoop = field(entry[1], 24, 24);
	return 0;
}

static unsigned translate(const struct reference_unit *unit, const struct path *path,
			  const struct reference_request *request, struct reference_answer *answer)
{
	const uint64_t *entry = path->entry;

	if (entry_reserved(unit, entry))
		return 0x5a;
	if (entry_invalid(unit, entry))
		return 0x5b;
	if (request->execute && !field(entry[2], 1, 1))
		return 0x5c;
	if (request->privileged && !field(entry[2], 0, 0))
		return 0x5d;
	if (field(entry[0], 8, 6) == PASS_THROUGH)
		return pass_through(unit, entry, request, answer);
	return walk_pasid_entry(unit, entry, request, answer);
}

void scalable_reference(const struct reference_unit *unit, const struct reference_request *request,
			struct reference_answer *answer)
{
	struct path path = { .fpd = false };
	uint32_t pasid = 0;
	unsigned fault = find_context(unit, request->sid, &path);

	if (!fault)
		fault = check_context(unit, &path);
	if (!fault)
		fault = check_request(unit, &path, request, &pasid);
	if (!fault && request->type == REFERENCE_TRANSLATED) {
		pass_unchanged(request, answer);
		return;
	}
	if (!fault)
		fault = find_entry(unit, pasid, &path);
	if (!fault)
		fault = translate(unit, &path, request, answer);
	/* Faults of the root entry, and of a context entry that cannot be read, are not qualified. */
	finish(request, fault, path.fpd && fault >= 0x40, answer);
}
