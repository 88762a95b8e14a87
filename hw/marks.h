/*
 * Calls that set check bits. `make check` builds with MARK_OMIT and leaves out one at a time, by
 * its number in the environment: a comparison with truth must then fail (tests/marks).
 *
 * Here are those of parts that models share; a model's own are in its private header.
 */
#ifndef IOMMUSIM_HW_MARKS_H
#define IOMMUSIM_HW_MARKS_H

enum shared_mark_site {
	SHARED_MARKS = 100, /* numbers of the sites that follow count from here */
	MARK_ATC_UPDATE,
	MARK_ATC_CONFIG,
	MARK_ATC_GENERATION,
	MARK_ATC_OVERLAP_VALID,
	MARK_ATC_OVERLAP_FILL,
	MARK_ATC_INHERIT,
};
#ifdef MARK_OMIT
extern int mark_omit;
#define MARK(site) ((int)(site) != mark_omit)
#else
#define MARK(site) 1
#endif

#endif
