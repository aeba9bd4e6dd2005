/* Sources: He et al. 2015, "Deep residual learning for image recognition", table 1, in torchvision's variant "v1.5";
 * Zagoruyko & Komodakis 2016, "Wide residual networks"; Xie et al. 2017, "Aggregated residual transformations". The
 * models for CIFAR: He et al. 2015, section 4.2, with the parameter names of the common PyTorch ports. */
#include "base/status.h"
#include "model/build.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum { STAGES = 4 };

typedef struct recipe {
    const char *arch;
    bool bottleneck;
    int blocks[STAGES];      /* 0: no such stage */
    int groups, group_width; /* of the 3x3 convolutions; channels of one group in the first stage */
    bool cifar;              /* stem of one 3x3 convolution, 16 channels, shortcuts without parameters */
} recipe;

static const recipe recipes[] = {
    {"resnet18", false, {2, 2, 2, 2}, 1, 64, false},
    {"resnet34", false, {3, 4, 6, 3}, 1, 64, false},
    {"resnet50", true, {3, 4, 6, 3}, 1, 64, false},
    {"resnet101", true, {3, 4, 23, 3}, 1, 64, false},
    {"resnet152", true, {3, 8, 36, 3}, 1, 64, false},
    {"wide_resnet50_2", true, {3, 4, 6, 3}, 1, 128, false},
    {"wide_resnet101_2", true, {3, 4, 23, 3}, 1, 128, false},
    {"resnext50_32x4d", true, {3, 4, 6, 3}, 32, 4, false},
    {"resnext101_32x8d", true, {3, 4, 23, 3}, 32, 8, false},
    {"resnet20", false, {3, 3, 3}, 1, 16, true},
    {"resnet32", false, {5, 5, 5}, 1, 16, true},
    {"resnet44", false, {7, 7, 7}, 1, 16, true},
    {"resnet56", false, {9, 9, 9}, 1, 16, true},
    {"resnet110", false, {18, 18, 18}, 1, 16, true},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

/* State while a model is built: the last tensor, its channels, and the prefix of the block's names. */
typedef struct builder {
    model *model;
    int tensor, channels;
    bool zero_gamma, cifar;
    double drop_path;      /* rate of the last block */
    int block_at, block_n; /* number of the current block, of all blocks */
    char block[32];        /* "layer1.0." */
    char name[48];
} builder;

static const char *in_block(builder *b, const char *name) {
    snprintf(b->name, sizeof b->name, "%s%s", b->block, name);
    return b->name;
}

typedef struct conv_bn {
    const char *conv, *bn;
    int out_c, kernel, stride;
    bool relu;
    int groups;
} conv_bn;

static int add_conv(builder *b, const conv_bn *c) {
    int rc;
    TRY(model_add_grouped_conv(&b->tensor, b->model, in_block(b, c->conv), b->tensor, b->channels, c->out_c, c->kernel,
                               c->stride, c->kernel / 2, c->groups));
    b->channels = c->out_c;
done:
    return rc;
}

static int add_conv_bn(builder *b, const conv_bn *c) {
    int rc;
    TRY(add_conv(b, c));
    TRY(model_add_bn(&b->tensor, b->model, in_block(b, c->bn), b->tensor, c->out_c, TENSOR_NONE, c->relu));
done:
    return rc;
}

/* The shortcut of a block that changes the shape of its input. *tensor: input and output of the shortcut. */
static int add_shortcut(int *tensor, const builder *b, int in_c, int out_c, int stride) {
    builder side = *b;
    int rc;
    side.tensor = *tensor;
    side.channels = in_c;
    if (b->cifar)
        TRY(model_add_shortcut(&side.tensor, b->model, in_block(&side, "shortcut"), *tensor, in_c, out_c, stride));
    else
        TRY(add_conv_bn(&side, &(conv_bn){"downsample.0", "downsample.1", out_c, 1, stride, false, 1}));
    *tensor = side.tensor;
done:
    return rc;
}

/* y = relu(bn(conv(x)) + shortcut): `last` ends the residual branch. The shortcut's convolution runs before the BN
 * that adds it, but comes after that BN in the tables. */
static int add_block_end(builder *b, const conv_bn *last, int shortcut, int shortcut_c, int stride) {
    int rc;
    TRY(add_conv(b, last));
    TRY(model_reserve_bn(b->model, in_block(b, last->bn), last->out_c));
    if (stride != 1 || shortcut_c != last->out_c)
        TRY(add_shortcut(&shortcut, b, shortcut_c, last->out_c, stride));
    TRY(model_add_bn(&b->tensor, b->model, in_block(b, last->bn), b->tensor, last->out_c, shortcut, true));
    if (b->zero_gamma)
        b->model->param[b->model->layer[b->tensor].weight].init = INIT_ZERO;
    TRY(model_set_drop_path(b->model, b->tensor, b->drop_path * b->block_at++ / (b->block_n - 1)));
done:
    return rc;
}

static int add_basic_block(builder *b, int width, int stride) {
    int rc, x = b->tensor, x_c = b->channels;
    TRY(add_conv_bn(b, &(conv_bn){"conv1", "bn1", width, 3, stride, true, 1}));
    TRY(add_block_end(b, &(conv_bn){"conv2", "bn2", width, 3, 1, true, 1}, x, x_c, stride));
done:
    return rc;
}

static int add_bottleneck(builder *b, const recipe *r, int stage, int stride) {
    int rc, x = b->tensor, x_c = b->channels, inner = (r->group_width << stage) * r->groups;
    TRY(add_conv_bn(b, &(conv_bn){"conv1", "bn1", inner, 1, 1, true, 1}));
    TRY(add_conv_bn(b, &(conv_bn){"conv2", "bn2", inner, 3, stride, true, r->groups}));
    TRY(add_block_end(b, &(conv_bn){"conv3", "bn3", 256 << stage, 1, 1, true, 1}, x, x_c, stride));
done:
    return rc;
}

static int add_stage(builder *b, const recipe *r, int stage) {
    for (int i = 0; i < r->blocks[stage]; i++) {
        int stride = stage > 0 && i == 0 ? 2 : 1;
        snprintf(b->block, sizeof b->block, "layer%d.%d.", stage + 1, i);
        int rc =
            r->bottleneck ? add_bottleneck(b, r, stage, stride) : add_basic_block(b, r->group_width << stage, stride);
        if (rc < 0)
            return rc;
    }
    b->block[0] = 0;
    return 0;
}

static int add_stem(builder *b) {
    int rc;
    TRY(add_conv_bn(b, b->cifar ? &(conv_bn){"conv1", "bn1", 16, 3, 1, true, 1}
                                : &(conv_bn){"conv1", "bn1", 64, 7, 2, true, 1}));
    if (!b->cifar)
        TRY(model_add_maxpool(&b->tensor, b->model, "maxpool", b->tensor, b->channels, 3, 2, 1));
done:
    return rc;
}

static int build(model *n, const recipe *r, const model_options *o) {
    builder b = {.model = n, .tensor = MODEL_INPUT, .channels = 3, .zero_gamma = o->zero_gamma, .cifar = r->cifar};
    int rc;
    b.drop_path = o->drop_path;
    for (int stage = 0; stage < STAGES; stage++)
        b.block_n += r->blocks[stage];
    TRY(add_stem(&b));
    for (int stage = 0; stage < STAGES; stage++)
        TRY(add_stage(&b, r, stage));
    TRY(model_add_avgpool(&b.tensor, n, "avgpool", b.tensor, b.channels));
    TRY(model_add_linear(&b.tensor, n, r->cifar ? "linear" : "fc", b.tensor, b.channels, o->classes));
    for (int i = 0; i < n->param_n; i++)
        if (n->param[i].rank == 1)
            n->param[i].decays = n->param[i].head ? o->decay_bias : o->decay_norm;
done:
    return rc;
}

const char *model_arch(int i) { return i >= 0 && i < RECIPES ? recipes[i].arch : NULL; }

static int unknown_arch(const char *arch) {
    char known[256] = "";
    for (int i = 0, at = 0; i < RECIPES; i++)
        at += snprintf(known + at, sizeof known - (size_t)at, "%s%s", i > 0 ? ", " : "", recipes[i].arch);
    return fail(E_OPTION, "unknown architecture '%s'; known: %s", arch, known);
}

int model_create(model **out, const char *arch, const model_options *o) {
    const recipe *r = NULL;
    model *n = NULL;
    int rc;
    for (int i = 0; i < RECIPES; i++)
        if (strcmp(recipes[i].arch, arch) == 0)
            r = &recipes[i];
    if (r == NULL)
        return unknown_arch(arch);
    if (o->classes < 1)
        return fail(E_OPTION, "%d classes: a model needs at least 1", o->classes);
    TRY(model_create_empty(&n, arch, o->classes));
    TRY(build(n, r, o));
    *out = n; /* now owned by the caller */
    n = NULL;
done:
    model_destroy(n);
    return rc;
}
