#include "graphs.h"

#include "fake.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

constexpr int64_t ALIGNMENT = 16;

typedef graph_run::tensor tensor;
typedef graph_run::operation operation;

float rounded(int type, float v) {
    return type == CUDNN_DATA_HALF       ? __half2float(__float2half_rn(v))
           : type == CUDNN_DATA_BFLOAT16 ? __bfloat162float(__float2bfloat16_rn(v))
                                         : v;
}

/** The values of all tensors while a graph runs; virtual tensors exist only here. */
class store {
  public:
    std::vector<float> read(const tensor &t) {
        if (t.is_virtual)
            return handed_on.at(t.id);
        std::vector<float> v(t.elements());
        for (size_t i = 0; i < v.size(); i++)
            v[i] = t.type == CUDNN_DATA_HALF       ? __half2float(((const __half *)t.memory)[i])
                   : t.type == CUDNN_DATA_BFLOAT16 ? __bfloat162float(((const __nv_bfloat16 *)t.memory)[i])
                                                   : ((const float *)t.memory)[i];
        return v;
    }

    void write(const tensor &t, std::vector<float> v) {
        for (size_t i = 0; i < v.size(); i++) {
            v[i] = rounded(t.type, v[i]);
            if (t.is_virtual)
                continue;
            if (t.type == CUDNN_DATA_HALF)
                ((__half *)t.memory)[i] = __float2half_rn(v[i]);
            else if (t.type == CUDNN_DATA_BFLOAT16)
                ((__nv_bfloat16 *)t.memory)[i] = __float2bfloat16_rn(v[i]);
            else
                ((float *)t.memory)[i] = v[i];
        }
        if (t.is_virtual)
            handed_on[t.id] = v;
    }

  private:
    std::map<int64_t, std::vector<float>> handed_on;
};

template <class F> void each_pixel(const tensor &t, const F &f) {
    for (int64_t n = 0; n < t.n[0]; n++)
        for (int64_t h = 0; h < t.n[2]; h++)
            for (int64_t w = 0; w < t.n[3]; w++)
                for (int64_t c = 0; c < t.n[1]; c++)
                    f(n, c, h, w);
}

/** Calls f(offsets in x, w and y) for each product of y = conv(x, w). */
template <class F>
void each_product(const operation &o, const tensor &x, const tensor &w, const tensor &y, const F &f) {
    int64_t group_c = w.n[1], group_k = w.n[0] / (x.n[1] / group_c);
    for (int64_t n = 0; n < y.n[0]; n++)
        for (int64_t p = 0; p < y.n[2]; p++)
            for (int64_t q = 0; q < y.n[3]; q++)
                for (int64_t r = 0; r < w.n[2]; r++)
                    for (int64_t s = 0; s < w.n[3]; s++) {
                        int64_t h = p * o.stride[0] + r - o.pad[0], v = q * o.stride[1] + s - o.pad[1];
                        if (h < 0 || v < 0 || h >= x.n[2] || v >= x.n[3])
                            continue;
                        for (int64_t k = 0; k < y.n[1]; k++)
                            for (int64_t c = 0; c < group_c; c++)
                                f(x.at(n, k / group_k * group_c + c, h, v), w.at(k, c, r, s), y.at(n, k, p, q));
                    }
}

void run_forward(const operation &o, store &s) {
    const tensor &x = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X),
                 &w = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W),
                 &y = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
    std::vector<float> xs = s.read(x), ws = s.read(w), ys(y.elements());
    each_product(o, x, w, y, [&](size_t ix, size_t iw, size_t iy) { ys[iy] += xs[ix] * ws[iw]; });
    s.write(y, ys);
}

void run_data(const operation &o, store &s) {
    const tensor &x = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX),
                 &w = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W),
                 &y = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
    std::vector<float> xs(x.elements()), ws = s.read(w), ys = s.read(y);
    each_product(o, x, w, y, [&](size_t ix, size_t iw, size_t iy) { xs[ix] += ys[iy] * ws[iw]; });
    s.write(x, xs);
}

void run_weights(const operation &o, store &s) {
    const tensor &x = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X),
                 &w = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW),
                 &y = o.tensors.at(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY);
    std::vector<float> xs = s.read(x), ws(w.elements()), ys = s.read(y);
    each_product(o, x, w, y, [&](size_t ix, size_t iw, size_t iy) { ws[iw] += xs[ix] * ys[iy]; });
    s.write(w, ws);
}

/** Sums of x and of its squares, per channel. */
void run_statistics(const operation &o, store &s) {
    const tensor &x = o.tensors.at(CUDNN_ATTR_OPERATION_GENSTATS_XDESC),
                 &sum = o.tensors.at(CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC),
                 &squares = o.tensors.at(CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC);
    std::vector<float> xs = s.read(x), sums(sum.elements()), of_squares(squares.elements());
    each_pixel(x, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
        float v = xs[x.at(n, c, h, w)];
        sums[sum.at(0, c, 0, 0)] += v;
        of_squares[squares.at(0, c, 0, 0)] += v * v;
    });
    s.write(sum, sums);
    s.write(squares, of_squares);
}

