/** Wrappers for cuDNN's backend descriptors. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_BACKEND_H
#define LINNET_BACKEND_CUDA_BACKEND_H

#include "backend/cuda/cudnn_conv.h"

/** Maximum per graph, reached by CONVOLUTION_DATA_SUMS. */
enum { GRAPH_PARTS = 11, GRAPH_OPERATIONS = 7 };

/** The operation graph of one convolution pass. Owns its descriptors. */
typedef struct operation_graph {
    cudnnBackendDescriptor_t tensor[TENSORS];   /* NULL: not in this graph; the unique id is the index + 1 */
    cudnnBackendDescriptor_t part[GRAPH_PARTS]; /* virtual tensors, and convolution and pointwise descriptors */
    cudnnBackendDescriptor_t operation[GRAPH_OPERATIONS], graph;
    int part_n, operation_n;
} operation_graph;

/** Whether the pass reads or writes that tensor, and the tensor's shape and element type. */
bool graph_has(convolution_pass pass, convolution_tensor t);
tensor_shape graph_tensor(element *type, const convolution_shape *s, convolution_pass pass, convolution_tensor t);

/** Call graph_close afterwards, also after an error. @return 0, E_DEVICE (cuDNN does not support the graph) */
int graph_open(operation_graph *g, const cuda_device *d, const convolution_shape *s, convolution_pass pass);
void graph_close(operation_graph *g, const cuda_device *d);

enum { CANDIDATES = 16 };

/** The engine configurations that cuDNN's heuristics suggest for the graph, in cuDNN's order, fastest estimate first.
 *  Omits engines with reduced-precision reductions, nondeterministic ones if options.deterministic, and in 32-true
 *  without TF32 those that round the inputs. `number` receives cuDNN's engine numbers. The caller destroys each
 *  descriptor. @return 0, E_DEVICE, E_UNSUPPORTED (none) */
int graph_candidates(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n,
                     const cuda_device *d, const operation_graph *g);
/** Creates the execution plan of a candidate; *workspace in bytes.
 *  @return 0, E_DEVICE (not supported for this GPU or shape) */
int plan_open(cudnnBackendDescriptor_t *out, size_t *workspace, const cuda_device *d,
              cudnnBackendDescriptor_t candidate);

void backend_destroy(const cuda_device *d, cudnnBackendDescriptor_t *descriptor);
int backend_create(cudnnBackendDescriptor_t *out, const cuda_device *d, cudnnBackendDescriptorType_t type);
int backend_set(const cuda_device *d, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values);
int backend_finalize(const cuda_device *d, cudnnBackendDescriptor_t descriptor);

#endif
