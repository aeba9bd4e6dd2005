#define _GNU_SOURCE
#include "cli/launcher.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/launcher_job.h"
#include "cli/launcher_link.h"
#include "distributed/comm_open.h"
#include "engine/engine.h"
#include "telemetry/device_stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** The options of mpirun before the program. All ranks run on this machine, even within a batch system: plm and ras
 *  exclude the components that start processes on other hosts (Open MPI 4 has "isolated", 5 does not). Every rank
 *  may use all cores; the ranks divide them themselves. */
static const char *const mpirun_words[] = {
    "mpirun", "-n",  NULL /* ranks */,         "--bind-to", "none", "--oversubscribe",
    "--mca",  "plm", "^slurm,tm,lsf,pals,rsh", "--mca",     "ras",  "^slurm,gridengine,tm,lsf"};

enum { MPIRUN_WORDS = sizeof mpirun_words / sizeof *mpirun_words };

static void free_words(char **words) {
    for (int i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

/** Reads this process's original command line, because parsing has modified argv. free_words must be called in any
 *  case. */
static int own_words(char ***words, int *words_n) {
    FILE *f = fopen("/proc/self/cmdline", "re");
    char *word = NULL;
    size_t bytes = 0;
    int rc = OK, n = 0;
    *words = NULL;
    if (f == NULL)
        return fail_errno(errno, "cannot read /proc/self/cmdline");
    TRY(memory_zeroed(words, 1, sizeof **words));
    while (getdelim(&word, &bytes, 0, f) > 0) {
        TRY(memory_resize(words, (size_t)n + 2, sizeof **words));
        (*words)[n++] = word; /* now owned by the list */
        (*words)[n] = word = NULL;
        bytes = 0;
    }
    *words_n = n;
done:
    free(word);
    fclose(f);
    return rc;
}

/** Builds [mpirun and its options] program own-words [--init= --resume SAVED]. The caller owns the list; its strings
 *  are borrowed. `saved`: the checkpoint to continue from, "" none. */
static int command_line(char ***out, char *ranks_text, char *program, char *const *words, int words_n, int ranks,
                        char *saved) {
    static char no_init[] = "--init=", option[] = "--resume";
    char **w = NULL;
    int n = 0, rc = memory_zeroed(out, MPIRUN_WORDS + (size_t)words_n + 5, sizeof **out);
    if (rc != OK)
        return rc;
    w = *out;
    for (int i = 0; ranks > 1 && i < MPIRUN_WORDS; i++)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): execv's type is not const, but it does not write */
        w[n++] = mpirun_words[i] != NULL ? (char *)(uintptr_t)mpirun_words[i] : ranks_text;
    w[n++] = program;
    for (int i = 1; i < words_n; i++)
        w[n++] = words[i];
    if (saved[0] != 0) {
        w[n++] = no_init; /* the checkpoint contains the weights */
        w[n++] = option;
        w[n++] = saved;
    }
    return OK;
}

/** Open MPI refuses to run as root unless both variables are set. */
static int allow_root(void) {
    if (geteuid() == 0 &&
        (setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1) != 0 || setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1) != 0))
        return fail(E_NOMEM, "out of memory");
    return OK;
}

/** Runs the ranks once, until they end. */
static int run_once(job_result *out, const config *c, cli_answer answer, char *saved) {
    char **words = NULL, **command = NULL, ranks[16], program[PATH_BYTES];
    int words_n = 0, rc = OK;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    snprintf(ranks, sizeof ranks, "%d", c->trainer.devices);
    TRY(own_words(&words, &words_n));
    TRY(command_line(&command, ranks, program, words, words_n, c->trainer.devices, saved));
    TRY(allow_root());
    TRY(launcher_job_run(out, command, c->trainer.devices, answer));
done:
    free(command);
    free_words(words);
    return rc;
}

/** Runs the command until it succeeds, is stopped, fails permanently or has no restarts left. @return its exit code */
static int run_with_restarts(const config *c, cli_answer answer) {
    enum { FIRST = 1, LONGEST = 60 }; /* seconds before a restart, doubled each time that nothing was saved */
    static job_result result, latest;
    int wait = FIRST;
    for (int i = 0;; i++) {
        int rc = run_once(&result, c, answer, latest.saved);
        if (rc != OK)
            return cli_failed(rc);
        bool stopped = cli_stop != 0 || cli_is_stop_code(result.code);
        if (result.code == EXIT_DONE || result.code == EXIT_USAGE || stopped || i >= c->dist.restarts)
            return result.code;
        if (result.permanent) {
            log_info("the run is not restarted: it would fail again for the same reason");
            return result.code;
        }
        if (result.saved[0] != 0) {
            wait = FIRST;
            latest = result;
        }
        const char *from = latest.saved[0] != 0 ? latest.saved : "the beginning: no checkpoint was saved";
        log_warn("the run failed: restart %d of %d starts in %d s from %s", i + 1, c->dist.restarts, wait, from);
        int signal = launcher_job_pause(wait);
        if (signal != 0)
            return 128 + signal;
        wait = wait * 2 < LONGEST ? wait * 2 : LONGEST;
    }
}

/** Selects the GPUs of --devices 0,2. The ranks inherit the variable. */
static int select_gpus(const config *c) {
    static const char variable[] = "CUDA_VISIBLE_DEVICES";
    const char *list = c->trainer.device_list, *visible = getenv(variable);
    if (visible != NULL && strcmp(visible, list) != 0)
        return fail(
            E_OPTION,
            "trainer.devices %s lists GPUs, but %s is already set to %.100s: set trainer.devices to the number of GPUs",
            list, variable, visible);
    return setenv(variable, list, 1) == 0 ? OK : fail(E_NOMEM, "out of memory");
}

/** Resolves --devices auto and a list of GPUs. The ranks of a job take auto as the number of ranks. */
static int choose_devices(config *c) {
    static gpu_info gpu[DEVICE_GPUS];
    bool list = c->trainer.device_list[0] != 0, cuda = strcmp(c->trainer.device, "cuda") == 0;
    int rc = OK;
    if (!list && c->trainer.devices > 0)
        return OK;
    if (list)
        TRY(select_gpus(c));
    if (strcmp(c->trainer.device, "auto") == 0)
        cuda = engine_unavailable("cuda") == NULL;
    if (list && !cuda)
        rc = fail(E_OPTION,
                  "trainer.devices %s lists GPUs, but the run uses the CPU: set trainer.devices to a number, or "
                  "trainer.device to cuda",
                  c->trainer.device_list);
    if (!list)
        c->trainer.devices = cuda && !launched() ? device_stats_gpus(gpu, NULL) : 1;
    if (c->trainer.devices < 1)
        c->trainer.devices = 1; /* the engine reports why there is no GPU */
done:
    return rc;
}

int launcher_run(config *c, cli_answer answer) {
    int rc = comm_check_launcher();
    rc = rc == OK ? choose_devices(c) : rc;
    if (rc != OK)
        return cli_failed(rc);
    if (launched() || launcher_is_present() || (c->trainer.devices < 2 && c->dist.restarts == 0))
        return -1;
    rc = launcher_job_begin();
    int code = rc == OK ? run_with_restarts(c, answer) : cli_failed(rc);
    launcher_job_end();
    return code;
}
