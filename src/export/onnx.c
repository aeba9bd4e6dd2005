/* Writes a model as an ONNX graph. */

#include "base/file.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/status.h"
#include "export/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Source: onnx/onnx.proto and onnx/defs, opset 17. Each enum value is a field number, named MESSAGE_FIELD. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_VERSION = 2, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { IS_FLOAT = 1, IS_INT = 2, IS_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_INT64 = 7, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { TYPE_FLOAT = 1, TYPE_INT64 = 7, TYPE_FLOAT16 = 10 };
enum {
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    VALUE_DOC = 3,
    TYPE_TENSOR = 1,
    TENSOR_ELEM = 1,
    TENSOR_SHAPE = 2,
    SHAPE_DIM = 1
};
enum { DIM_VALUE = 1, DIM_NAME = 2, IR_VERSION = 8, OPSET = 17 };

#define NAME_BYTES 64

/** The graph being built. The first error is stored in rc, after which all functions do nothing. */
typedef struct graph {
    text out;
    const model *model;
    const export_options *how;
    char (*value)[NAME_BYTES]; /* (layer_n) name of each layer's output */
    char image[NAME_BYTES];    /* name of the first layer's input */
    int rc;
} graph;

static void keep(graph *g, int rc) { g->rc = g->rc != OK ? g->rc : rc; }

static size_t open_field(graph *g, unsigned number) {
    size_t mark = 0;
    keep(g, proto_open(&g->out, number, &mark));
    return mark;
}

static void close_field(graph *g, size_t mark) {
    if (g->rc == OK)
        keep(g, proto_close(&g->out, mark));
}

static void put_int(graph *g, unsigned number, int64_t v) { keep(g, proto_varint(&g->out, number, (uint64_t)v)); }
static void put_string(graph *g, unsigned number, const char *s) { keep(g, proto_string(&g->out, number, s)); }

static void attribute_int(graph *g, const char *name, int v) {
    size_t mark = open_field(g, NODE_ATTRIBUTE);
    put_string(g, ATTRIBUTE_NAME, name);
    put_int(g, ATTRIBUTE_I, v);
    put_int(g, ATTRIBUTE_TYPE, IS_INT);
    close_field(g, mark);
}

static void attribute_float(graph *g, const char *name, float v) {
    size_t mark = open_field(g, NODE_ATTRIBUTE);
    put_string(g, ATTRIBUTE_NAME, name);
    keep(g, proto_float(&g->out, ATTRIBUTE_F, v));
    put_int(g, ATTRIBUTE_TYPE, IS_FLOAT);
    close_field(g, mark);
}

/** Adds an attribute with n equal integers. */
static void attribute_ints(graph *g, const char *name, int n, int v) {
    size_t mark = open_field(g, NODE_ATTRIBUTE);
    put_string(g, ATTRIBUTE_NAME, name);
    for (int i = 0; i < n; i++)
        put_int(g, ATTRIBUTE_INTS, v);
    put_int(g, ATTRIBUTE_TYPE, IS_INTS);
    close_field(g, mark);
}

/** Begins a node with one output; close_field ends it. */
static size_t node(graph *g, const char *type, const char *output, const char *input, const char *second) {
    size_t mark = open_field(g, GRAPH_NODE);
    put_string(g, NODE_TYPE, type);
    put_string(g, NODE_NAME, output);
    put_string(g, NODE_OUTPUT, output);
    put_string(g, NODE_INPUT, input);
    if (second != NULL)
        put_string(g, NODE_INPUT, second);
    return mark;
}

static void simple_node(graph *g, const char *type, const char *output, const char *input, const char *second) {
    close_field(g, node(g, type, output, input, second));
}

static void cast(graph *g, const char *output, const char *input, int type) {
    size_t mark = node(g, "Cast", output, input, NULL);
    attribute_int(g, "to", type);
    close_field(g, mark);
}

