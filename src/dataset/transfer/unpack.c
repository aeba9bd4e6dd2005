#include "dataset/transfer/unpack.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#if LINNET_ZSTD
#include <zstd.h>
#endif

enum { PIECE = 1 << 18 }; /* bytes that are decompressed at a time */

struct unpack {
    packing kind;
    unpack_sink *sink;
    void *context;
    const char *name;
    uint64_t read; /* bytes so far */
    bool between;  /* at the start, or after a whole member or frame */
    bool any;      /* a member or frame has begun */
    z_stream gzip;
#if LINNET_ZSTD
    ZSTD_DStream *zstd;
#endif
    unsigned char out[PIECE];
};

packing unpack_kind(size_t *stem, const char *name) {
    static const struct {
        const char *suffix;
        packing kind;
    } form[] = {{".tar", PACKED_NONE},     {".tar.gz", PACKED_GZIP},  {".tgz", PACKED_GZIP},
                {".tar.zst", PACKED_ZSTD}, {".tar.xz", PACKED_OTHER}, {".tar.bz2", PACKED_OTHER}};
    size_t n = strlen(name), none = 0;
    stem = stem != NULL ? stem : &none;
    *stem = 0;
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        size_t k = strlen(form[i].suffix);
        if (n > k && strcmp(name + n - k, form[i].suffix) == 0) {
            *stem = n - k;
            return form[i].kind;
        }
    }
    return PACKED_NONE;
}

int unpack_open(unpack **out, packing kind, unpack_sink *sink, void *context, const char *name) {
    int rc = OK;
    unpack *u = NULL;
    TRY(memory_zeroed(&u, 1, sizeof *u));
    *u = (unpack){.kind = kind, .sink = sink, .context = context, .name = name, .between = true};
    if (kind == PACKED_GZIP && inflateInit2(&u->gzip, 16 + MAX_WBITS) != Z_OK)
        rc = fail(E_NOMEM, "out of memory for decompressing %s", name);
#if LINNET_ZSTD
    if (kind == PACKED_ZSTD && (u->zstd = ZSTD_createDStream()) == NULL)
        rc = fail(E_NOMEM, "out of memory for decompressing %s", name);
#else
    if (kind == PACKED_ZSTD)
        rc = fail(E_UNSUPPORTED,
                  "%s: this build does not support zstd: install libzstd-dev and build again, or decompress the shard",
                  name);
#endif
    if (rc != OK) {
        free(u);
        goto done;
    }
    *out = u;
done:
    return rc;
}

static int damaged(const unpack *u, const char *reason) {
    return fail(E_DATA, "%s is damaged near byte %llu (%s): copy it again", u->name, (unsigned long long)u->read,
                reason);
}

static int gzip_bytes(unpack *u, const unsigned char *bytes, size_t n) {
    int rc = OK;
    z_stream *z = &u->gzip;
    while (n > 0) {
        if (u->between && u->any && *bytes == 0) { /* padding after the last member, as on tapes */
            bytes++;
            n--;
            u->read++;
            continue;
        }
        if (u->between && u->any)
            inflateReset(z);
        u->any = true;
        u->between = false;
        size_t left = n < PIECE ? n : PIECE;
        z->next_in = (unsigned char *)bytes; /* zlib does not write there */
        z->avail_in = (unsigned)left;
        int result = Z_OK;
        do {
            z->next_out = u->out;
            z->avail_out = PIECE;
            result = inflate(z, Z_NO_FLUSH);
            if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
                u->read += left - z->avail_in;
                return damaged(u, z->msg != NULL ? z->msg : "no gzip data");
            }
            TRY(u->sink(u->context, u->out, PIECE - z->avail_out));
        } while (result != Z_STREAM_END && (z->avail_in > 0 || z->avail_out == 0));
        size_t used = left - z->avail_in;
        bytes += used;
        n -= used;
        u->read += used;
        u->between = result == Z_STREAM_END;
    }
done:
    return rc;
}

#if LINNET_ZSTD
static int zstd_bytes(unpack *u, const void *bytes, size_t n) {
    int rc = OK;
    ZSTD_inBuffer in = {.src = bytes, .size = n};
    bool full = false;
    while (in.pos < n || full) {
        ZSTD_outBuffer out = {.dst = u->out, .size = PIECE};
        size_t before = in.pos, result = ZSTD_decompressStream(u->zstd, &out, &in);
        u->read += in.pos - before;
        u->any = true;
        if (ZSTD_isError(result))
            return damaged(u, ZSTD_getErrorName(result));
        TRY(u->sink(u->context, u->out, out.pos));
        u->between = result == 0;
        full = out.pos == out.size && !u->between;
    }
done:
    return rc;
}
#endif

int unpack_bytes(unpack *u, const void *bytes, size_t n) {
    if (u->kind == PACKED_GZIP)
        return gzip_bytes(u, bytes, n);
#if LINNET_ZSTD
    if (u->kind == PACKED_ZSTD)
        return zstd_bytes(u, bytes, n);
#endif
    u->read += n;
    return u->sink(u->context, bytes, n);
}

int unpack_end(const unpack *u) {
    if (u->kind != PACKED_NONE && (!u->between || !u->any))
        return fail(E_DATA, "%s ends at byte %llu in the middle of the compressed data: it is truncated; copy it again",
                    u->name, (unsigned long long)u->read);
    return OK;
}

void unpack_close(unpack *u) {
    if (u == NULL)
        return;
    if (u->kind == PACKED_GZIP)
        inflateEnd(&u->gzip);
#if LINNET_ZSTD
    if (u->kind == PACKED_ZSTD)
        ZSTD_freeDStream(u->zstd);
#endif
    free(u);
}
