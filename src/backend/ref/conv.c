/* Convolution, NHWC, square kernel, groups g:
 *
 *     y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r-pad, q*stride+s-pad, c] * w[k,c,r,s]
 *
 * and its two gradients. Equals torch.nn.functional.conv2d (OIHW weights, zero padding, no bias). Computed as im2col
 * and GEMM per block of output pixels: column[pixel, (r,s,c)] times w[(r,s,c), k]. */
#include "backend/ref/ref.h"

#include <string.h>

enum { BLOCK = 256 }; /* output pixels per block */

typedef struct shape {
    tensor_shape x, y;
    int kernel, stride, pad, groups;
    int c, k;   /* channels per group: in, out */
    int column; /* kernel * kernel * c */
} shape;

static shape shape_of(const device_layer *l) {
    const layer *q = l->layer;
    int groups = q->groups > 0 ? q->groups : 1, c = q->in_c / groups;
    return (shape){.x = l->x,
                   .y = l->y,
                   .kernel = q->kernel,
                   .stride = q->stride,
                   .pad = q->pad,
                   .groups = groups,
                   .c = c,
                   .k = q->out_c / groups,
                   .column = q->kernel * q->kernel * c};
}

static size_t weight_count(const shape *s) { return (size_t)s->groups * (size_t)s->k * (size_t)s->column; }

/** Workspace, elements: one copy of the weights and one block of columns. */
static size_t work_count(const shape *s) { return weight_count(s) + (size_t)BLOCK * (size_t)s->column; }

int ref_conv_plan(void *device, device_layer *l) {
    (void)device;
    shape s = shape_of(l);
    l->workspace_bytes = (work_count(&s) + (l->dy_n == 2 ? tensor_count(l->y) : 0)) * sizeof(double);
    return 0;
}

/** Offset of w[k,c,r,s] of group g, with at = (r,s,c): rows of (r,s,c) per k or, transposed, rows of k per (r,s,c). */
static size_t weight_place(const shape *s, int g, int k, int at, bool transposed) {
    size_t group = (size_t)g * (size_t)s->k * (size_t)s->column;
    return group + (transposed ? (size_t)at * (size_t)s->k + (size_t)k : (size_t)k * (size_t)s->column + (size_t)at);
}

/** Reorders OIHW weights to rows: out[weight_place] = w[i]. */
static void reorder_weight(double *out, const double *w, const shape *s, bool transposed) {
    int area = s->kernel * s->kernel;
    for (int g = 0; g < s->groups; g++)
        for (int k = 0; k < s->k; k++)
            for (int c = 0; c < s->c; c++)
                for (int rs = 0; rs < area; rs++)
                    out[weight_place(s, g, k, rs * s->c + c, transposed)] = *w++;
}

/** Reorders rows to OIHW: dw = rows, or += if accumulate. */
static void restore_weight(double *dw, const double *rows, const shape *s, bool accumulate) {
    int area = s->kernel * s->kernel;
    for (int g = 0; g < s->groups; g++)
        for (int k = 0; k < s->k; k++)
            for (int c = 0; c < s->c; c++)
                for (int rs = 0; rs < area; rs++, dw++)
                    *dw = (accumulate ? *dw : 0) + rows[weight_place(s, g, k, rs * s->c + c, false)];
}

/** Offset in x of kernel position (r, t) of output pixel `pixel`, group g; -1: in the padding. */
static ptrdiff_t tap(const shape *s, size_t pixel, int r, int t, int g) {
    int q = (int)(pixel % (size_t)s->y.w), p = (int)(pixel / (size_t)s->y.w % (size_t)s->y.h);
    ptrdiff_t n = (ptrdiff_t)(pixel / ((size_t)s->y.w * (size_t)s->y.h));
    int h = p * s->stride + r - s->pad, w = q * s->stride + t - s->pad;
    if (h < 0 || h >= s->x.h || w < 0 || w >= s->x.w)
        return -1;
    return ((n * s->x.h + h) * s->x.w + w) * s->x.c + (ptrdiff_t)g * s->c;
}

static void gather(double *column, const double *x, const shape *s, size_t pixel, int pixels, int g) {
    for (int i = 0; i < pixels; i++)
        for (int r = 0; r < s->kernel; r++)
            for (int t = 0; t < s->kernel; t++, column += s->c) {
                ptrdiff_t from = tap(s, pixel + (size_t)i, r, t, g);
                if (from < 0)
                    memset(column, 0, (size_t)s->c * sizeof *column);
                else
                    memcpy(column, x + from, (size_t)s->c * sizeof *column);
            }
}

