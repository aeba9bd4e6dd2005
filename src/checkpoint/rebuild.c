/* The globals that linnet knows, and the values that calling them creates. */

#include "base/status.h"
#include "checkpoint/unpickle.h"

#include <string.h>

/** The values of value.global. */
typedef enum global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_COUNTER,
    GLOBAL_TENSOR,    /* torch._utils._rebuild_tensor_v2 */
    GLOBAL_TENSOR_V3, /* the same on an untyped storage */
    GLOBAL_PARAMETER,
    GLOBAL_SIZE,
    GLOBAL_DEVICE,
    GLOBAL_DTYPE,
    GLOBAL_STORAGE = GLOBAL_DTYPE + 16 /* GLOBAL_DTYPE and GLOBAL_STORAGE are followed by one value per ckpt_type */
} global;

static const struct {
    const char *module, *name;
    global id;
} functions[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT},
    {"collections", "Counter", GLOBAL_COUNTER}, /* milestones of MultiStepLR */
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR},
    {"torch._utils", "_rebuild_tensor_v3", GLOBAL_TENSOR_V3},
    {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", GLOBAL_PARAMETER},
    {"torch", "Size", GLOBAL_SIZE},
    {"torch", "device", GLOBAL_DEVICE},
};

static const struct {
    const char *name; /* dtypes: in module torch; storages: in torch, torch.cuda or torch.storage */
    int id;
} types[] = {
    {"float32", GLOBAL_DTYPE + CKPT_F32},
    {"float64", GLOBAL_DTYPE + CKPT_F64},
    {"float16", GLOBAL_DTYPE + CKPT_F16},
    {"bfloat16", GLOBAL_DTYPE + CKPT_BF16},
    {"int64", GLOBAL_DTYPE + CKPT_I64},
    {"int32", GLOBAL_DTYPE + CKPT_I32},
    {"uint8", GLOBAL_DTYPE + CKPT_U8},
    {"bool", GLOBAL_DTYPE + CKPT_BOOL},
    {"FloatStorage", GLOBAL_STORAGE + CKPT_F32},
    {"DoubleStorage", GLOBAL_STORAGE + CKPT_F64},
    {"HalfStorage", GLOBAL_STORAGE + CKPT_F16},
    {"BFloat16Storage", GLOBAL_STORAGE + CKPT_BF16},
    {"LongStorage", GLOBAL_STORAGE + CKPT_I64},
    {"IntStorage", GLOBAL_STORAGE + CKPT_I32},
    {"ByteStorage", GLOBAL_STORAGE + CKPT_U8},
    {"BoolStorage", GLOBAL_STORAGE + CKPT_BOOL},
    {"UntypedStorage", GLOBAL_STORAGE + CKPT_U8},  /* bytes: 1.13 and later */
    {"_UntypedStorage", GLOBAL_STORAGE + CKPT_U8}, /* 1.11, 1.12 */
};

static bool equal(const char *s, size_t n, const char *text) { return n == strlen(text) && memcmp(s, text, n) == 0; }

void rebuild_global(value *out, pool *p, const char *module, size_t module_n, const char *name, size_t name_n) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (equal(module, module_n, functions[i].module) && equal(name, name_n, functions[i].name)) {
            out->global = functions[i].id;
            return;
        }
    bool torch = equal(module, module_n, "torch");
    bool storages = torch || equal(module, module_n, "torch.cuda") || equal(module, module_n, "torch.storage");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (equal(name, name_n, types[i].name) && (types[i].id < GLOBAL_STORAGE ? torch : storages)) {
            out->global = types[i].id;
            return;
        }
    out->kind = VALUE_OPAQUE;
    out->opaque.module = module;
    out->opaque.name = name;
    out->opaque.module_n = (uint32_t)(module_n < OPAQUE_NAME ? module_n : OPAQUE_NAME);
    out->opaque.name_n = (uint32_t)(name_n < OPAQUE_NAME ? name_n : OPAQUE_NAME);
    pool_skip(p, out);
}

/** The items of a tuple or list; false for any other kind, or if their number is outside [low, high]. */
static bool items_of(value *const **out, size_t *n, const value *v, size_t low, size_t high) {
    if ((v->kind != VALUE_TUPLE && v->kind != VALUE_LIST) || v->list.n < low || v->list.n > high)
        return false;
    *out = v->list.items;
    *n = v->list.n;
    return true;
}

int rebuild_storage(value *out, pool *p, const value *id) {
    value *const *item = NULL;
    size_t n = 0;
    if (items_of(&item, &n, id, 5, 6) && item[1]->kind == VALUE_OPAQUE) {
        *out = *item[1];
        return OK;
    }
    if (n == 0 || !value_is_string(item[0], "storage") || item[1]->kind != VALUE_GLOBAL ||
        item[1]->global < GLOBAL_STORAGE || item[2]->kind != VALUE_STRING || item[3]->kind != VALUE_STRING ||
        item[4]->kind != VALUE_INT || item[4]->i < 0 || (n == 6 && item[5]->kind != VALUE_NONE))
        return fail(E_FORMAT, "a persistent id is not a storage");
    if (item[2]->string.n > STORAGE_KEY_BYTES)
        return fail(E_FORMAT, "a storage key has %zu bytes, more than the limit of %d", item[2]->string.n,
                    STORAGE_KEY_BYTES);
    value_storage *s = pool_take(p, sizeof *s);
    if (s == NULL)
        return E_NOMEM;
    *s = (value_storage){.type = (ckpt_type)(item[1]->global - GLOBAL_STORAGE),
                         .key = item[2]->string.s,
                         .key_n = item[2]->string.n,
                         .numel = (uint64_t)item[4]->i,
                         .next = p->storages};
    p->storages = s;
    p->storage_n++;
    out->storage = s;
    return OK;
}

