/** Graphs of the stand-in for cuDNN: the descriptors that define them, and their execution by plain loops in fp32. */
#ifndef LINNET_TESTS_FAKE_CUDA_GRAPHS_H
#define LINNET_TESTS_FAKE_CUDA_GRAPHS_H

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <cudnn_graph.h>

/** The values of an attribute in the order in which they were set. */
struct attribute {
    cudnnBackendAttributeType_t type;
    std::string bytes;
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool final = false;
    int candidate = 0;           /* of an engine's configuration */
    descriptor *graph = nullptr; /* the operation graph of the engine */
    std::map<int, attribute> attributes;
};

template <class T> std::vector<T> values(const descriptor *d, int name) {
    const std::string &bytes = d->attributes.at(name).bytes;
    std::vector<T> v(bytes.size() / sizeof(T));
    memcpy(v.data(), bytes.data(), bytes.size());
    return v;
}

inline descriptor *child(const descriptor *d, int name) { return values<descriptor *>(d, name)[0]; }

/** The operation of a graph: "forward", "data", "weights", or one of the cuDNN patterns that the engine uses:
 *  "statistics", "scaled-forward", "scaled-statistics", "scaled-weights", "data-sums". "": its operations, their
 *  connections or the types of their tensors are not supported. */
std::string graph_pattern(const descriptor *graph);

/** A graph with its memory. It does not refer to the descriptors. */
class graph_run {
  public:
    explicit graph_run(const descriptor *graph);
    /** Assigns memory to the tensors. @return whether all have memory that is aligned and large enough */
    bool bind(const std::vector<int64_t> &ids, const std::vector<void *> &pointers);
    void run() const;

    struct tensor {
        int type;
        int64_t n[4], stride[4]; /* N, C, H, W; of a filter K, C, R, S */
        int64_t id;
        bool is_virtual;
        char *memory = nullptr;

        explicit tensor(const descriptor *d);
        size_t elements() const;
        size_t bytes() const { return elements() * (type == CUDNN_DATA_FLOAT ? 4 : 2); }
        size_t at(int64_t a, int64_t b, int64_t c, int64_t d) const {
            return (size_t)(a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3]);
        }
    };

    struct operation {
        cudnnBackendDescriptorType_t type;
        std::map<int, tensor> tensors; /* by attribute */
        int mode = 0;                  /* pointwise */
        float b_times = 1;
        std::vector<int64_t> stride, pad;
    };

  private:
    std::vector<operation> operations;
};

#endif
