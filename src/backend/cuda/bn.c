/* Batch normalisation (kernels/bn_forward.cu, bn_backward.cu). Forward reads x twice: for the sums (unless the
 * preceding convolution has output them) and to write y. Backward also has two passes: one for the sums of g and
 * g * xhat, which writes g if there is a residual, and one to write dx. Sums are computed per chunk of rows; the chunks
 * depend only on the shape and are added in order, so results are the same in every run.
 *
 * The following convolution may take over parts of this: it may compute y from x and the factors
 * (fused_bn_relu_conv.c), or output the sums of backward (fused_dgrad_bn_bwd.c). */
#include "backend/cuda/bn_join.h"
#include "backend/sync_bn.h"
#include "base/memory.h"
#include "base/status.h"

enum { THREADS = 256, BLOCKS = 1024, LANES_MAX = 32, ROWS_A_THREAD = 4, JOIN_CHANNELS = 32, JOIN_ROWS = 8 };

/** How a tensor is split into blocks. */
typedef struct cut {
    launch_shape shape;
    size_t rows; /* per chunk */
} cut;

static size_t rows_of(tensor_shape x) { return (size_t)x.n * (size_t)x.h * (size_t)x.w; }

static cut cut_of(tensor_shape x) {
    size_t m = rows_of(x), packs = (size_t)x.c / (size_t)kernel_pack(x.c), lanes = 1;
    while (lanes < packs && lanes < LANES_MAX)
        lanes *= 2;
    size_t across = (packs + lanes - 1) / lanes, high = THREADS / lanes;
    size_t most = across < BLOCKS ? BLOCKS / across : 1, rows = (m + most - 1) / most;
    rows = rows < ROWS_A_THREAD * high ? ROWS_A_THREAD * high : (rows + high - 1) / high * high;
    size_t chunks = (m + rows - 1) / rows;
    return (cut){{(unsigned)across, (unsigned)chunks, (unsigned)lanes, (unsigned)high}, rows};
}

static size_t channels_bytes(tensor_shape x, size_t n) { return memory_round(n * (size_t)x.c * sizeof(float)); }

/** Whether the following layer takes over a part. */
static bool is_shared(const device_layer *l) { return l->applied_by_consumer || l->fused_bn_bwd; }

bn_saved cuda_bn_saved(tensor_shape x, void *saved) {
    size_t c = (size_t)x.c;
    bn_saved s = {.mean = saved};
    s.inv_std = s.mean + c;
    s.factor = s.inv_std + c;
    s.affine = s.factor + 2 * c;
    s.rounded = (unsigned char *)saved + channels_bytes(x, 6);
    return s;
}

/** saved: mean, inv_std, forward's factor; then the ReLU mask or, if the following layer takes over a part, gamma, beta
 *  and the rounded factors. workspace: factor; the sums of the chunks; the values exchanged with other ranks. */
int cuda_bn_plan(void *device, device_layer *l) {
    cuda_device *d = device;
    l->workspace_bytes = channels_bytes(l->x, 3);
    if (!l->training)
        return OK;
    l->saved_bytes = channels_bytes(l->x, 4);
    if (is_shared(l))
        l->saved_bytes = channels_bytes(l->x, 6) + channels_bytes(l->x, 2);
    else if (l->layer->relu)
        l->saved_bytes += tensor_count(l->x) / (size_t)kernel_pack(l->x.c);
    l->workspace_bytes += cuda_bn_part_bytes(l->x);
    if (!sync_bn_on(&d->options))
        return OK;
    l->workspace_bytes += memory_round(sync_bn_values(l->x.c) * sizeof(double));
    return bn_join_room(d, l->x.c);
}

/** All arguments except the tensors. workspace: NULL in recompute. */
static bn_args args_of(const cuda_device *d, const device_layer *l, const device_params *p, void *saved,
                       void *workspace) {
    cut k = cut_of(l->x);
    bn_args a = {.running_mean = p->running_mean,
                 .running_var = p->running_var,
                 .gamma = p->weight,
                 .beta = p->bias,
                 .dgamma = p->dweight,
                 .dbeta = p->dbias,
                 .m = rows_of(l->x),
                 .chunk_rows = k.rows,
                 .chunks = (int)k.shape.grid_y,
                 .c = l->x.c,
                 .relu = l->layer->relu,
                 .accumulate = p->accumulate};
    a.factor = workspace;
    if (!l->training)
        return a;
    if (device_layer_drops(l)) {
        a.kept = d->kept + (size_t)l->layer->drop_index * (size_t)l->x.n;
        a.kept_factor = (float)device_layer_kept(l);
        a.image_rows = (size_t)l->x.h * (size_t)l->x.w;
    }
    if (p->keep_statistics)
        a.running_mean = a.running_var = NULL;
    bn_saved s = cuda_bn_saved(l->x, saved);
    a.mean = s.mean;
    a.inv_std = s.inv_std;
    if (is_shared(l)) {
        a.affine = s.affine;
        a.rounded = s.rounded;
    } else if (l->layer->relu) {
        a.mask = (uint8_t *)saved + channels_bytes(l->x, 4);
    }
    if (workspace == NULL)
        return a;
    a.part = (float *)((unsigned char *)workspace + channels_bytes(l->x, 3));
    if (sync_bn_on(&d->options))
        a.joined = (double *)((unsigned char *)a.part + cuda_bn_part_bytes(l->x));
    return a;
}

