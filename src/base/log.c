#include "base/log.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ONCE_MAX 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_watched = PTHREAD_ONCE_INIT;
static log_sink *current_sink;
static void *current_context;
static uint64_t once[ONCE_MAX]; /* hashes of the lines of log_once */
static size_t once_n;

/** A child of fork() has one thread: no other can release a lock that was held at that moment. */
static void unlock_in_child(void) { lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; }

static void watch_fork(void) { pthread_atfork(NULL, NULL, unlock_in_child); }

void log_set_sink(log_sink *sink, void *context) {
    pthread_once(&fork_watched, watch_fork);
    pthread_mutex_lock(&lock);
    current_sink = sink;
    current_context = context;
    once_n = 0;
    pthread_mutex_unlock(&lock);
}

/** Whether log_once has logged the line before; remembers it. */
static bool seen(const char *line) {
    const uint64_t h = hash_bytes(HASH_START, line, strlen(line));
    for (size_t i = 0; i < once_n; i++)
        if (once[i] == h)
            return true;
    if (once_n < ONCE_MAX)
        once[once_n++] = h;
    return false;
}

__attribute__((format(printf, 3, 0))) static void log_va(log_level level, bool only_once, const char *format,
                                                         va_list args) {
    char line[2048];
    vsnprintf(line, sizeof line, format, args);
    pthread_mutex_lock(&lock);
    if (current_sink != NULL && !(only_once && seen(line)))
        current_sink(current_context, level, line);
    pthread_mutex_unlock(&lock);
}

void log_line(log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_va(level, false, format, args);
    va_end(args);
}

void log_once(log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_va(level, true, format, args);
    va_end(args);
}
