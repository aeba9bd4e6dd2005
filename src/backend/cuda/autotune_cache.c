#include "backend/cuda/autotune_cache.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "linnet cudnn choices 1"

static const size_t largest_file = (size_t)16 << 20;

/** cudnn-MACHINE.txt; characters that are not alphanumeric become '-'. */
static int place(char path[PATH_BYTES], const char *machine) {
    char folder[PATH_BYTES], name[256];
    int rc = OK;
    snprintf(name, sizeof name, "cudnn-%s.txt", machine);
    for (char *p = name; *p != 0; p++)
        if (!isalnum((unsigned char)*p) && *p != '.')
            *p = '-';
    TRY(folder_cache(folder));
    TRY(path_join(path, folder, name));
done:
    return rc;
}

static int read_line(autotune_cache *c, char *line) {
    enum { FIELDS = 4 };
    char *field[FIELDS + 1] = {NULL}, *next = NULL;
    long long candidate = 0;
    choice one = {0};
    int n = 0;
    for (char *f = strtok_r(line, " ", &next); f != NULL && n <= FIELDS; f = strtok_r(NULL, " ", &next))
        field[n++] = f;
    if (n != FIELDS || strlen(field[0]) >= sizeof one.key || !text_to_int(&candidate, field[1]) || candidate < 0 ||
        candidate > INT_MAX || !text_to_int(&one.engine, field[2]) || !text_to_double(&one.microseconds, field[3]) ||
        !(one.microseconds >= 0))
        return fail(E_FORMAT, "%s: invalid line '%.60s'", c->path, line);
    snprintf(one.key, sizeof one.key, "%s", field[0]);
    one.candidate = (int)candidate;
    return autotune_cache_add(c, &one);
}

static int read_file(autotune_cache *c) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    char *next = NULL;
    int rc = OK;
    TRY(file_read(&bytes, &n, c->path, largest_file));
    char *line = strtok_r((char *)bytes, "\n", &next);
    if (line == NULL || strcmp(line, HEADER) != 0) {
        rc = fail(E_FORMAT, "%s does not begin with '%s'", c->path, HEADER);
        goto done;
    }
    while ((line = strtok_r(NULL, "\n", &next)) != NULL)
        TRY(read_line(c, line));
done:
    free(bytes);
    return rc;
}

int autotune_cache_open(autotune_cache *c, const char *machine) {
    *c = (autotune_cache){0};
    if (place(c->path, machine) != OK) {
        log_warn("the cuDNN autotuning results are not cached: %s", status_message());
        c->path[0] = 0;
        return OK;
    }
    int rc = read_file(c);
    if (rc == E_NOMEM)
        return rc;
    if (rc != OK && rc != E_NOTFOUND) {
        log_warn("the cached cuDNN autotuning results are not used; convolutions are benchmarked again: %s",
                 status_message());
        c->n = 0;
    }
    c->changed = false;
    return OK;
}

const choice *autotune_cache_find(const autotune_cache *c, const char *key) {
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->list[i].key, key) == 0)
            return &c->list[i];
    return NULL;
}

int autotune_cache_add(autotune_cache *c, const choice *one) {
    int rc = OK;
    choice *old = (choice *)autotune_cache_find(c, one->key);
    if (old == NULL) {
        TRY(memory_resize(&c->list, (size_t)c->n + 1, sizeof *c->list));
        old = &c->list[c->n++];
    }
    *old = *one;
    c->changed = true;
done:
    return rc;
}

static int write_file(const autotune_cache *c) {
    char folder[PATH_BYTES];
    text t = {0};
    int rc = OK;
    TRY(text_printf(&t, "%s\n", HEADER));
    for (int i = 0; i < c->n; i++)
        TRY(text_printf(&t, "%s %d %lld %.3f\n", c->list[i].key, c->list[i].candidate, c->list[i].engine,
                        c->list[i].microseconds));
    TRY(folder_cache(folder));
    TRY(folder_make(folder));
    TRY(file_write_atomic(c->path, t.data, t.n));
done:
    text_deinit(&t);
    return rc;
}

void autotune_cache_save(autotune_cache *c) {
    if (!c->changed || c->path[0] == 0)
        return;
    c->changed = false;
    if (write_file(c) != OK) {
        log_warn("the cuDNN autotuning results are not cached: %s", status_message());
        c->path[0] = 0;
    }
}

void autotune_cache_deinit(autotune_cache *c) {
    free(c->list);
    *c = (autotune_cache){0};
}
