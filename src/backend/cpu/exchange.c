/* Gradients to 16 bits and back, by the threads that have just made them. */
#include "backend/cpu/cpu.h"
#include "base/status.h"
#include "distributed/half.h"

enum { SMALL = 1 << 15 }; /* elements that one thread does alone */

typedef struct narrow_call {
    uint16_t *out;
    const float *in;
    int ranks;
} narrow_call;

static void narrow_task(void *context, size_t begin, size_t end) {
    const narrow_call *t = context;
    half_narrow(t->out + begin, t->in + begin, end - begin, COMM_BF16, t->ranks);
}

int cpu_narrow(void *device, void *half, const void *gradient, size_t n, int ranks) {
    const cpu_device *d = device;
    narrow_call t = {half, gradient, ranks};
    team_run(n < SMALL ? 1 : d->threads, n, SIZE_MAX, TEAM_FORWARD, narrow_task, &t);
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

int cpu_widen(void *device, void *gradient, const void *half, size_t n) {
    const cpu_device *d = device;
    widen_call t = {gradient, half};
    team_run(n < SMALL ? 1 : d->threads, n, SIZE_MAX, TEAM_FORWARD, widen_task, &t);
    return OK;
}
