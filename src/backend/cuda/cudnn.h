/** cuDNN 9, loaded at run time: libcudnn.so.9 is opened once and its functions are stored in one table. Convolutions
 *  use its backend API, which is plain C. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_CUDNN_H
#define LINNET_BACKEND_CUDA_CUDNN_H

#include <cudnn_graph.h>
#include <stdbool.h>
#include <stddef.h>

/** X(member, symbol, parameters): the functions that return a cudnnStatus_t. */
#define CUDNN_LIST(X)                                                                                                  \
    X(create, "cudnnCreate", (cudnnHandle_t * out))                                                                    \
    X(destroy, "cudnnDestroy", (cudnnHandle_t handle))                                                                 \
    X(set_stream, "cudnnSetStream", (cudnnHandle_t handle, cudaStream_t stream))                                       \
    X(descriptor_create, "cudnnBackendCreateDescriptor",                                                               \
      (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t * out))                                             \
    X(descriptor_destroy, "cudnnBackendDestroyDescriptor", (cudnnBackendDescriptor_t descriptor))                      \
    X(finalize, "cudnnBackendFinalize", (cudnnBackendDescriptor_t descriptor))                                         \
    X(set, "cudnnBackendSetAttribute",                                                                                 \
      (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,        \
       int64_t n, const void *values))                                                                                 \
    X(get, "cudnnBackendGetAttribute",                                                                                 \
      (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,        \
       int64_t room, int64_t * n, void *values))                                                                       \
    X(execute, "cudnnBackendExecute",                                                                                  \
      (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack))

typedef struct cudnn_library {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): declares */
#define CUDNN_MEMBER(member, symbol, parameters) cudnnStatus_t(*member) parameters;
    CUDNN_LIST(CUDNN_MEMBER)
#undef CUDNN_MEMBER
    size_t (*version)(void);                           /* cudnnGetVersion: 91900 for 9.19.0 */
    const char *(*error_string)(cudnnStatus_t status); /* cudnnGetErrorString */
    void (*last_error)(char *message, size_t bytes);   /* cudnnGetLastErrorString */
} cudnn_library;

/** Returns the table, which all callers share and which is never closed. $LINNET_CUDNN overrides the path of the
 *  library. @return 0, E_DEVICE (the message says where it was searched and what to do) */
int cudnn_open(const cudnn_library **out);

/** Sets the message "what: symbol: cuDNN's text". @return E_DEVICE, or E_NOMEM if memory is exhausted */
int cudnn_failed(const cudnn_library *c, cudnnStatus_t error, const char *symbol, const char *what);

/** Calls c->member(...) and turns its error into a status. `what`: the current operation, for the message. */
#define CUDNN(c, what, member, ...) cudnn_check(c, (c)->member(__VA_ARGS__), #member, what)

static inline int cudnn_check(const cudnn_library *c, cudnnStatus_t error, const char *member, const char *what) {
    return error == CUDNN_STATUS_SUCCESS ? 0 : cudnn_failed(c, error, member, what);
}

#endif
