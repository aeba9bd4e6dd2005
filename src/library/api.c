#define _GNU_SOURCE
#include "library/api.h"

#include "base/log.h"
#include "base/status.h"

#include <pthread.h>
#include <stdlib.h>

_Static_assert((int)LINNET_E_NOMEM == E_NOMEM && (int)LINNET_E_IO == E_IO && (int)LINNET_E_FULL == E_FULL &&
                   (int)LINNET_E_FORMAT == E_FORMAT && (int)LINNET_E_DATA == E_DATA &&
                   (int)LINNET_E_OPTION == E_OPTION && (int)LINNET_E_SHAPE == E_SHAPE &&
                   (int)LINNET_E_DEVICE == E_DEVICE && (int)LINNET_E_UNSUPPORTED == E_UNSUPPORTED &&
                   (int)LINNET_E_NONFINITE == E_NONFINITE && (int)LINNET_E_LOCKED == E_LOCKED &&
                   (int)LINNET_E_STOPPED == E_STOPPED && (int)LINNET_E_NOTFOUND == E_NOTFOUND,
               "the codes of the public header are those of base/status.h");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void create_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

locale_t api_enter(void) {
    pthread_once(&once, create_locale);
    return c_locale != (locale_t)0 ? uselocale(c_locale) : (locale_t)0;
}

void api_leave(locale_t before) {
    if (before != (locale_t)0)
        uselocale(before);
}

int linnet_api_version(void) { return LINNET_API_VERSION; }

const char *linnet_version(void) { return LINNET_VERSION; }

const char *linnet_error(void) { return status_message(); }

void linnet_free(void *p) { free(p); }

/** The receiver of the process. */
static linnet_log_function *receiver;

static void pass_on(void *context, log_level level, const char *line) { receiver(context, (int)level, line); }

void linnet_set_log(linnet_log_function *f, void *context) {
    log_set_sink(NULL, NULL); /* waits for a line that is being passed on */
    receiver = f;
    log_set_sink(f != NULL ? pass_on : NULL, context);
}
