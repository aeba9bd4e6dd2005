/* Weight layouts, and their conversion from and to fp32 OIHW. */
#include "backend/cpu/algo/onednn_call.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

struct onednn_reorder {
    onednn_call call; /* arguments: from, to, scratchpad */
    dnnl_memory_desc_t layout;
};

static int plain_descriptor(dnnl_memory_desc_t *md, const onednn_layout *l) {
    return describe(md, l->rank, l->dims, dnnl_f32, l->rank == 5 ? dnnl_goihw : dnnl_oihw);
}

size_t onednn_layout_bytes(const onednn_layout *l) { return dnnl_memory_desc_get_size(descriptor_of(&l->md)); }

bool onednn_layout_equal(const onednn_layout *a, const onednn_layout *b) {
    return dnnl_memory_desc_equal(descriptor_of(&a->md), descriptor_of(&b->md)) != 0;
}

static int reorder_init(onednn_reorder *r, onednn *o, descriptor from, descriptor to, bool add) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int status = onednn_attribute(&attr, add);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, from, o->engine, to, o->engine, attr);
    if (status == dnnl_success)
        status = onednn_call_init(&r->call, o, pd);
    if (status == dnnl_success)
        status = onednn_call_argument(&r->call, DNNL_ARG_FROM, from);
    if (status == dnnl_success)
        status = onednn_call_argument(&r->call, DNNL_ARG_TO, to);
    if (status == dnnl_success)
        status = onednn_call_scratchpad(&r->call, pd);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

int onednn_reorder_create(onednn_reorder **out, onednn *o, const onednn_layout *l, bool to_plain, bool add) {
    int rc = OK;
    onednn_reorder *r = NULL;
    dnnl_memory_desc_t plain = {0};
    TRY(memory_zeroed(&r, 1, sizeof *r));
    onednn_use_threads(o->threads);
    int status = plain_descriptor(&plain, l);
    if (status == dnnl_success)
        status = to_plain ? reorder_init(r, o, descriptor_of(&l->md), descriptor_of(&plain), add)
                          : reorder_init(r, o, descriptor_of(&plain), descriptor_of(&l->md), add);
    if (status == dnnl_success)
        status = copy_descriptor(&r->layout, descriptor_of(&l->md));
    if (status != dnnl_success)
        rc = fail(E_DEVICE, "oneDNN cannot create a reorder of the weights: %s (status %d)", onednn_status_name(status),
                  status);
done:
    drop_descriptor(&plain);
    if (rc < 0) {
        onednn_reorder_destroy(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

void onednn_reorder_destroy(onednn_reorder *r) {
    if (r == NULL)
        return;
    onednn_call_deinit(&r->call);
    drop_descriptor(&r->layout);
    free(r);
}

bool onednn_reorder_is_for(const onednn_reorder *r, const onednn_layout *l) {
    return dnnl_memory_desc_equal(descriptor_of(&r->layout), descriptor_of(&l->md)) != 0;
}

size_t onednn_reorder_scratchpad(const onednn_reorder *r) { return r->call.scratchpad_bytes; }

int onednn_reorder_run(onednn_reorder *r, const void *from, void *to, void *scratchpad) {
    void *address[ONEDNN_ARGUMENTS] = {(void *)from, to, scratchpad};
    int status = onednn_call_run(&r->call, address);
    return status == dnnl_success
               ? OK
               : fail(E_DEVICE, "oneDNN cannot reorder weights: %s (status %d)", onednn_status_name(status), status);
}
