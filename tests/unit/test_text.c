/* The text form: what is refused, with place and advice, and that printing reads back. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/text.h"

#define HEADER "# iommusim events 1\n"
#define SCENE HEADER "0 domain d0 owner=host\n0 device nic0 id=0000:03:00.0\n0 attach nic0 d0\n"

static struct event_source *source_of(const char *text)
{
	struct event_source *source;
	FILE *file = tmpfile();

	fputs(text, file);
	rewind(file);
	cr_assert_eq(text_source_open(file, "x.events", &source, NULL), 0);
	return source;
}

/* One bad line after the scene: what the message must hold. */
struct refusal {
	char line[96], place[16], message[64];
};

ParameterizedTestParameters(text, refuses_with_place_and_advice)
{
	static struct refusal rows[] = {
		{ "1us mapp d0 iova=0 pa=0 size=4K perm=r", ":5:5:", "did you mean 'map'" },
		{ "1us map d1 iova=0 pa=0 size=4K perm=r", ":5:9:", "did you mean 'd0'" },
		{ "1us map d0 iowa=0 pa=0 size=4K perm=r", ":5:12:", "did you mean 'iova'" },
		{ "1us map d0 iova=0 iova=0 size=4K", ":5:19:", "stands twice" },
		{ "1us map d0 iova=0 size=4K perm=r", ":5:33:", "ends without pa=" },
		{ "1us map d0 iova=0 pa=0 size=4Q perm=r", ":5:30:", "expected K, M, G or T" },
		{ "1us map d0 iova=0 pa=0 size=4K perm=z", ":5:37:", "expected r, w, rw" },
		{ "1us map d0 iova=0 pa=0x10000000000000000 size=4K", ":5:22:", "64 bits" },
		{ "1us map d0 iova=0xfffffffffffff000 pa=0 size=8K perm=r", ":5:46:", "2^64" },
		{ "1us dma nic0 wrte iova=0 len=4", ":5:14:", "did you mean 'write'" },
		{ "1us dma nic0 write iova=0 len=0", ":5:31:", "length of 0" },
		{ "1us inval d0 iova=0x1000", ":5:19:", "without size=" },
		{ "1us dirty d0 read iova=0x1000", ":5:24:", "without size=" },
		{ "1us dirty d0 read size=4K", ":5:24:", "without iova=" },
		{ "1us inval nic0 # atc=yes", ":5:11:", "domain 'nic0' is not declared" },
		{ "1us device n1 id=0x8000000000000000", ":5:18:", "less than 2^63" },
		{ "1us device n1 id=-1:00:04.0", ":5:18:", "segment:bus:device.function" },
		{ "1us device n1 id=0000:00:04.0f", ":5:18:", "segment:bus:device.function" },
		{ "1us device n1 id=00:20.0", ":5:18:", "segment:bus:device.function" },
		{ "1us dma nic0 read iova=0 len=4 clamped=maybe", ":5:40:", "expected yes or no" },
		{ "1us mark \"open", ":5:10:", "no closing quote" },
		{ "5xs mark \"a\"", ":5:2:", "expected ns, us, ms or s" },
	};

	return cr_make_param_array(struct refusal, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(struct refusal *row, text, refuses_with_place_and_advice)
{
	char text[512];
	struct event_source *source;
	struct event_batch batch;
	struct err err = { 0 };

	snprintf(text, sizeof text, SCENE "%s\n", row->line);
	source = source_of(text);
	cr_expect_eq(source_next(source, &batch, &err), 1, "what came before is delivered");
	cr_expect_eq(batch.n, 3);
	cr_expect_eq(source_next(source, &batch, &err), -1, "%s", row->line);
	cr_expect(strstr(err.text, row->place) != NULL, "%s: %s", row->line, err.text);
	cr_expect(strstr(err.text, row->message) != NULL, "%s: %s", row->line, err.text);
	source_close(source);
}

Test(text, a_line_of_more_than_a_mebibyte_is_refused_before_all_of_it_is_read)
{
	size_t size = sizeof HEADER + (3u << 20);
	char *text = malloc(size);
	struct event_source *source;
	struct event_batch batch;
	struct err err = { 0 };

	memset(text, ' ', size);
	memcpy(text, HEADER, sizeof HEADER - 1);
	text[size - 1] = 0;
	source = source_of(text);
	cr_expect_eq(source_next(source, &batch, &err), -1);
	cr_expect(strstr(err.text, "x.events:2: a line of more than 1 MiB") != NULL, "%s",
		  err.text);
	cr_expect_lt(source->offset, 2u << 20);
	source_close(source);
	free(text);
}

Test(text, a_line_of_a_mebibyte_and_a_last_line_without_its_end_are_read)
{
	static const char last[] = "1us mark \"b\"";
	size_t size = sizeof HEADER - 1 + (1u << 20) + sizeof last;
	char *text = malloc(size);
	struct event_source *source;
	struct event_batch batch;

	memset(text, ' ', size);
	memcpy(text, HEADER "0 mark \"a\"", sizeof HEADER - 1 + 10);
	text[sizeof HEADER - 2 + (1u << 20)] = '\n';
	memcpy(text + size - sizeof last, last, sizeof last);
	source = source_of(text);
	cr_expect_eq(source_next(source, &batch, NULL), 1);
	cr_expect_eq(batch.n, 2);
	source_close(source);
	free(text);
}

Test(text, time_never_goes_back)
{
	struct event_source *source = source_of(HEADER "5us mark \"a\"\n4us mark \"b\"\n");
	struct event_batch batch;
	struct err err = { 0 };

	cr_expect_eq(source_next(source, &batch, &err), 1);
	cr_expect_eq(source_next(source, &batch, &err), -1);
	cr_expect(strstr(err.text, "order of time") != NULL, "%s", err.text);
	source_close(source);
}

Test(text, a_short_id_and_clamped_no_mean_the_default)
{
	struct event_source *source = source_of(SCENE "1us device n1 id=03:1A.2\n"
						      "1us detach nic0 clamped=no\n");
	struct event_batch batch;
	char printed[64];

	cr_assert_eq(source_next(source, &batch, NULL), 1);
	cr_assert_eq(batch.n, 5);
	text_format(source->names, &batch, &batch.events[3], printed, sizeof printed);
	cr_expect_str_eq(printed, "1000 device n1 id=0000:03:1a.2");
	text_format(source->names, &batch, &batch.events[4], printed, sizeof printed);
	cr_expect_str_eq(printed, "1000 detach nic0");
	source_close(source);
}

Test(text, the_word_of_request_and_respond_may_stand_behind_keys)
{
	struct event_source *source =
		source_of(SCENE "1us request nic0 iova=0x1000 write group=3 last=yes\n"
				"1us respond nic0 group=3 invalid\n");
	struct event_batch batch;
	char printed[80];

	cr_assert_eq(source_next(source, &batch, NULL), 1);
	cr_assert_eq(batch.n, 5);
	text_format(source->names, &batch, &batch.events[3], printed, sizeof printed);
	cr_expect_str_eq(printed, "1000 request nic0 write iova=0x1000 group=3 last=yes");
	text_format(source->names, &batch, &batch.events[4], printed, sizeof printed);
	cr_expect_str_eq(printed, "1000 respond nic0 invalid group=3");
	source_close(source);
}

Test(text, printed_lines_read_back_as_themselves)
{
	static const char *const lines[] = {
		"1000 map d0 iova=0xfffff000 pa=0x12345000 size=4K perm=rw page=4K cpu=3 at=9",
		"1000 dma nic0 any iova=0x10 len=512 pasid=7 pa=0x20 class=inferred",
		"1000 dma nic0 read iova=0x10 len=0",
		"1000 inval d0 iova=0x1000 size=8K leaf=yes drain=no id=4",
		"1000 inval nic0 atc=yes",
		"1000 inval",
		"1000 inval pasid=5",
		"1000 inval nic0 iova=0x1000 size=4K pasid=5 atc=yes",
		"1000 request nic0 write iova=0x1000 group=3 last=yes pasid=5",
		"1000 respond nic0 success group=3",
		"1000 cmd w=0x500e2,0x0 id=4",
		"1000 done id=4 status=timeout",
		"1000 fault nic0 iova=0x1000 code=6 write",
		"1000 dirty d0 read iova=0x1000 size=4K clear=no",
		"1000 grant end ref=7 owner=guest1",
		"1000 p2m d0 gfn=0x10 mfn=none order=9 type=ram",
		"1000 device n1 id=abcd:ef:1f.7",
		"1000 device n2 id=9223372036854775807",
		"1000 dma nic0 read iova=0x10 len=0 clamped=yes",
		"1000 mark \"a \\\"quoted\\\" # text\"",
		"1000 lost count=7 from=500",
	};
	char text[4096] = SCENE, printed[512];
	struct event_source *source;
	struct event_batch batch;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		strcat(text, lines[i]);
		strcat(text, "\n");
	}
	source = source_of(text);
	cr_assert_eq(source_next(source, &batch, NULL), 1);
	cr_assert_eq(batch.n, 3 + sizeof lines / sizeof lines[0]);
	for (size_t i = 3; i < batch.n; i++) {
		text_format(source->names, &batch, &batch.events[i], printed, sizeof printed);
		cr_expect_str_eq(printed, lines[i - 3]);
	}
	source_close(source);
}
