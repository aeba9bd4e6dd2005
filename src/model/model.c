#include "model/model.h"

#include "base/memory.h"
#include "base/status.h"
#include "model/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int model_create_empty(model **out, const char *arch, int classes) {
    model *n = NULL;
    int rc;
    TRY(memory_zeroed(&n, 1, sizeof *n));
    snprintf(n->arch, sizeof n->arch, "%s", arch);
    n->classes = classes;
    *out = n;
done:
    return rc;
}

void model_destroy(model *n) {
    if (n == NULL)
        return;
    free(n->layer);
    free(n->param);
    free(n->stats);
    free(n);
}

/* Ensures capacity for one more of `used` items; the capacity is the next power of two. */
static int grow(void *pointer, int used, size_t size) {
    if (used != 0 && (used & (used - 1)) != 0)
        return 0;
    return memory_resize(pointer, used == 0 ? 1 : 2 * (size_t)used, size);
}

static int copy_name(char *out, size_t out_n, const char *name, const char *suffix) {
    int n = snprintf(out, out_n, "%s%s", name, suffix);
    if (n < 0 || (size_t)n >= out_n)
        return fail(E_SHAPE, "layer name '%s%s' is longer than %zu characters", name, suffix, out_n - 1);
    return 0;
}

static int find_stats(const model *n, const char *name) {
    for (int i = 0; i < n->stats_n; i++)
        if (strcmp(n->stats[i].name, name) == 0)
            return i;
    return -1;
}

size_t model_largest(const model *n) {
    size_t most = 1;
    for (int i = 0; i < n->param_n; i++)
        most = n->param[i].count > most ? n->param[i].count : most;
    for (int i = 0; i < n->stats_n; i++)
        most = 2 * (size_t)n->stats[i].c > most ? 2 * (size_t)n->stats[i].c : most;
    return most;
}

int model_find_param(const model *n, const char *name) {
    for (int i = 0; i < n->param_n; i++)
        if (strcmp(n->param[i].name, name) == 0)
            return i;
    return find_stats(n, name);
}

static int add_param(int *out, model *n, const char *name, const char *suffix, param p) {
    int rc;
    TRY(grow(&n->param, n->param_n, sizeof *n->param));
    TRY(copy_name(p.name, sizeof p.name, name, suffix));
    if (model_find_param(n, p.name) >= 0)
        return fail(E_SHAPE, "two parameters are named '%s'", p.name);
    p.count = 1;
    for (int i = 0; i < p.rank; i++)
        p.count *= (size_t)p.shape[i];
    p.offset = n->weight_n;
    p.decays = true;
    n->weight_n += p.count;
    n->param[n->param_n] = p;
    *out = n->param_n++;
done:
    return rc;
}

int model_reserve_bn(model *n, const char *name, int c) {
    int rc, i;
    model_stats s = {.c = c, .offset = n->stats_elements};
    if (c < 1)
        return fail(E_SHAPE, "layer %s: invalid number of channels: %d", name, c);
    TRY(copy_name(s.name, sizeof s.name, name, ""));
    TRY(grow(&n->stats, n->stats_n, sizeof *n->stats));
    TRY(add_param(&i, n, name, ".weight", (param){.rank = 1, .shape = {c}, .init = INIT_ONE}));
    TRY(add_param(&i, n, name, ".bias", (param){.rank = 1, .shape = {c}, .init = INIT_ZERO}));
    n->stats[n->stats_n++] = s;
    n->stats_elements += 2 * (size_t)c;
done:
    return rc;
}

/* Channels of tensor t, or -1 if there is no such tensor. The first layer determines the channels of the image. */
static int channels_of(const model *n, int t, int wanted) {
    if (t == MODEL_INPUT)
        return n->layer_n > 0 ? n->layer[0].in_c : wanted;
    return t >= 0 && t < n->layer_n ? n->layer[t].out_c : -1;
}

static int add_layer(int *out, model *n, const char *name, layer l) {
    int rc;
    if (l.in_c < 1 || l.out_c < 1)
        return fail(E_SHAPE, "layer %s: invalid numbers of input and output channels: %d and %d", name, l.in_c,
                    l.out_c);
    if (channels_of(n, l.input, l.in_c) != l.in_c)
        return fail(E_SHAPE, "layer %s expects %d channels, but tensor %d has a different number", name, l.in_c,
                    l.input);
    if (l.residual != TENSOR_NONE && channels_of(n, l.residual, l.out_c) != l.out_c)
        return fail(E_SHAPE, "layer %s expects a residual with %d channels, but tensor %d has a different number", name,
                    l.out_c, l.residual);
    if ((l.kind == LAYER_CONV || l.kind == LAYER_MAXPOOL) && (l.kernel < 1 || l.stride < 1 || l.pad < 0))
        return fail(E_SHAPE, "layer %s: invalid kernel %d, stride %d or padding %d", name, l.kernel, l.stride, l.pad);
    for (int i = 0; i < n->layer_n; i++)
        if (strcmp(n->layer[i].name, name) == 0)
            return fail(E_SHAPE, "two layers are named '%s'", name);
    TRY(copy_name(l.name, sizeof l.name, name, ""));
    TRY(grow(&n->layer, n->layer_n, sizeof *n->layer));
    n->layer[n->layer_n] = l;
    *out = n->layer_n++;
done:
    return rc;
}

