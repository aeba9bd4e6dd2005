/* The dictionary of a checkpoint, in Lightning's layout or linnet's: the input is the dictionary as JSON, so that
 * mutations reach the keys and values instead of the pickle's opcodes. Beside JSON's values there are: a key "#3" is
 * the integer 3; "#inf", "#-inf" and "#nan" are numbers; "#t32:2,3" is a float32 tensor of 2 x 3, also t64, t16, b16,
 * i64, i32, u8, bool. */
#define _GNU_SOURCE
#include "base/memory.h"
#include "checkpoint/layout.h"
#include "load.h"

#include <jansson.h>
#include <math.h>

#define STORAGE_BYTES 256

static pool values;
static value_storage storages[8];

static value *new_value(value_kind kind) {
    value *v = pool_take(&values, sizeof *v);
    if (v == NULL)
        abort();
    v->kind = kind;
    return v;
}

static void tensor(value *v, const char *s) {
    static const char *const type[] = {"t32", "t64", "t16", "b16", "i64", "i32", "u8", "bool"};
    size_t n = strcspn(s, ":");
    for (int k = 0; k < 8; k++) {
        if (n != strlen(type[k]) || strncmp(s, type[k], n) != 0)
            continue;
        value_tensor *t = pool_take(&values, sizeof *t);
        if (t == NULL)
            abort();
        *t = (value_tensor){.storage = &storages[k], .numel = 1};
        for (const char *p = s + n; *p != 0 && p[1] >= '0' && p[1] <= '9' && t->rank < 8;)
            t->shape[t->rank++] = strtol(p + 1, (char **)&p, 10) % 64;
        int64_t stride = 1;
        for (int i = t->rank; i-- > 0; stride *= t->shape[i] > 0 ? t->shape[i] : 1)
            t->stride[i] = stride;
        for (int i = 0; i < t->rank; i++)
            t->numel *= (uint64_t)t->shape[i];
        if (t->numel > storages[k].numel)
            return; /* the unpickler has refused it before */
        v->kind = VALUE_TENSOR;
        v->tensor = t;
    }
}

static value *text_value(const char *s, size_t n) {
    value *v = new_value(VALUE_STRING);
    v->string.s = s;
    v->string.n = n;
    if (s[0] != '#')
        return v;
    char *end = NULL;
    double d = strtod(s + 1, &end);
    if (end > s + 1 && *end == 0) {
        v->kind = isfinite(d) ? VALUE_INT : VALUE_FLOAT;
        if (v->kind == VALUE_INT)
            v->i = strtoll(s + 1, NULL, 10);
        else
            v->d = d;
    } else {
        tensor(v, s + 1);
    }
    return v;
}

static void add(value *to, value *item) {
    if (memory_grow(&to->list.items, &to->list.capacity, to->list.n + 1, sizeof *to->list.items) != OK)
        abort();
    to->list.items[to->list.n++] = item;
}

/** The value of JSON, whose strings it borrows. Lists are released by release(). */
static value *convert(json_t *j) {
    value *v = new_value(VALUE_NONE);
    const char *key;
    json_t *item;
    size_t i;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        v->kind = VALUE_DICT;
        json_object_foreach(j, key, item) {
            add(v, text_value(key, strlen(key)));
            add(v, convert(item));
        }
        break;
    case JSON_ARRAY:
        v->kind = VALUE_LIST;
        json_array_foreach(j, i, item) add(v, convert(item));
        break;
    case JSON_STRING: return text_value(json_string_value(j), json_string_length(j));
    case JSON_INTEGER:
        v->kind = VALUE_INT;
        v->i = json_integer_value(j);
        break;
    case JSON_REAL:
        v->kind = VALUE_FLOAT;
        v->d = json_real_value(j);
        break;
    case JSON_NULL: break;
    default: v->kind = VALUE_BOOL; v->b = json_is_true(j);
    }
    return v;
}

static void release(value *v) {
    if (v->kind != VALUE_DICT && v->kind != VALUE_LIST)
        return;
    for (size_t i = 0; i < v->list.n; i++)
        release(v->list.items[i]);
    free(v->list.items);
}

static void read_layout(const value *top, bool whole, int fd, size_t input_n) {
    zip_entry *entry = calloc(1, sizeof *entry);
    ckpt *c = calloc(1, sizeof *c);
    if (entry == NULL || c == NULL)
        abort();
    *entry = (zip_entry){.name = "s", .name_n = 1, .size = STORAGE_BYTES};
    tensor_source source = {.fd = fd, .storages = entry, .storage_n = 1, .budget = TENSOR_BUDGET(input_n)};
    int rc = whole ? layout_read(c, top, &source) : layout_read_progress(c, top, &source);
    if (rc != OK && (strchr(status_message(), '\n') != NULL || status_message()[0] == 0))
        abort();
    if (rc == OK)
        read_all(c);
    ckpt_free(c);
    tensor_source_deinit(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const unsigned char data[STORAGE_BYTES] = {0, 0, 0x80, 0x3f, 1, 0, 0, 0, 0, 0, 0xc0, 0x7f};
    static int fd = -1;
    if (fd < 0)
        fd = memory_file(data, sizeof data);
    for (int k = 0; k < 8; k++)
        storages[k] = (value_storage){.type = (ckpt_type)k, .key = "s", .key_n = 1};
    for (int k = 0; k < 8; k++)
        storages[k].numel = STORAGE_BYTES / ckpt_type_bytes(storages[k].type);
    json_t *j = json_loadb((const char *)bytes, n, JSON_ALLOW_NUL, NULL);
    if (j == NULL)
        return 0;
    value *top = convert(j);
    read_layout(top, true, fd, n);
    read_layout(top, false, fd, n);
    release(top);
    pool_deinit(&values);
    json_decref(j);
    return 0;
}
