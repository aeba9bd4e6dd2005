/* linnet version: version, commit, compiler and libraries of this build. */
#include "cli/cli.h"
#include "cli/json.h"

#include "base/cpu_level.h"
#include "base/status.h"
#include "engine/engine.h"

#include <stdio.h>

static const cli_option own[] = {{"--json", "print the result as one JSON object"}, {0}};
static const cli_manual manual = {.usage = "linnet version [--json]",
                                  .text =
                                      "Prints the version, the commit, the compiler and the libraries of this build.",
                                  .option = own};

/* NULL: built without it */
#ifdef LINNET_MPI_VERSION
static const char *const mpi = LINNET_MPI_VERSION;
#else
static const char *const mpi = NULL;
#endif
#ifdef LINNET_CUDA_VERSION
static const char *const cuda = LINNET_CUDA_VERSION;
#else
static const char *const cuda = NULL;
#endif

/** The number of CPU levels, from the lowest on, whose kernels are in the program. */
static int levels(void) {
    if (engine_onednn_version() == NULL)
        return 0; /* no cpu engine */
#ifdef __x86_64__
    return CPU_LEVELS;
#else
    return 1;
#endif
}

static void set(json_t *o, const char *key, const char *value) {
    json_object_set_new(o, key, value != NULL && value[0] != 0 ? json_text(value) : json_null());
}

static int print_json(void) {
    json_t *o = json_object(), *names = json_array();
    for (int i = 0; i < levels(); i++)
        json_array_append_new(names, json_text(cpu_level_name((cpu_level)i)));
    set(o, "version", LINNET_VERSION);
    set(o, "commit", cli_commit);
    set(o, "build_type", LINNET_BUILD_TYPE);
    set(o, "compiler", LINNET_COMPILER);
    set(o, "onednn", engine_onednn_version());
    json_object_set_new(o, "cpu_levels", names);
    set(o, "mpi", mpi);
    set(o, "cuda", cuda);
    return json_print(o);
}

static void row(const char *name, const char *value) {
    printf("%-12s %s\n", name, value != NULL && value[0] != 0 ? value : "none");
}

static void print(void) {
    printf("linnet " LINNET_VERSION "\n");
    row("commit", cli_commit[0] != 0 ? cli_commit : "unknown");
    row("build type", LINNET_BUILD_TYPE);
    row("compiler", LINNET_COMPILER);
    row("oneDNN", engine_onednn_version());
    printf("%-12s", "CPU levels");
    for (int i = 0; i < levels(); i++)
        printf(" %s", cpu_level_name((cpu_level)i));
    printf("%s\n", levels() == 0 ? " none" : "");
    row("MPI", mpi);
    row("CUDA", cuda);
}

int cmd_version(int argc, char **argv) {
    int code = cli_help(argc, argv, &manual), rc = OK;
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    if (argc != 0)
        return cli_usage(&manual);
    if (json)
        rc = print_json();
    else
        print();
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
