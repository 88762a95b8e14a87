/* The slow VT-d in scalable mode: first stage, second stage, and both. */
#include "tests/reference/vtd_reference_private.h"

enum { FS_ACCESSED = 5, FS_DIRTY = 6, FS_EXTENDED = 10, SS_ACCESSED = 8, SS_DIRTY = 9 };

/* One request under one PASID table entry. */
struct walk {
	const struct reference_unit *unit;
	const uint64_t *entry;
	const struct reference_request *request;
	bool refused; /* a level above has refused it: state bits stay as they are from there on */
};

static bool snooped(const struct walk *walk)
{
	return field(walk->entry[1], 23, 23);
}

static bool is_translation(const struct walk *walk)
{
	return walk->request->type == REFERENCE_TRANSLATION;
}

/* Sets bits of the word at an address that was read. */
static void set_bits(const struct walk *walk, uint64_t address, uint64_t set)
{
	if (address < walk->unit->held)
		walk->unit->words[address / 8] |= set;
}

/* ---- second stage ----------------------------------------------------------------------- */

struct second {
	uint64_t input;
	bool read, write; /* what is to be done there */
	bool touch;	  /* accessed bits of the levels above the page's */
	/* found: */
	uint64_t pa, bytes, page_entry, page_word;
	bool can_read, can_write, snoop;
};

static unsigned second_width(const struct walk *walk)
{
	unsigned width = 30 + 9 * (unsigned)field(walk->entry[0], 4, 2);

	return width < max_guest_width(walk->unit) ? width : max_guest_width(walk->unit);
}

/* SSADE: sets what is due, or 7C where the walk does not snoop. */
static unsigned touch_second(const struct walk *walk, uint64_t address, uint64_t word, uint64_t due)
{
	if (!field(walk->entry[0], 9, 9) || !(due & ~word))
		return 0;
	if (!snooped(walk))
		return 0x7c;
	set_bits(walk, address, due);
	return 0;
}

static unsigned touch_page(const struct walk *walk, const struct second *second)
{
	uint64_t due = 1ull << SS_ACCESSED | (uint64_t)second->write << SS_DIRTY;

	return touch_second(walk, second->page_entry, second->page_word, due);
}

/* From the top table to the page; its rights are not judged but for both being lost. */
static unsigned walk_second(const struct walk *walk, struct second *second)
{
	unsigned top = (unsigned)field(walk->entry[0], 4, 2) + 2, level, fault;
	uint64_t table = address_field(walk->entry[0], walk->unit->haw - 1, 12), at, word;
	bool touch = second->touch;

	second->can_read = second->can_write = true;
	for (level = top;; level--) {
		unsigned shift = 12 + 9 * (level - 1);

		at = table + field(second->input, shift + 8, shift) * 8;
		if (!load(walk->unit, at, &word))
			return level == top ? 0x7b : 0x78;
		if (!field(word, 1, 0))
			return 0x79;
		if (second_reserved(walk->unit, word, level))
			return 0x7a;
		second->can_read &= field(word, 0, 0);
		second->can_write &= field(word, 1, 1);
		if (second_is_leaf(word, level))
			break;
		touch &= (!second->read || second->can_read) &&
			 (!second->write || second->can_write);
		fault = touch ? touch_second(walk, at, word, 1ull << SS_ACCESSED) : 0;
		if (fault)
			return fault;
		table = address_field(word, walk->unit->haw - 1, 12);
	}
	second->page_entry = at;
	second->page_word = word;
	second->bytes = 1ull << (12 + 9 * (level - 1));
	second->pa = address_field(word, walk->unit->haw - 1, 12) & ~(second->bytes - 1);
	second->pa |= second->input & (second->bytes - 1);
	second->snoop = field(word, 11, 11);
	return second->can_read || second->can_write ? 0 : 0x79;
}

/* A zero-length read, which is content with a right to write (CAP.ZLR). */
static bool is_flush(const struct walk *walk)
{
	return !walk->request->bytes && !walk->request->write && field(walk->unit->cap, 22, 22);
}

static unsigned rights(const struct walk *walk, bool can_read, bool can_write)
{
	if (is_translation(walk) || (is_flush(walk) && can_write))
		return 0;
	if (walk->request->write && !can_write)
		return 0x85;
	return walk->request->read && !can_read ? 0x86 : 0;
}