static void scatter_add(double *dx, const double *column, const shape *s, size_t pixel, int pixels, int g) {
    for (int i = 0; i < pixels; i++)
        for (int r = 0; r < s->kernel; r++)
            for (int t = 0; t < s->kernel; t++, column += s->c) {
                ptrdiff_t to = tap(s, pixel + (size_t)i, r, t, g);
                for (int c = 0; to >= 0 && c < s->c; c++)
                    dx[to + c] += column[c];
            }
}

static size_t pixel_count(const shape *s) { return (size_t)s->y.n * (size_t)s->y.h * (size_t)s->y.w; }
static int block_size(size_t pixel, size_t pixels) { return pixels - pixel < BLOCK ? (int)(pixels - pixel) : BLOCK; }

int ref_conv_forward(void *device, const device_layer *l, const conv_forward_args *args, const device_params *params) {
    (void)device;
    shape s = shape_of(l);
    double *weight = args->workspace, *column = weight + weight_count(&s), *y = args->y;
    size_t pixels = pixel_count(&s), y_row = (size_t)s.y.c;
    reorder_weight(weight, params->weight, &s, true);
    memset(y, 0, pixels * y_row * sizeof *y);
    for (int g = 0; g < s.groups; g++)
        for (size_t pixel = 0; pixel < pixels; pixel += BLOCK) {
            int n = block_size(pixel, pixels);
            gather(column, args->x, &s, pixel, n, g);
            ref_gemm(y + pixel * y_row + (size_t)(g * s.k), y_row, column, (size_t)s.column, 1,
                     weight + weight_place(&s, g, 0, 0, true), (size_t)s.k, n, s.k, s.column);
        }
    return 0;
}

/** The gradient of y. If there are two, their sum, which is stored in the workspace after the weights and columns. */
static const double *sum_dy(const shape *s, const device_layer *l, const conv_backward_args *args) {
    if (l->dy_n < 2)
        return args->dy[0];
    double *dy = (double *)args->workspace + work_count(s);
    for (size_t i = 0, n = tensor_count(l->y); i < n; i++)
        dy[i] = ref_dy(l, args->dy, i);
    return dy;
}

static void dgrad(const shape *s, const conv_backward_args *args, const double *dy, const double *w) {
    double *weight = args->workspace, *column = weight + weight_count(s), *dx = args->dx;
    size_t pixels = pixel_count(s), y_row = (size_t)s->y.c;
    reorder_weight(weight, w, s, false);
    memset(dx, 0, tensor_count(s->x) * sizeof *dx);
    for (int g = 0; g < s->groups; g++)
        for (size_t pixel = 0; pixel < pixels; pixel += BLOCK) {
            int n = block_size(pixel, pixels);
            memset(column, 0, (size_t)n * (size_t)s->column * sizeof *column);
            ref_gemm(column, (size_t)s->column, dy + pixel * y_row + (size_t)(g * s->k), y_row, 1,
                     weight + weight_place(s, g, 0, 0, false), (size_t)s->column, n, s->column, s->k);
            scatter_add(dx, column, s, pixel, n, g);
        }
}

static void wgrad(const shape *s, const conv_backward_args *args, const double *dy, const device_params *params) {
    double *weight = args->workspace, *column = weight + weight_count(s);
    size_t pixels = pixel_count(s), y_row = (size_t)s->y.c;
    memset(weight, 0, weight_count(s) * sizeof *weight);
    for (int g = 0; g < s->groups; g++)
        for (size_t pixel = 0; pixel < pixels; pixel += BLOCK) {
            int n = block_size(pixel, pixels);
            gather(column, args->x, s, pixel, n, g);
            ref_gemm(weight + weight_place(s, g, 0, 0, false), (size_t)s->column,
                     dy + pixel * y_row + (size_t)(g * s->k), 1, y_row, column, (size_t)s->column, s->k, s->column, n);
        }
    restore_weight(params->dweight, weight, s, params->accumulate);
}

int ref_conv_backward(void *device, const device_layer *l, const conv_backward_args *args,
                      const device_params *params) {
    (void)device;
    shape s = shape_of(l);
    const double *dy = sum_dy(&s, l, args);
    wgrad(&s, args, dy, params);
    if (l->dx_needed)
        dgrad(&s, args, dy, params->weight);
    return 0;
}
