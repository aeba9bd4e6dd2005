#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "checkpoint/weights_write.h"

#include <stdlib.h>

/** Appends a UTF-8 string as a JSON string. */
static int put_string(text *t, const char *s) {
    int rc = OK;
    TRY(text_append(t, "\"", 1));
    for (; *s != 0; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            TRY(text_printf(t, "\\%c", c));
        else if (c < 0x20)
            TRY(text_printf(t, "\\u%04x", c));
        else
            TRY(text_append(t, s, 1));
    }
    TRY(text_append(t, "\"", 1));
done:
    return rc;
}

static int put_tensor(text *t, const ckpt_tensor *k, uint64_t at) {
    static const char *const types[] = {
        [CKPT_F32] = "F32", [CKPT_F64] = "F64", [CKPT_F16] = "F16", [CKPT_BF16] = "BF16",
        [CKPT_I64] = "I64", [CKPT_I32] = "I32", [CKPT_U8] = "U8",   [CKPT_BOOL] = "BOOL"};
    int rc = OK;
    TRY(put_string(t, k->name));
    TRY(text_printf(t, ":{\"dtype\":\"%s\",\"shape\":[", types[k->type]));
    for (int d = 0; d < k->rank; d++)
        TRY(text_printf(t, "%s%lld", d > 0 ? "," : "", (long long)k->shape[d]));
    TRY(text_printf(t, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)(at + k->bytes)));
done:
    return rc;
}

/** The header lists the tensors in their given order, which may differ from their order in the file. */
static int put_header(text *t, const ckpt_tensor *tensors, const uint64_t *at, int n, const ckpt_item *metadata,
                      int metadata_n) {
    int rc = OK;
    TRY(text_printf(t, "{\"__metadata__\":{"));
    for (int i = 0; i < metadata_n; i++) {
        TRY(text_append(t, ",", i > 0));
        TRY(put_string(t, metadata[i].key));
        TRY(text_append(t, ":", 1));
        TRY(put_string(t, metadata[i].s));
    }
    TRY(text_append(t, "}", 1));
    for (int i = 0; i < n; i++) {
        TRY(text_append(t, ",", 1));
        TRY(put_tensor(t, &tensors[i], at[i]));
    }
    TRY(text_append(t, "}", 1));
    while (t->n % 8 != 0)
        TRY(text_append(t, " ", 1));
done:
    return rc;
}

int safetensors_save(const char *path, const ckpt_tensor *tensors, int n, const ckpt_item *metadata, int metadata_n) {
    int rc = OK, placed = 0;
    text header = {0};
    atomic_file f = {.fd = -1};
    unsigned char length[8];
    const ckpt_tensor **order = NULL; /* in the order of the file */
    uint64_t *at = NULL, end = 0;
    TRY(memory_zeroed(&order, (size_t)n, sizeof *order));
    TRY(memory_zeroed(&at, (size_t)n, sizeof *at));
    for (size_t bytes = 8; bytes > 0; bytes /= 2) /* widest type first, for alignment */
        for (int i = 0; i < n; i++)
            if (ckpt_type_bytes(tensors[i].type) == bytes) {
                order[placed++] = &tensors[i];
                at[i] = end;
                end += tensors[i].bytes;
            }
    TRY(put_header(&header, tensors, at, n, metadata, metadata_n));
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.n >> 8 * i);
    TRY(atomic_open(&f, path));
    TRY(atomic_write(&f, length, sizeof length));
    TRY(atomic_write(&f, header.data, header.n));
    for (int i = 0; i < placed; i++)
        TRY(atomic_write(&f, order[i]->data, order[i]->bytes));
    TRY(atomic_commit(&f));
done:
    atomic_abort(&f);
    text_deinit(&header);
    free(order);
    free(at);
    return rc;
}
