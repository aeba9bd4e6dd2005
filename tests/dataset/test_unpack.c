/* Decompression of streams in pieces: several members and frames, damage and truncation at every byte. */
#include "check.h"

#include "base/text.h"
#include "dataset/transfer/unpack.h"

/* printf 'hello shards' | gzip -n; printf 'hello shards' | zstd -c */
static const unsigned char gz[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb,
                                   0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x28, 0xce, 0x48, 0x2c, 0x4a, 0x29,
                                   0x06, 0x00, 0xb8, 0x1a, 0x74, 0xfb, 0x0c, 0x00, 0x00, 0x00};
static const unsigned char zst[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x61, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c,
                                    0x6f, 0x20, 0x73, 0x68, 0x61, 0x72, 0x64, 0x73, 0xce, 0xcd, 0x3d, 0x79};

static int keep(void *context, const void *bytes, size_t n) { return text_append(context, bytes, n); }

/** Decompresses n bytes in pieces of `piece`. */
static int run(text *out, packing kind, const void *bytes, size_t n, size_t piece) {
    int rc = OK;
    unpack *u = NULL;
    out->n = 0;
    TRY(unpack_open(&u, kind, keep, out, "x.tar.gz"));
    for (size_t at = 0; at < n; at += piece)
        TRY(unpack_bytes(u, (const unsigned char *)bytes + at, n - at < piece ? n - at : piece));
    rc = unpack_end(u);
done:
    unpack_close(u);
    return rc;
}

static void check_format(packing kind, const unsigned char *bytes, size_t n) {
    text out = {0}, twice = {0};
    if (run(&out, kind, bytes, n, n) == E_UNSUPPORTED)
        return;
    for (size_t piece = 1; piece <= n; piece += piece < 4 ? 1 : 7) {
        assert_ok(run(&out, kind, bytes, n, piece));
        assert_string_equal(text_string(&out), "hello shards");
    }
    for (int i = 0; i < 2; i++)
        assert_ok(text_append(&twice, bytes, n));
    for (size_t piece = 1; piece <= 2 * n; piece += 5) {
        assert_ok(run(&out, kind, twice.data, twice.n, piece));
        assert_string_equal(text_string(&out), "hello shardshello shards");
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_fails(E_DATA, "truncated", run(&out, kind, bytes, cut, 3));
    for (size_t cut = n + 1; cut < 2 * n; cut++)
        assert_fails(E_DATA, "truncated", run(&out, kind, twice.data, cut, 1000));
    twice.data[n] ^= 0x20; /* the second one is no gzip or zstd */
    assert_fails(E_DATA, "is damaged near byte", run(&out, kind, twice.data, twice.n, 8));
    twice.data[n] ^= 0x20;
    twice.data[n - 5] ^= 1; /* a checksum or the data before it */
    assert_int_not_equal(run(&out, kind, twice.data, n, n), OK);
    text_deinit(&out);
    text_deinit(&twice);
}

static void test_gzip(void **state) {
    (void)state;
    check_format(PACKED_GZIP, gz, sizeof gz);
    text out = {0}, padded = {0};
    static const char zeros[600];
    assert_ok(text_append(&padded, gz, sizeof gz));
    assert_ok(text_append(&padded, zeros, sizeof zeros));
    assert_ok(run(&out, PACKED_GZIP, padded.data, padded.n, 100)); /* as on a tape */
    assert_string_equal(text_string(&out), "hello shards");
    text_deinit(&out);
    text_deinit(&padded);
}

static void test_zstd(void **state) {
    (void)state;
    check_format(PACKED_ZSTD, zst, sizeof zst);
}

static void test_plain(void **state) {
    (void)state;
    text out = {0};
    assert_ok(run(&out, PACKED_NONE, "as it is", 8, 3));
    assert_string_equal(text_string(&out), "as it is");
    assert_ok(run(&out, PACKED_NONE, "", 0, 3));
    text_deinit(&out);
}

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        packing kind;
        size_t stem;
    } c[] = {{"a.tar", PACKED_NONE, 1},     {"a.tar.gz", PACKED_GZIP, 1},  {"a.b.tgz", PACKED_GZIP, 3},
             {"a.tar.zst", PACKED_ZSTD, 1}, {"a.tar.xz", PACKED_OTHER, 1}, {"a.jpg", PACKED_NONE, 0},
             {".tar", PACKED_NONE, 0},      {"tar.gz", PACKED_NONE, 0}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        size_t stem = 99;
        assert_int_equal(unpack_kind(&stem, c[i].name), c[i].kind);
        assert_int_equal(stem, c[i].stem);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gzip), cmocka_unit_test(test_zstd),
                                       cmocka_unit_test(test_plain), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
