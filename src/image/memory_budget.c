/* The memory budget of large images. */

#include "image/memory_budget.h"

#include "base/memory.h"

#include <pthread.h>
#include <unistd.h>

#define BUDGET_MAX ((size_t)4 << 30)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t bytes; /* the limit; 0: not determined yet */
    size_t taken, most;
} budget = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static size_t default_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t quarter = pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page : BUDGET_MAX;
    return quarter < BUDGET_MAX ? quarter : BUDGET_MAX;
}

void memory_budget_acquire(size_t bytes) {
    pthread_mutex_lock(&budget.lock);
    if (budget.bytes == 0)
        budget.bytes = default_bytes();
    while (budget.taken > 0 && (bytes > budget.bytes || budget.taken > budget.bytes - bytes))
        pthread_cond_wait(&budget.changed, &budget.lock);
    budget.taken += bytes;
    budget.most = memory_larger(budget.most, budget.taken);
    pthread_mutex_unlock(&budget.lock);
}

void memory_budget_release(size_t bytes) {
    pthread_mutex_lock(&budget.lock);
    budget.taken -= bytes;
    pthread_cond_broadcast(&budget.changed);
    pthread_mutex_unlock(&budget.lock);
}

size_t memory_budget_set(size_t bytes) {
    pthread_mutex_lock(&budget.lock);
    size_t before = budget.bytes > 0 ? budget.bytes : default_bytes();
    budget.bytes = bytes;
    budget.most = budget.taken;
    pthread_mutex_unlock(&budget.lock);
    return before;
}

size_t memory_budget_peak(void) {
    pthread_mutex_lock(&budget.lock);
    size_t most = budget.most;
    pthread_mutex_unlock(&budget.lock);
    return most;
}
