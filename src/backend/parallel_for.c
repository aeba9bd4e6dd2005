#define _GNU_SOURCE
#include "backend/parallel_for.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static void walk(size_t begin, size_t end, size_t piece, team_order order, team_task *task, void *context) {
    while (begin < end) {
        size_t n = end - begin < piece ? end - begin : piece;
        if (order == TEAM_FORWARD) {
            task(context, begin, begin + n);
            begin += n;
        } else {
            task(context, end - n, end);
            end -= n;
        }
    }
}

#ifdef _OPENMP
void team_run(int threads, size_t n, size_t piece, team_order order, team_task *task, void *context) {
#pragma omp parallel num_threads(threads)
    {
        size_t t = (size_t)omp_get_thread_num(), all = (size_t)omp_get_num_threads();
        walk(n * t / all, n * (t + 1) / all, piece, order, task, context);
    }
}

int team_threads(int wanted) { return wanted > 0 ? wanted : omp_get_num_procs(); }
#else
void team_run(int threads, size_t n, size_t piece, team_order order, team_task *task, void *context) {
    (void)threads;
    walk(0, n, piece, order, task, context);
}

int team_threads(int wanted) {
    (void)wanted;
    return 1;
}
#endif
