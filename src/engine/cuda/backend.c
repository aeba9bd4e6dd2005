/* A convolution as cuDNN's backend API wants it described: tensors, operations, a graph of them; then heuristics that
 * name engine configurations for the graph, and execution plans of those. */
#include "engine/cuda/backend.h"

#include "base/status.h"

static const char *const what = "preparing a convolution";

int backend_create(cudnnBackendDescriptor_t *out, const cuda_device *d, cudnnBackendDescriptorType_t type) {
    *out = NULL;
    return CUDNN(d->cudnn, what, descriptor_create, type, out);
}

int backend_set(const cuda_device *d, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values) {
    return CUDNN(d->cudnn, what, set, to, name, type, n, values);
}

int backend_finalize(const cuda_device *d, cudnnBackendDescriptor_t descriptor) {
    return CUDNN(d->cudnn, what, finalize, descriptor);
}

void backend_destroy(const cuda_device *d, cudnnBackendDescriptor_t *descriptor) {
    if (*descriptor != NULL)
        d->cudnn->descriptor_destroy(*descriptor);
    *descriptor = NULL;
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

/** dims are in the order n, c, h, w; in memory the channels stand together. */
static int set_tensor(cudnnBackendDescriptor_t *out, const cuda_device *d, int64_t uid, element type, int64_t n,
                      int64_t c, int64_t h, int64_t w) {
    const int64_t dims[4] = {n, c, h, w}, strides[4] = {h * w * c, 1, w * c, c}, alignment = 16;
    cudnnDataType_t t = data_type(type);
    bool is_virtual = false;
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

static int set_convolution(cudnnBackendDescriptor_t *out, const cuda_device *d, const convolution_shape *s) {
    const int64_t spatial = 2, pad[2] = {s->pad, s->pad}, stride[2] = {s->stride, s->stride}, dilation[2] = {1, 1};
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int rc = OK;
    TRY(backend_create(out, d, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride));
    TRY(backend_set(d, *out, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation));
    TRY(backend_finalize(d, *out));
done:
    return rc;
}

/** Attribute names of one pass. */
typedef struct pass_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
} pass_names;

static const pass_names names[] = {
    [CONVOLUTION_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CONVOLUTION_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CONVOLUTION_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static int set_operation(operation_graph *g, const cuda_device *d, const pass_names *n) {
    const float one = 1, zero = 0;
    int rc = OK;
    TRY(backend_create(&g->operation[0], d, n->operation));
    TRY(backend_set(d, g->operation[0], n->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[0]));
    TRY(backend_set(d, g->operation[0], n->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[1]));
    TRY(backend_set(d, g->operation[0], n->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[2]));
    TRY(backend_set(d, g->operation[0], n->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->convolution));
    TRY(backend_set(d, g->operation[0], n->alpha, CUDNN_TYPE_FLOAT, 1, &one));
    TRY(backend_set(d, g->operation[0], n->beta, CUDNN_TYPE_FLOAT, 1, &zero));
    TRY(backend_finalize(d, g->operation[0]));
done:
    return rc;
}

/** sum and squares, (1, c, 1, 1) in fp32, of y. */
static int set_statistics(operation_graph *g, const cuda_device *d, const convolution_shape *s) {
    cudnnBackendDescriptor_t *o = &g->operation[1];
    cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    int rc = OK;
    TRY(set_tensor(&g->tensor[3], d, UID_SUM, ELEMENT_F32, 1, s->y.c, 1, 1));
    TRY(set_tensor(&g->tensor[4], d, UID_SQUARES, ELEMENT_F32, 1, s->y.c, 1, 1));
    TRY(backend_create(o, d, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[2]));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[3]));
    TRY(backend_set(d, *o, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->tensor[4]));
    TRY(backend_finalize(d, *o));
done:
    return rc;
}

int graph_open(operation_graph *g, const cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    element w = pass == CONVOLUTION_WEIGHTS ? s->dw : s->type;
    int rc = OK;
    *g = (operation_graph){0};
    TRY(set_tensor(&g->tensor[0], d, UID_X, s->type, s->x.n, s->x.c, s->x.h, s->x.w));
    TRY(set_tensor(&g->tensor[1], d, UID_W, w, s->y.c, s->x.c / s->groups, s->kernel, s->kernel));
    TRY(set_tensor(&g->tensor[2], d, UID_Y, s->type, s->y.n, s->y.c, s->y.h, s->y.w));
    TRY(set_convolution(&g->convolution, d, s));
    TRY(set_operation(g, d, &names[pass == CONVOLUTION_STATISTICS ? CONVOLUTION_FORWARD : pass]));
    if (pass == CONVOLUTION_STATISTICS)
        TRY(set_statistics(g, d, s));
    TRY(backend_create(&g->graph, d, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
    TRY(backend_set(d, g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle));
    TRY(backend_set(d, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                    pass == CONVOLUTION_STATISTICS ? 2 : 1, g->operation));
    TRY(backend_finalize(d, g->graph));
done:
    return rc;
}

void graph_close(operation_graph *g, const cuda_device *d) {
    backend_destroy(d, &g->graph);
    for (int i = 0; i < 2; i++)
        backend_destroy(d, &g->operation[i]);
    backend_destroy(d, &g->convolution);
    for (int i = 0; i < GRAPH_TENSORS; i++)
        backend_destroy(d, &g->tensor[i]);
}

/** The engine behind a candidate: its number, and whether the options rule it out. */
static int look_at(long long *number, bool *allowed, const cuda_device *d, cudnnBackendDescriptor_t candidate) {
    cudnnBackendDescriptor_t behind = NULL;
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0, index = -1;
    bool exact = d->type == ELEMENT_F32 && !d->options.tf32;
    int rc = OK;
    *allowed = true;
    TRY(backend_create(&behind, d, CUDNN_BACKEND_ENGINE_DESCRIPTOR));
    TRY(CUDNN(d->cudnn, what, get, candidate, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
              &behind));
    TRY(CUDNN(d->cudnn, what, get, behind, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &index));
    TRY(CUDNN(d->cudnn, what, get, behind, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
              CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, note));
    for (int64_t i = 0; i < n && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++) {
        bool rounds =
            note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        bool varies = note[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        if ((varies && d->options.deterministic) || (exact && rounds) ||
            note[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
            *allowed = false;
    }
    *number = index;
done:
    backend_destroy(d, &behind);
    return rc;
}

/** Appends what one mode of the heuristics suggests. */
static int ask(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n, const cuda_device *d,
               const operation_graph *g, cudnnBackendHeurMode_t mode) {
    cudnnBackendDescriptor_t heuristics = NULL, found[CANDIDATES] = {NULL};
    int64_t found_n = 0;
    int rc = OK;
    TRY(backend_create(&heuristics, d, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR));
    TRY(backend_set(d, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph));
    TRY(backend_set(d, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    TRY(backend_finalize(d, heuristics));
    for (int i = 0; i < CANDIDATES; i++)
        TRY(backend_create(&found[i], d, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    TRY(CUDNN(d->cudnn, what, get, heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CANDIDATES,
              &found_n, found));
    for (int i = 0; i < found_n && i < CANDIDATES && *n < CANDIDATES; i++) {
        bool allowed = false;
        TRY(look_at(&number[*n], &allowed, d, found[i]));
        if (!allowed)
            continue;
        out[(*n)++] = found[i];
        found[i] = NULL; /* now the caller's */
    }
done:
    for (int i = 0; i < CANDIDATES; i++)
        backend_destroy(d, &found[i]);
    backend_destroy(d, &heuristics);
    return rc;
}

int graph_candidates(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n,
                     const cuda_device *d, const operation_graph *g) {
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    int rc = OK;
    *n = 0;
    for (int i = 0; i < 2; i++) { /* a mode that knows nothing about the graph fails; the next may know */
        int asked = ask(out, number, n, d, g, modes[i]);
        rc = *n > 0 || asked == OK ? OK : asked;
    }
    return *n > 0 ? OK : rc != OK ? rc : fail(E_UNSUPPORTED, "cuDNN has no engine for it");
}

int plan_open(cudnnBackendDescriptor_t *out, size_t *workspace, const cuda_device *d,
              cudnnBackendDescriptor_t candidate) {
    int64_t bytes = 0, n = 0;
    int rc = OK;
    TRY(backend_create(out, d, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
    TRY(backend_set(d, *out, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle));
    TRY(backend_set(d, *out, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &candidate));
    TRY(backend_finalize(d, *out));
    TRY(CUDNN(d->cudnn, what, get, *out, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &bytes));
    *workspace = (size_t)bytes;
done:
    if (rc != OK)
        backend_destroy(d, out);
    return rc;
}
