/** A model as data: a flat list of layers, at the granularity that suits a device, and one parameter table.
 *  Only the table defines the order of the parameters. Initialisation, optimizer, gradient buckets and checkpoints
 *  iterate over it. */
#ifndef LINNET_MODEL_MODEL_H
#define LINNET_MODEL_MODEL_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum layer_kind {
    LAYER_CONV,
    LAYER_BN,
    LAYER_MAXPOOL,
    LAYER_AVGPOOL,
    LAYER_SHORTCUT, /* every stride-th pixel; zero channels are added before and after */
    LAYER_LINEAR,
    LAYER_KINDS
} layer_kind;

#define MODEL_INPUT (-1) /* tensor number of the image batch; tensor i is the output of layer i */
#define TENSOR_NONE (-2)

typedef struct layer {
    layer_kind kind;
    char name[48]; /* torchvision's module name: "layer1.0.conv1" */
    int input;     /* number of the tensor that the layer reads */
    int residual;  /* BN: tensor added before the ReLU, or TENSOR_NONE */
    bool relu;     /* BN: y = max(0, .) */
    int in_c, out_c;
    int kernel, stride, pad; /* CONV, MAXPOOL, SHORTCUT (kernel 1, pad 0); square */
    int groups;              /* CONV */
    int weight, bias;        /* indices into param, or -1. CONV: weight; BN: gamma, beta; LINEAR: weight, bias */
    int stats;               /* BN: index into stats, or -1 */
    double drop_path;        /* BN with residual: rate of stochastic depth (model_set_drop_path) */
    int drop_index;          /* if drop_path > 0: number of such layers before this one */
} layer;

typedef enum param_init {
    INIT_KAIMING_NORMAL_FAN_OUT, /* N(0, sqrt(2 / fan_out)), fan_out = O * kh * kw */
    INIT_UNIFORM_FAN_IN,         /* U(-1/sqrt(fan_in), 1/sqrt(fan_in)) */
    INIT_ONE,
    INIT_ZERO
} param_init;

typedef struct param {
    char name[64]; /* "layer1.0.conv1.weight" */
    int rank;      /* 1, 2 or 4 */
    int shape[4];  /* conv (O, I/groups, kh, kw); linear (O, I); bn and bias (C) */
    size_t offset; /* from the arena's start, in elements */
    size_t count;  /* elements */
    param_init init;
    int fan_in;  /* for INIT_UNIFORM_FAN_IN */
    bool decays; /* weight decay applies */
    bool head;   /* belongs to the classifier, which may have its own learning rate */
} param;

/** Running statistics of one BN layer; torchvision's buffers NAME.running_mean, .running_var, .num_batches_tracked. */
typedef struct model_stats {
    char name[48]; /* of the layer: "layer1.0.bn1" */
    int c;         /* channels */
    size_t offset; /* in elements: mean at offset, variance at offset + c */
} model_stats;

typedef struct model {
    char arch[32];
    int classes;
    int layer_n, param_n, stats_n;
    layer *layer;          /* (layer_n) in forward order */
    param *param;          /* (param_n) in torchvision's parameters() order */
    model_stats *stats;    /* (stats_n) */
    size_t weight_n;       /* elements of all parameters */
    size_t stats_elements; /* elements of all running statistics */
    int frozen_layer_n;    /* frozen layers; they are the first in forward order */
    size_t frozen_n;       /* elements of their parameters, which are the first in the table */
    int drop_n;            /* layers with drop_path > 0 */
} model;

typedef struct model_options {
    int classes;
    bool zero_gamma;  /* gamma of the last BN of each block starts at 0 */
    bool decay_norm;  /* weight decay also applies to gamma and beta of batch norm */
    bool decay_bias;  /* weight decay also applies to the classifier's bias */
    double drop_path; /* in [0, 1): rate of the last block; it rises linearly from 0 in the first block, as in timm */
} model_options;

