/* The part of libcudnn.so.9 that backend/cuda/cudnn.h uses: descriptors, heuristics, and execution of graphs
 * (graphs.h). */
#include "fake.h"
#include "graphs.h"

#include <cstdio>

namespace {

constexpr int CANDIDATES = 3, VARYING = 2; /* VARYING: reported as non-deterministic */
int varying_runs;
constexpr int64_t WORKSPACE_BYTES = 128;

size_t bytes_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    case CUDNN_TYPE_BOOLEAN: return 1;
    default: return 4;
    }
}

/** The attributes that a descriptor of that type requires. */
std::vector<int> needed(cudnnBackendDescriptorType_t type) {
    switch (type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_DIMENSIONS,     CUDNN_ATTR_TENSOR_STRIDES,
                CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_ATTR_TENSOR_IS_VIRTUAL};
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        return {CUDNN_ATTR_CONVOLUTION_COMP_TYPE,    CUDNN_ATTR_CONVOLUTION_CONV_MODE,
                CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
                CUDNN_ATTR_CONVOLUTION_DILATIONS};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};
    case CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC,
                CUDNN_ATTR_OPERATION_GENSTATS_XDESC, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC,
                CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC};
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR: return {CUDNN_ATTR_POINTWISE_MODE, CUDNN_ATTR_POINTWISE_MATH_PREC};
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC};
    case CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR:
        return {
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC,        CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC,
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC,      CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC,
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC,           CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC,
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC,   CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC,
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC,
            CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS};
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        return {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_ATTR_OPERATIONGRAPH_OPS};
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_ATTR_ENGINEHEUR_MODE};
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG};
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        return {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                CUDNN_ATTR_VARIANT_PACK_WORKSPACE};
    default: return {};
    }
}

/** The operations that cuDNN fuses with a convolution, and the additional time of each: less than the unfused operation
 * takes, or "slow". */
struct fused_part {
    fake_fusion what;
    const char *pattern[3];
    double ms;
};

const fused_part parts[] = {
    {FAKE_STATISTICS, {"statistics", "scaled-statistics", ""}, 0.5},
    {FAKE_PROLOGUE, {"scaled-forward", "scaled-statistics", "scaled-weights"}, 0.25},
    {FAKE_GRADIENT, {"data-sums", "", ""}, 0.5},
};

bool has_part(const fused_part &part, const std::string &pattern) {
    for (const char *name : part.pattern)
        if (!pattern.empty() && pattern == name)
            return true;
    return false;
}

bool is_understood(const descriptor *graph) {
    std::string pattern = graph_pattern(graph);
    for (const fused_part &part : parts)
        if (has_part(part, pattern) && fake_fusion_is(part.what, "rejected"))
            return false;
    if (pattern == "scaled-forward" && fake_fusion_is(FAKE_PROLOGUE, "whole"))
        return false;
    return !pattern.empty();
}

descriptor *of(cudnnBackendDescriptor_t d) { return (descriptor *)d; }

} // namespace

#define MAY_FAIL()                                                                                                     \
    do {                                                                                                               \
        if (fake_fails(__func__))                                                                                      \
            return CUDNN_STATUS_EXECUTION_FAILED;                                                                      \
    } while (0)

extern "C" {

/** For tests: runs of the non-deterministic candidate, measurements included. */
int fake_cudnn_varying_runs(void) { return varying_runs; }

size_t cudnnGetVersion(void) { return 91900; }
const char *cudnnGetErrorString(cudnnStatus_t) { return "made to fail"; }
void cudnnGetLastErrorString(char *message, size_t bytes) { snprintf(message, bytes, "no more is known"); }

cudnnStatus_t cudnnCreate(cudnnHandle_t *out) {
    MAY_FAIL();
    *out = (cudnnHandle_t)5;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t) { return CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) {
    MAY_FAIL();
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out) {
    MAY_FAIL();
    descriptor *d = new descriptor;
    d->type = type;
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
    delete of(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
    MAY_FAIL();
    if (of(d)->final)
        return CUDNN_STATUS_BAD_PARAM;
    for (int name : needed(of(d)->type))
        if (of(d)->attributes.count(name) == 0)
            return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (of(d)->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR && !is_understood(of(d)))
        return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    of(d)->final = true;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t n, const void *given) {
    MAY_FAIL();
    if (of(d)->final || n < 1 || given == nullptr)
        return CUDNN_STATUS_BAD_PARAM;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !(*(descriptor *const *)given)->final)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    of(d)->attributes[name] = {type, std::string((const char *)given, (size_t)n * bytes_of(type))};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t room, int64_t *n, void *out) {
    MAY_FAIL();
    if (!of(d)->final)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    *n = 1;
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: /* fills the descriptors that it is given */
        *n = room < CANDIDATES ? room : CANDIDATES;
        for (int i = 0; i < *n; i++) {
            descriptor *candidate = ((descriptor **)out)[i];
            candidate->graph = child(of(d), CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
            candidate->candidate = i;
            candidate->final = true;
        }
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        (*(descriptor **)out)->candidate = of(d)->candidate;
        (*(descriptor **)out)->final = true;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX: *(int64_t *)out = 40 + of(d)->candidate; return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: /* the first uses tensor cores, the second reports no notes */
        *n = of(d)->candidate != 1 ? 1 : 0;
        if (*n == 1)
            *(cudnnBackendNumericalNote_t *)out =
                of(d)->candidate == VARYING ? CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC : CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: *(int64_t *)out = WORKSPACE_BYTES; return CUDNN_STATUS_SUCCESS;
    default: return CUDNN_STATUS_BAD_PARAM;
    }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
    MAY_FAIL();
    if (!of(plan)->final || !of(pack)->final)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    varying_runs += child(of(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->candidate == VARYING;
    const descriptor *graph = child(of(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->graph;
    graph_run run(graph);
    double ms = 2;
    if (!run.bind(values<int64_t>(of(pack), CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
                  values<void *>(of(pack), CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)) ||
        !fake_owns(values<void *>(of(pack), CUDNN_ATTR_VARIANT_PACK_WORKSPACE)[0], WORKSPACE_BYTES))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    for (const fused_part &part : parts)
        if (has_part(part, graph_pattern(graph))) {
            ms += fake_fusion_is(part.what, "slow") ? 2 : part.ms;
            fake_count_fusion(part.what);
        }
    fake_queue([=] { run.run(); }, ms);
    return CUDNN_STATUS_SUCCESS;
}

} /* extern "C" */
