/* Batch normalisation (kernels/bn_forward.cu, bn_backward.cu): forward reads x twice, for the sums (unless the
 * convolution before has left them) and to write y; backward too, for the sums of g and g * xhat (writing g where the
 * residual wants it), and to write dx. Sums are taken over chunks of rows fixed by the shape and joined in order: the
 * same from run to run. */
#include "base/memory.h"
#include "base/status.h"
#include "engine/cuda/gpu.h"

enum { THREADS = 256, BLOCKS = 1024, LANES_MAX = 32, ROWS_A_THREAD = 4, JOIN_CHANNELS = 32, JOIN_ROWS = 8 };

/** How a tensor is cut among blocks. */
typedef struct cut {
    launch_shape shape;
    size_t rows; /* of a chunk */
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

/** saved: mean, inverse, forward's factor; mask. scratch: factor; sums of the chunks. */
int cuda_bn_plan(void *device, device_layer *l) {
    (void)device;
    l->scratch_bytes = channels_bytes(l->x, 3);
    if (!l->training)
        return OK;
    l->saved_bytes = channels_bytes(l->x, 4);
    if (l->layer->relu)
        l->saved_bytes += tensor_count(l->x) / (size_t)kernel_pack(l->x.c);
    l->scratch_bytes += cuda_bn_part_bytes(l->x);
    return OK;
}

static bn_args args_of(const device_layer *l, const device_buffers *b, const device_params *p) {
    cut k = cut_of(l->x);
    bn_args a = {.x = b->x,
                 .residual = b->residual,
                 .y = b->y,
                 .dy0 = b->dy[0],
                 .dy1 = b->dy[1],
                 .dx = b->dx,
                 .dresidual = b->dresidual,
                 .running_mean = p->running_mean,
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
    a.factor = b->scratch;
    if (!l->training)
        return a;
    a.mean = b->saved;
    a.inverse = a.mean + l->x.c;
    a.mask = l->layer->relu ? (uint8_t *)b->saved + channels_bytes(l->x, 4) : NULL;
    if (b->scratch != NULL)
        a.part = (float *)((unsigned char *)b->scratch + channels_bytes(l->x, 3));
    return a;
}

static launch_shape join_shape(const device_layer *l) {
    return (launch_shape){((unsigned)l->x.c + JOIN_CHANNELS - 1) / JOIN_CHANNELS, 1, JOIN_CHANNELS, JOIN_ROWS};
}

static int pass(const cuda_device *d, tensor_shape x, kernel f32, const bn_args *a) {
    return gpu_launch(d, kernel_for_packs(f32, d->type, x.c), cut_of(x).shape, a);
}

size_t cuda_bn_part_bytes(tensor_shape x) { return channels_bytes(x, 2 * (size_t)cut_of(x).shape.grid_y); }

int cuda_bn_queue_sums(const cuda_device *d, tensor_shape x, const void *values, float *mean, float *part) {
    cut k = cut_of(x);
    bn_args a = {.x = values, .m = rows_of(x), .chunk_rows = k.rows, .chunks = (int)k.shape.grid_y, .c = x.c};
    a.mean = mean;
    a.part = part;
    return pass(d, x, KERNEL_bn_sums, &a);
}

/** bn_statistics joins the parts of BN's own pass, or what the convolution has left as the only one. */
static int batch_statistics(const cuda_device *d, const device_layer *l, const device_buffers *b, bn_args a) {
    int rc = OK;
    if (l->sums_given) {
        a.part = b->sums;
        a.chunks = 1;
    } else {
        a.shifted = true;
        TRY(pass(d, l->x, KERNEL_bn_sums, &a));
    }
    TRY(gpu_launch(d, KERNEL_bn_statistics, join_shape(l), &a));
done:
    return rc;
}

int cuda_bn_forward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    const cuda_device *d = device;
    bn_args a = args_of(l, b, p);
    int rc = OK;
    if (l->training) {
        a.factor = a.inverse + l->x.c; /* kept for recompute */
        TRY(batch_statistics(d, l, b, a));
    } else {
        TRY(gpu_launch(d, KERNEL_bn_running, launch_threads((size_t)l->x.c), &a));
    }
    TRY(pass(d, l->x, KERNEL_bn_apply, &a));
done:
    return rc;
}

int cuda_bn_recompute(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    bn_args a = args_of(l, b, p);
    a.factor = a.inverse + l->x.c;
    return pass(device, l->x, KERNEL_bn_apply, &a);
}

int cuda_bn_backward(void *device, device_layer *l, const device_buffers *b, const device_params *p) {
    const cuda_device *d = device;
    bn_args a = args_of(l, b, p);
    int rc = OK;
    TRY(pass(d, l->x, KERNEL_bn_gradient_sums, &a));
    TRY(gpu_launch(d, KERNEL_bn_gradient_factors, join_shape(l), &a));
    if (a.dx != NULL)
        TRY(pass(d, l->x, KERNEL_bn_gradient, &a));
done:
    return rc;
}
