/* Loads the MPI module and opens the comm of a rank. */

#define _GNU_SOURCE
#include "distributed/comm_open.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "distributed/comm_thread.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "liblinnet_mpi.so"

/* Open MPI's mpirun and prte set the first variable, PMIx (srun --mpi=pmix) the second. */
bool launched(void) { return getenv("OMPI_COMM_WORLD_RANK") != NULL || getenv("PMIX_RANK") != NULL; }

static long long number_in(const char *variable) {
    long long n = 0;
    const char *s = getenv(variable);
    return s != NULL && text_to_int(&n, s) ? n : 0;
}

/** The number of processes of a step that srun has started; 0 outside a step. A batch script also has SLURM_NTASKS and
 *  SLURM_PROCID 0, but is not part of a step. */
static long long slurm_tasks(void) {
    if (getenv("SLURM_STEP_NUM_TASKS") != NULL)
        return getenv("SLURM_PROCID") != NULL ? number_in("SLURM_STEP_NUM_TASKS") : 0;
    return number_in("SLURM_PROCID") > 0 ? number_in("SLURM_NTASKS") : 0;
}

int launched_ranks(void) {
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"};
    long long n = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && n == 0; i++)
        n = number_in(sizes[i]);
    if (n == 0)
        n = slurm_tasks();
    return n > 1 && n <= INT_MAX ? (int)n : 1;
}

int comm_check_launcher(void) {
    int n = launched_ranks();
    if (launched() || n < 2)
        return OK;
    if (slurm_tasks() > 1)
        return fail(E_OPTION,
                    "srun started %d processes without MPI, so each of them would run separately: use srun "
                    "--mpi=pmix or mpirun",
                    n);
    return fail(E_OPTION,
                "the mpiexec of another MPI (MPICH, Intel MPI) started %d processes, but linnet uses Open MPI, so each "
                "of them would run separately: start them with Open MPI's mpirun",
                n);
}

/** Refuses processes that MPI has not connected. started, rank: read from the environment before MPI is initialised,
 *  because MPI sets these variables. */
static int check_connected(const comm *c, int started, long long rank) {
    char n[32] = "several";
    if (comm_ranks(c) > 1 || (started < 2 && rank < 1))
        return OK;
    if (started > 1)
        snprintf(n, sizeof n, "%d", started);
    return fail(E_OPTION,
                "the launcher started %s processes, but MPI has not connected them, so each of them would run "
                "separately: start them with the mpirun of the Open MPI that linnet was built with",
                n);
}

/** Opens the shared object beside the program or in its installed location. */
static int open_library(void **out) {
    /* the build folder, for the program and for the tests' programs one folder below; the installation */
    static const char *const places[] = {LIBRARY, "../" LIBRARY, LINNET_MODULE_FOLDER "/" LIBRARY};
    char path[PATH_BYTES], why[512] = "";
    int rc = OK;
    *out = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && *out == NULL; i++) {
        TRY(path_from_program(path, places[i]));
        if (!file_exists(path))
            continue;
        *out = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        if (*out == NULL)
            snprintf(why, sizeof why, "%s", dlerror());
    }
    if (*out == NULL && why[0] != 0)
        rc = fail(E_UNSUPPORTED, "MPI is not available: %s. Install Open MPI: apt install openmpi-bin", why);
    else if (*out == NULL)
        rc = fail(E_UNSUPPORTED, "MPI is not available: " LIBRARY
                                 " was not found in the program's folder, in ../ or in " LINNET_MODULE_FOLDER
                                 "/. Install Open MPI (libopenmpi-dev) and build again");
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
    int rc = OK, started = launched_ranks();
    long long rank = number_in("PMIX_RANK");
    *out = NULL;
    TRY(comm_check_launcher());
    if (!launched())
        return OK;
    rc = open_library(&library); /* never closed: MPI cannot be initialised twice */
    if (rc != OK)
        return fail_context(rc, "this process was started as an MPI rank, but MPI cannot be initialised");
    union {
        void *object;
        transport_open_function *function;
    } open = {dlsym(library, TRANSPORT_OPEN)};
    if (open.object == NULL) {
        rc = fail(E_UNSUPPORTED, LIBRARY " has no " TRANSPORT_OPEN
                                         ": it is from a different version of linnet; rebuild or reinstall linnet");
        goto done;
    }
    TRY(comm_thread_open(out, open.function));
    TRY(check_connected(*out, started, rank));
done:
    return rc;
}

void comm_close(comm *c) { comm_thread_close(c); }
