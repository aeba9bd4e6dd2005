/* libcudnn.so.9, as far as engine/cuda/cudnn.h uses it: graphs of one convolution, and of the sums over
 * its output, by plain loops in fp32. */
#include "fake.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cudnn_graph.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr int CANDIDATES = 3, VARYING = 2; /* VARYING: said to differ from run to run */
int varying_runs;
constexpr int64_t WORKSPACE_BYTES = 128, ALIGNMENT = 16;

/** An attribute's values as they were given. */
struct attribute {
    cudnnBackendAttributeType_t type;
    std::string bytes;
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool final = false;
    int candidate = 0;           /* of an engine's configuration */
    descriptor *graph = nullptr; /* and what it is for */
    std::map<int, attribute> attributes;
};

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

template <class T> std::vector<T> values(const descriptor *d, int name) {
    const std::string &bytes = d->attributes.at(name).bytes;
    std::vector<T> v(bytes.size() / sizeof(T));
    memcpy(v.data(), bytes.data(), bytes.size());
    return v;
}

descriptor *child(const descriptor *d, int name) { return values<descriptor *>(d, name)[0]; }

/** The attributes without which a descriptor of that type means nothing. */
std::vector<int> needed(cudnnBackendDescriptorType_t type) {
    switch (type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_ATTR_TENSOR_STRIDES,
                CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT};
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

struct tensor {
    int type;
    int64_t n[4], stride[4]; /* N, C, H, W; of a filter K, C, R, S */
    int64_t id;
    char *memory = nullptr;

    explicit tensor(const descriptor *d) {
        type = values<int>(d, CUDNN_ATTR_TENSOR_DATA_TYPE)[0];
        memcpy(n, values<int64_t>(d, CUDNN_ATTR_TENSOR_DIMENSIONS).data(), sizeof n);
        memcpy(stride, values<int64_t>(d, CUDNN_ATTR_TENSOR_STRIDES).data(), sizeof stride);
        id = values<int64_t>(d, CUDNN_ATTR_TENSOR_UNIQUE_ID)[0];
    }

    size_t element_bytes() const { return type == CUDNN_DATA_FLOAT ? 4 : 2; }

    size_t elements() const {
        size_t last = 0;
        for (int i = 0; i < 4; i++)
            last += (size_t)(n[i] - 1) * (size_t)stride[i];
        return last + 1;
    }

    size_t at(int64_t a, int64_t b, int64_t c, int64_t d) const {
        return (size_t)(a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]);
    }

    std::vector<float> read() const {
        std::vector<float> v(elements());
        for (size_t i = 0; i < v.size(); i++)
            v[i] = type == CUDNN_DATA_HALF       ? __half2float(((const __half *)memory)[i])
                   : type == CUDNN_DATA_BFLOAT16 ? __bfloat162float(((const __nv_bfloat16 *)memory)[i])
                                                 : ((const float *)memory)[i];
        return v;
    }

    void write(const std::vector<float> &v) const {
        for (size_t i = 0; i < v.size(); i++)
            if (type == CUDNN_DATA_HALF)
                ((__half *)memory)[i] = __float2half_rn(v[i]);
            else if (type == CUDNN_DATA_BFLOAT16)
                ((__nv_bfloat16 *)memory)[i] = __float2bfloat16_rn(v[i]);
            else
                ((float *)memory)[i] = v[i];
    }
};

/** y = conv(x, w) and its two gradients: one of the three is written. */
struct convolution {
    cudnnBackendDescriptorType_t pass;
    tensor x, w, y;
    std::vector<int64_t> stride, pad;

    void run() const {
        bool forward = pass == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
        bool data = pass == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
        std::vector<float> xs = data ? std::vector<float>(x.elements()) : x.read();
        std::vector<float> ws = forward || data ? w.read() : std::vector<float>(w.elements());
        std::vector<float> ys = forward ? std::vector<float>(y.elements()) : y.read();
        each_product([&](size_t ix, size_t iw, size_t iy) {
            if (forward)
                ys[iy] += xs[ix] * ws[iw];
            else if (data)
                xs[ix] += ys[iy] * ws[iw];
            else
                ws[iw] += xs[ix] * ys[iy];
        });
        if (forward)
            y.write(ys);
        else if (data)
            x.write(xs);
        else
            w.write(ws);
    }