static launch_shape join_shape(const device_layer *l) {
    return (launch_shape){((unsigned)l->x.c + JOIN_CHANNELS - 1) / JOIN_CHANNELS, 1, JOIN_CHANNELS, JOIN_ROWS};
}

static int pass(const cuda_device *d, tensor_shape x, kernel f32, const bn_args *a) {
    return gpu_launch(d, kernel_for_packs(f32, d->type, x.c), cut_of(x).shape, a);
}

size_t cuda_bn_part_bytes(tensor_shape x) { return channels_bytes(x, 2 * (size_t)cut_of(x).shape.grid_y); }

size_t cuda_bn_pass_bytes(const cuda_device *d, tensor_shape x) {
    size_t values = memory_round(tensor_count(x) * element_bytes(d->type));
    return 2 * values + channels_bytes(x, 4) + memory_round(tensor_count(x)) + cuda_bn_part_bytes(x);
}

int cuda_bn_queue_pass(const cuda_device *d, tensor_shape x, kernel f32, void *memory) {
    cut k = cut_of(x);
    size_t values = memory_round(tensor_count(x) * element_bytes(d->type));
    unsigned char *at = memory;
    bn_args a = {.x = at, .m = rows_of(x), .chunk_rows = k.rows, .chunks = (int)k.shape.grid_y, .c = x.c, .relu = true};
    a.y = at + values;
    a.dy0 = a.y;
    a.mean = (float *)(at + 2 * values);
    a.inv_std = a.mean + x.c;
    a.factor = a.inv_std + x.c;
    a.mask = (uint8_t *)a.mean + channels_bytes(x, 4);
    a.part = (float *)(a.mask + memory_round(tensor_count(x)));
    return pass(d, x, f32, &a);
}

/** bn_statistics adds the partial sums of bn_sums; the sums output by the convolution count as a single part. */
static int batch_statistics(const cuda_device *d, const device_layer *l, const void *sums, bn_args a) {
    int rc = OK;
    if (l->sums_given) {
        a.part = (float *)sums;
        a.chunks = 1;
    } else {
        a.shifted = true;
        TRY(pass(d, l->x, KERNEL_bn_sums, &a));
    }
    TRY(gpu_launch(d, KERNEL_bn_statistics, join_shape(l), &a));
    if (a.joined != NULL) {
        TRY(bn_join_statistics(d, a.joined, a.c));
        TRY(gpu_launch(d, KERNEL_bn_joined_statistics, launch_threads((size_t)a.c), &a));
    }
done:
    return rc;
}

int cuda_bn_forward(void *device, const device_layer *l, const bn_forward_args *args, const device_params *p) {
    const cuda_device *d = device;
    bn_args a = args_of(d, l, p, args->saved, args->workspace);
    int rc = OK;
    if (device_layer_drops(l) && d->kept_images != l->x.n)
        return fail(E_SHAPE, "the draws of stochastic depth are not loaded for %d images", l->x.n);
    a.x = args->x;
    a.residual = args->residual;
    a.y = args->y;
    if (l->training) {
        a.factor = a.inv_std + l->x.c; /* kept for backward */
        TRY(batch_statistics(d, l, args->sums, a));
    } else {
        TRY(gpu_launch(d, KERNEL_bn_running, launch_threads((size_t)l->x.c), &a));
    }
    if (l->applied_by_consumer)
        TRY(gpu_launch(d, kernel_for(KERNEL_bn_round_factors, d->type), launch_threads(2 * (size_t)l->x.c), &a));
    else
        TRY(pass(d, l->x, KERNEL_bn_apply, &a));
done:
    return rc;
}

int cuda_bn_recompute(void *device, const device_layer *l, const bn_recompute_args *args, const device_params *p) {
    bn_args a = args_of(device, l, p, args->saved, NULL);
    a.x = args->x;
    a.residual = args->residual;
    a.y = args->y;
    a.factor = a.inv_std + l->x.c;
    return pass(device, l->x, KERNEL_bn_apply, &a);
}

/** bn_gradient_factors adds the partial sums of BN's own pass; the sums output by the following convolution count as a
 *  single part. */
int cuda_bn_backward(void *device, const device_layer *l, const bn_backward_args *args, const device_params *p) {
    const cuda_device *d = device;
    bn_args a = args_of(d, l, p, args->saved, args->workspace);
    bool unmasked = l->layer->relu && a.mask == NULL && !l->fused_bn_bwd;
    int rc = OK;
    a.x = args->x;
    a.dy0 = args->dy[0];
    a.dy1 = args->dy[1];
    a.dx = args->dx;
    a.dresidual = args->dresidual;
    if (is_shared(l))
        a.applied = cuda_bn_saved(l->x, args->saved).factor;
    if (l->fused_bn_bwd) {
        a.relu = false; /* dy is already masked */
        a.part = (float *)args->gradient_sums;
        a.chunks = 1;
    } else {
        TRY(pass(d, l->x, unmasked ? KERNEL_bn_unmasked_sums : KERNEL_bn_gradient_sums, &a));
    }
    TRY(gpu_launch(d, KERNEL_bn_gradient_factors, join_shape(l), &a));
    if (a.joined != NULL) {
        TRY(bn_join_sums(d, a.joined, a.c));
        TRY(gpu_launch(d, KERNEL_bn_joined_factors, launch_threads((size_t)a.c), &a));
    }
    if (a.dx != NULL)
        TRY(pass(d, l->x, unmasked ? KERNEL_bn_unmasked_gradient : KERNEL_bn_gradient, &a));
done:
    return rc;
}
