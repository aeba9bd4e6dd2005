/* A convolution pass as an operation graph of cuDNN's backend API. The fused parts of BN are further operations of the
 * graph. Intermediate results are virtual tensors, which are never written to memory.
 *
 *     statistics   y = conv(x, w)                        sum, squares of y                       (GenStats)
 *     scaled       y = conv(relu(x * scale + shift), w), forward with or without sums, and wgrad
 *                  cuDNN's patterns ConvBNfprop, ConvBNwgrad
 *     data sums    x = conv^T(y, w) where gamma * (bn_x - mean) * inv_std + beta > 0, else 0; dbeta = sum x,
 *                  dgamma = sum x * (bn_x - mean) * inv_std
 *                  cuDNN's pattern DgradDreluBNBwdWeight */
#include "backend/cuda/backend.h"

#include "base/status.h"

enum { PLAIN = 1 << TENSOR_X | 1 << TENSOR_W | 1 << TENSOR_Y };
enum { SUMS = 1 << TENSOR_SUM | 1 << TENSOR_SQUARES, SCALED = 1 << TENSOR_SCALE | 1 << TENSOR_SHIFT };
enum {
    BN = 1 << TENSOR_BN_X | 1 << TENSOR_MEAN | 1 << TENSOR_INV_STD | 1 << TENSOR_GAMMA | 1 << TENSOR_BETA,
    BN_SUMS =
        1 << TENSOR_DBETA | 1 << TENSOR_DGAMMA | 1 << TENSOR_EQ_DY_SCALE | 1 << TENSOR_EQ_X_SCALE | 1 << TENSOR_EQ_BIAS
};

static const int tensors_of[] = {
    [CONVOLUTION_FORWARD] = PLAIN,
    [CONVOLUTION_DGRAD] = PLAIN,
    [CONVOLUTION_WGRAD] = PLAIN,
    [CONVOLUTION_STATISTICS] = PLAIN | SUMS,
    [CONVOLUTION_SCALED_FORWARD] = PLAIN | SCALED,
    [CONVOLUTION_SCALED_STATISTICS] = PLAIN | SCALED | SUMS,
    [CONVOLUTION_SCALED_WEIGHTS] = PLAIN | SCALED,
    [CONVOLUTION_DATA_SUMS] = PLAIN | BN | BN_SUMS,
};

bool graph_has(convolution_pass pass, convolution_tensor t) { return (tensors_of[pass] >> t & 1) != 0; }

static bool makes_weights(convolution_pass pass) {
    return pass == CONVOLUTION_WGRAD || pass == CONVOLUTION_SCALED_WEIGHTS;
}

tensor_shape graph_tensor(element *type, const convolution_shape *s, convolution_pass pass, convolution_tensor t) {
    *type = s->type;
    switch (t) {
    case TENSOR_X:
    case TENSOR_BN_X: return s->x;
    case TENSOR_Y: return s->y;
    case TENSOR_W:
        *type = makes_weights(pass) ? s->dw : s->type;
        return (tensor_shape){.n = s->y.c, .c = s->x.c / s->groups, .h = s->kernel, .w = s->kernel};
    case TENSOR_SCALE:
    case TENSOR_SHIFT: return (tensor_shape){.n = 1, .c = s->x.c, .h = 1, .w = 1};
    case TENSOR_SUM:
    case TENSOR_SQUARES: *type = ELEMENT_F32; return (tensor_shape){.n = 1, .c = s->y.c, .h = 1, .w = 1};
    default: *type = ELEMENT_F32; return (tensor_shape){.n = 1, .c = s->x.c, .h = 1, .w = 1};
    }
}

static cudnnDataType_t data_type(element e) {
    switch (e) {
    case ELEMENT_F16: return CUDNN_DATA_HALF;
    case ELEMENT_BF16: return CUDNN_DATA_BFLOAT16;
    case ELEMENT_F64: return CUDNN_DATA_DOUBLE;
    case ELEMENT_F32: break;
    }
    return CUDNN_DATA_FLOAT;
}

/** Sets a descriptor attribute of `to`. */
static int link(const cuda_device *d, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendDescriptor_t what) {
    return backend_set(d, to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &what);
}

/** NHWC layout. */
static int new_tensor(cudnnBackendDescriptor_t *out, const cuda_device *d, int64_t uid, element type, tensor_shape s,
                      bool is_virtual) {
    const int64_t dims[4] = {s.n, s.c, s.h, s.w}, row = (int64_t)s.w * s.c;
    const int64_t strides[4] = {s.h * row, 1, row, s.c}, alignment = 16;
    cudnnDataType_t t = data_type(type);
    int rc = OK;
    TRY(backend_create(out, d, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &t));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment));
    TRY(backend_set(d, *out, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual));
    TRY(backend_finalize(d, *out));
