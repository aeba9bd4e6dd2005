#include "loader/workers.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>

enum { WARM = 3, MEASURED = 5 }; /* in steps; the first steps fill caches and the ring */
#define MARGIN 1.2               /* factor, because a thread does not get a whole core */
#define LATE 0.05                /* fraction of the time spent waiting above which one more thread is started */

workers workers_init(const char *name, int option, int cores) {
    return (workers){.name = name, .automatic = option < 1, .n = option < 1 ? 1 + cores / 8 : option, .cores = cores};
}

workers workers_choose(workers w, double cost, double compute, double wait_share) {
    if (!(cost > 0 && compute > 0))
        return w;
    double want = fmax(1, ceil(MARGIN * cost / compute));
    int rule = want < w.cores ? (int)want : w.cores;
    if (wait_share > LATE && rule + w.extra <= w.n)
        w.extra = w.n + 1 - rule;
    if (rule + w.extra > w.cores)
        w.extra = w.cores - rule;
    w.n = rule + w.extra;
    return w;
}

/** Chooses the number of threads, applies it and logs it. */
static void choose(workers *w, loader *l, double wait_share) {
    double cost = loader_cost(l), compute = (w->seconds - w->waited) / (double)w->images;
    workers next = workers_choose(*w, cost, compute, wait_share);
    char late[48] = "";
    if (next.n != w->n && loader_set_workers(l, next.n) != OK) {
        log_warn("%s: the number of threads remains %d: %s", w->name, w->n, status_message());
        w->automatic = false;
        return;
    }
    if (next.extra > w->extra)
        snprintf(late, sizeof late, "; data wait was %.1f%% of the time", 100 * wait_share);
    if (!w->chosen || next.n != w->n)
        log_info("%-10s %d thread%s: loading %.2f CPU ms per image, model %.2f ms per image%s", w->name, next.n,
                 next.n == 1 ? "" : "s", 1e3 * cost, 1e3 * compute, late);
    *w = next;
    w->chosen = true;
}

static void measure_from_here(workers *w, const loader *l) {
    w->steps = WARM;
    w->start = clock_seconds();
    w->waited_before = loader_waited(l);
    w->images = 0;
}

void workers_begin(workers *w, loader *l) {
    if (w->automatic && w->steps >= WARM + MEASURED)
        choose(w, l, w->waited / w->seconds);
    w->steps = 0;
}

void workers_count(workers *w, loader *l, int64_t images) {
    if (!w->automatic)
        return;
    w->steps++;
    if (w->steps == WARM)
        measure_from_here(w, l);
    if (w->steps <= WARM)
        return;
    w->images += images;
    w->seconds = clock_seconds() - w->start;
    w->waited = loader_waited(l) - w->waited_before;
    if (w->chosen || w->steps < WARM + MEASURED)
        return;
    choose(w, l, 0);
    measure_from_here(w, l); /* the rest of the epoch shows whether the number suffices */
}