void run_pointwise(const operation &o, store &s) {
    bool backward = o.mode == CUDNN_POINTWISE_RELU_BWD;
    const tensor &x = o.tensors.at(CUDNN_ATTR_OPERATION_POINTWISE_XDESC),
                 &y = o.tensors.at(backward ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC
                                            : CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    auto second =
        o.tensors.find(backward ? CUDNN_ATTR_OPERATION_POINTWISE_DYDESC : CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    tensor b = second != o.tensors.end() ? second->second : x;
    std::vector<float> xs = s.read(x), bs = s.read(b), ys(y.elements());
    for (int i = 0; i < 4; i++)
        b.stride[i] = b.n[i] > 1 ? b.stride[i] : 0; /* broadcast */
    each_pixel(y, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
        float v = xs[x.at(n, c, h, w)], other = o.b_times * bs[b.at(n, c, h, w)];
        float &out = ys[y.at(n, c, h, w)];
        switch (o.mode) {
        case CUDNN_POINTWISE_MUL: out = v * other; break;
        case CUDNN_POINTWISE_ADD: out = v + other; break;
        case CUDNN_POINTWISE_RELU_FWD: out = v > 0 ? v : 0; break;
        default: out = v > 0 ? other : 0; break;
        }
    });
    s.write(y, ys);
}

void run_bn_weights(const operation &o, store &s) {
    auto of = [&](int name) -> const tensor & { return o.tensors.at(name); };
    const tensor &x = of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC),
                 &dy = of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC);
    std::vector<float> xs = s.read(x), dys = s.read(dy),
                       mean = s.read(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC)),
                       inverse = s.read(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC)),
                       gamma = s.read(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC));
    size_t c_n = (size_t)x.n[1];
    float m = (float)(x.n[0] * x.n[2] * x.n[3]);
    std::vector<float> dgamma(c_n), dbeta(c_n), of_dy(c_n), of_x(c_n), alone(c_n);
    each_pixel(x, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
        float g = dys[dy.at(n, c, h, w)];
        dbeta[(size_t)c] += g;
        dgamma[(size_t)c] += g * (xs[x.at(n, c, h, w)] - mean[(size_t)c]) * inverse[(size_t)c];
    });
    for (size_t c = 0; c < c_n; c++) {
        of_dy[c] = gamma[c] * inverse[c];
        of_x[c] = -of_dy[c] * inverse[c] * dgamma[c] / m;
        alone[c] = -of_dy[c] * dbeta[c] / m - of_x[c] * mean[c];
    }
    s.write(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC), dgamma);
    s.write(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC), dbeta);
    s.write(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC), of_dy);
    s.write(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC), of_x);
    s.write(of(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS), alone);
}

int mode_of(const descriptor *op) {
    return values<int>(child(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR), CUDNN_ATTR_POINTWISE_MODE)[0];
}

/** One letter per operation, in the given order. */
std::string letters_of(const std::vector<descriptor *> &ops) {
    std::string s;
    for (const descriptor *op : ops)
        switch (op->type) {
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: s += 'f'; break;
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: s += 'd'; break;
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: s += 'w'; break;
        case CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR: s += 's'; break;
        case CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR: s += 'b'; break;
        case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
            s += mode_of(op) == CUDNN_POINTWISE_MUL        ? '*'
                 : mode_of(op) == CUDNN_POINTWISE_ADD      ? '+'
                 : mode_of(op) == CUDNN_POINTWISE_RELU_FWD ? 'r'
                 : mode_of(op) == CUDNN_POINTWISE_RELU_BWD ? 'R'
                                                           : '?';
            break;
        default: s += '?';
        }
    return s;
}

/** Whether pointwise operations first .. last - 1 are a chain; `end` is its last descriptor. */
bool is_chain(descriptor *&end, const std::vector<descriptor *> &ops, size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
        if (i > first && child(ops[i], CUDNN_ATTR_OPERATION_POINTWISE_XDESC) != end)
            return false;
        end = child(ops[i], CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
        if (!tensor(end).is_virtual)
            return false;
    }
    return true;
}