done:
    return rc;
}

/** A virtual tensor of x's shape, between two operations. */
static int tensor_between(cudnnBackendDescriptor_t *out, operation_graph *g, const cuda_device *d,
                          const convolution_shape *s, element type) {
    cudnnBackendDescriptor_t *t = &g->part[g->part_n];
    int rc = new_tensor(t, d, TENSORS + 1 + g->part_n++, type, s->x, true);
    *out = *t;
    return rc;
}

static int set_convolution(cudnnBackendDescriptor_t *out, operation_graph *g, const cuda_device *d,
                           const convolution_shape *s) {
    const int64_t spatial = 2, pad[2] = {s->pad, s->pad}, stride[2] = {s->stride, s->stride}, dilation[2] = {1, 1};
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    cudnnBackendDescriptor_t *c = &g->part[g->part_n++];
    int rc = OK;
    TRY(backend_create(c, d, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride));
    TRY(backend_set(d, *c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation));
    TRY(backend_finalize(d, *c));
    *out = *c;
done:
    return rc;
}

/** Attribute names of cuDNN's forward, dgrad or wgrad operation. */
typedef struct operation_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
} operation_names;

static const operation_names forward_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
static const operation_names data_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
static const operation_names weights_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

static const operation_names *names_of(convolution_pass pass) {
    if (makes_weights(pass))
        return &weights_names;
    return pass == CONVOLUTION_DGRAD || pass == CONVOLUTION_DATA_SUMS ? &data_names : &forward_names;
}

/** The convolution. x: its input or, in dgrad, its output. */
static int add_convolution(operation_graph *g, const cuda_device *d, const convolution_shape *s,
                           const operation_names *n, cudnnBackendDescriptor_t x) {
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t *o = &g->operation[g->operation_n++], how = NULL;
    int rc = OK;
    TRY(set_convolution(&how, g, d, s));
    TRY(backend_create(o, d, n->operation));
    TRY(link(d, *o, n->x, x));
    TRY(link(d, *o, n->w, g->tensor[TENSOR_W]));
    TRY(link(d, *o, n->y, g->tensor[TENSOR_Y]));
    TRY(link(d, *o, n->convolution, how));
    TRY(backend_set(d, *o, n->alpha, CUDNN_TYPE_FLOAT, 1, &one));
    TRY(backend_set(d, *o, n->beta, CUDNN_TYPE_FLOAT, 1, &zero));
    TRY(backend_finalize(d, *o));
done:
    return rc;
}

/** The sums of y and y^2, (1, c, 1, 1) in fp32. */
static int add_statistics(operation_graph *g, const cuda_device *d) {
    cudnnBackendDescriptor_t *o = &g->operation[g->operation_n++];
    cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    int rc = OK;
    TRY(backend_create(o, d, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    TRY(link(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, g->tensor[TENSOR_Y]));
    TRY(link(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, g->tensor[TENSOR_SUM]));
    TRY(link(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, g->tensor[TENSOR_SQUARES]));
    TRY(backend_finalize(d, *o));
done:
    return rc;
}

/** y = mode(x, b), with b scaled by b_times if that is not 0; or y = mode(x); or, for ReLU backward, dx = dy where
 *  x > 0, else 0. Unused tensors are NULL. */
typedef struct pointwise {
    cudnnPointwiseMode_t mode;
    cudnnBackendDescriptor_t x, b, y, dy, dx;
    float b_times;
} pointwise;

static int add_pointwise(operation_graph *g, const cuda_device *d, const pointwise *p) {
    cudnnBackendDescriptor_t *how = &g->part[g->part_n++], *o = &g->operation[g->operation_n++];
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    int rc = OK;
    TRY(backend_create(how, d, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    TRY(backend_set(d, *how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &p->mode));
    TRY(backend_set(d, *how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    TRY(backend_finalize(d, *how));
    TRY(backend_create(o, d, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
    TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, *how));
    TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, p->x));
    if (p->b != NULL)
        TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, p->b));
    if (p->b_times != 0)
        TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, CUDNN_TYPE_FLOAT, 1, &p->b_times));
    if (p->y != NULL)
        TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, p->y));
    if (p->dy != NULL) {
        TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, p->dy));
        TRY(link(d, *o, CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, p->dx));
    }
    TRY(backend_finalize(d, *o));
done:
    return rc;
}

/** Replaces *x by the result of the pointwise operation p on it. */
static int apply(cudnnBackendDescriptor_t *x, operation_graph *g, const cuda_device *d, const convolution_shape *s,
                 element type, pointwise p) {
    int rc = OK;
    p.x = *x;
    TRY(tensor_between(&p.y, g, d, s, type));
    TRY(add_pointwise(g, d, &p));
    *x = p.y;
done:
    return rc;
}

