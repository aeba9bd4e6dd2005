#define _GNU_SOURCE
#include "backend/cpu/algo/onednn.h"

#include "backend/cpu/algo/onednn_limits.h"
#include "backend/cpu/algo/onednn_version.h"
#include "base/memory.h"
#include "base/status.h"

#ifdef _OPENMP
#include <omp.h>
#else
#include <dlfcn.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 4, NAME_BYTES = 64 };

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
typedef struct call {
    onednn *owner; /* borrowed */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t argument[ARGUMENTS];
    int argument_n;
    size_t scratch_bytes;
} call;

struct onednn_op {
    call call; /* arguments: x, w, y, scratch */
    onednn_layout layout;
    bool clears_scratch; /* before each run */
    char name[NAME_BYTES], implementation[NAME_BYTES];
};

struct onednn_reorder {
    call call; /* arguments: from, to, scratch */
    dnnl_memory_desc_t layout;
};

static const char *status_name(int status) {
    switch (status) {
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "not implemented on this machine";
    case dnnl_runtime_error: return "runtime error";
    default: return "unexpected status";
    }
}

static int fail_status(int status, const char *name, const char *what) {
    return fail(status == dnnl_out_of_memory ? E_NOMEM : E_DEVICE, "layer %s: oneDNN cannot %s: %s (status %d)", name,
                what, status_name(status), status);
}

/* ---- library ---- */

