/** Differences between oneDNN 2 and 3. Version 2 passes memory descriptors by value and creates a primitive descriptor
 *  from an operation descriptor; version 3 has handles and no operation descriptors. Used only by onednn*.c. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_VERSION_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_VERSION_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t descriptor; /* not owned */
#else
typedef const dnnl_memory_desc_t *descriptor;
#endif

typedef struct conv_descriptors {
    dnnl_memory_desc_t x, w, y;
    dnnl_dims_t strides, dilates, pads;
} conv_descriptors;

static inline descriptor descriptor_of(const dnnl_memory_desc_t *md) {
#if DNNL_VERSION_MAJOR >= 3
    return *md;
#else
    return md;
#endif
}

static inline int describe(dnnl_memory_desc_t *md, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                           dnnl_format_tag_t tag) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(md, rank, dims, type, tag);
#else
    return dnnl_memory_desc_init_by_tag(md, rank, dims, type, tag);
#endif
}

static inline int copy_descriptor(dnnl_memory_desc_t *out, descriptor in) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_clone(out, in);
#else
    *out = *in;
    return dnnl_success;
#endif
}

static inline void drop_descriptor(dnnl_memory_desc_t *md) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(*md);
    *md = NULL;
#else
    *md = (dnnl_memory_desc_t){0};
#endif
}

static inline void drop_conv(conv_descriptors *d) {
    drop_descriptor(&d->x);
    drop_descriptor(&d->w);
    drop_descriptor(&d->y);
}

#if DNNL_VERSION_MAJOR >= 3
static inline int forward_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t cpu, const conv_descriptors *d, bool training,
                             dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(
        pd, cpu, training ? dnnl_forward_training : dnnl_forward_inference, dnnl_convolution_direct, d->x, d->w, NULL,
        d->y, d->strides, d->dilates, d->pads, d->pads, attr);
}

static inline int backward_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t cpu, const conv_descriptors *d, bool data,
                              dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr) {
    if (data)
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, cpu, dnnl_convolution_direct, d->x, d->w, d->y, d->strides, d->dilates, d->pads, d->pads, hint, attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, cpu, dnnl_convolution_direct, d->x, d->w, NULL, d->y, d->strides, d->dilates, d->pads, d->pads, hint, attr);
}
#else
static inline int forward_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t cpu, const conv_descriptors *d, bool training,
                             dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t op;
    int status = dnnl_convolution_forward_desc_init(&op, training ? dnnl_forward_training : dnnl_forward_inference,
                                                    dnnl_convolution_direct, &d->x, &d->w, NULL, &d->y, d->strides,
                                                    d->pads, d->pads);
    return status != dnnl_success ? status : (int)dnnl_primitive_desc_create(pd, &op, attr, cpu, NULL);
}

static inline int backward_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t cpu, const conv_descriptors *d, bool data,
                              dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t op;
    int status;
    if (data)
        status = dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &d->x, &d->w, &d->y, d->strides,
                                                          d->pads, d->pads);
    else
        status = dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, &d->x, &d->w, NULL, &d->y,
                                                             d->strides, d->pads, d->pads);
    return status != dnnl_success ? status : (int)dnnl_primitive_desc_create(pd, &op, attr, cpu, hint);
}
#endif

static inline int matmul_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t cpu, const dnnl_memory_desc_t *a,
                            const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *c, dnnl_primitive_attr_t attr) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(pd, cpu, *a, *b, NULL, *c, attr);
#else
    dnnl_matmul_desc_t op;
    int status = dnnl_matmul_desc_init(&op, a, b, NULL, c);
    return status != dnnl_success ? status : (int)dnnl_primitive_desc_create(pd, &op, attr, cpu, NULL);
#endif
}

static inline int append_sum(dnnl_post_ops_t ops) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
    return dnnl_post_ops_append_sum(ops, 1.0f);
#endif
}

#endif
