/** What the files of oneDNN's side share: a primitive with its arguments, and oneDNN's status as an error.
 *  Part of onednn*.c. Functions that return int without saying more return a dnnl_status_t. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_CALL_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_CALL_H

#include "backend/cpu/algo/onednn.h"
#include "backend/cpu/algo/onednn_version.h"

enum { ONEDNN_ARGUMENTS = 4, ONEDNN_NAME_BYTES = 64 };

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
};

struct onednn_layout {
    dnnl_memory_desc_t md; /* owned */
    dnnl_dims_t dims;      /* logical: OIHW or GOIHW */
    int rank;
};

/** A primitive with a fixed list of arguments; only addresses change between runs. */
typedef struct onednn_call {
    onednn *owner; /* borrowed */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t argument[ONEDNN_ARGUMENTS];
    int argument_n;
    size_t scratch_bytes;
} onednn_call;

struct onednn_op {
    onednn_call call; /* arguments: x, w, y, scratch */
    onednn_layout layout;
    bool clears_scratch; /* before each run */
    char name[ONEDNN_NAME_BYTES], implementation[ONEDNN_NAME_BYTES];
};

const char *onednn_status_name(int status);
/** @return E_NOMEM or E_DEVICE, with the layer and the status in the message */
int onednn_fail(int status, const char *name, const char *what);

/** oneDNN uses as many threads as OpenMP gives the calling thread, when a primitive is made and when it runs. In a
 *  build without OpenMP oneDNN still brings its own: it is told through the symbol, if there is one.
 *  @return what it was before, as far as OpenMP can tell */
int onednn_use_threads(int threads);

/** Makes the primitive; its arguments follow by onednn_call_argument, the scratch last. */
int onednn_call_init(onednn_call *c, onednn *o, const_dnnl_primitive_desc_t pd);
int onednn_call_argument(onednn_call *c, int argument, descriptor md);
int onednn_call_scratch(onednn_call *c, const_dnnl_primitive_desc_t pd);
void onednn_call_deinit(onednn_call *c);
/** oneDNN's name for the code that computes pd. */
void onednn_name_implementation(char out[ONEDNN_NAME_BYTES], const_dnnl_primitive_desc_t pd);
/** address: (argument_n) */
int onednn_call_run(const onednn_call *c, void *const *address);

/** Scratch of ours, and += when asked for. */
int onednn_attribute(dnnl_primitive_attr_t *out, bool add);

dnnl_data_type_t onednn_data_type(element e);

#endif