static const struct {
    int isa; /* every bit of it is there */
    const char *name;
} isa_of[CPU_LEVELS] = {
    [CPU_SSE41] = {dnnl_cpu_isa_sse41, "SSE4.1"},
    [CPU_AVX2] = {dnnl_cpu_isa_avx2, "AVX2"},
    [CPU_AVX512] = {dnnl_cpu_isa_avx512_core, "AVX-512"},
    [CPU_AVX512_BF16] = {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 bf16"},
    [CPU_AMX] = {dnnl_cpu_isa_avx512_core_amx, "AVX-512 AMX bf16"},
};

cpu_level onednn_level(void) {
    cpu_level level = cpu_level_get();
    if (cpu_level_is_held()) /* succeeds once, before oneDNN's first use; the level is the same every time */
        dnnl_set_max_cpu_isa((dnnl_cpu_isa_t)isa_of[level].isa);
    int isa = (int)dnnl_get_effective_cpu_isa();
    while (level > CPU_SSE41 && (isa & isa_of[level].isa) != isa_of[level].isa)
        level--;
    return level;
}

const char *onednn_description(void) {
    static char line[96]; /* the same text whoever writes it */
    const dnnl_version_t *v = dnnl_version();
    snprintf(line, sizeof line, "oneDNN %d.%d.%d, %s%s", v->major, v->minor, v->patch, isa_of[onednn_level()].name,
             cpu_level_is_held() ? " (LINNET_CPU)" : "");
    return line;
}

int onednn_open(onednn **out, int threads) {
    int rc = OK;
    onednn *o = NULL;
    TRY(memory_zeroed(&o, 1, sizeof *o));
    o->threads = threads;
    (void)onednn_level(); /* before the first primitive */
    int status = dnnl_engine_create(&o->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&o->stream, o->engine, dnnl_stream_in_order);
    if (status != dnnl_success)
        rc = fail(E_DEVICE, "oneDNN cannot start: %s (status %d)", status_name(status), status);
done:
    if (rc < 0) {
        onednn_close(o);
        o = NULL;
    }
    *out = o;
    return rc;
}

void onednn_close(onednn *o) {
    if (o == NULL)
        return;
    if (o->stream != NULL)
        dnnl_stream_destroy(o->stream);
    if (o->engine != NULL)
        dnnl_engine_destroy(o->engine);
    free(o);
}

/** oneDNN uses as many threads as OpenMP gives the calling thread, when a primitive is made and when it runs. In a
 *  build without OpenMP oneDNN still brings its own: it is told through the symbol, if there is one.
 *  @return what it was before, as far as OpenMP can tell */
static int use_threads(int threads) {
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

/* ---- calls ---- */

static int add_argument(call *c, int argument, descriptor md) {
    dnnl_memory_t memory = NULL;
    int status = dnnl_memory_create(&memory, md, c->owner->engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        c->argument[c->argument_n++] = (dnnl_exec_arg_t){argument, memory};
    return status;
}

/** Makes the primitive; its arguments follow by add_argument and add_scratch. */
static int call_init(call *c, onednn *o, const_dnnl_primitive_desc_t pd) {
    c->owner = o;
    return dnnl_primitive_create(&c->primitive, pd);
}

static int add_scratch(call *c, const_dnnl_primitive_desc_t pd) {
    descriptor md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    c->scratch_bytes = md != NULL ? dnnl_memory_desc_get_size(md) : 0;
    return c->scratch_bytes > 0 ? add_argument(c, DNNL_ARG_SCRATCHPAD, md) : dnnl_success;
}

static void call_deinit(call *c) {
    for (int i = 0; i < c->argument_n; i++)
        dnnl_memory_destroy(c->argument[i].memory);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
}

static int call_run(const call *c, void *const *address) {
    use_threads(c->owner->threads);
    int status = dnnl_success;
    for (int i = 0; i < c->argument_n && status == dnnl_success; i++)
        status = dnnl_memory_set_data_handle(c->argument[i].memory, address[i]);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(c->primitive, c->owner->stream, c->argument_n, c->argument);
    if (status == dnnl_success)
        status = dnnl_stream_wait(c->owner->stream);
    return status;
}

static dnnl_primitive_attr_t scratch_attribute(void) {
    dnnl_primitive_attr_t a = NULL;
    if (dnnl_primitive_attr_create(&a) == dnnl_success)
        dnnl_primitive_attr_set_scratchpad_mode(a, dnnl_scratchpad_mode_user);
    return a;
}

/** Scratch of ours, and += when asked for. */
static int make_attribute(dnnl_primitive_attr_t *out, bool add) {
    dnnl_post_ops_t ops = NULL;
    int status = dnnl_success;
    *out = scratch_attribute();
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

/* ---- convolution ---- */

static dnnl_data_type_t data_type(element e) { return e == ELEMENT_BF16 ? dnnl_bf16 : dnnl_f32; }

static void weight_dims(onednn_layout *l, const onednn_conv *c) {
    dnnl_dims_t grouped = {c->groups, c->y.c / c->groups, c->x.c / c->groups, c->kernel, c->kernel};
    int skip = c->groups == 1 ? 1 : 0;
    l->rank = 5 - skip;
    for (int i = 0; i < l->rank; i++)
        l->dims[i] = grouped[i + skip];
}

static int describe_conv(conv_descriptors *d, const onednn_conv *c, const onednn_layout *l, onednn_pass pass) {
    dnnl_dims_t x = {c->x.n, c->x.c, c->x.h, c->x.w}, y = {c->y.n, c->y.c, c->y.h, c->y.w};
    for (int i = 0; i < 2; i++) {
        d->strides[i] = c->stride;
        d->dilates[i] = 0;
        d->pads[i] = c->pad;
    }
    dnnl_data_type_t w_type = pass == ONEDNN_BACKWARD_WEIGHTS ? dnnl_f32 : data_type(c->x_type);
    int status = describe(&d->x, 4, x, data_type(c->x_type), dnnl_nhwc);
    if (status == dnnl_success)
        status = describe(&d->y, 4, y, data_type(c->y_type), dnnl_nhwc);
    if (status == dnnl_success)
        status = describe(&d->w, l->rank, l->dims, w_type, dnnl_format_tag_any);
    return status;
}

static void drop_conv(conv_descriptors *d) {
    drop_descriptor(&d->x);
    drop_descriptor(&d->y);
    drop_descriptor(&d->w);
}

/** The backward passes want the forward one as a hint; its weights' type may differ from theirs (dw is fp32). */
static int backward_with_hint(dnnl_primitive_desc_t *pd, onednn *o, const onednn_conv *c, const onednn_layout *l,
                              const conv_descriptors *d, onednn_pass pass, dnnl_primitive_attr_t attr) {
    conv_descriptors forward = {0};
    dnnl_primitive_desc_t hint = NULL;
    int status = describe_conv(&forward, c, l, ONEDNN_FORWARD);
    if (status == dnnl_success)
        status = forward_pd(&hint, o->engine, &forward, true, attr);
    if (status == dnnl_success)
        status = backward_pd(pd, o->engine, d, pass == ONEDNN_BACKWARD_DATA, hint, attr);
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    drop_conv(&forward);
    return status;
}

/** The gradient of the weights in bf16 reads scratch that it has not written where a row of x is shorter than the
 *  stride (2.6.3 and 3.7.2, all kernels for AVX-512); it is right where that is 0. docs/numerics.md */
static bool reads_unwritten(const onednn_conv *c, onednn_pass pass) {
    return pass == ONEDNN_BACKWARD_WEIGHTS && c->x_type == ELEMENT_BF16 && c->x.w < c->stride;
}

static const struct {
    int x, w, y;          /* argument numbers */
    dnnl_query_t weights; /* which descriptor to ask for w's layout */
    const char *what;
} pass_table[] = {
    [ONEDNN_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, dnnl_query_weights_md, "plan the convolution"},
    [ONEDNN_BACKWARD_DATA] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, dnnl_query_weights_md,
                              "plan the gradient of the input"},
    [ONEDNN_BACKWARD_WEIGHTS] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, dnnl_query_diff_weights_md,
                                 "plan the gradient of the weights"},
};

static int op_init(onednn_op *op, onednn *o, const_dnnl_primitive_desc_t pd, const conv_descriptors *d,
                   onednn_pass pass) {
    const char *implementation = NULL;
    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &implementation) == dnnl_success)
        snprintf(op->implementation, sizeof op->implementation, "%s", implementation);
    int status = copy_descriptor(&op->layout.md, dnnl_primitive_desc_query_md(pd, pass_table[pass].weights, 0));
    if (status == dnnl_success)
        status = call_init(&op->call, o, pd);
    if (status == dnnl_success)
        status = add_argument(&op->call, pass_table[pass].x, descriptor_of(&d->x));
    if (status == dnnl_success)
        status = add_argument(&op->call, pass_table[pass].w, descriptor_of(&op->layout.md));
    if (status == dnnl_success)
        status = add_argument(&op->call, pass_table[pass].y, descriptor_of(&d->y));
    if (status == dnnl_success)
        status = add_scratch(&op->call, pd);
    return status;
}

