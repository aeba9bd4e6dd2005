/* Peak performance of this machine: the fastest of several GEMMs and convolutions whose data fit in the caches, and
 * simple loops over memory much larger than the caches. Each is repeated for a fixed time; the shortest run counts. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/status.h"

#include <string.h>
#include <unistd.h>

enum { MAPS = 14, CHANNELS = 256, RUNS_MIN = 3 };

static const double measure_seconds = 0.15; /* minimum time per measurement, seconds */

/** Runs `call` repeatedly for measure_seconds, after one warm-up run. @param[out] best seconds of the shortest run */
static int shortest(double *best, int (*call)(void *context), void *context) {
    double spent = 0;
    int rc = OK;
    *best = 0;
    TRY(call(context));
    for (int i = 0; i < RUNS_MIN || spent < measure_seconds; i++) {
        double start = clock_seconds();
        TRY(call(context));
        double seconds = clock_seconds() - start;
        spent += seconds;
        *best = i == 0 || seconds < *best ? seconds : *best;
    }
done:
    return rc;
}

/* ---- arithmetic ---- */

typedef struct op_call {
    onednn_op *op;
    void *x, *w, *y, *scratchpad;
} op_call;

static int run_op(void *context) {
    const op_call *t = context;
    return onednn_op_run(t->op, t->x, t->w, t->y, t->scratchpad);
}

/** Fills memory with small values that are not denormal in any type. */
static void *take(arena *a, size_t bytes) {
    void *p = arena_take(a, bytes);
    if (p != NULL)
        memset(p, 0x3c, bytes);
    return p;
}

/** Raises *flops to the FLOP/s of `op` if that is more. w_bytes: size of the weights. */
static int measure_op(double *flops, onednn_op *op, const onednn_conv *c, size_t w_bytes) {
    arena a = {0};
    double seconds = 0, depth = (double)c->x.c * c->kernel * c->kernel, flop = 2 * (double)tensor_count(c->y) * depth;
    size_t unit = element_bytes(c->x_type), x_bytes = tensor_count(c->x) * unit, y_bytes = tensor_count(c->y) * unit;
    size_t scratchpad_bytes = onednn_op_scratchpad(op);
    int rc = OK;
    TRY(arena_init(&a, x_bytes + y_bytes + w_bytes + scratchpad_bytes + (size_t)4 * MEMORY_ALIGN));
    op_call t = {.op = op, .x = take(&a, x_bytes), .y = take(&a, y_bytes)};
    t.w = take(&a, w_bytes);
    t.scratchpad = take(&a, scratchpad_bytes);
    TRY(shortest(&seconds, run_op, &t));
    if (flop / seconds > *flops)
        *flops = flop / seconds;
done:
    arena_deinit(&a);
    return rc;
}

static int measure_pass(double *flops, const cpu_device *d, const onednn_conv *c, onednn_pass pass) {
    onednn_op *op = NULL;
    int rc = OK;
    TRY(onednn_op_create(&op, d->onednn, c, pass));
    TRY(measure_op(flops, op, c, onednn_layout_bytes(onednn_op_layout(op))));
done:
    onednn_op_destroy(op);
    return rc;
}

static int measure_gemm(double *flops, const cpu_device *d, const onednn_conv *c) {
    onednn_op *op = NULL;
    int rc = OK;
    TRY(onednn_gemm_create(&op, d->onednn, c->name, c->x, c->y, c->x_type, false));
    TRY(measure_op(flops, op, c, (size_t)c->x.c * (size_t)c->y.c * sizeof(float)));
done:
    onednn_op_destroy(op);
    return rc;
}

static int measure_arithmetic(double *flops, const cpu_device *d) {
    element type = d->bf16 ? ELEMENT_BF16 : ELEMENT_F32;
    tensor_shape maps = {2 * d->threads, MAPS, MAPS, CHANNELS};
    onednn_conv square = {.name = "peak",
                          .x = maps,
                          .y = maps,
                          .kernel = 3,
                          .stride = 1,
                          .pad = 1,
                          .groups = 1,
                          .x_type = type,
                          .y_type = type,
                          .training = true};
    onednn_conv point = square;
    point.kernel = 1;
    point.pad = 0;
    int rc = OK;
    TRY(measure_pass(flops, d, &square, ONEDNN_FORWARD));
    TRY(measure_pass(flops, d, &square, ONEDNN_DGRAD));
    TRY(measure_pass(flops, d, &point, ONEDNN_FORWARD));
    TRY(measure_gemm(flops, d, &point));
done:
    return rc;
}

/* ---- memory ---- */

typedef uint64_t line __attribute__((vector_size(MEMORY_ALIGN)));

typedef struct memory_call {
    int threads;
    parallel_task *task;
    line *from, *to; /* (n) */
    size_t n;
} memory_call;

static void read_task(void *context, size_t begin, size_t end) {
    const line *p = ((const memory_call *)context)->from;
    line sum[4] = {{0}};
    for (size_t i = begin; i + 4 <= end; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += p[i + k];
    __asm__ volatile("" : : "r"(sum) : "memory"); /* keeps the compiler from removing the sums */
}

static void write_task(void *context, size_t begin, size_t end) {
    memset(((const memory_call *)context)->to + begin, 1, (end - begin) * sizeof(line));
}

/** Like an optimizer: two tensors are read, one is written. */
static void mixed_task(void *context, size_t begin, size_t end) {
    const memory_call *t = context;
    for (size_t i = begin; i < end; i++)
        t->to[i] += t->from[i];
}

static int run_memory(void *context) {
    memory_call *t = context;
    parallel_for(t->threads, t->n, SIZE_MAX, LOOP_FORWARD, t->task, t);
    return OK;
}

/** Size of each of the two buffers, bytes: four times the last-level cache, between 256 MiB and 1 GiB. */
static size_t buffer_bytes(void) {
    const size_t least = (size_t)256 << 20, most = (size_t)1 << 30;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t bytes = cache > 0 ? 4 * (size_t)cache : least;
    return bytes < least ? least : bytes > most ? most : bytes;
}

static int measure_memory(engine_peaks *out, const cpu_device *d) {
    arena a[2] = {{0}, {0}};
    size_t bytes = buffer_bytes();
    double seconds = 0;
    int rc = OK;
    TRY(arena_init(&a[0], bytes));
    TRY(arena_init(&a[1], bytes));
    memory_call t = {.threads = d->threads, .n = bytes / sizeof(line), .task = write_task};
    t.from = t.to = (line *)a[0].base; /* write both buffers, so that each has physical pages of its own */
    TRY(run_memory(&t));
    t.to = (line *)a[1].base;
    TRY(shortest(&seconds, run_memory, &t));
    out->write = (double)bytes / seconds;
    t.task = read_task;
    TRY(shortest(&seconds, run_memory, &t));
    out->read = (double)bytes / seconds;
    t.task = mixed_task;
    TRY(shortest(&seconds, run_memory, &t));
    out->mixed = 3 * (double)bytes / seconds;
done:
    arena_deinit(&a[0]);
    arena_deinit(&a[1]);
    return rc;
}

int cpu_peaks(void *device, engine_peaks *out) {
    const cpu_device *d = device;
    int rc = OK;
    TRY(measure_arithmetic(&out->flops, d));
    TRY(measure_memory(out, d));
done:
    return rc;
}
