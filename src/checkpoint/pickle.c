#include "checkpoint/pickle.h"

#include "base/memory.h"
#include "base/status.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void emit(pickle *p, const void *bytes, size_t n) {
    if (p->rc == OK)
        p->rc = text_append(&p->out, bytes, n);
}

static void emit_code(pickle *p, const char *code) { emit(p, code, strlen(code)); }

static void emit_number(pickle *p, char code, uint64_t number, size_t n) {
    unsigned char bytes[9] = {(unsigned char)code};
    for (size_t i = 0; i < n; i++)
        bytes[i + 1] = (unsigned char)(number >> 8 * i);
    emit(p, bytes, n + 1);
}

void pickle_begin(pickle *p) {
    *p = (pickle){0};
    emit_code(p, "\x80\x02");
}

int pickle_end(pickle *p) {
    emit_code(p, ".");
    return p->rc;
}

void pickle_deinit(pickle *p) {
    text_deinit(&p->out);
    free(p->storages);
    *p = (pickle){0};
}

void pickle_none(pickle *p) { emit_code(p, "N"); }

void pickle_bool(pickle *p, bool b) { emit_code(p, b ? "\x88" : "\x89"); }

void pickle_int(pickle *p, int64_t i) {
    if (i >= 0 && i < 256) {
        emit_number(p, 'K', (uint64_t)i, 1);
    } else if (i >= INT32_MIN && i <= INT32_MAX) {
        emit_number(p, 'J', (uint64_t)i, 4);
    } else {
        emit_code(p, "\x8a"); /* LONG1 */
        emit_number(p, 8, (uint64_t)i, 8);
    }
}

void pickle_float(pickle *p, double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    emit_number(p, 'G', __builtin_bswap64(bits), 8);
}

void pickle_string(pickle *p, const char *s) {
    const unsigned char *u = (const unsigned char *)s;
    size_t wrong = 0, n = strlen(s), step;
    for (size_t i = 0; i < n; i += step) {
        step = text_utf8(s + i, n - i);
        if (step == 0) {
            wrong++;
            step = 1;
        }
    }
    if (n + 2 * wrong > UINT32_MAX) {
        p->rc = p->rc != OK ? p->rc : fail(E_NOMEM, "a string of %zu bytes is too long for a checkpoint", n);
        return;
    }
    emit_number(p, 'X', n + 2 * wrong, 4);
    if (wrong == 0) {
        emit(p, s, n);
        return;
    }
    for (size_t i = 0; i < n; i += step) {
        step = text_utf8(s + i, n - i);
        /* byte B, 0x80 to 0xFF, becomes the code point 0xDC00 + B */
        unsigned char escaped[3] = {0xED, (unsigned char)(0xB0 | u[i] >> 6), (unsigned char)(0x80 | (u[i] & 0x3F))};
        emit(p, step > 0 ? u + i : escaped, step > 0 ? step : 3);
        step = step > 0 ? step : 1;
    }
}

bool pickle_text(char *out, size_t capacity, const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = u[i];
        if (n - i >= 3 && byte == 0xED && (u[i + 1] & 0xFC) == 0xB0 && u[i + 1] >= 0xB2 && (u[i + 2] & 0xC0) == 0x80) {
            byte = (unsigned char)((u[i + 1] & 3) << 6 | (u[i + 2] & 0x3F));
            i += 2;
        }
        if (byte == 0 || at + 1 >= capacity)
            return false;
        out[at++] = (char)byte;
    }
    out[at] = 0;
    return true;
}

/** Registers a storage. @return its number, or -1 after an error */
static int storage_add(pickle *p, const void *data, size_t bytes, float scalar) {
    if (p->rc == OK && p->storage_n == p->storage_capacity) {
        int wanted = p->storage_capacity * 2 + 64;
        p->rc = memory_resize(&p->storages, (size_t)wanted, sizeof *p->storages);
        if (p->rc == OK)
            p->storage_capacity = wanted;
    }
    if (p->rc != OK)
        return -1;
    p->storages[p->storage_n] = (pickle_storage){data, bytes, scalar};
    return p->storage_n++;
}