int onednn_op_create(onednn_op **out, onednn *o, const onednn_conv *c, onednn_pass pass) {
    int rc = OK, before = use_threads(o->threads);
    onednn_op *op = NULL;
    conv_descriptors d = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL;
    TRY(onednn_check(c, pass));
    TRY(memory_zeroed(&op, 1, sizeof *op));
    snprintf(op->name, sizeof op->name, "%s", c->name);
    attr = scratch_attribute();
    weight_dims(&op->layout, c);
    op->clears_scratch = reads_unwritten(c, pass);
    int status = attr != NULL ? describe_conv(&d, c, &op->layout, pass) : dnnl_out_of_memory;
    if (status == dnnl_success && pass == ONEDNN_FORWARD)
        status = forward_pd(&pd, o->engine, &d, c->training, attr);
    else if (status == dnnl_success)
        status = backward_with_hint(&pd, o, c, &op->layout, &d, pass, attr);
    if (status == dnnl_success)
        status = op_init(op, o, pd, &d, pass);
    if (status != dnnl_success)
        rc = fail_status(status, c->name, pass_table[pass].what);
done:
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    drop_conv(&d);
    use_threads(before);
    if (rc < 0) {
        onednn_op_destroy(op);
        op = NULL;
    }
    *out = op;
    return rc;
}

void onednn_op_destroy(onednn_op *op) {
    if (op == NULL)
        return;
    call_deinit(&op->call);
    drop_descriptor(&op->layout.md);
    free(op);
}

size_t onednn_op_scratch(const onednn_op *op) { return op->call.scratch_bytes; }
const onednn_layout *onednn_op_layout(const onednn_op *op) { return &op->layout; }
const char *onednn_op_implementation(const onednn_op *op) { return op->implementation; }

int onednn_op_run(onednn_op *op, void *x, void *w, void *y, void *scratch) {
    if (op->clears_scratch)
        memset(scratch, 0, op->call.scratch_bytes);
    void *address[ARGUMENTS] = {x, w, y, scratch};
    int status = call_run(&op->call, address);
    return status == dnnl_success ? OK : fail_status(status, op->name, op->implementation);
}

/* ---- product ---- */

