/* Batch normalisation over the m = n*h*w values of each channel, with optional residual and ReLU:
 *
 *     xhat = (x - mean) / sqrt(var + eps)     y = relu(gamma * xhat + beta + residual)
 *
 * Forward reads x twice: for the sums, then to write y. Backward also has two passes: one for the sums of g and
 * g * xhat, which writes g if there is a residual, and one to write dx. Sums are computed per chunk of rows; the chunks
 * depend only on the shape and are added in order, so results do not depend on the number of threads. Source: Ioffe and
 * Szegedy 2015; equals torch.nn.functional.batch_norm.
 *
 * With stochastic depth (backend/ref/bn.c) the factors of kept images include 1 / (1 - p), and dropped images have
 * factors of their own, which are 0. Rows are then processed in ranges within one image. */
#include "backend/cpu/cpu.h"
#include "backend/sync_bn.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

enum { CHUNKS = 128, CHUNK_ROWS = 64, SHIFT_ROWS = 8, JOIN_CHANNELS = 64 };

static const double epsilon = 1e-5, momentum = 0.1;

/** The arguments of one call, shared with its tasks. */
typedef struct bn_call {
    const kernels *kernels;
    size_t m; /* rows */
    int c;
    bool bf16, relu, stream;
    size_t chunk_rows, chunk_n;
    double *part;        /* (chunk_n, 2c) sums per chunk */
    float *shift;        /* (c) approximate mean, which is subtracted so that the sums of squares do not cancel */
    float *factor;       /* forward: (2c), in training a part of saved; backward: (3c) */
    float *dropped;      /* the same for dropped images; NULL: the layer does not drop */
    const uint8_t *kept; /* (n) if `dropped`: whether an image is kept */
    double kept_factor;  /* 1 / (1 - p), or 1 */
    size_t image_rows;
    float *mean, *inv_std; /* (c) of the batch, kept for backward; inv_std = 1 / sqrt(var + eps) */
    uint8_t *mask;         /* ReLU mask, kept for backward */
    double rows;           /* m, or in synchronised BN the rows of all ranks */
    double *joined; /* synchronised BN: (2c) mean and variance, or the two sums; then the work buffer. Otherwise NULL */
    bool keep_statistics;
    const void *x, *residual;
    void *y, *dx, *dresidual;
    const device_params *params;
    bn_gradient in;
} bn_call;

static size_t chunk_rows_of(size_t m) {
    size_t rows = (m + CHUNKS - 1) / CHUNKS;
    return rows < CHUNK_ROWS ? CHUNK_ROWS : (rows + 3) / 4 * 4;
}

static size_t rows_of(const device_layer *l) { return (size_t)l->x.n * (size_t)l->x.h * (size_t)l->x.w; }

/** Size of the parts of saved that precede the mask: mean, inv_std, forward's factor, and that of dropped images. */
static size_t saved_channels_bytes(const device_layer *l) {
    return memory_round((device_layer_drops(l) ? 6 : 4) * (size_t)l->x.c * sizeof(float));
}

/** Sums per chunk; if the layer drops, also those of one range of rows. */
static size_t part_values(const device_layer *l, size_t chunks) {
    return (device_layer_drops(l) ? 2 : 1) * chunks * 2 * (size_t)l->x.c;
}

/** saved: mean, inv_std, forward's factor, mask. workspace: factor, shift, factor of dropped images, sums per chunk,
 * and in synchronised BN `joined`. */
int cpu_bn_plan(void *device, device_layer *l) {
    const cpu_device *d = device;
    size_t c = (size_t)l->x.c, m = rows_of(l), chunks = (m + chunk_rows_of(m) - 1) / chunk_rows_of(m);
    l->workspace_bytes = 4 * c * sizeof(float);
    if (!l->training)
        return OK;
    l->saved_bytes = saved_channels_bytes(l) + (l->layer->relu ? m * bn_mask_stride(l->x.c) : 0);
    l->workspace_bytes += (device_layer_drops(l) ? memory_round(3 * c * sizeof(float)) : 0);
    l->workspace_bytes += part_values(l, chunks) * sizeof(double);
    if (sync_bn_on(&d->options))
        l->workspace_bytes += (2 * c + sync_bn_work(d->options.comm, l->x.c)) * sizeof(double);
    return OK;
}

