#include "hw/base/err.h"

#include <stdio.h>

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return -1;
}

int err_no_memory(struct err *err, const char *what)
{
	return err_set(err, ERR_NO_MEMORY, "out of memory for %s", what);
}
