#define _GNU_SOURCE
#include "backend/parallel_for.h"

#include "distributed/affinity.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static void walk(size_t begin, size_t end, size_t piece, loop_order order, parallel_task *task, void *context) {
    while (begin < end) {
        size_t n = end - begin < piece ? end - begin : piece;
        if (order == LOOP_FORWARD) {
            task(context, begin, begin + n);
            begin += n;
        } else {
            task(context, end - n, end);
            end -= n;
        }
    }
}

#ifdef _OPENMP
void parallel_for(int threads, size_t n, size_t piece, loop_order order, parallel_task *task, void *context) {
#pragma omp parallel num_threads(threads)
    {
        size_t t = (size_t)omp_get_thread_num(), all = (size_t)omp_get_num_threads();
        walk(n * t / all, n * (t + 1) / all, piece, order, task, context);
    }
}

int parallel_threads(int wanted) { return wanted > 0 ? wanted : affinity_cores(); }
#else
void parallel_for(int threads, size_t n, size_t piece, loop_order order, parallel_task *task, void *context) {
    (void)threads;
    walk(0, n, piece, order, task, context);
}

int parallel_threads(int wanted) {
    (void)wanted;
    return 1;
}
#endif
