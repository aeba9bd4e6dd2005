/* Handles the arguments of commands that are not options of src/config: help, and the dataset. */
#include "cli/cli.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_WIDTH = 22 };

static const cli_manual **wanted; /* where cli_help stores the manual, in place of printing it */

static bool asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

const cli_manual *cli_manual_of(int (*run)(int argc, char **argv), const char *part) {
    static char flag[] = "--help";
    const cli_manual *m = NULL;
    char word[32], *argv[] = {flag, flag};
    if (part != NULL) {
        snprintf(word, sizeof word, "%s", part);
        argv[0] = word;
    }
    wanted = &m;
    run(part != NULL ? 2 : 1, argv);
    wanted = NULL;
    return m;
}

static void print_options(const char *title, const cli_option *option) {
    int width = NAME_WIDTH;
    for (const cli_option *o = option; o != NULL && o->name != NULL; o++)
        width = (int)strlen(o->name) > width ? (int)strlen(o->name) : width;
    for (const cli_option *o = option; o != NULL && o->name != NULL; o++)
        printf("%s%s%s  %-*s %s\n", o == option ? "\n" : "", o == option ? title : "", o == option ? ":\n" : "", width,
               o->name, o->help);
}

int cli_help(int argc, char **argv, const cli_manual *m) {
    text shared = {0};
    int rc = OK;
    if (!asks_for_help(argc, argv))
        return -1;
    if (wanted != NULL) {
        *wanted = m;
        return EXIT_DONE;
    }
    if (m->shared)
        TRY(config_help(&shared, false));
    printf("usage: %s\n", m->usage);
    if (m->text != NULL)
        printf("\n%s\n", m->text);
    print_options("the first argument", m->part);
    print_options("options of this command", m->option);
    print_options(m->list_title, m->list);
    if (m->shared)
        printf("\nconfiguration options, also accepted in a YAML file (--config FILE). --print-config prints their "
               "values:\n\n%s",
               text_string(&shared));
done:
    text_deinit(&shared);
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}

int cli_usage(const cli_manual *m) {
    fprintf(stderr, "usage: %s\n", m->usage);
    return EXIT_USAGE;
}

int cli_unexpected(const char *argument) {
    return fail(E_OPTION, "unexpected argument '%s': quote paths that contain spaces; see --help", argument);
}

static bool same_folder(const char *a, const char *b) {
    struct stat x, y;
    return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/** Checks that the argument and --data name the same folder. `option`: the value of --data, or NULL. */
static int check_same(const char *argument, const char *option) {
    if (option == NULL || same_folder(argument, option))
        return OK;
    return fail(E_OPTION,
                "the dataset is given twice, as '%s' and as --data '%s': give only one of them (quote paths that "
                "contain spaces)",
                argument, option);
}

enum { OPTION_BYTES = 64 };

/** The option of an argument, "--NAME". @return whether there is one; NAME may be unknown */
static bool option_of(char out[OPTION_BYTES], const char *argument) {
    size_t n = strcspn(argument, "=");
    if (strncmp(argument, "--", 2) != 0 || n >= OPTION_BYTES)
        return false;
    snprintf(out, OPTION_BYTES, "%.*s", (int)n, argument);
    return true;
}

/** The value of the last option data.path, by any of its names; NULL if there is none. */
static const char *find_data_option(int argc, char **argv) {
    const char *found = NULL;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char name[OPTION_BYTES];
        size_t n = strcspn(argv[i], "=");
        if (!option_of(name, argv[i]) || !config_is_option(name + 2, "data.path"))
            continue;
        if (argv[i][n] == '=')
            found = argv[i] + n + 1;
        else if (i + 1 < argc)
            found = argv[i + 1];
    }
    return found;
}

static bool gives_data(const config *c) {
    return c->data.path[0] != 0 || c->data.train[0] != 0 || c->data.val[0] != 0 || c->data.list[0] != 0;
}

int cli_data(config *c, int argc, char **argv, const char *const *positional, int positional_n) {
    int rc = OK;
    if (positional_n > 0) {
        TRY(check_same(positional[0], find_data_option(argc, argv)));
        TRY(config_set(c, "data.path", positional[0], "the dataset"));
    }
    if (positional_n > 1)
        rc = cli_unexpected(positional[1]);
    else if (!gives_data(c))
        rc = fail(E_OPTION, "no dataset is given: pass its folder (with train/CLASS/ and val/CLASS/, or with shards) "
                            "as an argument or with --data");
done:
    return rc;
}

int cli_config_data(config *c, int argc, char **argv) {
    int n = 0, rc = OK, code = EXIT_FAILED;
    const char **positional = NULL;
    TRY(memory_zeroed(&positional, (size_t)argc + 1, sizeof *positional));
    code = cli_config(c, argc, argv, positional, &n);
    if (code < 0)
        rc = cli_data(c, argc, argv, positional, n);
done:
    free(positional);
    return rc == OK ? code : cli_failed(rc);
}

bool cli_gives_arch(int argc, char **argv) {
    static config c;
    const char **positional = NULL;
    int n = 0, rc = memory_zeroed(&positional, (size_t)argc + 1, sizeof *positional);
    config_defaults(&c);
    c.model.arch[0] = 0;
    if (rc == OK)
        config_read_arguments(&c, argc, argv, positional, &n);
    free(positional);
    return c.model.arch[0] != 0;
}

/** Whether the option --NAME, by any of its names, selects or reads the images of a dataset. */
static bool is_data_option(const char *option) {
    static const char *const full[] = {"data.train",     "data.val",       "data.list",      "data.class_list",
                                       "data.val_split", "data.image_key", "data.cache_dir", "data.cache_size",
                                       "data.timeout",   "trainer.seed"};
    for (size_t i = 0; i < sizeof full / sizeof *full; i++)
        if (config_is_option(option + 2, full[i]))
            return true;
    return false;
}

/** Removes the options of the dataset and sets them in `c`. */
static int take_data_options(config *c, int *argc, char **argv) {
    int rc = OK;
    for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0;) {
        const char *value = NULL;
        char name[OPTION_BYTES];
        if (!option_of(name, argv[i]) || !is_data_option(name)) {
            i++;
            continue;
        }
        TRY(cli_take_value(&value, argc, argv, name)); /* removes argument i */
        TRY(config_set(c, name + 2, value, name));
    }
done:
    return rc;
}

int cli_take_data(bool *given, config *c, int *argc, char **argv) {
    const char *option = NULL, *data = NULL;
    int rc = OK;
    config_defaults(c);
    TRY(take_data_options(c, argc, argv));
    TRY(cli_take_value(&option, argc, argv, "--data"));
    data = option;
    if (*argc > 0 && argv[0][0] != '-') {
        TRY(check_same(argv[0], option));
        data = argv[0];
        ++argv;
        --*argc;
    }
    if (data != NULL && strlen(data) >= sizeof c->data.path) {
        rc =
            fail(E_OPTION, "the path has %zu bytes, more than the limit of %zu", strlen(data), sizeof c->data.path - 1);
        goto done;
    }
    if (data != NULL) /* not config_set: nothing saves this path, so it need not be UTF-8 */
        snprintf(c->data.path, sizeof c->data.path, "%s", data);
    *given = gives_data(c);
    if (*argc > 0)
        rc = cli_unexpected(argv[0]);
done:
    return rc;
}
