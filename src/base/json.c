#include "base/json.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With json_watch_memory, or of json_text: an allocation that failed since the last dump is an error of the next. */
static _Thread_local bool incomplete;

static void *allocate(size_t n) {
    void *p = malloc(n);
    incomplete = incomplete || p == NULL;
    return p;
}

void json_watch_memory(void) { json_set_alloc_funcs(allocate, free); }

/** Without json_watch_memory, the reason is known only as far as jansson gives it: after most failed allocations it
 * sets no text. */
static bool lacks_memory(const json_error_t *error) {
    return error->text[0] == 0 || json_error_code(error) == json_error_out_of_memory;
}

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
    return lacked || lacks_memory(error) ? fail(E_NOMEM, "out of memory for JSON input")
                                         : fail(E_FORMAT, "%s in line %d", error->text, error->line);
}

json_t *json_number_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

int json_append(text *t, const json_t *object, size_t flags) {
    char *dump = json_dumps(object, flags);
    bool whole = dump != NULL && !incomplete;
    int rc = whole ? text_append(t, dump, strlen(dump)) : fail(E_NOMEM, "out of memory for JSON output");
    json_malloc_t unused = NULL;
    json_free_t release = NULL;
    incomplete = false;
    json_get_alloc_funcs(&unused, &release); /* those of the process, which need not be malloc's */
    release(dump);
    return rc;
}
