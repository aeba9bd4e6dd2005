#include "base/status.h"
#include "config/options.h"

#include <string.h>

#define NAME_BYTES 128

/* "--no-flag": the option of `flag`, when that is a bool; NULL otherwise. */
static const option *negated(const char *name) {
    if (strncmp(name, "no-", 3) != 0 && strncmp(name, "no_", 3) != 0)
        return NULL;
    const option *o = option_find(name + 3);
    return o != NULL && o->type == OPTION_BOOL ? o : NULL;
}

static bool is_config(const char *name) { return strcmp(name, "config") == 0; }

/* The value of a bool may be left out: the next argument is one only if it reads as one. */
static bool stands_alone(const option *o, const char *next) {
    bool ignored;
    return o != NULL && o->type == OPTION_BOOL && (next == NULL || !option_bool(&ignored, next));
}

/* One option at argv[*i]; moves *i to the last argument it used. */
static int read_one(config *c, int argc, char *const *argv, int *i) {
    const char *argument = argv[*i], *value = strchr(argument, '=');
    size_t n = value != NULL ? (size_t)(value - argument) : strlen(argument);
    char where[NAME_BYTES];
    if (n >= sizeof where)
        return fail(E_OPTION, "%.40s...: unknown option", argument);
    memcpy(where, argument, n);
    where[n] = 0;
    const char *name = where + 2;
    const option *o = option_find(name), *off = o == NULL ? negated(name) : NULL;
    const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    if (o == NULL && off == NULL && !is_config(name))
        return option_set(c, name, "", where, false);
    if (off != NULL)
        return value != NULL ? fail(E_OPTION, "%s takes no value; it means --%s false", where, off->name)
                             : option_parse(c, off, "false", where);
    if (value != NULL)
        value++;
    else if (stands_alone(o, next))
        value = "true";
    else if (next == NULL || strncmp(next, "--", 2) == 0)
        return fail(E_OPTION, "%s needs a value%s", where, is_config(name) ? ": a YAML file" : "");
    else {
        value = next;
        ++*i;
    }
    return is_config(name) ? config_read_yaml(c, value) : option_parse(c, o, value, where);
}

int config_read_arguments(config *c, int argc, char *const *argv, const char **positional, int *positional_n) {
    *positional_n = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                positional[(*positional_n)++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            positional[(*positional_n)++] = argv[i];
            continue;
        }
        if (argv[i][1] != '-')
            return fail(E_OPTION, "%.40s: unknown option; options begin with --, see --help", argv[i]);
        int rc = read_one(c, argc, argv, &i);
        if (rc != OK)
            return rc;
    }
    return OK;
}