static void input_part(graph *g, const char *module, const char *part) {
    char name[2 * NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", module, part);
    put_string(g, NODE_INPUT, name);
}

static void window(graph *g, const layer *l) {
    attribute_ints(g, "kernel_shape", 2, l->kernel);
    attribute_ints(g, "strides", 2, l->stride);
    attribute_ints(g, "pads", 4, l->pad);
}

static void conv(graph *g, const layer *l, const char *x, const char *y) {
    size_t mark = node(g, "Conv", y, x, g->model->param[l->weight].name);
    if (g->how->fold)
        input_part(g, l->name, "bias");
    window(g, l);
    attribute_int(g, "group", l->groups);
    close_field(g, mark);
}

/** y = relu(bn(x) + residual), in up to three nodes. With `fold`, bn is already part of the convolution. */
static void batch_norm(graph *g, const layer *l, const char *x, char y[NAME_BYTES]) {
    snprintf(y, NAME_BYTES, "%s", x);
    if (!g->how->fold) {
        snprintf(y, NAME_BYTES, "%s", l->name);
        size_t mark = node(g, "BatchNormalization", y, x, NULL);
        input_part(g, l->name, "weight");
        input_part(g, l->name, "bias");
        input_part(g, l->name, "running_mean");
        input_part(g, l->name, "running_var");
        attribute_float(g, "epsilon", 1e-5F);
        close_field(g, mark);
    }
    char before[NAME_BYTES];
    if (l->residual != TENSOR_NONE) {
        snprintf(before, sizeof before, "%s", y);
        snprintf(y, NAME_BYTES, "%.50s.add", l->name);
        simple_node(g, "Add", y, before, g->value[l->residual]);
    }
    if (l->relu) {
        snprintf(before, sizeof before, "%s", y);
        snprintf(y, NAME_BYTES, "%.50s.relu", l->name);
        simple_node(g, "Relu", y, before, NULL);
    }
}

/** The name of the initializer with the channels that a shortcut adds. */
static void pads_name(char out[NAME_BYTES], const layer *l) { snprintf(out, NAME_BYTES, "%.50s.pads", l->name); }

static void shortcut(graph *g, const layer *l, const char *x, const char *y) {
    char strided[NAME_BYTES], pads[NAME_BYTES];
    snprintf(strided, sizeof strided, "%.50s.strided", l->name);
    pads_name(pads, l);
    size_t mark = node(g, "MaxPool", strided, x, NULL); /* windows of one pixel */
    window(g, l);
    close_field(g, mark);
    simple_node(g, "Pad", y, strided, pads);
}

static void add_layer(graph *g, int i) {
    const layer *l = &g->model->layer[i];
    const char *x = l->input == MODEL_INPUT ? g->image : g->value[l->input];
    char *y = g->value[i];
    size_t mark = 0;
    snprintf(y, NAME_BYTES, "%s", l->name);
    switch (l->kind) {
    case LAYER_CONV: conv(g, l, x, y); break;
    case LAYER_BN: batch_norm(g, l, x, y); break;
    case LAYER_MAXPOOL:
        mark = node(g, "MaxPool", y, x, NULL);
        window(g, l);
        close_field(g, mark);
        break;
    case LAYER_AVGPOOL:
        simple_node(g, "GlobalAveragePool", "pooled", x, NULL);
        mark = node(g, "Flatten", y, "pooled", NULL);
        attribute_int(g, "axis", 1);
        close_field(g, mark);
        break;
    case LAYER_SHORTCUT: shortcut(g, l, x, y); break;
    default:
        snprintf(y, NAME_BYTES, "%s", g->how->half ? "logits16" : "logits");
        mark = node(g, "Gemm", y, x, g->model->param[l->weight].name);
        put_string(g, NODE_INPUT, g->model->param[l->bias].name);
        attribute_int(g, "transB", 1);
        close_field(g, mark);
        break;
    }
}

/** Adds the nodes from the input "images" to the first layer's input. */
static void begin(graph *g) {
    snprintf(g->image, sizeof g->image, "images");
    if (g->how->normalise) {
        simple_node(g, "Sub", "centred", g->image, "mean");
        simple_node(g, "Div", "normalised", "centred", "std");
        snprintf(g->image, sizeof g->image, "normalised");
    }
    if (g->how->half) {
        cast(g, "images16", g->image, TYPE_FLOAT16);
        snprintf(g->image, sizeof g->image, "images16");
    }
}

static void initializer(graph *g, const ckpt_tensor *t) {
    size_t mark = open_field(g, GRAPH_INITIALIZER);
    for (int d = 0; d < t->rank; d++)
        put_int(g, TENSOR_DIMS, t->shape[d]);
    put_int(g, TENSOR_TYPE, t->type == CKPT_F16 ? TYPE_FLOAT16 : TYPE_FLOAT);
    put_string(g, TENSOR_NAME, t->name);
    keep(g, proto_bytes(&g->out, TENSOR_RAW, t->data, t->bytes));
    close_field(g, mark);
}

/** NCHW: begin and end of each axis. */
static void initializer_pads(graph *g, const layer *l) {
    int zero_channels = (l->out_c - l->in_c) / 2, pads[8] = {0, zero_channels, 0, 0, 0, zero_channels, 0, 0};
    char name[NAME_BYTES];
    pads_name(name, l);
    size_t mark = open_field(g, GRAPH_INITIALIZER);
    put_int(g, TENSOR_DIMS, 8);
    put_int(g, TENSOR_TYPE, TYPE_INT64);
    for (int i = 0; i < 8; i++)
        put_int(g, TENSOR_INT64, pads[i]);
    put_string(g, TENSOR_NAME, name);
    close_field(g, mark);
}

static void initializer_three(graph *g, const char *name, const double three[3]) {
    float v[3] = {(float)three[0], (float)three[1], (float)three[2]};
    ckpt_tensor t = {.type = CKPT_F32, .rank = 4, .shape = {1, 3, 1, 1}, .data = v, .bytes = sizeof v};
    snprintf(t.name, sizeof t.name, "%s", name);
    initializer(g, &t);
}

/** Adds an input or output in fp32; a size of 0 stands for the batch size. */
static void value_info(graph *g, unsigned number, const char *name, int rank, const int *size, const char *doc) {
    size_t info = open_field(g, number);
    put_string(g, VALUE_NAME, name);
    size_t type = open_field(g, VALUE_TYPE), tensor = open_field(g, TYPE_TENSOR);
    put_int(g, TENSOR_ELEM, TYPE_FLOAT);
    size_t shape = open_field(g, TENSOR_SHAPE);
    for (int d = 0; d < rank; d++) {
        size_t dim = open_field(g, SHAPE_DIM);
        if (size[d] > 0)
            put_int(g, DIM_VALUE, size[d]);
        else
            put_string(g, DIM_NAME, "batch");
        close_field(g, dim);
    }
    close_field(g, shape);
    close_field(g, tensor);
    close_field(g, type);
    put_string(g, VALUE_DOC, doc);
    close_field(g, info);
}

static void put_graph(graph *g, const export_set *set, const config *o, const char *preprocessing) {
    size_t mark = open_field(g, MODEL_GRAPH);
    int side = o->data.image_size;
    put_string(g, GRAPH_NAME, g->model->arch);
    begin(g);
    for (int i = 0; i < g->model->layer_n; i++)
        add_layer(g, i);
    if (g->how->half)
        cast(g, "logits", "logits16", TYPE_FLOAT);
    for (int i = 0; i < set->n; i++)
        if (set->tensor[i].type == CKPT_F32 || set->tensor[i].type == CKPT_F16) /* not the counters */
            initializer(g, &set->tensor[i]);
    for (int i = 0; i < g->model->layer_n; i++)
        if (g->model->layer[i].kind == LAYER_SHORTCUT)
            initializer_pads(g, &g->model->layer[i]);
    if (g->how->normalise) {
        initializer_three(g, "mean", o->data.mean);
        initializer_three(g, "std", o->data.std);
    }
    value_info(g, GRAPH_INPUT, "images", 4, (int[]){0, 3, side, side}, preprocessing);
    value_info(g, GRAPH_OUTPUT, "logits", 2, (int[]){0, g->model->classes},
               "before softmax, in the order of class_names");
    close_field(g, mark);
}

int export_onnx(const char *path, const model *n, const export_set *set, const config *o, const export_options *how,
                const ckpt_item *metadata, int metadata_n) {
    graph g = {.model = n, .how = how};
    int rc = OK;
    TRY(memory_zeroed(&g.value, (size_t)n->layer_n, sizeof *g.value));
    put_int(&g, MODEL_IR, IR_VERSION);
    put_string(&g, MODEL_PRODUCER, "linnet");
    size_t mark = open_field(&g, MODEL_OPSET);
    put_int(&g, OPSET_VERSION, OPSET);
    close_field(&g, mark);
    put_graph(&g, set, o, ckpt_find_item(metadata, metadata_n, EXPORT_PREPROCESSING)->s);
    for (int i = 0; i < metadata_n; i++) {
        mark = open_field(&g, MODEL_METADATA);
        put_string(&g, ENTRY_KEY, metadata[i].key);
        put_string(&g, ENTRY_VALUE, metadata[i].s);
        close_field(&g, mark);
    }
    TRY(g.rc);
    TRY(file_write_atomic(path, g.out.data, g.out.n));
done:
    text_deinit(&g.out);
    free(g.value);
    return rc;
}
