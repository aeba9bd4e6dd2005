#define _GNU_SOURCE
#include "cli/launcher.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/launcher_job.h"
#include "cli/launcher_link.h"
#include "distributed/comm_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What mpirun gets before the program. Ranks on this machine alone, whatever batch system it stands in (plm, ras: all
 *  but those that start processes elsewhere; Open MPI 4 has "isolated", 5 has not); every rank sees all cores, and
 *  divides them itself. */
static const char *const mpirun_words[] = {
    "mpirun", "-n",  NULL /* ranks */,         "--bind-to", "none", "--oversubscribe",
    "--mca",  "plm", "^slurm,tm,lsf,pals,rsh", "--mca",     "ras",  "^slurm,gridengine,tm,lsf"};

enum { MPIRUN_WORDS = sizeof mpirun_words / sizeof *mpirun_words };

static void free_words(char **words) {
    for (int i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

/** This process's own command line, which parsing has taken apart by now; free_words is due in any case. */
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

/** [mpirun and its options] program own-words [--init= --resume SAVED]. The list is the caller's, its words are
 * borrowed. `saved`: the checkpoint to continue from, "" none. */
static int command_line(char ***out, char *ranks_text, char *program, char *const *words, int words_n, int ranks,
                        char *saved) {
    static char no_init[] = "--init=", option[] = "--resume";
    char **w = NULL;
    int n = 0, rc = memory_zeroed(out, MPIRUN_WORDS + (size_t)words_n + 5, sizeof **out);
    if (rc != OK)
        return rc;
    w = *out;
    for (int i = 0; ranks > 1 && i < MPIRUN_WORDS; i++)
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): execv's type, which writes nothing */
        w[n++] = mpirun_words[i] != NULL ? (char *)(uintptr_t)mpirun_words[i] : ranks_text;
    w[n++] = program;
    for (int i = 1; i < words_n; i++)
        w[n++] = words[i];
    if (saved[0] != 0) {
        w[n++] = no_init; /* its weights are in what was saved */
        w[n++] = option;
        w[n++] = saved;
    }
    return OK;
}

/** Open MPI refuses to run as root unless both are set. */
static int allow_root(void) {
    if (geteuid() == 0 &&
        (setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1) != 0 || setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1) != 0))
        return fail(E_NOMEM, "out of memory");
    return OK;
}

/** The ranks once, from start to end. */
static int run_once(job_result *out, const config *c, char *saved) {
    char **words = NULL, **command = NULL, ranks[16], program[PATH_BYTES];
    int words_n = 0, rc = OK;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    snprintf(ranks, sizeof ranks, "%d", c->trainer.devices);
    TRY(own_words(&words, &words_n));
    TRY(command_line(&command, ranks, program, words, words_n, c->trainer.devices, saved));
    TRY(allow_root());
    TRY(launcher_job_run(out, command, c->trainer.devices));
done:
    free(command);
    free_words(words);
    return rc;
}

/** Whether srun has started several processes that know nothing of each other. A batch script has SLURM_NTASKS and
 *  SLURM_PROCID 0 too, but stands in no step. @param[out] n how many */
static bool lone_tasks(long long *n) {
    const char *id = getenv("SLURM_PROCID"), *step = getenv("SLURM_STEP_NUM_TASKS"), *job = getenv("SLURM_NTASKS");
    long long own = 0;
    if (launched() || id == NULL || !text_to_int(&own, id))
        return false;
    const char *tasks = step != NULL ? step : own > 0 ? job : NULL;
    return tasks != NULL && text_to_int(n, tasks) && *n > 1;
}

/** Runs the command until it ends well, is stopped, fails for good or has no restarts left. @return its exit code */
static int run_with_restarts(const config *c) {
    enum { FIRST = 1, LONGEST = 60 }; /* seconds before a restart; twice as long each time that nothing was saved */
    static job_result result, latest;
    int wait = FIRST;
    for (int i = 0;; i++) {
        int rc = run_once(&result, c, latest.saved);
        if (rc != OK)
            return cli_failed(rc);
        bool stopped = cli_stop != 0 || result.code == 130 || result.code == 143;
        if (result.code == EXIT_DONE || result.code == EXIT_USAGE || stopped || i >= c->dist.restarts)
            return result.code;
        if (result.permanent) {
            log_info("not restarted: the run would fail again for the same reason");
            return result.code;
        }
        if (result.saved[0] != 0) {
            wait = FIRST;
            latest = result;
        }
        const char *from = latest.saved[0] != 0 ? latest.saved : "the beginning: no checkpoint was saved";
        log_warn("the run failed: restart %d of %d in %d s, from %s", i + 1, c->dist.restarts, wait, from);
        int signal = launcher_job_pause(wait);
        if (signal != 0)
            return 128 + signal;
        wait = wait * 2 < LONGEST ? wait * 2 : LONGEST;
    }
}

int launcher_run(const config *c) {
    int rc = OK;
    long long tasks = 0;
    if (lone_tasks(&tasks)) {
        rc = fail(E_OPTION,
                  "srun has started %lld processes without a connection to each other, and each would train "
                  "alone: use srun --mpi=pmix, or mpirun",
                  tasks);
        return cli_failed(rc);
    }
    if (launched() || launcher_above() || (c->trainer.devices < 2 && c->dist.restarts == 0))
        return -1;
    rc = launcher_job_begin();
    int code = rc == OK ? run_with_restarts(c) : cli_failed(rc);
    launcher_job_end();
    return code;
}