/** The transpose of y is y itself read by columns. */
static int describe_product(conv_descriptors *d, tensor_shape x, tensor_shape y, element type) {
    int64_t m = (int64_t)x.n * x.h * x.w;
    dnnl_dims_t a = {y.c, m}, b = {m, x.c}, c = {y.c, x.c};
    int status = describe(&d->y, 2, a, data_type(type), dnnl_ba);
    if (status == dnnl_success)
        status = describe(&d->x, 2, b, data_type(type), dnnl_ab);
    if (status == dnnl_success)
        status = describe(&d->w, 2, c, dnnl_f32, dnnl_ab);
    return status;
}

static int product_init(onednn_op *op, onednn *o, const conv_descriptors *d, bool add) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int status = make_attribute(&attr, add);
    if (status == dnnl_success)
        status = matmul_pd(&pd, o->engine, &d->y, &d->x, &d->w, attr);
    if (status == dnnl_success)
        status = call_init(&op->call, o, pd);
    if (status == dnnl_success)
        status = add_argument(&op->call, DNNL_ARG_WEIGHTS, descriptor_of(&d->x));
    if (status == dnnl_success)
        status = add_argument(&op->call, DNNL_ARG_DST, descriptor_of(&d->w));
    if (status == dnnl_success)
        status = add_argument(&op->call, DNNL_ARG_SRC, descriptor_of(&d->y));
    if (status == dnnl_success)
        status = add_scratch(&op->call, pd);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

int onednn_product_create(onednn_op **out, onednn *o, const char *name, tensor_shape x, tensor_shape y, element type,
                          bool add) {
    int rc = OK;
    onednn_op *op = NULL;
    conv_descriptors d = {0};
    TRY(onednn_check(&(onednn_conv){.name = name, .x = x, .y = y, .kernel = 1, .groups = 1}, ONEDNN_FORWARD));
    TRY(memory_zeroed(&op, 1, sizeof *op));
    snprintf(op->name, sizeof op->name, "%s", name);
    snprintf(op->implementation, sizeof op->implementation, "matmul");
    use_threads(o->threads);
    int status = describe_product(&d, x, y, type);
    if (status == dnnl_success)
        status = product_init(op, o, &d, add);
    if (status != dnnl_success)
        rc = fail_status(status, name, pass_table[ONEDNN_BACKWARD_WEIGHTS].what);
done:
    drop_conv(&d);
    if (rc < 0) {
        onednn_op_destroy(op);
        op = NULL;
    }
    *out = op;
    return rc;
}

/* ---- layouts ---- */

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
    int status = make_attribute(&attr, add);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, from, o->engine, to, o->engine, attr);
    if (status == dnnl_success)
        status = call_init(&r->call, o, pd);
    if (status == dnnl_success)
        status = add_argument(&r->call, DNNL_ARG_FROM, from);
    if (status == dnnl_success)
        status = add_argument(&r->call, DNNL_ARG_TO, to);
    if (status == dnnl_success)
        status = add_scratch(&r->call, pd);
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
    use_threads(o->threads);
    int status = plain_descriptor(&plain, l);
    if (status == dnnl_success)
        status = to_plain ? reorder_init(r, o, descriptor_of(&l->md), descriptor_of(&plain), add)
                          : reorder_init(r, o, descriptor_of(&plain), descriptor_of(&l->md), add);
    if (status == dnnl_success)
        status = copy_descriptor(&r->layout, descriptor_of(&l->md));
    if (status != dnnl_success)
        rc = fail(E_DEVICE, "oneDNN cannot plan a reorder of weights: %s (status %d)", status_name(status), status);
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
    call_deinit(&r->call);
    drop_descriptor(&r->layout);
    free(r);
}

bool onednn_reorder_is_for(const onednn_reorder *r, const onednn_layout *l) {
    return dnnl_memory_desc_equal(descriptor_of(&r->layout), descriptor_of(&l->md)) != 0;
}

size_t onednn_reorder_scratch(const onednn_reorder *r) { return r->call.scratch_bytes; }

int onednn_reorder_run(onednn_reorder *r, const void *from, void *to, void *scratch) {
    void *address[ARGUMENTS] = {(void *)from, to, scratch};
    int status = call_run(&r->call, address);
    return status == dnnl_success
               ? OK
               : fail(E_DEVICE, "oneDNN cannot reorder weights: %s (status %d)", status_name(status), status);
}
