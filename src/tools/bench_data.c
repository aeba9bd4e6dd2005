#include "tools/bench_data.h"

#include "base/file.h"
#include "base/status.h"
#include "dataset/read.h"
#include "training/run_context.h"
#include "training/run_dataset.h"
#include "training/run_loader.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>

enum { WARM_IMAGES = 384, SIZES = 1000 };

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u); /* cannot fail for SELF */
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/** Mean size of files sampled evenly from the split; missing files are not counted. */
static double mean_file_bytes(const dataset *d) {
    double sum = 0;
    int64_t n = d->image_n < SIZES ? d->image_n : SIZES, found = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t bytes = dataset_image_bytes(d, i * d->image_n / n);
        if (bytes < 0)
            continue;
        sum += (double)bytes;
        found++;
    }
    return found > 0 ? sum / (double)found : 0;
}

/** Consumes the epoch's batches until *done reaches `images` or the time `until` (monotonic seconds); adds to *done. */
static int take(int64_t *done, loader *l, uint32_t epoch, int64_t images, double until) {
    int rc = OK;
    TRY(loader_start(l, epoch, 0));
    while (*done < images && clock_seconds() < until) {
        batch *b = NULL;
        TRY(loader_next(&b, l));
        if (b == NULL)
            break;
        *done += b->n;
        loader_release(l, b); /* at once, so that only the pipeline is measured */
    }
done:
    return rc;
}

static int measure(bench_data_result *out, loader *l, bench_data_limit limit) {
    int rc = OK;
    int64_t warm = 0;
    TRY(take(&warm, l, 0, WARM_IMAGES, INFINITY));
    bool one_epoch = limit.images == 0 && limit.seconds == 0;
    int64_t images = limit.images > 0 ? limit.images : INT64_MAX;
    TRY(loader_start(l, 0, loader_batches(l))); /* the workers are idle: nothing is prepared before the measurement */
    double start = clock_seconds(), cpu = cpu_seconds();
    double until = limit.seconds > 0 ? start + limit.seconds : INFINITY;
    for (uint32_t epoch = 1;; epoch++) {
        TRY(take(&out->images, l, epoch, images, until));
        if (one_epoch || out->images >= images || clock_seconds() >= until)
            break;
    }
    out->seconds = clock_seconds() - start;
    out->cpu_seconds = cpu_seconds() - cpu;
done:
    return rc;
}

int bench_data(bench_data_result *out, const config *c, const char *split, bench_data_limit limit) {
    int rc = OK;
    dataset *d = NULL;
    loader *l = NULL;
    const bad_image *bad = NULL;
    loader_options o = run_loader_options(c, strcmp(split, "train") == 0);
    *out = (bench_data_result){.workers = o.workers,
                               .batch = o.batch_size,
                               .image_size = o.transform.size,
                               .fast_decode = o.transform.fast_decode};
    TRY(run_context_open_one(&d, c, split));
    TRY(loader_open(&l, d, &o));
    out->dataset_n = d->image_n;
    out->file_bytes = mean_file_bytes(d);
    TRY(measure(out, l, limit));
    out->bad = loader_bad(&bad, l);
done:
    loader_close(l);
    dataset_close(d);
    return rc;
}
