/* A folder for a test's files. */
#ifndef IOMMUSIM_TESTS_UNIT_SCRATCH_H
#define IOMMUSIM_TESTS_UNIT_SCRATCH_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 48 };

/* Thousands of small files come and go: in memory where there is such a place. */
static inline void make_scratch(char folder[SCRATCH_BYTES])
{
	snprintf(folder, SCRATCH_BYTES, "%s/iommusim-unit-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	cr_assert_not_null(mkdtemp(folder));
}

#endif
