/* Runs the ranks as child processes, forwards signals and waits until they end. */

#define _GNU_SOURCE
#include "cli/launcher_job.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/launcher_link.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEPT = 16384, /* bytes of mpirun's own output */
    GRACE = 10,   /* seconds that the ranks have to end before SIGKILL */
    ORPHANED = 1  /* the same after their mpirun has ended */
};

typedef struct job {
    pid_t pid; /* of the child; 0: it has ended */
    int status, said_fd, ranks;
    cli_answer answer; /* what the ranks do at the first signal */
    int stop;          /* the signal that asked for the end; 0: none */
    bool at_once;      /* stopped without a save: the signal was the second, or came too early */
    bool twice;
    double end_by; /* time at which SIGKILL follows, then once per second; 0: never */
    bool childless;
    launcher_link link;
    text said;
    struct pollfd *polls;
} job;

static int signals_fd = -1;  /* open between launcher_job_begin and launcher_job_end */
static sigset_t mask_before; /* the signal mask of a child */

/** Runs in the child. mpirun prints to stderr; ranks use the launcher's outputs, which they receive through the
 *  link. If exec fails, errno is written to `pipe`. */
static _Noreturn void become(char *const *command, const sigset_t *signals, int said, int pipe, pid_t parent) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* mpirun then ends its ranks */
    sigprocmask(SIG_SETMASK, signals, NULL);
    if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(said, STDERR_FILENO) >= 0)
        execvp(command[0], command);
    int error = errno;
    ssize_t n = write(pipe, &error, sizeof error);
    _exit(n == sizeof error ? 127 : 126);
}

static int not_started(int error, const char *name) {
    if (error == ENOENT)
        return fail(E_UNSUPPORTED,
                    "training on several devices needs Open MPI's %s, which is not installed: apt install openmpi-bin",
                    name);
    return fail_errno(error, "cannot run %s", name);
}

/** @return 0 when the child runs `command` */
static int start(job *j, char *const *command) {
    int said[2] = {-1, -1}, failed[2] = {-1, -1}, error = 0, rc = OK;
    pid_t self = getpid();
    if (pipe2(said, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0 || (j->pid = fork()) < 0) {
        rc = fail_errno(errno, "cannot start %s", command[0]);
        j->pid = 0;
        goto done;
    }
    if (j->pid == 0)
        become(command, &mask_before, said[1], failed[1], self);
    setpgid(j->pid, j->pid); /* parent and child both call it, since either may run first */
    close(failed[1]);
    failed[1] = -1;
    if (read(failed[0], &error, sizeof error) == sizeof error)
        rc = not_started(error, command[0]);
    j->said_fd = said[0];
    said[0] = -1;
done:
    for (int i = 0; i < 2; i++) {
        if (said[i] >= 0)
            close(said[i]);
        if (failed[i] >= 0)
            close(failed[i]);
    }
    return rc;
}

/** Stores the beginning of mpirun's output, which contains the cause, for the case that no rank prints one. */
static void hear(job *j) {
    char bytes[4096];
    ssize_t n = read(j->said_fd, bytes, sizeof bytes);
    if (n <= 0) {
        if (n == 0 || errno != EINTR) {
            close(j->said_fd);
            j->said_fd = -1;
        }
        return;
    }
    size_t room = KEPT - (j->said.n < KEPT ? j->said.n : KEPT);
    if (text_append(&j->said, bytes, (size_t)n < room ? (size_t)n : room) != OK)
        text_deinit(&j->said); /* out of memory: the output is dropped */
}

static void signal_child(const job *j, int signal) {
    if (j->pid > 0)
        kill(j->pid, signal);
}

/** Until all ranks are connected, nothing is worth saving, and a rank may not have installed its signal handler yet. */
static void stop(job *j, int signal) {
    bool again = cli_stop_again(signal);
    if (j->stop != 0 && !again)
        return;
    j->at_once = again || j->answer == CLI_SILENT || j->link.n < j->ranks;
    j->twice = again;
    if (!j->twice && !j->at_once)
        cli_answer_stop(j->answer, signal);
    if (j->stop == 0)
        j->stop = signal == SIGUSR2 ? SIGTERM : signal;
    signal_child(j, j->at_once ? SIGTERM : SIGUSR2);
    if (j->at_once)
        j->end_by = clock_seconds() + GRACE;
}

static void reap(job *j) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == j->pid) {
            j->pid = 0;
            j->status = status;
        }
    }
    j->childless = pid < 0 && errno == ECHILD;
}