static bn_call call_of(const cpu_device *d, const device_layer *l, const device_params *p) {
    size_t m = rows_of(l);
    bn_call t = {.kernels = d->kernels, .m = m, .c = l->x.c, .bf16 = d->bf16, .relu = l->layer->relu};
    t.stream = cpu_streams(d, l->x);
    t.rows = (double)m;
    t.keep_statistics = p->keep_statistics;
    t.params = p;
    t.chunk_rows = chunk_rows_of(m);
    t.chunk_n = (m + t.chunk_rows - 1) / t.chunk_rows;
    t.image_rows = (size_t)l->x.h * (size_t)l->x.w;
    t.kept_factor = 1;
    if (device_layer_drops(l)) {
        t.kept = d->kept + (size_t)l->layer->drop_index * (size_t)l->x.n;
        t.kept_factor = device_layer_kept(l);
    }
    return t;
}

static void use_saved(bn_call *t, const device_layer *l, void *saved) {
    t->mean = saved;
    t->inv_std = t->mean + t->c;
    t->mask = t->relu ? (uint8_t *)saved + saved_channels_bytes(l) : NULL;
}

/** Selects forward's factors. */
static void use_saved_factor(bn_call *t) {
    t->factor = t->inv_std + t->c;
    t->dropped = t->kept != NULL ? t->factor + (size_t)2 * (size_t)t->c : NULL;
}

static void use_workspace(bn_call *t, const cpu_device *d, const device_layer *l, void *workspace) {
    t->factor = workspace;
    t->shift = t->factor + (size_t)3 * (size_t)t->c;
    float *end = t->shift + t->c;
    if (t->kept != NULL) {
        t->dropped = end;
        end += memory_round((size_t)3 * (size_t)t->c * sizeof *end) / sizeof *end;
    }
    if (l->training)
        t->part = (double *)end;
    if (l->training && sync_bn_on(&d->options))
        t->joined = t->part + part_values(l, t->chunk_n);
}

static bn_range chunk_range(const bn_call *t, size_t chunk) {
    size_t begin = chunk * t->chunk_rows, end = begin + t->chunk_rows;
    return (bn_range){begin, end < t->m ? end : t->m, t->c, t->bf16, false};
}

/** Number of rows per piece of the second pass. Pieces are processed from the end, because the pass that computed the
 *  sums has just read the last rows. */
static size_t piece_rows(const bn_call *t) {
    size_t rows = ((size_t)1 << 16) / (size_t)t->c;
    return rows < 16 ? 16 : rows;
}

/** The part of r, from its beginning, that lies in one image and in one set of factors: all of r if the layer does not
 *  drop. *kept: whether the image is kept. */
static bn_range image_part(bool *kept, const bn_call *t, bn_range r) {
    *kept = true;
    if (t->kept == NULL)
        return r;
    size_t image = r.begin / t->image_rows, end = (image + 1) * t->image_rows;
    *kept = t->kept[image];
    r.end = end < r.end ? end : r.end;
    return r;
}

/* ---- forward ---- */

static void sums_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    for (size_t i = begin; i < end; i++)
        t->kernels->bn_sums(t->part + i * 2 * (size_t)t->c, t->x, t->shift, chunk_range(t, i));
}

static void apply_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    bool kept;
    for (bn_range r = {begin, end, t->c, t->bf16, t->stream}; r.begin < end; r.end = end) {
        r = image_part(&kept, t, r);
        t->kernels->bn_apply(t->y, t->mask, t->x, t->residual, kept ? t->factor : t->dropped, t->relu, r);
        r.begin = r.end;
    }
}

static void join_parts(double *sum, double *product, const bn_call *t, size_t k) {
    *sum = *product = 0;
    for (size_t i = 0; i < t->chunk_n; i++) {
        *sum += t->part[i * 2 * (size_t)t->c + k];
        *product += t->part[(i * 2 + 1) * (size_t)t->c + k];
    }
}

static void set_factor(const bn_call *t, size_t k, double mean, double inv_std) {
    double scale = (double)((const float *)t->params->weight)[k] * inv_std;
    double shift = (double)((const float *)t->params->bias)[k] - scale * mean;
    t->factor[k] = (float)(scale * t->kept_factor);
    t->factor[(size_t)t->c + k] = (float)(shift * t->kept_factor);
    if (t->dropped != NULL)
        t->dropped[k] = t->dropped[(size_t)t->c + k] = 0;
}

