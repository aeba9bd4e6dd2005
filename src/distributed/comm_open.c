#define _GNU_SOURCE
#include "distributed/comm_open.h"

#include "base/file.h"
#include "base/status.h"
#include "distributed/thread.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "liblinnet_mpi.so"

/* Open MPI's mpirun and prte set the first, PMIx (srun --mpi=pmix) the second. */
bool launched(void) { return getenv("OMPI_COMM_WORLD_RANK") != NULL || getenv("PMIX_RANK") != NULL; }

/** *out: the shared object, beside the program or where it is installed. */
static int open_library(void **out) {
    static const char *const places[] = {"", "../", "../lib/linnet/"}; /* ../: tests lie a folder below */
    char program[PATH_BYTES], path[PATH_BYTES], why[512] = "";
    int rc = OK;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    *out = NULL;
    program[n > 0 ? n : 0] = 0;
    *(char *)path_name(program) = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places && *out == NULL; i++) {
        TRY(path_format(path, "%s%s" LIBRARY, program, places[i]));
        if (!file_exists(path))
            continue;
        *out = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        if (*out == NULL)
            snprintf(why, sizeof why, "%s", dlerror());
    }
    if (*out == NULL)
        rc = fail(E_UNSUPPORTED, "MPI cannot be used: %s. Install Open MPI (libopenmpi-dev) and build again",
                  why[0] != 0 ? why : LIBRARY " was not found beside the program, in ../ or in ../lib/linnet/");
done:
    return rc;
}

const char *comm_unavailable(void) {
    static _Thread_local char why[PATH_BYTES];
    void *library = NULL;
    if (open_library(&library) == OK)
        return NULL;
    snprintf(why, sizeof why, "%s", status_message());
    return why;
}

int comm_open(comm **out) {
    void *library = NULL;
    int rc = OK;
    *out = NULL;
    if (!launched())
        return OK;
    rc = open_library(&library); /* stays open: MPI cannot begin a second time */
    if (rc != OK)
        return fail_context(rc, "a launcher started this process as one of several ranks");
    union {
        void *object;
        transport_open_function *function;
    } open = {dlsym(library, TRANSPORT_OPEN)};
    if (open.object == NULL) {
        rc = fail(E_UNSUPPORTED, LIBRARY " has no " TRANSPORT_OPEN ": it belongs to another version");
        goto done;
    }
    TRY(comm_thread_open(out, open.function));
done:
    return rc;
}

void comm_close(comm *c) { comm_thread_close(c); }