/* Dry first: a translation request does no more than it is granted. */
static unsigned second_alone(struct walk *walk, struct reference_answer *answer)
{
	const struct reference_request *request = walk->request;
	struct second second = { .input = request->address };
	unsigned fault, touched;

	if (request->address >> second_width(walk))
		return 0x84;
	fault = walk_second(walk, &second);
	second.read = request->read && !is_flush(walk);
	second.write = request->write;
	if (is_translation(walk)) {
		second.read &= !fault && second.can_read;
		second.write &= !fault && second.can_write;
	}
	second.touch = true;
	touched = walk_second(walk, &second);
	if (touched == 0x7c || fault)
		return touched == 0x7c ? touched : fault;
	fault = rights(walk, second.can_read, second.can_write);
	if (!fault && interrupt_range(second.pa))
		fault = 0x87;
	if (!fault && is_translation(walk) && !second.can_read && !second.write)
		return 0x79; /* nothing is granted, no page is used */
	if (fault || (fault = touch_page(walk, &second)))
		return fault;
	answer->pa = second.pa;
	answer->page_bytes = second.bytes;
	answer->read = second.can_read;
	answer->write = second.can_write;
	answer->snoop = second.snoop || field(walk->entry[1], 24, 24);
	return 0;
}

/* ---- first stage -------------------------------------------------------------------------- */

struct first {
	uint64_t at, word; /* the entry at hand, where memory has it */
	unsigned level;
	bool user, write, execute; /* what all levels so far allow */
	struct second table;	   /* nested: how its table was found */
};

static bool nested(const struct walk *walk)
{
	return field(walk->entry[0], 8, 6) == 3;
}

static unsigned first_levels(const struct walk *walk)
{
	return 4 + (unsigned)field(walk->entry[2], 3, 2);
}

static bool canonical(uint64_t address, unsigned width)
{
	uint64_t high = field(address, 63, width - 1);

	return high == 0 || high == (1ull << (65 - width)) - 1;
}

/* Where memory has a word of a first-stage table. */
static unsigned locate(struct walk *walk, struct first *first, uint64_t address)
{
	unsigned fault;
	bool top = first->level == first_levels(walk);

	first->at = address;
	if (!nested(walk))
		return 0;
	first->table = (struct second){ .input = address, .read = true, .touch = !walk->refused };
	if (address >> second_width(walk))
		return 0x74;
	fault = walk_second(walk, &first->table);
	if (fault)
		return fault;
	if (!first->table.can_read)
		return top ? 0x75 : 0x76;
	first->at = first->table.pa;
	return walk->refused ? 0 : touch_page(walk, &first->table);
}

static bool first_reserved(const struct walk *walk, const struct first *first)
{
	const struct reference_unit *unit = walk->unit;
	uint64_t word = first->word;
	bool large = first->level > 1 && field(word, 7, 7);

	if (field(word, 51, unit->haw) || (field(word, 63, 63) && !field(walk->entry[2], 5, 5)))
		return true;
	if (large && (first->level > 3 || (first->level == 3 && !field(unit->cap, 56, 56))))
		return true;
	return large && field(word, first->level == 3 ? 29 : 20, 13);
}

/* What U/S and XD refuse; SMEP is known at the page only. */
static unsigned first_refuses(const struct walk *walk, const struct first *first, bool page)
{
	const struct reference_request *request = walk->request;
	bool smep = page && first->user && request->privileged && field(walk->entry[2], 6, 6);

	if (!first->user && !request->privileged)
		return 0x81;
	if (request->execute && !is_translation(walk) && (!first->execute || smep))
		return 0x82;
	return 0;
}

static bool first_allows_write(const struct walk *walk, const struct first *first)
{
	return first->write || (walk->request->privileged && !field(walk->entry[2], 4, 4));
}

/* A, D and EA of the entry at hand. */
static unsigned touch_first(const struct walk *walk, const struct first *first, bool dirty)
{
	uint64_t due = 1ull << FS_ACCESSED | (uint64_t)dirty << FS_DIRTY |
		       field(walk->entry[2], 7, 7) << FS_EXTENDED;
	struct second table = first->table;
	unsigned fault = 0;

	if (!(due & ~first->word))
		return 0;
	if (nested(walk) && !table.can_write)
		return 0x77;
	if (!snooped(walk))
		return 0x90;
	if (nested(walk)) { /* the write of a page that the second stage maps */
		table.write = true;
		load(walk->unit, table.page_entry, &table.page_word);
		fault = touch_page(walk, &table);
	}
	if (!fault)
		set_bits(walk, first->at, due);
	return fault;
}