static void own_moments(double *mean, double *var, const bn_call *t, size_t k) {
    double sum, square, m = (double)t->m;
    join_parts(&sum, &square, t, k);
    double offset = sum / m, v = square / m - offset * offset;
    *mean = (double)t->shift[k] + offset;
    *var = v < 0 ? 0 : v;
}

static int join_moments(const cpu_device *d, bn_call *t) {
    double *mean = t->joined, *var = mean + t->c;
    for (size_t k = 0; k < (size_t)t->c; k++)
        own_moments(&mean[k], &var[k], t, k);
    return sync_bn_statistics(d->options.comm, mean, var, &t->rows, t->c, var + t->c);
}

/** For channels [begin, end): computes mean and variance from the sums, updates the running statistics, and computes
 *  the factors of the second pass. */
static void statistics_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    float *running_mean = t->params->running_mean, *running_var = t->params->running_var;
    double m = t->rows, mean, var;
    for (size_t k = begin; k < end; k++) {
        if (t->joined != NULL) {
            mean = t->joined[k];
            var = t->joined[(size_t)t->c + k];
        } else {
            own_moments(&mean, &var, t, k);
        }
        double inv_std = 1 / sqrt(var + epsilon);
        t->mean[k] = (float)mean;
        t->inv_std[k] = (float)inv_std;
        set_factor(t, k, mean, inv_std);
        if (t->keep_statistics)
            continue;
        running_mean[k] = (float)((1 - momentum) * (double)running_mean[k] + momentum * mean);
        running_var[k] = (float)((1 - momentum) * (double)running_var[k] + momentum * var * m / (m - 1));
    }
}

/** Sets shift to the mean of a few rows in the middle. */
static void find_shift(const bn_call *t) {
    size_t n = t->m < SHIFT_ROWS ? t->m : SHIFT_ROWS, first = (t->m - n) / 2, c = (size_t)t->c;
    memset(t->shift, 0, c * sizeof *t->shift);
    t->kernels->bn_sums(t->part, t->x, t->shift, (bn_range){first, first + n, t->c, t->bf16, false});
    for (size_t k = 0; k < c; k++)
        t->shift[k] = (float)(t->part[k] / (double)n); /* part is overwritten later */
}

int cpu_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p) {
    const cpu_device *d = device;
    bn_call t = call_of(d, l, p);
    loop_order order = LOOP_FORWARD;
    t.x = args->x;
    t.residual = args->residual;
    t.y = args->y;
    int rc = OK;
    if (device_layer_drops(l) && d->kept_images != l->x.n)
        return fail(E_SHAPE, "the draws of stochastic depth are not loaded for %d images", l->x.n);
    use_workspace(&t, d, l, args->workspace);
    if (l->training) {
        use_saved(&t, l, args->saved);
        use_saved_factor(&t);
        find_shift(&t);
        parallel_for(d->threads, t.chunk_n, 1, LOOP_FORWARD, sums_task, &t);
        if (t.joined != NULL)
            TRY(join_moments(d, &t));
        parallel_for(d->threads, (size_t)t.c, JOIN_CHANNELS, LOOP_FORWARD, statistics_task, &t);
        order = LOOP_BACKWARD;
    } else {
        const float *mean = p->running_mean, *var = p->running_var;
        for (int k = 0; k < t.c; k++)
            set_factor(&t, (size_t)k, (double)mean[k], 1 / sqrt((double)var[k] + epsilon));
    }
    parallel_for(d->threads, t.m, piece_rows(&t), order, apply_task, &t);
done:
    return rc;
}

/** Also writes the mask again, with the same values: the kernel variant without a mask is compiled separately and may
 *  round differently. */
int cpu_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p) {
    const cpu_device *d = device;
    bn_call t = call_of(d, l, p);
    t.x = args->x;
    t.residual = args->residual;
    t.y = args->y;
    use_saved(&t, l, args->saved);
    use_saved_factor(&t);
    parallel_for(d->threads, t.m, piece_rows(&t), LOOP_FORWARD, apply_task, &t);
    return OK;
}

/* ---- backward ---- */

/** The sums of a chunk over kept images, times 1 / (1 - p). The sums of each image are computed behind those of all
 *  chunks. */