static void on_signal(job *j) {
    struct signalfd_siginfo s;
    if (read(signals_fd, &s, sizeof s) != sizeof s)
        return;
    int signal = (int)s.ssi_signo;
    if (signal == SIGINT || signal == SIGTERM || signal == SIGUSR2 || signal == SIGHUP) {
        stop(j, signal);
    } else if (signal == SIGUSR1) {
        if (j->link.n == j->ranks)
            signal_child(j, SIGUSR1);
    } else if (signal == SIGTSTP) {
        signal_child(j, SIGTSTP);
        raise(SIGSTOP);
    } else if (signal == SIGCONT) {
        signal_child(j, SIGCONT);
    } else { /* SIGCHLD */
        reap(j);
    }
}

/** Sends a signal to mpirun and its ranks; 0: only counts them. Orphaned ranks are children of this process
 *  (PR_SET_CHILD_SUBREAPER). Children that this process did not start, such as tee after a shell's exec, are left
 * alone.
 *  @return the number of processes of the job */
static int signal_all(const job *j, int signal) {
    FILE *f = fopen("/proc/thread-self/children", "re");
    int pid, n = 0;
    while (f != NULL && fscanf(f, "%d", &pid) == 1) /* NOLINT(cert-err34-c): the kernel's own numbers */
        if (pid == j->pid || launcher_link_owns(&j->link, pid)) {
            kill(pid, signal);
            n++;
        }
    if (f != NULL)
        fclose(f);
    return n;
}

static void wait_and_serve(job *j) {
    launcher_link *l = &j->link;
    int n = 3 + l->n, left = -1;
    j->polls[0] = (struct pollfd){.fd = signals_fd, .events = POLLIN};
    j->polls[1] = (struct pollfd){.fd = l->fd, .events = POLLIN};
    j->polls[2] = (struct pollfd){.fd = j->said_fd, .events = POLLIN};
    for (int i = 0; i < l->n; i++)
        j->polls[3 + i] = (struct pollfd){.fd = l->ranks[i].fd, .events = POLLIN};
    if (j->end_by > 0) {
        double seconds = j->end_by - clock_seconds();
        left = seconds > 0 ? (int)(seconds * 1000) + 1 : 0;
    }
    if (poll(j->polls, (nfds_t)n, left) < 0)
        return;
    if (j->end_by > 0 && clock_seconds() >= j->end_by) {
        j->end_by = clock_seconds() + 1;
        signal_all(j, SIGKILL);
    }
    for (int i = 0; i < n - 3; i++)
        if (j->polls[3 + i].revents != 0)
            launcher_link_read(l, i);
    if (j->polls[1].revents != 0)
        launcher_link_accept(l);
    if (j->polls[2].revents != 0)
        hear(j);
    if (j->polls[0].revents != 0)
        on_signal(j);
}

/** The first line of mpirun's output that is a sentence; "" none. */
static void first_sentence(char out[256], const text *said) {
    const char *s = text_string(said);
    out[0] = 0;
    while (*s != 0 && out[0] == 0) {
        size_t n = strcspn(s, "\n");
        if (n > 0 && s[0] != '-' && strncmp(s, "User defined signal", 19) != 0)
            snprintf(out, 256, "%.*s", (int)(n < 255 ? n : 255), s);
        s += n + (s[n] == '\n');
    }
}

/** The rank that mpirun has named as killed; -1: none. Its own ranks may all have ended before they are looked at. */
static int killed_rank(const text *said) {
    static const char before[] = "noticed that process rank ";
    const char *at = strstr(text_string(said), before);
    return at != NULL ? (int)strtol(at + sizeof before - 1, NULL, 10) : -1;
}

