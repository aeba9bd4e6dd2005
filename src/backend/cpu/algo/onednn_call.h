/** Shared by onednn*.c: a primitive with its arguments, and the conversion of oneDNN's status to an error. Functions
 *  that return int return a dnnl_status_t unless stated otherwise. */
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

/** A primitive with a fixed list of arguments; only the addresses change between runs. */
typedef struct onednn_call {
    onednn *owner; /* not owned */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t argument[ONEDNN_ARGUMENTS];
    int argument_n;
    size_t scratchpad_bytes;
} onednn_call;

struct onednn_op {
    onednn_call call; /* arguments: x, w, y, scratchpad */
    onednn_layout layout;
    bool clears_scratchpad; /* clear the scratchpad before each run */
    char name[ONEDNN_NAME_BYTES], implementation[ONEDNN_NAME_BYTES];
};

const char *onednn_status_name(int status);
/** @return E_NOMEM or E_DEVICE; the message states the layer and the status */
int onednn_fail(int status, const char *name, const char *what);

/** Sets the number of OpenMP threads of the calling thread, which oneDNN uses when it creates and runs a primitive. In
 *  a build without OpenMP, oneDNN still has its own OpenMP runtime, which is set through its symbol if that exists.
 *  @return the previous number, as far as OpenMP can tell */
int onednn_use_threads(int threads);

/** Creates the primitive. Then add its arguments with onednn_call_argument, and the scratchpad last. */
int onednn_call_init(onednn_call *c, onednn *o, const_dnnl_primitive_desc_t pd);
int onednn_call_argument(onednn_call *c, int argument, descriptor md);
int onednn_call_scratchpad(onednn_call *c, const_dnnl_primitive_desc_t pd);
void onednn_call_deinit(onednn_call *c);
/** oneDNN's name for the implementation of pd. */
void onednn_name_implementation(char out[ONEDNN_NAME_BYTES], const_dnnl_primitive_desc_t pd);
/** address: (argument_n) */
int onednn_call_run(const onednn_call *c, void *const *address);

/** Attributes with a user-managed scratchpad, and with += if `add`. */
int onednn_attribute(dnnl_primitive_attr_t *out, bool add);

dnnl_data_type_t onednn_data_type(element e);

#endif