/** *x = relu(*x * scale + shift). The types of the virtual tensors follow NVIDIA's samples for the two patterns. */
static int add_scaling(cudnnBackendDescriptor_t *x, operation_graph *g, const cuda_device *d,
                       const convolution_shape *s, convolution_pass pass) {
    element type = makes_weights(pass) ? s->type : ELEMENT_F32;
    int rc = OK;
    TRY(apply(x, g, d, s, type, (pointwise){.mode = CUDNN_POINTWISE_MUL, .b = g->tensor[TENSOR_SCALE]}));
    TRY(apply(x, g, d, s, type, (pointwise){.mode = CUDNN_POINTWISE_ADD, .b = g->tensor[TENSOR_SHIFT]}));
    TRY(apply(x, g, d, s, type, (pointwise){.mode = CUDNN_POINTWISE_RELU_FWD}));
done:
    return rc;
}

/** The sums that BN's backward needs of the masked gradient g, and the factors for cuDNN's dBNApply. */
static int add_bn_sums(operation_graph *g, const cuda_device *d) {
    static const struct {
        cudnnBackendAttributeName_t name;
        convolution_tensor tensor;
    } links[] = {
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, TENSOR_MEAN},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, TENSOR_INV_STD},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, TENSOR_GAMMA},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, TENSOR_BN_X},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, TENSOR_X},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC, TENSOR_DGAMMA},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC, TENSOR_DBETA},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, TENSOR_EQ_DY_SCALE},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, TENSOR_EQ_X_SCALE},
        {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS, TENSOR_EQ_BIAS},
    };
    cudnnBackendDescriptor_t *o = &g->operation[g->operation_n++];
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    int rc = OK;
    TRY(backend_create(o, d, CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        TRY(link(d, *o, links[i].name, g->tensor[links[i].tensor]));
    TRY(backend_finalize(d, *o));
done:
    return rc;
}

/** Applies the ReLU mask to the convolution's dx, computing BN's y again for the mask; then the sums. */
static int add_relu_gradient(operation_graph *g, const cuda_device *d, const convolution_shape *s,
                             cudnnBackendDescriptor_t dy) {
    const pointwise steps[] = {
        {.mode = CUDNN_POINTWISE_ADD, .b = g->tensor[TENSOR_MEAN], .b_times = -1},
        {.mode = CUDNN_POINTWISE_MUL, .b = g->tensor[TENSOR_INV_STD]},
        {.mode = CUDNN_POINTWISE_MUL, .b = g->tensor[TENSOR_GAMMA]},
        {.mode = CUDNN_POINTWISE_ADD, .b = g->tensor[TENSOR_BETA]},
    };
    cudnnBackendDescriptor_t y = g->tensor[TENSOR_BN_X];
    int rc = OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        TRY(apply(&y, g, d, s, ELEMENT_F32, steps[i]));
    TRY(add_pointwise(g, d,
                      &(pointwise){.mode = CUDNN_POINTWISE_RELU_BWD, .x = y, .dy = dy, .dx = g->tensor[TENSOR_X]}));
    TRY(add_bn_sums(g, d));
done:
    return rc;
}

int graph_open(operation_graph *g, const cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    bool gradient = graph_has(pass, TENSOR_DBETA);
    cudnnBackendDescriptor_t x = NULL;
    int rc = OK;
    *g = (operation_graph){0};
    for (int t = 0; t < TENSORS; t++) {
        element type = s->type;
        tensor_shape shape = graph_tensor(&type, s, pass, (convolution_tensor)t);
        if (graph_has(pass, (convolution_tensor)t))
            TRY(new_tensor(&g->tensor[t], d, t + 1, type, shape, false));
    }
    x = g->tensor[TENSOR_X];
    if (graph_has(pass, TENSOR_SCALE))
        TRY(add_scaling(&x, g, d, s, pass));
    if (gradient)
        TRY(tensor_between(&x, g, d, s, ELEMENT_F32));
    TRY(add_convolution(g, d, s, names_of(pass), x));
    if (graph_has(pass, TENSOR_SUM))
        TRY(add_statistics(g, d));
    if (gradient)
        TRY(add_relu_gradient(g, d, s, x));
    TRY(backend_create(&g->graph, d, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
    TRY(backend_set(d, g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle));
    TRY(backend_set(d, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->operation_n,
                    g->operation));
    TRY(backend_finalize(d, g->graph));
done:
    return rc;
}

void graph_close(operation_graph *g, const cuda_device *d) {
    backend_destroy(d, &g->graph);
    for (int i = 0; i < GRAPH_OPERATIONS; i++)
        backend_destroy(d, &g->operation[i]);
    for (int i = 0; i < GRAPH_PARTS; i++)
        backend_destroy(d, &g->part[i]);
    for (int i = 0; i < TENSORS; i++)
        backend_destroy(d, &g->tensor[i]);
}
