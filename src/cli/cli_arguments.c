/* What commands do with their arguments beside the options of src/config: help, and where the dataset is. */
#include "cli/cli.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_WIDTH = 22 };

static bool asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int cli_help(int argc, char **argv, const cli_manual *m) {
    text shared = {0};
    int rc = OK;
    if (!asks_for_help(argc, argv))
        return -1;
    if (m->shared)
        TRY(config_help(&shared, false));
    printf("usage: %s\n", m->usage);
    if (m->text != NULL)
        printf("\n%s\n", m->text);
    for (const cli_option *o = m->option; o != NULL && o->name != NULL; o++)
        printf("%s  %-*s %s\n", o == m->option ? "\noptions of this command:\n" : "", NAME_WIDTH, o->name, o->help);
    if (m->shared)
        printf(
            "\nshared options, also accepted in a YAML file (--config FILE; --print-config prints all of them):\n\n%s",
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
    return fail(E_OPTION, "unexpected argument '%s'; quote a path with spaces, and see --help", argument);
}

static bool same_folder(const char *a, const char *b) {
    struct stat x, y;
    return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/** `option`: the value of --data, or NULL. */
static int check_same(const char *argument, const char *option) {
    if (option == NULL || same_folder(argument, option))
        return OK;
    return fail(E_OPTION,
                "the dataset is given twice, as '%s' and as --data '%s': give only one (and quote a path with spaces)",
                argument, option);
}

/** The value of the last --data or --data.path; NULL: none. */
static const char *find_data_option(int argc, char **argv) {
    static const char *const name[] = {"--data", "--data.path"};
    const char *found = NULL;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
            size_t n = strlen(name[k]);
            if (strncmp(argv[i], name[k], n) == 0 && argv[i][n] == '=')
                found = argv[i] + n + 1;
            else if (strcmp(argv[i], name[k]) == 0 && i + 1 < argc)
                found = argv[i + 1];
        }
    return found;
}

int cli_data(config *c, int argc, char **argv, const char *const *positional, int positional_n) {
    int rc = OK;
    if (positional_n > 0) {
        TRY(check_same(positional[0], find_data_option(argc, argv)));
        TRY(config_set(c, "data.path", positional[0], "the dataset"));
    }
    if (positional_n > 1)
        rc = cli_unexpected(positional[1]);
    else if (c->data.path[0] == 0)
        rc = fail(E_OPTION, "no dataset: give its folder, which contains train/CLASS/ and val/CLASS/ or shards, as an "
                            "argument or with --data");
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

int cli_take_data(const char **data, int *argc, char **argv) {
    const char *option = NULL;
    int rc = OK;
    TRY(cli_take_value(&option, argc, argv, "--data"));
    *data = option;
    if (*argc > 0 && argv[0][0] != '-') {
        TRY(check_same(argv[0], option));
        *data = argv[0];
        ++argv;
        --*argc;
    }
    if (*argc > 0)
        rc = cli_unexpected(argv[0]);
done:
    return rc;
}