/* From the top table to the page's entry. */
static unsigned walk_first(struct walk *walk, struct first *first)
{
	uint64_t table = address_field(walk->entry[2], walk->unit->haw - 1, 12);
	unsigned fault;

	first->user = first->write = true;
	first->execute = field(walk->entry[2], 1, 1);
	for (first->level = first_levels(walk);; first->level--) {
		unsigned shift = 12 + 9 * (first->level - 1);

		fault = locate(walk, first,
			       table + field(walk->request->address, shift + 8, shift) * 8);
		if (fault)
			return fault;
		if (!load(walk->unit, first->at, &first->word))
			return first->level == first_levels(walk) ? 0x73 : 0x70;
		if (!field(first->word, 0, 0))
			return 0x71;
		if (first_reserved(walk, first))
			return 0x72;
		first->write &= field(first->word, 1, 1);
		first->user &= field(first->word, 2, 2);
		first->execute &= !field(first->word, 63, 63);
		if (first->level == 1 || field(first->word, 7, 7))
			return 0;
		if (first_refuses(walk, first, false) ||
		    (walk->request->write && !is_translation(walk) &&
		     !first_allows_write(walk, first)))
			walk->refused = true;
		fault = walk->refused ? 0 : touch_first(walk, first, false);
		if (fault)
			return fault;
		table = address_field(first->word, walk->unit->haw - 1, 12);
	}
}

/* The page, which in nested translation the second stage has to map: 84 and 78 to 7B, 85, 86. */
static unsigned find_page(const struct walk *walk, const struct first *first, struct second *second,
			  struct reference_answer *answer)
{
	uint64_t bytes = 1ull << (12 + 9 * (first->level - 1));
	uint64_t address = (address_field(first->word, walk->unit->haw - 1, 12) & ~(bytes - 1)) |
			   (walk->request->address & (bytes - 1));
	unsigned fault = 0;

	answer->pa = address;
	answer->page_bytes = bytes;
	answer->read = true;
	answer->write = is_translation(walk) ? first_allows_write(walk, first) : first->write;
	answer->execute = first->execute;
	answer->snoop = field(walk->entry[1], 24, 24);
	if (!nested(walk))
		return walk->request->write && !is_translation(walk) &&
				       !first_allows_write(walk, first)
			       ? 0x85
			       : 0;
	if (address >> second_width(walk))
		return 0x84;
	second->input = address;
	fault = walk_second(walk, second);
	if (fault)
		return fault;
	answer->pa = second->pa;
	answer->page_bytes = second->bytes < bytes ? second->bytes : bytes;
	answer->read = second->can_read;
	answer->write &= second->can_write;
	answer->snoop |= second->snoop;
	if (is_flush(walk))
		return rights(walk, second->can_read, answer->write);
	return rights(walk, second->can_read, second->can_write && first_allows_write(walk, first));
}

static unsigned first_stage(struct walk *walk, struct reference_answer *answer)
{
	struct first first = { 0 };
	struct second second = { 0 };
	unsigned fault;
	bool dirty;

	if (!canonical(walk->request->address, 12 + 9 * first_levels(walk)))
		return 0x80;
	fault = walk_first(walk, &first);
	if (!fault)
		fault = first_refuses(walk, &first, true);
	if (!fault)
		fault = find_page(walk, &first, &second, answer);
	if (!fault && interrupt_range(answer->pa))
		fault = 0x87;
	if (fault)
		return fault;
	dirty = walk->request->write && (!is_translation(walk) || answer->write);
	if (is_translation(walk) && !answer->read && !dirty)
		return 0x79; /* nothing is granted, no page is used */
	fault = touch_first(walk, &first, dirty);
	if (fault || !nested(walk))
		return fault;
	second.touch = true;
	second.read = !dirty && !is_flush(walk);
	second.write = dirty;
	fault = walk_second(walk, &second);
	return fault ? fault : touch_page(walk, &second);
}

unsigned walk_pasid_entry(const struct reference_unit *unit, const uint64_t entry[8],
			  const struct reference_request *request, struct reference_answer *answer)
{
	struct walk walk = { .unit = unit, .entry = entry, .request = request };

	return field(entry[0], 8, 6) == 2 ? second_alone(&walk, answer)
					  : first_stage(&walk, answer);
}
