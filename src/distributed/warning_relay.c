#include "distributed/warning_relay.h"

#include "base/log.h"

#include <pthread.h>
#include <stdio.h>

enum { MOST = 64, LINE = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char list[MOST][LINE];
static size_t first, count;

static void keep(void *context, log_level level, const char *line) {
    (void)context;
    if (level != LOG_WARN)
        return;
    pthread_mutex_lock(&lock);
    if (count < MOST) {
        snprintf(list[(first + count) % MOST], LINE, "%s", line);
        count++;
    }
    pthread_mutex_unlock(&lock);
}

void warning_relay_keep(void) { log_set_sink(keep, NULL); }

bool warning_relay_pending(void) {
    pthread_mutex_lock(&lock);
    bool some = count > 0;
    pthread_mutex_unlock(&lock);
    return some;
}

void warning_relay_take(char *out, size_t bytes) {
    out[0] = 0;
    pthread_mutex_lock(&lock);
    if (count > 0) {
        snprintf(out, bytes, "%s", list[first]);
        first = (first + 1) % MOST;
        count--;
    }
    pthread_mutex_unlock(&lock);
}
