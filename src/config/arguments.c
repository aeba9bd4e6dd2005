/* Reads the options of a command line. */

#include "base/file.h"
#include "base/status.h"
#include "config/options.h"

#include <string.h>

#define NAME_BYTES 128

/* The bool option that "no-NAME" negates; NULL if there is none. */
static const option *negated(const char *name) {
    if (strncmp(name, "no-", 3) != 0 && strncmp(name, "no_", 3) != 0)
        return NULL;
    const option *o = option_find(name + 3);
    return o != NULL && o->type == OPTION_BOOL ? o : NULL;
}

/* Reads the YAML file `path`; a path that does not exist may be the name of an installed configuration. */
static int read_file(config *c, const char *path) {
    static const char *const places[] = {"share/linnet/configs", LINNET_DATA_FOLDER "/configs"}; /* build, installed */
    char folder[PATH_BYTES] = "", installed[PATH_BYTES];
    int rc = OK;
    if (file_exists(path) || strchr(path, '/') != NULL)
        return config_read_yaml(c, path);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        TRY(path_from_program(folder, places[i]));
        if (!folder_exists(folder))
            continue;
        bool suffix = strlen(path) > 5 && strcmp(path + strlen(path) - 5, ".yaml") == 0;
        TRY(path_format(installed, "%s/%s%s", folder, path, suffix ? "" : ".yaml"));
        if (file_exists(installed))
            return config_read_yaml(c, installed);
        return fail(E_NOTFOUND, "--config %s: there is no such file, and no configuration of this name in %s", path,
                    folder);
    }
    rc = config_read_yaml(c, path);
done:
    return rc;
}

static bool is_config(const char *name) { return strcmp(name, "config") == 0; }

/* Whether a bool option or a flag has no value: the next argument is its value only if it is a valid bool. */
static bool stands_alone(const option *o, const foreign_name *f, const char *next) {
    bool ignored;
    char word[FOREIGN_WORD];
    if (o == NULL || !(f != NULL && f->words != NULL ? f->flag : o->type == OPTION_BOOL))
        return false;
    return next == NULL ||
           !(option_bool(&ignored, next) || (f != NULL && option_bool(&ignored, foreign_value(word, f, next))));
}

/* Reads the option at argv[*i]; sets *i to the last argument that it used. */
static int read_one(config *c, int argc, char *const *argv, int *i) {
    const char *argument = argv[*i], *value = strchr(argument, '=');
    size_t n = value != NULL ? (size_t)(value - argument) : strlen(argument);
    char where[NAME_BYTES];
    if (n >= sizeof where)
        return fail(E_OPTION, "%.40s...: unknown option", argument);
    memcpy(where, argument, n);
    where[n] = 0;
    const char *name = where + 2;
    const option *o = option_find(name);
    const foreign_name *f = o == NULL ? foreign_alias(name) : NULL;
    o = f != NULL ? option_find(f->option) : o;
    const option *off = o == NULL ? negated(name) : NULL;
    const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    if (o == NULL && off == NULL && !is_config(name))
        return option_set(c, name, "", where, false);
    if (off != NULL)
        return value != NULL
                   ? fail(E_OPTION, "%s takes no value: use the flag alone, or --%s true|false", where, off->name)
                   : option_parse(c, off, "false", where);
    if (value != NULL)
        value++;
    else if (stands_alone(o, f, next))
        value = "true";
    else if (next == NULL || strncmp(next, "--", 2) == 0)
        return fail(E_OPTION, "%s needs a value%s", where, is_config(name) ? ": a YAML file" : "");
    else {
        value = next;
        ++*i;
    }
    return is_config(name) ? read_file(c, value) : option_set(c, name, value, where, false);
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
            return option_unknown(argv[i] + 1, argv[i]);
        int rc = read_one(c, argc, argv, &i);
        if (rc != OK)
            return rc;
    }
    return OK;
}

int config_read_recipe(config *out, bool *found, int argc, char *const *argv) {
    static const char name[] = "--config";
    const size_t n = sizeof name - 1;
    int rc = OK;
    *found = false;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        config one;
        if (strncmp(argv[i], name, n) != 0 || (argv[i][n] != '=' && (argv[i][n] != 0 || i + 1 == argc)))
            continue;
        config_defaults(&one);
        TRY(read_file(&one, argv[i][n] == '=' ? argv[i] + n + 1 : argv[i + 1]));
        if (one.expected.val_acc < 0)
            continue;
        *out = one;
        *found = true;
    }
done:
    return rc;
}
