/** cuDNN's backend descriptors, in few words. Internal to src/engine/cuda. */
#ifndef LINNET_ENGINE_CUDA_BACKEND_H
#define LINNET_ENGINE_CUDA_BACKEND_H

#include "engine/cuda/convolution.h"

/** Numbers of the tensors in a convolution's graph; the last two with statistics alone. */
enum { UID_X = 1, UID_W = 2, UID_Y = 3, UID_SUM = 4, UID_SQUARES = 5, GRAPH_TENSORS = 5, PLAIN_TENSORS = 3 };

/** The graph of the convolution, and of the sums over its output; its parts are alive as long as it is. */
typedef struct operation_graph {
    cudnnBackendDescriptor_t tensor[GRAPH_TENSORS], convolution, operation[2], graph;
} operation_graph;

/** graph_close is due either way. @return 0, E_DEVICE */
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