static const char *const storage_names[] = {
    [CKPT_F32] = "FloatStorage",     [CKPT_F64] = "DoubleStorage", [CKPT_F16] = "HalfStorage",
    [CKPT_BF16] = "BFloat16Storage", [CKPT_I64] = "LongStorage",   [CKPT_I32] = "IntStorage",
    [CKPT_U8] = "ByteStorage",       [CKPT_BOOL] = "BoolStorage",
};

/** torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()). */
static void tensor_emit(pickle *p, ckpt_type type, const int64_t *shape, int rank, size_t bytes, int storage) {
    char key[16];
    snprintf(key, sizeof key, "%d", storage);
    emit_code(p, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_string(p, "storage");
    emit_code(p, "ctorch\n");
    emit_code(p, storage_names[type]);
    emit_code(p, "\n");
    pickle_string(p, key);
    pickle_string(p, "cpu");
    pickle_int(p, (int64_t)(bytes / ckpt_type_bytes(type)));
    emit_code(p, "tQK");
    emit(p, "\0(", 2);
    for (int i = 0; i < rank; i++)
        pickle_int(p, shape[i]);
    emit_code(p, "t(");
    for (int i = 0; i < rank; i++) {
        int64_t stride = 1;
        for (int k = i + 1; k < rank; k++)
            stride *= shape[k] > 0 ? shape[k] : 1;
        pickle_int(p, stride);
    }
    emit_code(p, "t\x89"
                 "ccollections\nOrderedDict\n)RtR");
}

void pickle_tensor(pickle *p, const ckpt_tensor *t) {
    int64_t numel = 1;
    for (int i = 0; i < t->rank; i++)
        numel *= t->shape[i];
    assert(t->rank >= 0 && t->rank <= 8 && (size_t)numel * ckpt_type_bytes(t->type) == t->bytes);
    (void)numel;
    tensor_emit(p, t->type, t->shape, t->rank, t->bytes, storage_add(p, t->data, t->bytes, 0));
}

void pickle_scalar(pickle *p, double d) {
    tensor_emit(p, CKPT_F32, NULL, 0, sizeof(float), storage_add(p, NULL, sizeof(float), (float)d));
}

void pickle_dict(pickle *p) { emit_code(p, "}("); }

void pickle_ordered_dict(pickle *p) { emit_code(p, "ccollections\nOrderedDict\n)R("); }

void pickle_counter(pickle *p) { emit_code(p, "ccollections\nCounter\n}("); }

void pickle_counter_end(pickle *p) { emit_code(p, "u\x85R"); }

void pickle_dict_end(pickle *p) { emit_code(p, "u"); }

void pickle_list(pickle *p) { emit_code(p, "]("); }

void pickle_list_end(pickle *p) { emit_code(p, "e"); }

void pickle_pair(pickle *p, double a, double b) {
    emit_code(p, "(");
    pickle_float(p, a);
    pickle_float(p, b);
    emit_code(p, "t");
}

void pickle_item_none(pickle *p, const char *key) {
    pickle_string(p, key);
    pickle_none(p);
}

void pickle_item_bool(pickle *p, const char *key, bool b) {
    pickle_string(p, key);
    pickle_bool(p, b);
}

void pickle_item_int(pickle *p, const char *key, int64_t i) {
    pickle_string(p, key);
    pickle_int(p, i);
}

void pickle_item_float(pickle *p, const char *key, double d) {
    pickle_string(p, key);
    pickle_float(p, d);
}

void pickle_item_string(pickle *p, const char *key, const char *s) {
    pickle_string(p, key);
    pickle_string(p, s);
}

void pickle_item_dict(pickle *p, const char *key) {
    pickle_string(p, key);
    pickle_dict(p);
}
