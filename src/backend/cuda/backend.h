/** cuDNN's backend descriptors, in few words. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_BACKEND_H
#define LINNET_BACKEND_CUDA_BACKEND_H

#include "backend/cuda/convolution.h"

/** The most that a graph is made of: CONVOLUTION_DATA_SUMS. */
enum { GRAPH_PARTS = 11, GRAPH_OPERATIONS = 7 };

/** The graph of a convolution's pass; its parts are alive as long as it is. */
typedef struct operation_graph {
    cudnnBackendDescriptor_t tensor[TENSORS];   /* NULL: not of this graph; their number in it is one more */
    cudnnBackendDescriptor_t part[GRAPH_PARTS]; /* what is handed on, and how an operation does it */
    cudnnBackendDescriptor_t operation[GRAPH_OPERATIONS], graph;
    int part_n, operation_n;
} operation_graph;

/** Whether the pass reads or writes that tensor, and its form in memory. */
bool graph_has(convolution_pass pass, convolution_tensor t);
tensor_shape graph_tensor(element *type, const convolution_shape *s, convolution_pass pass, convolution_tensor t);

/** graph_close is due either way. @return 0, E_DEVICE (cuDNN knows no such graph) */
int graph_open(operation_graph *g, const cuda_device *d, const convolution_shape *s, convolution_pass pass);
void graph_close(operation_graph *g, const cuda_device *d);

enum { CANDIDATES = 16 };

/** What cuDNN suggests for the graph, best first by its own estimate, less what the device's options rule out: results
 *  that differ from run to run; in 32-true without TF32 rounding of the inputs. Destroy each.
 *  @return 0, E_DEVICE, E_UNSUPPORTED (none) */
int graph_candidates(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n,
                     const cuda_device *d, const operation_graph *g);
/** An execution plan of a candidate. @return 0, E_DEVICE (this GPU or shape does not do) */
int plan_open(cudnnBackendDescriptor_t *out, size_t *workspace, const cuda_device *d,
              cudnnBackendDescriptor_t candidate);

void backend_destroy(const cuda_device *d, cudnnBackendDescriptor_t *descriptor);
int backend_create(cudnnBackendDescriptor_t *out, const cuda_device *d, cudnnBackendDescriptorType_t type);
int backend_set(const cuda_device *d, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values);
int backend_finalize(const cuda_device *d, cudnnBackendDescriptor_t descriptor);

#endif