int model_add_grouped_conv(int *out, model *n, const char *name, int input, int in_c, int out_c, int kernel, int stride,
                           int pad, int groups) {
    if (groups < 1 || in_c % groups != 0 || out_c % groups != 0)
        return fail(E_SHAPE, "layer %s: %d to %d channels cannot be divided into %d groups", name, in_c, out_c, groups);
    layer l = {.kind = LAYER_CONV,
               .input = input,
               .residual = TENSOR_NONE,
               .in_c = in_c,
               .out_c = out_c,
               .kernel = kernel,
               .stride = stride,
               .pad = pad,
               .groups = groups,
               .weight = n->param_n,
               .bias = -1,
               .stats = -1};
    param p = {.rank = 4,
               .shape = {out_c, in_c / groups, kernel, kernel},
               .init = INIT_KAIMING_NORMAL_FAN_OUT,
               .fan_in = in_c / groups * kernel * kernel};
    int rc, i;
    TRY(add_layer(out, n, name, l));
    TRY(add_param(&i, n, name, ".weight", p));
done:
    return rc;
}

int model_add_conv(int *out, model *n, const char *name, int input, int in_c, int out_c, int kernel, int stride,
                   int pad) {
    return model_add_grouped_conv(out, n, name, input, in_c, out_c, kernel, stride, pad, 1);
}

int model_add_bn(int *out, model *n, const char *name, int input, int c, int residual, bool relu) {
    layer l = {.kind = LAYER_BN, .input = input, .residual = residual, .relu = relu, .in_c = c, .out_c = c};
    char weight[sizeof n->param->name];
    int rc;
    TRY(copy_name(weight, sizeof weight, name, ".weight"));
    if (find_stats(n, name) < 0)
        TRY(model_reserve_bn(n, name, c));
    l.stats = find_stats(n, name);
    l.weight = model_find_param(n, weight);
    l.bias = l.weight + 1;
    if (n->stats[l.stats].c != c)
        return fail(E_SHAPE, "layer %s: batch norm was reserved for %d channels, but the layer has %d", name,
                    n->stats[l.stats].c, c);
    TRY(add_layer(out, n, name, l));
done:
    return rc;
}

int model_add_maxpool(int *out, model *n, const char *name, int input, int c, int kernel, int stride, int pad) {
    layer l = {.kind = LAYER_MAXPOOL,
               .input = input,
               .residual = TENSOR_NONE,
               .in_c = c,
               .out_c = c,
               .kernel = kernel,
               .stride = stride,
               .pad = pad,
               .weight = -1,
               .bias = -1,
               .stats = -1};
    if (2 * pad > kernel) /* otherwise a window could consist of padding alone */
        return fail(E_SHAPE, "layer %s: padding %d is more than half of kernel %d", name, pad, kernel);
    return add_layer(out, n, name, l);
}

int model_add_shortcut(int *out, model *n, const char *name, int input, int in_c, int out_c, int stride) {
    layer l = {.kind = LAYER_SHORTCUT,
               .input = input,
               .residual = TENSOR_NONE,
               .in_c = in_c,
               .out_c = out_c,
               .kernel = 1,
               .stride = stride,
               .weight = -1,
               .bias = -1,
               .stats = -1};
    if (stride < 1 || out_c < in_c || (out_c - in_c) % 2 != 0)
        return fail(E_SHAPE, "layer %s: a shortcut cannot turn %d channels into %d with stride %d", name, in_c, out_c,
                    stride);
    return add_layer(out, n, name, l);
}

int model_add_avgpool(int *out, model *n, const char *name, int input, int c) {
    layer l = {.kind = LAYER_AVGPOOL,
               .input = input,
               .residual = TENSOR_NONE,
               .in_c = c,
               .out_c = c,
               .weight = -1,
               .bias = -1,
               .stats = -1};
    return add_layer(out, n, name, l);
}

int model_add_linear(int *out, model *n, const char *name, int input, int in_c, int out_c) {
    layer l = {.kind = LAYER_LINEAR,
               .input = input,
               .residual = TENSOR_NONE,
               .in_c = in_c,
               .out_c = out_c,
               .weight = n->param_n,
               .bias = n->param_n + 1,
               .stats = -1};
    param w = {.rank = 2, .shape = {out_c, in_c}, .init = INIT_UNIFORM_FAN_IN, .fan_in = in_c, .head = true};
    param b = {.rank = 1, .shape = {out_c}, .init = INIT_UNIFORM_FAN_IN, .fan_in = in_c, .head = true};
    int rc, i;
    TRY(add_layer(out, n, name, l));
    TRY(add_param(&i, n, name, ".weight", w));
    TRY(add_param(&i, n, name, ".bias", b));
done:
    return rc;
}
