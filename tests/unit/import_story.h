/* An import of two texts, and the events that came of it, for tests to look at. */
#ifndef IOMMUSIM_TESTS_UNIT_IMPORT_STORY_H
#define IOMMUSIM_TESTS_UNIT_IMPORT_STORY_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/import.h"

enum { STORY_EVENTS = 512, PATH_BYTES = 512 };

/* One event with its fields by index, copied out of its batch. */
struct told {
	struct event event;
	uint64_t values[EVENT_FIELDS];
	char device[32], domain[32];
};

struct story {
	struct event_source *source;
	struct err err;
	int status; /* of import_open(), or of the last source_next() */
	struct told told[STORY_EVENTS];
	size_t n;
};

static inline void write_file(char path[PATH_BYTES], const char *text, size_t length)
{
	const char *folder = getenv("TMPDIR");
	int fd;
	FILE *file;

	snprintf(path, PATH_BYTES, "%s/iommusim-import-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	file = fdopen(fd, "wb");
	cr_assert(file);
	cr_assert_eq(fwrite(text, 1, length, file), length);
	fclose(file);
}

static inline void tell(struct story *story)
{
	struct event_batch batch;

	while ((story->status = source_next(story->source, &batch, &story->err)) == 1) {
		for (size_t i = 0; i < batch.n; i++) {
			const struct event *event = &batch.events[i];
			struct told *told = &story->told[story->n];
			struct agent agent = { NAME_NONE, NAME_NONE, PASID_NONE };

			cr_assert_lt(story->n, STORY_EVENTS);
			story->n++;
			told->event = *event;
			for (unsigned field = 0; field < EVENT_FIELDS; field++)
				if (event_has(event, field))
					told->values[field] = event_value(&batch, event, field);
			if (event->agent != EVENT_NO_AGENT)
				agent = names_agent_of(story->source->names, event->agent);
			if (agent.device != NAME_NONE)
				snprintf(told->device, sizeof told->device, "%s",
					 names_of(story->source->names, NAMES_DEVICES,
						  agent.device));
			if (agent.domain != NAME_NONE)
				snprintf(told->domain, sizeof told->domain, "%s",
					 names_of(story->source->names, NAMES_DOMAINS,
						  agent.domain));
		}
	}
}

/* Imports both texts; a NULL side is left out. Criterion runs each test in a process of its own. */
static inline struct story *import_bytes(const char *guest, size_t guest_n, const char *host,
					 size_t host_n, struct import_options options)
{
	static struct story story;
	char guest_path[PATH_BYTES], host_path[PATH_BYTES];

	memset(&story, 0, sizeof story);
	if (guest) {
		write_file(guest_path, guest, guest_n);
		options.guest = guest_path;
	}
	if (host) {
		write_file(host_path, host, host_n);
		options.host = host_path;
	}
	story.status = import_open(&options, &story.source, &story.err);
	if (story.status == 0)
		tell(&story);
	if (guest)
		unlink(guest_path);
	if (host)
		unlink(host_path);
	return &story;
}

static inline struct story *import_text(const char *guest, const char *host)
{
	return import_bytes(guest, guest ? strlen(guest) : 0, host, host ? strlen(host) : 0,
			    (struct import_options){ .guest = NULL });
}

static inline const struct told *find(const struct story *story, enum event_kind kind, size_t nth)
{
	for (size_t i = 0; i < story->n; i++)
		if (story->told[i].event.kind == kind && nth-- == 0)
			return &story->told[i];
	cr_assert_fail("no event of kind %s", event_kinds[kind].word);
	return NULL;
}

static inline size_t count(const struct story *story, enum event_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < story->n; i++)
		n += story->told[i].event.kind == kind;
	return n;
}

static inline void close_story(struct story *story)
{
	if (story->source)
		source_close(story->source);
}

#endif
