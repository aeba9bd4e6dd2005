/** The NVIDIA driver, loaded at run time: libcuda.so.1 is opened once and its functions are stored in one table.
 *  Nothing links against CUDA, so one binary runs with and without a GPU, on CUDA 12 and 13. Symbols have the suffix of
 *  the version whose signature is declared here, independent of the renaming macros in cuda.h. Internal to
 *  src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_DRIVER_H
#define LINNET_BACKEND_CUDA_DRIVER_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

/** X(member, symbol, parameters): all driver functions that linnet calls. All return CUresult. */
#define DRIVER_LIST(X)                                                                                                 \
    X(init, "cuInit", (unsigned flags))                                                                                \
    X(driver_version, "cuDriverGetVersion", (int *version))                                                            \
    X(error_string, "cuGetErrorString", (CUresult error, const char **text))                                           \
    X(device_count, "cuDeviceGetCount", (int *n))                                                                      \
    X(device_get, "cuDeviceGet", (CUdevice * device, int i))                                                           \
    X(device_name, "cuDeviceGetName", (char *name, int bytes, CUdevice device))                                        \
    X(device_uuid, "cuDeviceGetUuid_v2", (CUuuid * out, CUdevice device))                                              \
    X(device_attribute, "cuDeviceGetAttribute", (int *value, CUdevice_attribute what, CUdevice device))                \
    X(context_retain, "cuDevicePrimaryCtxRetain", (CUcontext * context, CUdevice device))                              \
    X(context_release, "cuDevicePrimaryCtxRelease_v2", (CUdevice device))                                              \
    X(context_use, "cuCtxSetCurrent", (CUcontext context))                                                             \
    X(memory_info, "cuMemGetInfo_v2", (size_t * free_bytes, size_t * total_bytes))                                     \
    X(memory_allocate, "cuMemAlloc_v2", (CUdeviceptr * out, size_t bytes))                                             \
    X(memory_free, "cuMemFree_v2", (CUdeviceptr memory))                                                               \
    X(memory_set, "cuMemsetD8Async", (CUdeviceptr memory, unsigned char value, size_t n, CUstream stream))             \
    X(pinned_allocate, "cuMemHostAlloc", (void **out, size_t bytes, unsigned flags))                                   \
    X(pinned_free, "cuMemFreeHost", (void *memory))                                                                    \
    X(copy_up, "cuMemcpyHtoDAsync_v2", (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))              \
    X(copy_down, "cuMemcpyDtoHAsync_v2", (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                  \
    X(stream_create, "cuStreamCreate", (CUstream * out, unsigned flags))                                               \
    X(stream_destroy, "cuStreamDestroy_v2", (CUstream stream))                                                         \
    X(stream_wait, "cuStreamSynchronize", (CUstream stream))                                                           \
    X(stream_wait_event, "cuStreamWaitEvent", (CUstream stream, CUevent event, unsigned flags))                        \
    X(event_create, "cuEventCreate", (CUevent * out, unsigned flags))                                                  \
    X(event_destroy, "cuEventDestroy_v2", (CUevent event))                                                             \
    X(event_record, "cuEventRecord", (CUevent event, CUstream stream))                                                 \
    X(event_query, "cuEventQuery", (CUevent event))                                                                    \
    X(event_wait, "cuEventSynchronize", (CUevent event))                                                               \
    X(event_elapsed, "cuEventElapsedTime", (float *ms, CUevent start, CUevent end))                                    \
    X(module_load, "cuModuleLoadData", (CUmodule * out, const void *image))                                            \
    X(module_unload, "cuModuleUnload", (CUmodule module))                                                              \
    X(module_function, "cuModuleGetFunction", (CUfunction * out, CUmodule module, const char *name))                   \
    X(launch, "cuLaunchKernel",                                                                                        \
      (CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,            \
       unsigned block_z, unsigned shared_bytes, CUstream stream, void **args, void **extra))                           \
    X(capture_begin, "cuStreamBeginCapture_v2", (CUstream stream, CUstreamCaptureMode mode))                           \
    X(capture_end, "cuStreamEndCapture", (CUstream stream, CUgraph * out))                                             \
    X(graph_instantiate, "cuGraphInstantiateWithFlags", (CUgraphExec * out, CUgraph graph, unsigned long long flags))  \
    X(graph_launch, "cuGraphLaunch", (CUgraphExec graph, CUstream stream))                                             \
    X(graph_exec_destroy, "cuGraphExecDestroy", (CUgraphExec graph))                                                   \
    X(graph_destroy, "cuGraphDestroy", (CUgraph graph))

typedef struct cuda_driver {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): declares */
#define DRIVER_MEMBER(member, symbol, parameters) CUresult(*member) parameters;
    DRIVER_LIST(DRIVER_MEMBER)
#undef DRIVER_MEMBER
} cuda_driver;

/** Initialises the driver and returns the table, which all callers share and which is never closed.
 *  @return 0, E_DEVICE (no library, too old, or no GPU: the message says which and what to do) */
int driver_open(const cuda_driver **out);

/** Sets the message "what: symbol: the driver's text". @return E_DEVICE, or E_NOMEM if GPU memory is exhausted */
int driver_failed(const cuda_driver *d, CUresult error, const char *symbol, const char *what);

/** Calls d->member(...) and turns its error into a status. `what`: the current operation, for the message. */
#define DRIVER(d, what, member, ...) driver_check(d, (d)->member(__VA_ARGS__), #member, what)

static inline int driver_check(const cuda_driver *d, CUresult error, const char *member, const char *what) {
    return error == CUDA_SUCCESS ? 0 : driver_failed(d, error, member, what);
}

#endif
