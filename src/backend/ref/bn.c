/* Batch normalisation over the m = n*h*w values of each channel, with optional residual input and ReLU:
 *
 *     xhat = (x - mean) / sqrt(var + eps)     y = relu(gamma * xhat + beta + residual)
 *
 * Training uses the mean and the biased variance of the batch, and running = 0.9 * running + 0.1 * batch, with the
 * unbiased variance. Evaluation uses the running statistics. Backward, with g = dy multiplied by the ReLU mask:
 *
 *     dresidual = g     dbeta = sum g     dgamma = sum g * xhat
 *     dx = gamma / sqrt(var + eps) * (g - dbeta / m - xhat * dgamma / m)
 *
 * With stochastic depth (layer.drop_path p) gamma * xhat + beta of an image is multiplied by d, which is 0 or 1 / (1 -
 * p), and in the formulas for dbeta, dgamma and dx, g is multiplied by d. Huang et al. 2016; timm's DropPath.
 *
 * Source: Ioffe and Szegedy 2015; equals torch.nn.functional.batch_norm. */
#include "backend/ref/ref.h"
#include "backend/sync_bn.h"
#include "base/status.h"

#include <math.h>

static const double epsilon = 1e-5, momentum = 0.1;

/** Saved by forward for backward: (c) mean, (c) 1/sqrt(var + eps), then the ReLU mask, one byte per value. */
typedef struct kept {
    double *mean, *inv_std;
    unsigned char *relu_mask;
} kept;

static kept kept_of(const device_layer *l, void *memory) {
    double *mean = memory;
    return (kept){.mean = mean, .inv_std = mean + l->x.c, .relu_mask = (unsigned char *)(mean + 2 * l->x.c)};
}

int ref_bn_plan(void *device, device_layer *l) {
    const ref_device *d = device;
    l->saved_bytes = 2 * (size_t)l->x.c * sizeof(double) + (l->layer->relu ? tensor_count(l->x) : 0);
    l->workspace_bytes = 2 * (size_t)l->x.c * sizeof(double);
    if (l->training && sync_bn_on(&d->options))
        l->workspace_bytes += sync_bn_work(d->options.comm, l->x.c) * sizeof(double);
    return 0;
}

double ref_drop_path(const ref_device *d, const device_layer *l, size_t row) {
    size_t image = row / ((size_t)l->x.h * (size_t)l->x.w);
    if (!device_layer_drops(l))
        return 1;
    return d->kept[(size_t)l->layer->drop_index * (size_t)l->x.n + image] ? device_layer_kept(l) : 0;
}

/** Mean and biased variance of each channel. Two passes, so a large mean causes no cancellation. */
static void batch_statistics(double *mean, double *var, const double *x, size_t m, size_t c) {
    for (size_t k = 0; k < c; k++)
        mean[k] = var[k] = 0;
    for (size_t i = 0; i < m * c; i += c)
        for (size_t k = 0; k < c; k++)
            mean[k] += x[i + k];
    for (size_t k = 0; k < c; k++)
        mean[k] /= (double)m;
    for (size_t i = 0; i < m * c; i += c)
        for (size_t k = 0; k < c; k++)
            var[k] += (x[i + k] - mean[k]) * (x[i + k] - mean[k]);
    for (size_t k = 0; k < c; k++)
        var[k] /= (double)m;
}

static void run_statistics(const device_params *p, const double *mean, const double *var, double m, size_t c) {
    double *running_mean = p->running_mean, *running_var = p->running_var;
    for (size_t k = 0; k < c; k++) {
        double unbiased = var[k] * m / (m - 1);
        running_mean[k] = (1 - momentum) * running_mean[k] + momentum * mean[k];
        running_var[k] = (1 - momentum) * running_var[k] + momentum * unbiased;
    }
}

