/* Functions that all commands use: errors, options, log output, progress. */

#define _GNU_SOURCE
#include "cli/cli.h"
#include "cli/launcher_link.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

volatile sig_atomic_t cli_line_open;

void cli_mark_permanent(int rc) {
    static const int permanent[] = {E_FORMAT,      E_DATA,      E_OPTION, E_SHAPE,
                                    E_UNSUPPORTED, E_NONFINITE, E_LOCKED, E_NOTFOUND};
    for (size_t i = 0; i < sizeof permanent / sizeof *permanent; i++)
        if (rc == permanent[i])
            launcher_permanent();
}

int cli_failed(int rc) {
    if (cli_line_open)
        fputc('\n', stderr);
    cli_line_open = false;
    cli_mark_permanent(rc);
    launcher_reported();
    fprintf(stderr, "linnet: %s\n", status_message());
    return rc == E_OPTION ? EXIT_USAGE : EXIT_FAILED;
}

int cli_stop_code(void) { return 128 + (cli_stop == 0 || cli_stop == SIGUSR2 ? SIGTERM : (int)cli_stop); }

bool cli_is_stop_code(int code) { return code == 128 + SIGHUP || code == 128 + SIGINT || code == 128 + SIGTERM; }

int cli_stopped(int rc) {
    int code = cli_failed(rc);
    return rc == E_STOPPED ? cli_stop_code() : code;
}

static void remove_arguments(int *argc, char **argv, int at, int n) {
    memmove(argv + at, argv + at + n, (size_t)(*argc - at - n) * sizeof *argv);
    *argc -= n;
}

bool cli_take_flag(int *argc, char **argv, const char *flag) {
    for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0) {
            remove_arguments(argc, argv, i, 1);
            return true;
        }
    }
    return false;
}

int cli_take_value(const char **value, int *argc, char **argv, const char *name) {
    size_t n = strlen(name);
    *value = NULL;
    for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], name, n) != 0)
            continue;
        if (argv[i][n] == '=') {
            *value = argv[i] + n + 1;
            remove_arguments(argc, argv, i, 1);
            return OK;
        }
        if (argv[i][n] == 0) {
            if (i + 1 >= *argc)
                return fail(E_OPTION, "%s needs a value", name);
            *value = argv[i + 1];
            remove_arguments(argc, argv, i, 2);
            return OK;
        }
    }
    return OK;
}

int cli_take_int(long long *out, int *argc, char **argv, const char *name, long long low, long long high) {
    const char *value = NULL;
    int rc = cli_take_value(&value, argc, argv, name);
    if (rc == OK && value != NULL && (!text_to_int(out, value) || *out < low || *out > high))
        rc = fail(E_OPTION, "%s must be a whole number from %lld to %lld, not '%s'", name, low, high, value);
    return rc;
}

static int print_text(int rc, text *t) {
    if (rc == OK)
        fputs(text_string(t), stdout);
    text_deinit(t);
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}

int cli_config(config *c, int argc, char **argv, const char **positional, int *positional_n) {
    text t = {0};
    config_defaults(c);
    bool print = cli_take_flag(&argc, argv, "--print-config");
    int rc = config_read_arguments(c, argc, argv, positional, positional_n);
    if (rc != OK)
        return cli_failed(rc);
    if (print)
        return print_text(config_to_yaml(&t, c), &t);
    return -1;
}

static void log_to_stderr(void *context, log_level level, const char *line) {
    (void)context;
    if (level == LOG_DEBUG)
        return;
    if (cli_line_open)
        fputs("\r\033[K", stderr);
    cli_line_open = false;
    fprintf(stderr, "%s%s\n", level == LOG_WARN ? "warning: " : "", line);
}

void cli_log_to_stderr(void) { log_set_sink(log_to_stderr, NULL); }

static void draw_progress(void *context, const char *line, bool final) {
    (void)context;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s\033[K%s", line, final ? "\n" : "");
        cli_line_open = !final;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
}

progress_options cli_progress(void) {
    struct winsize size = {0};
    bool terminal = isatty(STDERR_FILENO);
    if (terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0)
        size.ws_col = 0;
    return (progress_options){.sink = draw_progress, .terminal = terminal, .width = size.ws_col};
}

static void count_text(char out[32], const char *unit, double n) {
    if (strcmp(unit, "bytes") == 0)
        text_bytes(out, n);
    else
        text_count(out, (unsigned long long)n);
}

void cli_counter_show(cli_counter *c, const char *phase, const char *unit, int64_t done, int64_t total) {
    double now = clock_seconds();
    bool final = done >= total;
    if (c->phase == NULL || strcmp(c->phase, phase) != 0)
        *c = (cli_counter){.phase = phase, .start = now, .first = done, .last = now};
    if (!final && now - c->last < (isatty(STDERR_FILENO) ? 0.2 : 10))
        return;
    c->last = now;
    char line[160], a[32], b[32], rate[32];
    double seconds = now - c->start;
    count_text(a, unit, (double)done);
    count_text(b, unit, (double)total);
    count_text(rate, unit, seconds > 0 ? (double)(done - c->first) / seconds : 0);
    snprintf(line, sizeof line, "%s  %s of %s%s%s, %s/s", phase, a, b, strcmp(unit, "bytes") == 0 ? "" : " ",
             strcmp(unit, "bytes") == 0 ? "" : unit, rate);
    draw_progress(NULL, line, final);
}