/** ConvBNfprop's and ConvBNwgrad's input: scale and shift have the type of x. */
bool is_scaled(const std::vector<descriptor *> &ops, int x_name) {
    descriptor *end = nullptr;
    int type = tensor(child(ops[0], CUDNN_ATTR_OPERATION_POINTWISE_XDESC)).type;
    for (size_t i = 0; i < 2; i++) {
        tensor b(child(ops[i], CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
        if (b.type != type || b.is_virtual || b.n[0] * b.n[2] * b.n[3] != 1)
            return false;
    }
    return type != CUDNN_DATA_FLOAT && is_chain(end, ops, 0, 3) && child(ops[3], x_name) == end;
}

/** GenStats, the last operation, of the forward convolution before it. */
bool has_statistics(const std::vector<descriptor *> &ops) {
    return child(ops[ops.size() - 2], CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y) ==
           child(ops.back(), CUDNN_ATTR_OPERATION_GENSTATS_XDESC);
}

/** DgradDreluBNBwdWeight: the ReLU's input is (x - mean) * inverse * gamma + beta, all in fp32 but x. */
bool is_data_sums(const std::vector<descriptor *> &ops) {
    descriptor *end = nullptr, *relu = ops[5], *bn = ops[6];
    auto b = [&](size_t i) { return child(ops[i], CUDNN_ATTR_OPERATION_POINTWISE_BDESC); };
    if (!is_chain(end, ops, 1, 5) || ops[1]->attributes.count(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2) == 0 ||
        values<float>(ops[1], CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2)[0] != -1)
        return false;
    for (size_t i = 1; i < 5; i++)
        if (tensor(b(i)).type != CUDNN_DATA_FLOAT)
            return false;
    tensor g(child(relu, CUDNN_ATTR_OPERATION_POINTWISE_DXDESC));
    return child(relu, CUDNN_ATTR_OPERATION_POINTWISE_XDESC) == end && !g.is_virtual && g.type != CUDNN_DATA_FLOAT &&
           child(relu, CUDNN_ATTR_OPERATION_POINTWISE_DYDESC) ==
               child(ops[0], CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX) &&
           child(relu, CUDNN_ATTR_OPERATION_POINTWISE_DXDESC) ==
               child(bn, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC) &&
           child(bn, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC) ==
               child(ops[1], CUDNN_ATTR_OPERATION_POINTWISE_XDESC) &&
           child(bn, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC) == b(1) &&
           child(bn, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC) == b(2) &&
           child(bn, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC) == b(3);
}

} // namespace

std::string graph_pattern(const descriptor *graph) {
    std::vector<descriptor *> ops = values<descriptor *>(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    std::string letters = letters_of(ops);
    if (letters == "f")
        return "forward";
    if (letters == "d")
        return "data";
    if (letters == "w")
        return "weights";
    if (letters == "fs" && has_statistics(ops))
        return "statistics";
    if (letters == "*+rf" && is_scaled(ops, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X))
        return "scaled-forward";
    if (letters == "*+rfs" && is_scaled(ops, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X) && has_statistics(ops))
        return "scaled-statistics";
    if (letters == "*+rw" && is_scaled(ops, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X))
        return "scaled-weights";
    return letters == "d+**+Rb" && is_data_sums(ops) ? "data-sums" : "";
}

graph_run::tensor::tensor(const descriptor *d) {
    type = values<int>(d, CUDNN_ATTR_TENSOR_DATA_TYPE)[0];
    memcpy(n, values<int64_t>(d, CUDNN_ATTR_TENSOR_DIMENSIONS).data(), sizeof n);
    memcpy(stride, values<int64_t>(d, CUDNN_ATTR_TENSOR_STRIDES).data(), sizeof stride);
    id = values<int64_t>(d, CUDNN_ATTR_TENSOR_UNIQUE_ID)[0];
    is_virtual = values<char>(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL)[0] != 0; /* a bool */
}

size_t graph_run::tensor::elements() const {
    size_t last = 0;
    for (int i = 0; i < 4; i++)
        last += (size_t)(n[i] - 1) * (size_t)stride[i];
    return last + 1;
}

graph_run::graph_run(const descriptor *graph) {
    for (const descriptor *op : values<descriptor *>(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
        operation o;
        o.type = op->type;
        for (const auto &a : op->attributes) {
            if (a.second.type != CUDNN_TYPE_BACKEND_DESCRIPTOR)
                continue;
            const descriptor *to = child(op, a.first);
            if (to->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR) {
                o.tensors.emplace(a.first, tensor(to));
            } else if (to->type == CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR) {
                o.stride = values<int64_t>(to, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
                o.pad = values<int64_t>(to, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
            }
        }
        if (op->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
            o.mode = mode_of(op);
        if (op->attributes.count(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2) > 0)
            o.b_times = values<float>(op, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2)[0];
        operations.push_back(o);
    }
}

bool graph_run::bind(const std::vector<int64_t> &ids, const std::vector<void *> &pointers) {
    for (operation &o : operations)
        for (auto &named : o.tensors) {
            tensor &t = named.second;
            for (size_t i = 0; i < ids.size() && i < pointers.size(); i++)
                if (ids[i] == t.id)
                    t.memory = (char *)pointers[i];
            if (!t.is_virtual &&
                (t.memory == nullptr || (uintptr_t)t.memory % ALIGNMENT != 0 || !fake_owns(t.memory, t.bytes())))
                return false;
        }
    return true;
}

void graph_run::run() const {
    store s;
    for (const operation &o : operations)
        switch (o.type) {
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: run_forward(o, s); break;
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: run_data(o, s); break;
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: run_weights(o, s); break;
        case CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR: run_statistics(o, s); break;
        case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: run_pointwise(o, s); break;
        default: run_bn_weights(o, s);
        }
}