/** Writes y and the ReLU mask. */
static void apply(const ref_device *d, const device_layer *l, const bn_recompute_args *args, const device_params *p,
                  const double *mean) {
    size_t c = (size_t)l->x.c, m = tensor_count(l->x) / c;
    const double *x = args->x, *residual = args->residual, *gamma = p->weight, *beta = p->bias;
    double *y = args->y;
    kept s = kept_of(l, args->saved);
    for (size_t i = 0; i < m * c; i += c) {
        double drop = ref_drop_path(d, l, i / c);
        for (size_t k = 0; k < c; k++) {
            double v = drop * (gamma[k] * ((x[i + k] - mean[k]) * s.inv_std[k]) + beta[k]);
            if (residual != NULL)
                v += residual[i + k];
            if (l->layer->relu) {
                s.relu_mask[i + k] = !(v <= 0); /* relu(NaN) is NaN */
                v = s.relu_mask[i + k] ? v : 0;
            }
            y[i + k] = v;
        }
    }
}

int ref_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p) {
    const ref_device *d = device;
    size_t c = (size_t)l->x.c, m = tensor_count(l->x) / c;
    const double *mean = p->running_mean, *var = p->running_var;
    kept s = kept_of(l, args->saved);
    int rc = OK;
    if (device_layer_drops(l) && d->kept_images != l->x.n)
        return fail(E_SHAPE, "the draws of stochastic depth are not loaded for %d images", l->x.n);
    if (l->training) {
        double *batch_var = args->workspace, rows = (double)m;
        batch_statistics(s.mean, batch_var, args->x, m, c);
        if (sync_bn_on(&d->options))
            TRY(sync_bn_statistics(d->options.comm, s.mean, batch_var, &rows, l->x.c, batch_var + 2 * c));
        if (!p->keep_statistics)
            run_statistics(p, s.mean, batch_var, rows, c);
        mean = s.mean;
        var = batch_var;
    }
    for (size_t k = 0; k < c; k++)
        s.inv_std[k] = 1 / sqrt(var[k] + epsilon);
    apply(d, l, &(bn_recompute_args){args->x, args->residual, args->y, args->saved}, p, mean);
done:
    return rc;
}

int ref_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p) {
    apply(device, l, args, p, kept_of(l, args->saved).mean);
    return 0;
}

int ref_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p) {
    const ref_device *d = device;
    size_t c = (size_t)l->x.c, m = tensor_count(l->x) / c;
    const double *x = args->x, *gamma = p->weight;
    double *dx = args->dx, *dresidual = args->dresidual, *dgamma = p->dweight, *dbeta = p->dbias;
    double *sum = args->workspace, *sum_xhat = sum + c;
    double rows = (double)m;
    kept s = kept_of(l, args->saved);
    int rc = OK;
    for (size_t k = 0; k < 2 * c; k++)
        sum[k] = 0;
    for (size_t i = 0; i < m * c; i += c) {
        double drop = ref_drop_path(d, l, i / c);
        for (size_t k = 0; k < c; k++) {
            double g = !l->layer->relu || s.relu_mask[i + k] ? drop * ref_dy(l, args->dy, i + k) : 0;
            sum[k] += g;
            sum_xhat[k] += g * ((x[i + k] - s.mean[k]) * s.inv_std[k]);
        }
    }
    for (size_t k = 0; k < c; k++) {
        dbeta[k] = (p->accumulate ? dbeta[k] : 0) + sum[k];
        dgamma[k] = (p->accumulate ? dgamma[k] : 0) + sum_xhat[k];
    }
    if (sync_bn_on(&d->options)) {
        sum[2 * c] = rows;
        TRY(sync_bn_sums(d->options.comm, sum, l->x.c));
        rows = sum[2 * c];
    }
    for (size_t i = 0; i < m * c; i += c) {
        double drop = ref_drop_path(d, l, i / c);
        for (size_t k = 0; k < c; k++) {
            double g =
                !l->layer->relu || s.relu_mask[i + k] ? ref_dy(l, args->dy, i + k) : 0; /* dx or dresidual may be dy */
            double xhat = (x[i + k] - s.mean[k]) * s.inv_std[k];
            if (dresidual != NULL)
                dresidual[i + k] = g;
            if (dx != NULL)
                dx[i + k] = gamma[k] * s.inv_std[k] * (drop * g - sum[k] / rows - xhat * sum_xhat[k] / rows);
        }
    }
done:
    return rc;
}
