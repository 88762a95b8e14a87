#include "hw/base/err.h"

#include <stdio.h>

void err_fill(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
}
