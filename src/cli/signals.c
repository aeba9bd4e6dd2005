/* The signal handlers of a command. */

#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

volatile sig_atomic_t cli_stop, cli_save;

static const int stop_signals[] = {SIGINT, SIGTERM, SIGUSR2, SIGHUP};

enum { STOP_SIGNALS = sizeof stop_signals / sizeof *stop_signals };

static cli_answer how_to_stop;

/** Prints to stderr on a new line, below a progress line. Async-signal-safe. */
static void say(const char *line) {
    static const char end[] = "\n";
    ssize_t n = cli_line_open ? write(STDERR_FILENO, end, 1) : 0;
    cli_line_open = false;
    n += write(STDERR_FILENO, line, strlen(line));
    (void)n; /* there is no other way to report the error */
}

void cli_answer_stop(cli_answer answer, int signal) {
    if (answer == CLI_SAVES)
        say(signal == SIGINT
                ? "stopping: a checkpoint is saved after this step; press Ctrl-C again to exit without saving\n"
                : "stopping: a checkpoint is saved after this step; send a second signal to exit without saving\n");
    else if (answer == CLI_STOPS)
        say(signal == SIGINT ? "stopping; press Ctrl-C again to exit immediately\n"
                             : "stopping; send a second signal to exit immediately\n");
}

bool cli_stop_again(int signal) {
    static volatile sig_atomic_t asked;
    if (signal == SIGHUP)
        return false;
    bool again = asked;
    asked = true;
    return again;
}

bool cli_hangup_ignored(void) {
    struct sigaction now;
    return sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void on_stop(int signal) {
    bool again = cli_stop_again(signal);
    if (cli_stop == 0) {
        cli_stop = signal;
        cli_answer_stop(how_to_stop, signal);
    }
    if (!again)
        return;
    if (how_to_stop != CLI_SILENT)
        say(how_to_stop == CLI_SAVES ? "linnet: exited without saving a checkpoint; earlier checkpoints are unchanged\n"
                                     : "linnet: exited immediately\n");
    _exit(EXIT_QUIT);
}

static void on_save(int signal) {
    (void)signal;
    cli_save = 1;
}

void cli_catch_signals(cli_answer answer) {
    how_to_stop = answer;
    struct sigaction stop = {.sa_handler = on_stop}, save = {.sa_handler = on_save, .sa_flags = SA_RESTART};
    for (int i = 0; i < STOP_SIGNALS; i++)
        if (stop_signals[i] != SIGHUP || !cli_hangup_ignored())
            sigaction(stop_signals[i], &stop, NULL);
    sigaction(SIGUSR1, &save, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, NULL); /* exceeding a file size limit becomes a failed write */
    sigaction(SIGPIPE, &ignore, NULL);
}
