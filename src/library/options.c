/* Options: a list of settings, which is applied to the defaults or to the options of a checkpoint. */
#include "library/api.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/** One option, or one configuration file. */
typedef struct setting {
    char *name;  /* of the option; of the file, for messages */
    char *value; /* of the option; the text of the file */
    size_t bytes;
    bool file;
} setting;

struct linnet_options {
    setting *list;
    size_t n, capacity;
};

static int apply_one(config *c, const setting *s) {
    return s->file ? config_read_yaml_text(c, s->value, s->bytes, s->name) : config_set(c, s->name, s->value, s->name);
}

int options_apply(config *c, const linnet_options *o) {
    int rc = OK;
    for (size_t i = 0; o != NULL && i < o->n && rc == OK; i++)
        rc = apply_one(c, &o->list[i]);
    return rc;
}

int options_config(config **out, const linnet_options *o) {
    config *c = NULL;
    int rc = OK;
    TRY(memory_zeroed(&c, 1, sizeof *c));
    config_defaults(c);
    TRY(options_apply(c, o));
    TRY(config_check(c));
    *out = c;
    c = NULL; /* now owned by the caller */
done:
    free(c);
    return rc;
}

static void setting_deinit(setting *s) {
    free(s->name);
    free(s->value);
}

/** Adds a setting, which is moved into the list, if it can be applied; else it is released. */
static int add(linnet_options *o, setting *s) {
    config *tried = NULL;
    int rc = OK;
    TRY(memory_zeroed(&tried, 1, sizeof *tried));
    config_defaults(tried);
    TRY(apply_one(tried, s));
    TRY(memory_grow(&o->list, &o->capacity, o->n + 1, sizeof *o->list));
    o->list[o->n++] = *s;
    *s = (setting){0}; /* now owned by the list */
done:
    free(tried);
    setting_deinit(s);
    return rc;
}

static int set(linnet_options *o, const char *name, const char *value) {
    setting s = {0};
    int rc = OK;
    TRY(memory_string(&s.name, name));
    TRY(memory_string(&s.value, value));
    return add(o, &s);
done:
    setting_deinit(&s);
    return rc;
}

static int read_file(linnet_options *o, const char *path) {
    setting s = {.file = true};
    int rc = OK;
    TRY(memory_string(&s.name, path));
    TRY(file_read((unsigned char **)&s.value, &s.bytes, path, 0));
    return add(o, &s);
done:
    setting_deinit(&s);
    return rc;
}

int linnet_options_create(linnet_options **out) { return memory_zeroed(out, 1, sizeof **out); }

void linnet_options_destroy(linnet_options *o) {
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n; i++)
        setting_deinit(&o->list[i]);
    free(o->list);
    free(o);
}

int linnet_options_set(linnet_options *o, const char *name, const char *value) {
    locale_t before = api_enter();
    return api_return(before, set(o, name, value));
}

int linnet_options_read(linnet_options *o, const char *path) {
    locale_t before = api_enter();
    return api_return(before, read_file(o, path));
}
