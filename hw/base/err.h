/*
 * How a function says that the run cannot go on: -1 and a filled struct err.
 *
 * A translation fault is data and never travels here. Only cmd/ prints an err or turns it
 * into an exit status.
 */
#ifndef IOMMUSIM_HW_BASE_ERR_H
#define IOMMUSIM_HW_BASE_ERR_H

#include <stdarg.h>

enum err_code {
	ERR_NONE,
	ERR_USAGE,     /* the command line */
	ERR_CONFIG,    /* a machine description */
	ERR_INPUT,     /* a recording: text, native or imported */
	ERR_DAMAGED,   /* a native file whose checksums or structure do not hold */
	ERR_LIMIT,     /* a limit of this program or of the machine description */
	ERR_IO,	       /* the operating system refused */
	ERR_NO_MEMORY, /* allocation failed */
	ERR_STORE,     /* SQLite */
	ERR_DIFFERS,   /* --verify found a difference: a defect of this program */
};

struct err {
	enum err_code code;
	char text[768];
};

/* Fills *err; NULL is allowed. */
void err_fill(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * err_set(err, code, format, ...): fills and is -1, so that callers write "return err_set(...)".
 * An inline answer lets compilers and analysers see that the caller fails.
 */
static inline int err_answer(int filled)
{
	(void)filled;
	return -1;
}
#define err_set(...) err_answer((err_fill(__VA_ARGS__), 0))

/* err_set(ERR_NO_MEMORY) with the name of what was being made. */
static inline int err_no_memory(struct err *err, const char *what)
{
	return err_set(err, ERR_NO_MEMORY, "out of memory for %s", what);
}

#endif
