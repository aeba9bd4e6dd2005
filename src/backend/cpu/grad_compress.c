/* Conversion of gradients to and from bf16, on the threads that have just computed them. */
#include "backend/cpu/cpu.h"
#include "base/status.h"
#include "distributed/half.h"

enum { SMALL = 1 << 15 }; /* below this number of elements one thread is used */

typedef struct narrow_call {
    uint16_t *out;
    const float *in;
    int ranks;
} narrow_call;

static void narrow_task(void *context, size_t begin, size_t end) {
    const narrow_call *t = context;
    half_narrow(t->out + begin, t->in + begin, end - begin, COMM_BF16, t->ranks);
}

int cpu_compress_gradients(void *device, void *half, const void *gradient, size_t n, int ranks) {
    const cpu_device *d = device;
    narrow_call t = {half, gradient, ranks};
    parallel_for(n < SMALL ? 1 : d->threads, n, SIZE_MAX, LOOP_FORWARD, narrow_task, &t);
    return OK;
}

typedef struct widen_call {
    float *out;
    const uint16_t *in;
} widen_call;

static void widen_task(void *context, size_t begin, size_t end) {
    const widen_call *t = context;
    half_widen(t->out + begin, t->in + begin, end - begin, COMM_BF16);
}

int cpu_decompress_gradients(void *device, void *gradient, const void *half, size_t n) {
    const cpu_device *d = device;
    widen_call t = {gradient, half};
    parallel_for(n < SMALL ? 1 : d->threads, n, SIZE_MAX, LOOP_FORWARD, widen_task, &t);
    return OK;
}