/** Reads shape and strides. *last: offset of the farthest element from the first. */
static bool shape_read(value_tensor *t, uint64_t *last, const value *sizes, const value *strides) {
    value *const *size = NULL, *const *stride = NULL;
    size_t n = 0, m = 0;
    if (!items_of(&size, &n, sizes, 0, 8) || !items_of(&stride, &m, strides, n, n))
        return false;
    t->rank = (int)n;
    t->numel = 1;
    *last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!value_int(&t->shape[i], size[i]) || !value_int(&t->stride[i], stride[i]) || t->shape[i] < 0 ||
            t->stride[i] < 0)
            return false;
        uint64_t extent = 0, steps = t->shape[i] > 0 ? (uint64_t)t->shape[i] - 1 : 0;
        if (__builtin_mul_overflow(t->numel, (uint64_t)t->shape[i], &t->numel) ||
            __builtin_mul_overflow(steps, (uint64_t)t->stride[i], &extent) ||
            __builtin_add_overflow(*last, extent, last))
            return false;
    }
    return true;
}

/** _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]); _v3 has a dtype at 6. */
static int tensor_make(value *out, pool *p, const value *arguments, bool v3) {
    value *const *item = NULL;
    size_t n = 0;
    uint64_t last = 0;
    value_tensor *t = pool_take(p, sizeof *t);
    if (t == NULL)
        return E_NOMEM;
    if (!items_of(&item, &n, arguments, v3 ? 7 : 6, v3 ? 8 : 7) || item[0]->kind != VALUE_STORAGE ||
        item[1]->kind != VALUE_INT || item[1]->i < 0 || !shape_read(t, &last, item[2], item[3]))
        return fail(E_FORMAT, "a tensor has invalid arguments");
    const value_storage *s = item[0]->storage;
    if (v3) {
        int type = item[6]->kind == VALUE_GLOBAL ? item[6]->global - GLOBAL_DTYPE : -1;
        if (type < 0 || type > CKPT_BOOL || s->type != CKPT_U8)
            return fail(E_FORMAT, "a tensor has invalid arguments");
        value_storage *typed = pool_take(p, sizeof *typed);
        if (typed == NULL)
            return E_NOMEM;
        *typed = *s;
        typed->type = (ckpt_type)type;
        typed->numel /= ckpt_type_bytes(typed->type);
        s = typed;
    }
    t->storage = s;
    t->offset = (uint64_t)item[1]->i;
    uint64_t end = 0; /* index of the last element */
    if (t->numel > 0 && (__builtin_add_overflow(t->offset, last, &end) || end >= s->numel))
        return fail(E_FORMAT, "a tensor extends beyond its storage of %llu elements", (unsigned long long)s->numel);
    out->kind = VALUE_TENSOR;
    out->tensor = t;
    return OK;
}

/** An argument that is opaque, of those that the result depends on: a tensor's storage and, as the last of v3, its
 *  dtype; a Parameter's tensor. NULL: none. */
static value *opaque_argument(const value *callable, value *const *item, size_t n) {
    bool of_first = callable->global <= GLOBAL_PARAMETER && callable->global != GLOBAL_ORDERED_DICT;
    if (of_first && n > 0 && item[0]->kind == VALUE_OPAQUE)
        return item[0];
    return callable->global == GLOBAL_TENSOR_V3 && n > 6 && item[6]->kind == VALUE_OPAQUE ? item[6] : NULL;
}

int rebuild_call(value **out, pool *p, const value *callable, const value *arguments) {
    value *const *item = arguments->list.items;
    size_t n = arguments->list.n;
    *out = opaque_argument(callable, item, n);
    if (*out != NULL)
        return OK;
    value *v = pool_take(p, sizeof *v);
    if (v == NULL)
        return E_NOMEM;
    *out = v;
    switch (callable->global) {
    case GLOBAL_TENSOR: return tensor_make(v, p, arguments, false);
    case GLOBAL_TENSOR_V3: return tensor_make(v, p, arguments, true);
    case GLOBAL_ORDERED_DICT:
        if (n == 0)
            v->kind = VALUE_DICT;
        else
            value_set_opaque(v, "OrderedDict with arguments");
        return OK;
    case GLOBAL_COUNTER:
        if (n == 1 && item[0]->kind == VALUE_DICT)
            *out = item[0];
        else
            value_set_opaque(v, "Counter of something else than a dict");
        return OK;
    case GLOBAL_DEVICE: value_set_opaque(v, "torch.device"); return OK;
    case GLOBAL_SIZE:
        if (n != 1 || item[0]->kind != VALUE_TUPLE)
            return fail(E_FORMAT, "a torch.Size has invalid arguments");
        *out = item[0];
        return OK;
    case GLOBAL_PARAMETER:
        if (n < 3 || n > 4 || item[0]->kind != VALUE_TENSOR)
            return fail(E_FORMAT, "a Parameter has invalid arguments");
        *out = item[0];
        return OK;
    default: return fail(E_FORMAT, "the pickle calls an object that is not callable");
    }
}
