#include "backend/cuda/bn_join.h"

#include "backend/sync_bn.h"
#include "base/status.h"

static const char *const what = "synchronising batch norms";

int bn_join_room(cuda_device *d, int c) {
    size_t bytes = (sync_bn_values(c) + sync_bn_work(d->options.comm, c)) * sizeof *d->joined;
    int rc = OK;
    if (c <= d->joined_channels)
        return OK;
    TRY(gpu_wait(d)); /* a queued copy to the GPU may still read the old buffer */
    bn_join_deinit(d);
    TRY(DRIVER(d->driver, "allocating pinned memory", pinned_allocate, (void **)&d->joined, bytes, 0));
    d->joined_channels = c;
done:
    return rc;
}

void bn_join_deinit(cuda_device *d) {
    if (d->joined != NULL)
        d->driver->pinned_free(d->joined);
    d->joined = NULL;
    d->joined_channels = 0;
}

static int copy_down(const cuda_device *d, const double *joined, int c) {
    int rc = OK;
    TRY(DRIVER(d->driver, what, copy_down, d->joined, (CUdeviceptr)(uintptr_t)joined,
               sync_bn_values(c) * sizeof *joined, d->stream));
    TRY(DRIVER(d->driver, what, stream_wait, d->stream));
done:
    return rc;
}

/** The host writes to the buffer again only in the next copy_down, which is queued after this copy. */
static int copy_up(const cuda_device *d, double *joined, int c) {
    return DRIVER(d->driver, what, copy_up, (CUdeviceptr)(uintptr_t)joined, d->joined,
                  sync_bn_values(c) * sizeof *joined, d->stream);
}

int bn_join_statistics(const cuda_device *d, double *joined, int c) {
    double *mean = d->joined, *var = mean + c, *rows = var + c;
    int rc = OK;
    TRY(copy_down(d, joined, c));
    TRY(sync_bn_statistics(d->options.comm, mean, var, rows, c, mean + sync_bn_values(c)));
    TRY(copy_up(d, joined, c));
done:
    return rc;
}

int bn_join_sums(const cuda_device *d, double *joined, int c) {
    int rc = OK;
    TRY(copy_down(d, joined, c));
    TRY(sync_bn_sums(d->options.comm, d->joined, c));
    TRY(copy_up(d, joined, c));
done:
    return rc;
}