/** Prints one line if no rank has printed the cause. */
static void tell(const job *j, int code) {
    const launcher_link *l = &j->link;
    char why[256] = "", how[48], name[32];
    for (int i = 0; i < l->n; i++)
        if (l->ranks[i].reported)
            return;
    first_sentence(why, &j->said);
    if (code > 128)
        snprintf(how, sizeof how, "was killed by %s", text_signal(name, code - 128));
    else
        snprintf(how, sizeof how, "exited with status %d", code);
    if (j->ranks == 1)
        fail(E_DEVICE, "the run %s", how);
    else if (WIFSIGNALED(j->status))
        fail(E_DEVICE, "mpirun %s; all ranks were terminated", how);
    else if (l->lost[0] != 0)
        fail(E_DEVICE, "%s %s", l->lost, how);
    else if (killed_rank(&j->said) >= 0)
        fail(E_DEVICE, "rank %d %s", killed_rank(&j->said), how);
    else if (l->first_ended >= 0)
        fail(E_DEVICE, "rank %d %s", l->ranks[l->first_ended].rank, how);
    else
        fail(E_DEVICE, "mpirun could not start %d ranks (%s): %s", j->ranks, how, why);
    cli_failed(E_DEVICE);
}

static int exit_code(const job *j) {
    int code = WIFEXITED(j->status) ? WEXITSTATUS(j->status) : 128 + WTERMSIG(j->status);
    char name[32];
    if (j->stop != 0 && j->at_once)
        log_info("stopped immediately by %s%s", text_signal(name, j->stop),
                 j->answer == CLI_SAVES ? ": no checkpoint was saved" : "");
    if (j->twice)
        return EXIT_QUIT;
    if (j->stop != 0 && (j->at_once || code == 143))
        return 128 + j->stop;
    if (code == EXIT_DONE || code == EXIT_USAGE || cli_is_stop_code(code))
        return code;
    tell(j, code);
    return EXIT_FAILED;
}

int launcher_job_begin(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    if (!cli_hangup_ignored()) /* a blocked signal is received even if it is ignored */
        sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &mask_before);
    signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals_fd >= 0 ? OK : fail_errno(errno, "cannot wait for signals");
}

void launcher_job_end(void) {
    struct signalfd_siginfo s;
    while (signals_fd >= 0 && read(signals_fd, &s, sizeof s) == sizeof s)
        ; /* a pending signal would end this process instead of its exit code */
    if (signals_fd >= 0)
        close(signals_fd);
    signals_fd = -1;
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

int launcher_job_pause(double seconds) {
    double end = clock_seconds() + seconds;
    while (clock_seconds() < end) {
        struct pollfd one = {.fd = signals_fd, .events = POLLIN};
        struct signalfd_siginfo s;
        int wait_ms = (int)(fmax(end - clock_seconds(), 0) * 1000) + 1;
        if (poll(&one, 1, wait_ms) <= 0 || read(signals_fd, &s, sizeof s) != sizeof s)
            continue;
        if (s.ssi_signo == SIGINT || s.ssi_signo == SIGHUP)
            return (int)s.ssi_signo;
        if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGUSR2)
            return SIGTERM;
        if (s.ssi_signo == SIGTSTP)
            raise(SIGSTOP);
    }
    return 0;
}

/** Counts twice, because the list of children may lack a process while others end. */
static bool has_children(const job *j) {
    for (int i = 0; i < 2; i++)
        if (signal_all(j, 0) > 0)
            return true;
    return false;
}

int launcher_job_run(job_result *out, char *const *command, int ranks, cli_answer answer) {
    job j = {.said_fd = -1, .ranks = ranks, .answer = answer, .link = {.fd = -1}};
    int rc = OK;
    TRY(launcher_link_open(&j.link, ranks));
    TRY(memory_zeroed(&j.polls, (size_t)ranks + 3, sizeof *j.polls));
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* if it fails, orphaned ranks end by themselves */
    TRY(start(&j, command));
    while (j.pid > 0)
        wait_and_serve(&j);
    j.end_by = clock_seconds() + ORPHANED;
    while (!j.childless && has_children(&j))
        wait_and_serve(&j);
    for (int i = 0; i < j.link.n; i++)
        while (launcher_link_read(&j.link, i)) /* messages sent before the rank ended */
            ;
    cli_stop = j.stop;
    out->code = exit_code(&j);
    out->permanent = j.link.permanent;
    memcpy(out->saved, j.link.saved, sizeof out->saved);
done:
    if (j.pid > 0) /* exec failed */
        waitpid(j.pid, &j.status, 0);
    if (j.said_fd >= 0)
        close(j.said_fd);
    launcher_link_close(&j.link);
    text_deinit(&j.said);
    free(j.polls);
    return rc;
}