    template <class F> void each_product(const F &f) const {
        int64_t group_c = w.n[1], group_k = w.n[0] / (x.n[1] / group_c);
        for (int64_t n = 0; n < y.n[0]; n++)
            for (int64_t p = 0; p < y.n[2]; p++)
                for (int64_t q = 0; q < y.n[3]; q++)
                    for (int64_t r = 0; r < w.n[2]; r++)
                        for (int64_t s = 0; s < w.n[3]; s++) {
                            int64_t h = p * stride[0] + r - pad[0], v = q * stride[1] + s - pad[1];
                            if (h < 0 || v < 0 || h >= x.n[2] || v >= x.n[3])
                                continue;
                            for (int64_t k = 0; k < y.n[1]; k++)
                                for (int64_t c = 0; c < group_c; c++)
                                    f(x.at(n, k / group_k * group_c + c, h, v), w.at(k, c, r, s), y.at(n, k, p, q));
                        }
    }
};

/** Sums over all but the channels of what x holds. */
struct statistics {
    tensor x, sum, squares;

    explicit statistics(const descriptor *op)
        : x(child(op, CUDNN_ATTR_OPERATION_GENSTATS_XDESC)), sum(child(op, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC)),
          squares(child(op, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC)) {}

    void run() const {
        std::vector<float> xs = x.read(), s(sum.elements()), q(squares.elements());
        for (int64_t n = 0; n < x.n[0]; n++)
            for (int64_t h = 0; h < x.n[2]; h++)
                for (int64_t w = 0; w < x.n[3]; w++)
                    for (int64_t c = 0; c < x.n[1]; c++) {
                        float v = xs[x.at(n, c, h, w)];
                        s[sum.at(0, c, 0, 0)] += v;
                        q[squares.at(0, c, 0, 0)] += v * v;
                    }
        sum.write(s);
        squares.write(q);
    }
};

/** The operations of a graph that are understood: a convolution, or a forward one and the sums of its output. */
bool is_understood(const std::vector<descriptor *> &ops) {
    if (ops.size() == 1)
        return ops[0]->type != CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR;
    return ops.size() == 2 && !fake_statistics_are("rejected") &&
           ops[0]->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR &&
           ops[1]->type == CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR &&
           child(ops[0], CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y) ==
               child(ops[1], CUDNN_ATTR_OPERATION_GENSTATS_XDESC);
}

convolution convolution_of(const descriptor *op) {
    switch (op->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: {
        const descriptor *c = child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
        return {op->type,
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y)),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)};
    }
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: {
        const descriptor *c = child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC);
        return {op->type,
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY)),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)};
    }
    default: {
        const descriptor *c = child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC);
        return {op->type,
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW)),
                tensor(child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY)),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                values<int64_t>(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)};
    }
    }
}

/** Gives a tensor its memory from the variant pack. @return whether it is there, aligned and large enough */
bool bind_memory(tensor &t, const std::vector<int64_t> &ids, const std::vector<void *> &pointers) {
    for (size_t i = 0; i < ids.size() && i < pointers.size(); i++)
        if (ids[i] == t.id)
            t.memory = (char *)pointers[i];
    return t.memory != nullptr && (uintptr_t)t.memory % ALIGNMENT == 0 &&
           fake_owns(t.memory, t.elements() * t.element_bytes());
}

descriptor *of(cudnnBackendDescriptor_t d) { return (descriptor *)d; }

} // namespace

#define MAY_FAIL()                                                                                                     \
    do {                                                                                                               \
        if (fake_fails(__func__))                                                                                      \
            return CUDNN_STATUS_EXECUTION_FAILED;                                                                      \
    } while (0)

extern "C" {

/** For tests: runs of the candidate that differs from run to run, measured ones included. */
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
    if (of(d)->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR &&
        !is_understood(values<descriptor *>(of(d), CUDNN_ATTR_OPERATIONGRAPH_OPS)))
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
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: /* the first uses tensor cores, the second has nothing to say */
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
    convolution c = convolution_of(child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS));
    std::vector<int64_t> ids = values<int64_t>(of(pack), CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    std::vector<void *> pointers = values<void *>(of(pack), CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    if (!bind_memory(c.x, ids, pointers) || !bind_memory(c.w, ids, pointers) || !bind_memory(c.y, ids, pointers) ||
        !fake_owns(values<void *>(of(pack), CUDNN_ATTR_VARIANT_PACK_WORKSPACE)[0], WORKSPACE_BYTES))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    std::vector<descriptor *> ops = values<descriptor *>(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    fake_queue([=] { c.run(); }, 2);
    if (ops.size() < 2)
        return CUDNN_STATUS_SUCCESS;
    statistics s(ops[1]);
    if (!bind_memory(s.x, ids, pointers) || !bind_memory(s.sum, ids, pointers) ||
        !bind_memory(s.squares, ids, pointers))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    fake_count_statistics();
    fake_queue([=] { s.run(); }, fake_statistics_are("slow") ? 2 : 0.5);
    return CUDNN_STATUS_SUCCESS;
}

} /* extern "C" */
