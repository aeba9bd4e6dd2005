#define _GNU_SOURCE
#include "backend/cpu/algo/onednn_call.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
#include <dlfcn.h>
#endif

const char *onednn_status_name(int status) {
    switch (status) {
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "not implemented on this machine";
    case dnnl_runtime_error: return "runtime error";
    default: return "unknown error";
    }
}

int onednn_fail(int status, const char *name, const char *what) {
    return fail(status == dnnl_out_of_memory ? E_NOMEM : E_DEVICE, "layer %s: oneDNN cannot %s: %s (status %d)", name,
                what, onednn_status_name(status), status);
}

int onednn_use_threads(int threads) {
#ifdef _OPENMP
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    return before;
#else
    void (*set)(int) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    memcpy(&set, &symbol, sizeof set);
    if (set != NULL)
        set(threads);
    return threads;
#endif
}

int onednn_call_argument(onednn_call *c, int argument, descriptor md) {
    dnnl_memory_t memory = NULL;
    int status = dnnl_memory_create(&memory, md, c->owner->engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        c->argument[c->argument_n++] = (dnnl_exec_arg_t){argument, memory};
    return status;
}

int onednn_call_init(onednn_call *c, onednn *o, const_dnnl_primitive_desc_t pd) {
    c->owner = o;
    return dnnl_primitive_create(&c->primitive, pd);
}

int onednn_call_scratchpad(onednn_call *c, const_dnnl_primitive_desc_t pd) {
    descriptor md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    c->scratchpad_bytes = md != NULL ? dnnl_memory_desc_get_size(md) : 0;
    return c->scratchpad_bytes > 0 ? onednn_call_argument(c, DNNL_ARG_SCRATCHPAD, md) : dnnl_success;
}

void onednn_name_implementation(char out[ONEDNN_NAME_BYTES], const_dnnl_primitive_desc_t pd) {
    const char *name = NULL;
    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        name = "";
    snprintf(out, ONEDNN_NAME_BYTES, "%s", name);
}

bool onednn_is_reference(const char *implementation) {
    return strncmp(implementation, "ref", 3) == 0 || strstr(implementation, ":ref") != NULL;
}

void onednn_call_deinit(onednn_call *c) {
    for (int i = 0; i < c->argument_n; i++)
        dnnl_memory_destroy(c->argument[i].memory);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
}

int onednn_call_run(const onednn_call *c, void *const *address) {
    onednn_use_threads(c->owner->threads);
    int status = dnnl_success;
    for (int i = 0; i < c->argument_n && status == dnnl_success; i++)
        status = dnnl_memory_set_data_handle(c->argument[i].memory, address[i]);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(c->primitive, c->owner->stream, c->argument_n, c->argument);
    if (status == dnnl_success)
        status = dnnl_stream_wait(c->owner->stream);
    return status;
}

static dnnl_primitive_attr_t scratchpad_attribute(void) {
    dnnl_primitive_attr_t a = NULL;
    if (dnnl_primitive_attr_create(&a) == dnnl_success)
        dnnl_primitive_attr_set_scratchpad_mode(a, dnnl_scratchpad_mode_user);
    return a;
}

int onednn_attribute(dnnl_primitive_attr_t *out, bool add) {
    dnnl_post_ops_t ops = NULL;
    int status = dnnl_success;
    *out = scratchpad_attribute();
    if (*out == NULL)
        return dnnl_out_of_memory;
    if (!add)
        return status;
    status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success) {
        status = append_sum(ops);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(*out, ops);
        dnnl_post_ops_destroy(ops);
    }
    return status;
}

dnnl_data_type_t onednn_data_type(element e) { return e == ELEMENT_BF16 ? dnnl_bf16 : dnnl_f32; }