/** Builds resnet18, 34, 50, 101 or 152, wide_resnet50_2 or 101_2, resnext50_32x4d or 101_32x8d, in torchvision's
 *  variant v1.5 (the 3x3 convolution has the stride), or one of the models of He et al. 2015 for CIFAR: resnet20, 32,
 *  44, 56 or 110. @return 0, E_OPTION (the message lists the known names), E_NOMEM */
int model_create(model **out, const char *arch, const model_options *o);
void model_destroy(model *n);
/** The name of architecture i; NULL after the last. */
const char *model_arch(int i);

/** Freezes everything up to and including a part of a ResNet: "stem" (with the max-pool), a stage ("layer1" to
 * "layer4"), "backbone" (all but the classifier), or "none". Call it before an engine is created. @return 0, E_OPTION
 * (no such part) */
int model_freeze(model *n, const char *part);

/** Models built by hand, for tests: model_create_empty, then the layers in order. *out is the number of the layer,
 * which is also the number of its output tensor. model_add_* return 0, E_SHAPE (invalid sizes, channels that do not
 * match the input, or a duplicate name) or E_NOMEM. */
int model_create_empty(model **out, const char *arch, int classes);
int model_add_conv(int *out, model *n, const char *name, int input, int in_c, int out_c, int kernel, int stride,
                   int pad);
/** A grouped convolution: input and output channels are divided into `groups` equal, independent parts. */
int model_add_grouped_conv(int *out, model *n, const char *name, int input, int in_c, int out_c, int kernel, int stride,
                           int pad, int groups);
int model_add_bn(int *out, model *n, const char *name, int input, int c, int residual, bool relu);
int model_add_maxpool(int *out, model *n, const char *name, int input, int c, int kernel, int stride, int pad);
/** Option A of He et al. 2015, section 4.1: a shortcut without parameters. y[n,h,w,k] = x[n, h stride, w stride,
 *  k - pad], and 0 where k - pad is not in [0, in_c); pad = (out_c - in_c) / 2.
 *  Also E_SHAPE: out_c - in_c is negative or odd. */
int model_add_shortcut(int *out, model *n, const char *name, int input, int in_c, int out_c, int stride);
int model_add_avgpool(int *out, model *n, const char *name, int input, int c);
int model_add_linear(int *out, model *n, const char *name, int input, int in_c, int out_c);

/** Stochastic depth (timm's DropPath): in training, layer `bn` is y = relu(d bn(x) + residual), where d of an image
 *  is 0 with probability `rate`, else 1 / (1 - rate). @return 0, E_SHAPE (no BN with residual, or a rate not in [0, 1))
 */
int model_set_drop_path(model *n, int bn, double rate);
/** Draws which images keep their residual branch, for all layers with drop_path.
 *  @param kept out: (drop_n, images) 1: d is not 0 */
void model_draw_drop_path(uint8_t *kept, const model *n, int images, random_stream *r);

typedef struct tensor_shape {
    int n, h, w, c; /* NHWC */
} tensor_shape;

static inline size_t tensor_count(tensor_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)s.c; }

/** Output shape of every layer for a batch of images of h x w x in_c, where in_c is that of the first layer.
 *  @param[out] out (layer_n) @return 0, E_SHAPE (image too small) */
int model_shapes(tensor_shape *out, const model *n, int batch, int h, int w);

/** Initial values of parameter i, in its logical order (OIHW, OI, C): a pure function of (seed, i).
 *  @param[out] out (param[i].count) */
void model_init_param(float *out, const model *n, int i, uint64_t seed);

/** Multiply-accumulate operations of the forward pass of one image (convolutions and linear layers). */
double model_macs(const model *n, int h, int w);

/** Elements of the largest parameter or pair of statistics: the buffer size for reading any of them. */
size_t model_largest(const model *n);

/** Index of the parameter of that name, else of the statistics of that name, else -1. */
int model_find_param(const model *n, const char *name);

#endif
