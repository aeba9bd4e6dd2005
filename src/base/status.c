#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[STATUS_BYTES] = "no error";

void status_set(const char *format, ...) {
    char text[STATUS_BYTES]; /* formatted before it is stored, because the arguments may point into `message` */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
}

void status_prefix(const char *format, ...) {
    char context[STATUS_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    status_set("%s: %s", context, message);
}

static int code_of_errno(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT: return E_FULL;
    case ENOENT: return E_NOTFOUND;
    case ENOMEM: return E_NOMEM;
    default: return E_IO;
    }
}

int fail_errno(int error, const char *format, ...) {
    char text[STATUS_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(code_of_errno(error), "%s: %s", text, strerror(error));
}

const char *status_message(void) { return message; }

void status_save(status_saved *out, int code) {
    out->code = code;
    memcpy(out->message, message, sizeof message);
}

int status_restore(const status_saved *saved) {
    memcpy(message, saved->message, sizeof message);
    return saved->code;
}

const char *status_text(int code) {
    switch (code) {
    case OK: return "done";
#define STATUS_CASE(name, value, text)                                                                                 \
    case name: return text;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    default: return "unknown status";
    }
}
