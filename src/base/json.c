#include "base/json.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nobody checks each key that is set: an allocation that failed since the last dump is an error of the next. */
static _Thread_local bool incomplete;

static void *allocate(size_t n) {
    void *p = malloc(n);
    incomplete = incomplete || p == NULL;
    return p;
}

__attribute__((constructor)) static void watch_memory(void) { json_set_alloc_funcs(allocate, free); }

json_t *json_text(const char *s) {
    text t = {0};
    json_t *o = NULL;
    if (text_append_utf8(&t, s) == OK)
        o = json_string(text_string(&t));
    incomplete = incomplete || o == NULL;
    text_deinit(&t);
    return o;
}

int json_read(json_t **out, const char *bytes, size_t n, size_t flags, json_error_t *error) {
    bool before = incomplete;
    incomplete = false;
    *out = json_loadb(bytes, n, flags, error);
    bool lacked = incomplete;
    incomplete = before;
    if (*out != NULL)
        return OK;
    return lacked ? fail(E_NOMEM, "out of memory for JSON input")
                  : fail(E_FORMAT, "%s in line %d", error->text, error->line);
}

json_t *json_number_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

int json_append(text *t, const json_t *object, size_t flags) {
    char *dump = json_dumps(object, flags);
    bool whole = dump != NULL && !incomplete;
    int rc = whole ? text_append(t, dump, strlen(dump)) : fail(E_NOMEM, "out of memory for JSON output");
    incomplete = false;
    free(dump);
    return rc;
}