static void kept_gradient_sums(double *sums, const bn_call *t, bn_range chunk) {
    size_t n = 2 * (size_t)t->c, end = chunk.end;
    double *of_image = sums + t->chunk_n * n;
    bool kept;
    memset(sums, 0, n * sizeof *sums);
    for (bn_range r = chunk; r.begin < end; r.end = end) {
        r = image_part(&kept, t, r);
        t->kernels->bn_gradient_sums(of_image, t->dresidual, &t->in, t->mean, r);
        for (size_t k = 0; kept && k < n; k++)
            sums[k] += of_image[k] * t->kept_factor;
        r.begin = r.end;
    }
}

static void gradient_sums_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    for (size_t i = begin; i < end; i++) {
        double *sums = t->part + i * 2 * (size_t)t->c;
        if (t->kept == NULL)
            t->kernels->bn_gradient_sums(sums, t->dresidual, &t->in, t->mean, chunk_range(t, i));
        else
            kept_gradient_sums(sums, t, chunk_range(t, i));
    }
}

static void gradient_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    bool stream = t->stream && t->dx != t->in.dy[0]; /* in place: dx is in the cache already */
    bool kept;
    for (bn_range r = {begin, end, t->c, t->bf16, stream}; r.begin < end; r.end = end) {
        r = image_part(&kept, t, r);
        t->kernels->bn_gradient_apply(t->dx, &t->in, kept ? t->factor : t->dropped, r);
        r.begin = r.end;
    }
}

/** For channels [begin, end): dbeta = sum g, dgamma = sum g * xhat; dx = a * g + b * x + shift with
 *  a = gamma * inv_std, b = -a * inv_std * dgamma / m, shift = -a * dbeta / m - b * mean. */
static void gradient_factor_task(void *context, size_t begin, size_t end) {
    const bn_call *t = context;
    const device_params *p = t->params;
    float *dgamma = p->dweight, *dbeta = p->dbias, *factor = t->factor;
    size_t c = (size_t)t->c;
    double m = t->rows;
    for (size_t k = begin; k < end; k++) {
        double sum, product, inv_std = (double)t->inv_std[k];
        join_parts(&sum, &product, t, k);
        product *= inv_std;
        dbeta[k] = (float)((p->accumulate ? (double)dbeta[k] : 0) + sum);
        dgamma[k] = (float)((p->accumulate ? (double)dgamma[k] : 0) + product);
        if (t->joined != NULL) { /* dgamma and dbeta are this rank's, dx needs the sums over all ranks */
            sum = t->joined[k];
            product = t->joined[c + k] * inv_std;
        }
        double a = (double)((const float *)p->weight)[k] * inv_std, b = -a * inv_std * product / m;
        factor[k] = (float)(a * t->kept_factor);
        factor[c + k] = (float)b;
        factor[2 * c + k] = (float)(-a * sum / m - b * (double)t->mean[k]);
        if (t->dropped != NULL) {
            t->dropped[k] = 0;
            t->dropped[c + k] = factor[c + k];
            t->dropped[2 * c + k] = factor[2 * c + k];
        }
    }
}

static int join_gradient_sums(const cpu_device *d, bn_call *t) {
    size_t c = (size_t)t->c;
    int rc = OK;
    for (size_t k = 0; k < c; k++)
        join_parts(&t->joined[k], &t->joined[c + k], t, k);
    t->joined[2 * c] = t->rows;
    TRY(sync_bn_sums(d->options.comm, t->joined, t->c));
    t->rows = t->joined[2 * c];
done:
    return rc;
}

int cpu_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p) {
    const cpu_device *d = device;
    bn_call t = call_of(d, l, p);
    int rc = OK;
    use_saved(&t, l, args->saved);
    use_workspace(&t, d, l, args->workspace);
    t.dx = args->dx;
    t.dresidual = args->dresidual;
    t.in = (bn_gradient){.x = args->x, .dy = {args->dy[0], l->dy_n > 1 ? args->dy[1] : NULL}, .mask = t.mask};
    parallel_for(d->threads, t.chunk_n, 1, LOOP_FORWARD, gradient_sums_task, &t);
    if (t.joined != NULL)
        TRY(join_gradient_sums(d, &t));
    parallel_for(d->threads, (size_t)t.c, JOIN_CHANNELS, LOOP_FORWARD, gradient_factor_task, &t);
    if (args->dresidual != NULL) /* contains g now */
        t.in = (bn_gradient){.x = args->x, .dy = {args->dresidual, NULL}};
    if (args->dx != NULL)
        parallel_for(d->threads, t.m, piece_rows(&t), LOOP_BACKWARD, gradient_task, &t);
done:
    return rc;
}
