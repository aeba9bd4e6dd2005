/* Hostile checkpoints: each is refused with a one-line message or read as far as possible; none causes a crash, a
 * leak or high memory use. The zip container is valid here (test_zip.c damages it) but the pickle is not; whole
 * files of both formats are truncated and have bits flipped. */
#define _GNU_SOURCE
#include "pickled.h"
#include "sample.h"

#include "base/file.h"
#include "base/text.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_LIMIT (1 << 20) /* KiB; with shadow memory; freed memory is kept for a while */
#else
#define MEMORY_LIMIT (192 << 10) /* KiB: two million values, the largest number that a pickle may have */
#endif

static char folder[256], path[300];

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/a.ckpt", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

/** Loads the file. It must be read or refused with one line that contains its name, in bounded memory. */
static int load_file(void) {
    struct rusage usage;
    ckpt *c = NULL;
    int rc = ckpt_load(&c, path);
    assert_true((rc == OK) == (c != NULL));
    if (rc != OK) {
        assert_true(rc == E_FORMAT || rc == E_NOMEM);
        assert_null(strchr(status_message(), '\n'));
        assert_non_null(strstr(status_message(), path));
    }
    ckpt_free(c);
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true(usage.ru_maxrss < MEMORY_LIMIT);
    return rc;
}

/** Loads a file of this pickle and one storage of 16 bytes. */
static int load(const void *pickle, size_t n) {
    pickled_write(path, pickle, n);
    return load_file();
}

typedef struct hostile {
    const char *pickle;
    size_t n;
    const char *part; /* of the message; NULL: is read */
} hostile;

static void check(const hostile *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (cases[i].part == NULL)
            assert_ok(load(cases[i].pickle, cases[i].n));
        else
            assert_fails(E_FORMAT, cases[i].part, load(cases[i].pickle, cases[i].n));
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void test_valid(void **state) {
    (void)state;
    static const hostile cases[] = {
        {BYTES(NAMED(FOUR)), NULL},
        {BYTES("\x80\2ccollections\nOrderedDict\n)R(X\1\0\0\0w" FOUR "u}X\1\0\0\0m}sb."), NULL},
        {BYTES(NAMED("ctorch._utils\n_rebuild_parameter\n(" FOUR "\x88}tR")), NULL},
        {BYTES(NAMED(REBUILD(PERSISTENT("FloatStorage", "0", "K\4"), "K\1", "(K\3t", "(K\0t"))), NULL},
        {BYTES(NAMED(REBUILD(PERSISTENT("BFloat16Storage", "0", "K\10"), "K\0", "(K\2K\4t", "(K\1K\2t"))), NULL},
        {BYTES(
             NAMED(REBUILD(PERSISTENT("FloatStorage", "0", "K\4"), "K\0", "ctorch\nSize\n(K\2K\2t\x85R", "(K\2K\1t"))),
         NULL},
        /* a CUDA tensor as PyTorch before 1.11 writes it, and a tensor from bytes as 2.x does */
        {BYTES(NAMED(REBUILD("(X\7\0\0\0storagectorch.cuda\nFloatStorage\nX\1\0\0\0"
                             "0X\6\0\0\0cuda:1K\4NtQ",
                             "K\0", "(K\4t", "(K\1t"))),
         NULL},
        {BYTES(NAMED("ctorch._utils\n_rebuild_tensor_v3\n(" PERSISTENT("UntypedStorage", "0",
                                                                       "K\20") "K\0(K\2t(K\1t\x89}ctorch\nint64\ntR")),
         NULL},
    };
    CHECK(cases);
}

static void test_globals(void **state) {
    (void)state;
    static const hostile cases[] = {
        {BYTES("\x80\2cposix\nsystem\nX\7\0\0\0echo hi\x85R."), "of type posix.system, not a dict"},
        {BYTES("\x80\2c__builtin__\neval\n."), "of type __builtin__.eval"},
        {BYTES("\x80\4\x8c\5posix\x8c\6system\x93."), "of type posix.system"},
        {BYTES("\x80\2cbuil\033[31mtins\n\xff\n."), "of type buil?[31mtins.?"},
        {BYTES("\x80\2ctorch._utils\n_rebuild_tensor_v2 \n."), "of type torch._utils._rebuild_tensor_v2 "},
        {BYTES("\x80\2(iposix\nsystem\n."), "of type posix.system"},
        {BYTES("\x80\2(cposix\nsystem\nNo."), "of type posix.system"},
        {BYTES("\x80\2cposix\nsystem\n)}\x92."), "of type posix.system"},
        {BYTES("\x80\2\x82\1."), "of type copyreg extension"},
        {BYTES("\x80\2ctorch\nFloatStorage\n)R."), "not callable"},
        {BYTES("\x80\2}X\1\0\0\0w)Rs."), "not callable"},
        {BYTES("\x80\2(No."), "not callable"},
        {BYTES("\x80\2(o."), "not callable"},
        {BYTES("\x80\2(icollections\nOrderedDict\n."), "not callable"},
        {BYTES("\x80\2ccollections\nOrderedDict\n]R."), "not a tuple"},
        {BYTES("\x80\2ccollections\nOrderedDict"), "not terminated by a newline"},
        {BYTES("\x80\2iposix\nsystem\n."), "no mark"},
        {BYTES("\x80\2K\1b."), "stack is empty"},
        {BYTES("\x80\2K\1}b."), "attributes"},
        {BYTES("\x80\4K\1\x8c\1a\x93."), "name of a global is not a string"},
        {BYTES("\x80\2Pabc"), "not terminated by a newline"},
        {BYTES("\x80\2\x84\1"), "bytes, but only"},
        {BYTES("\x80\4\x95\x10\0\0\0\0\0\0\0N."), "a frame needs 16 bytes"},
        {BYTES("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "bytes, but only"},
        {BYTES("\x80\5\x96\xff\xff\xff\xff\xff\xff\xff\xff."), "bytes, but only"},
        {BYTES("\x80\4](N\x90."), "not a set"},
        {BYTES("\x80\5\x98."), "stack is empty"},
        {BYTES("\x80\2I1\n."), "opcode 0x49 is unknown, or of protocol 0 or 1"},
        {BYTES("\x80\2\xfe."), "opcode 0xfe is unknown"},
        {BYTES("\x80\1N."), "protocol 1"},
    };
    CHECK(cases);
}

static void test_structure(void **state) {
    (void)state;
    static const hostile cases[] = {
        {BYTES(""), "bytes, but only"},
        {BYTES("\x80"), "bytes, but only"},
        {BYTES("\x80\2."), "stack is empty"},
        {BYTES("\x80\2N"), "bytes, but only"},
        {BYTES("\x80\2NN."), "left on the stack"},
        {BYTES("\x80\2(N."), "left on the stack"},
        {BYTES("\x80\2t."), "no mark"},
        {BYTES("\x80\2(\x85."), "stack is empty"},
        {BYTES("\x80\2N(a."), "stack is empty"},
        {BYTES("\x80\2]K\1s."), "stack is empty"},
        {BYTES("\x80\2NK\1a."), "not a list"},
        {BYTES("\x80\2]K\1K\2s."), "not a dict"},
        {BYTES("\x80\2}(K\1K\2K\3u."), "not a dict"},
        {BYTES("\x80\2h\0."), "never set"},
        {BYTES("\x80\2j\xff\xff\xff\xff."), "never set"},
        {BYTES("\x80\2Nr\xff\xff\xff\xff."), "memo entries"},
        {BYTES("\x80\2X\xff\xff\xff\xffw."), "bytes, but only"},
        {BYTES("\x80\2U\xffw."), "bytes, but only"},
        {BYTES("\x80\2\x8a\xffw."), "bytes, but only"},
        {BYTES("\x80\2N."), "not contain a dict"},
        {BYTES("\x80\2]."), "not contain a dict"},
        {BYTES("\x80\2}."), "contains no tensors"},
        {BYTES("\x80\2}X\5\0\0\0modelK\1s."), "contains no tensors"},
        {BYTES("\x80\2}K\1" FOUR "s."), "contains no tensors"},
        {BYTES("\x80\2}(X\1\0\0\0w" FOUR "X\1\0\0\0w" FOUR "u."), "tensor w occurs twice"},
        {BYTES("\x80\2}X\3\0\0\0w\0x" FOUR "s."), "a tensor's name"},
    };
    CHECK(cases);
}

static void test_tensors(void **state) {
    (void)state;
#define SHAPED(numel, offset, sizes, strides)                                                                          \
    BYTES(NAMED(REBUILD(PERSISTENT("FloatStorage", "0", numel), offset, sizes, strides)))
#define V3(storage, dtype, size)                                                                                       \
    BYTES(NAMED("ctorch._utils\n_rebuild_tensor_v3\n(" PERSISTENT(storage, "0", "K\20") "K\0(" size "t(K\1t\x89}"      \
                                                                                        "ctorch\n" dtype "\ntR"))
#define HUGE "\x8a\10\0\0\0\0\0\0\0\x10"
    static const hostile cases[] = {
        {SHAPED("K\5", "K\0", "(K\5t", "(K\1t"), "too few for its 5 elements"},
        {SHAPED(HUGE, "K\0", "(K\4t", "(K\1t"), "too few for its"},
        {SHAPED("K\4", "K\1", "(K\4t", "(K\1t"), "beyond its storage"},
        {SHAPED("K\4", "K\0", "(K\2K\2t", "(K\3K\1t"), "beyond its storage"},
        {SHAPED("K\4", HUGE, "(K\4t", "(K\1t"), "beyond its storage"},
        {SHAPED("K\4", "J\xff\xff\xff\xff", "(K\4t", "(K\1t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(J\xff\xff\xff\xfft", "(K\1t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(K\4t", "(J\xff\xff\xff\xfft"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(K\4t", "(K\1K\1t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(" HUGE HUGE HUGE "t", "(K\0K\0K\0t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(" HUGE HUGE "K\0t", "(K\0K\0K\0t"), "invalid arguments"},
        {SHAPED("K\4", "K\0", "(" HUGE "t", "(K\0t"), "far more memory"}, /* expanded: strides of 0 */
        {SHAPED("K\4", "K\0", "(" HUGE "K\0t", "(" HUGE "K\1t"), "invalid arguments"},
        {SHAPED("J\xff\xff\xff\xff", "K\0", "(K\4t", "(K\1t"), "not a storage"},
        {SHAPED("G\0\0\0\0\0\0\0\0", "K\0", "(K\4t", "(K\1t"), "not a storage"},
        {BYTES(NAMED(REBUILD(PERSISTENT("FloatStorage", "1", "K\4"), "K\0", "(K\4t", "(K\1t"))),
         "storage 1 is missing"},
        {BYTES(NAMED(REBUILD(PERSISTENT("DoubleStorage", "0", "K\4"), "K\0", "(K\4t", "(K\1t"))), "too few for"},
        {BYTES(NAMED(REBUILD(PERSISTENT("float32", "0", "K\4"), "K\0", "(K\4t", "(K\1t"))), "not a storage"},
        {BYTES(NAMED(REBUILD(PERSISTENT("OrderedDict", "0", "K\4"), "K\0", "(K\4t", "(K\1t"))),
         "w is of type torch.OrderedDict"},
        {BYTES(NAMED(REBUILD("(X\7\0\0\0storagectorch\nFloatStorage\nX\13\0\0\0../data.pklX\3\0\0\0cpuK\4tQ", "K\0",
                             "(K\4t", "(K\1t"))),
         "storage ../data.pkl is missing"},
        {V3("UntypedStorage", "float64", "K\3"), "beyond its storage"}, /* 16 bytes are two of them */
        {V3("FloatStorage", "float32", "K\2"), "invalid arguments"},    /* two types */
        {V3("UntypedStorage", "complex64", "K\2"), "w is of type torch.complex64"},
        {V3("UntypedStorage", "FloatStorage", "K\2"), "invalid arguments"},
        {V3("UntypedStorage", "Size", "K\2"), "invalid arguments"},
        {BYTES(NAMED(REBUILD("N", "K\0", "(K\4t", "(K\1t"))), "invalid arguments"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_tensor_v2\n)R")), "invalid arguments"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_parameter\n)R")), "invalid arguments"},
        {BYTES(NAMED("ctorch\nSize\n)R")), "invalid arguments"},
        {BYTES("\x80\2NQ."), "of type persistent id"},
        {BYTES("\x80\2)Q."), "of type persistent id"},
    };
    CHECK(cases);
}

static void append(text *t, const void *bytes, size_t n) { assert_ok(text_append(t, bytes, n)); }

/** `head`, `n` times `unit`, `tail`. */
static int load_repeated(const char *head, size_t head_n, const char *unit, size_t unit_n, size_t n, const char *tail,
                         size_t tail_n) {
    text t = {0};
    append(&t, head, head_n);
    for (size_t i = 0; i < n; i++)
        append(&t, unit, unit_n);
    append(&t, tail, tail_n);
    int rc = load(t.data, t.n);
    text_deinit(&t);
    return rc;
}

static void test_bombs(void **state) {
    (void)state;
    /* depth: nested lists, tuples, marks */
    assert_fails(E_FORMAT, "not contain a dict", load_repeated(BYTES("\x80\2]"), BYTES("\x85"), 300000, BYTES(".")));
    assert_fails(E_FORMAT, "nested containers", load_repeated(BYTES("\x80\2"), BYTES("("), 300000, BYTES("t.")));
    /* breadth */
    assert_fails(E_FORMAT, "values on the stack", load_repeated(BYTES("\x80\2("), BYTES("N"), 1200000, BYTES("t.")));
    assert_fails(E_FORMAT, "more than 2097152 values",
                 load_repeated(BYTES("\x80\2]"), BYTES("Na"), 2200000, BYTES(".")));
    assert_fails(E_FORMAT, "bytes, more than",
                 load_repeated(BYTES("\x80\2"), BYTES("Naaaaaaaaaaaaaaa"), 1100000, BYTES(".")));
    /* a list in itself, a dict that is its own state_dict, shared lists doubling 200 times */
    assert_fails(E_FORMAT, "not contain a dict", load(BYTES("\x80\2]q\0h\0a.")));
    assert_fails(E_FORMAT, "no tensors", load(BYTES("\x80\2}q\0X\12\0\0\0state_dicth\0s.")));
    assert_fails(E_FORMAT, "not contain a dict",
                 load_repeated(BYTES("\x80\2]q\0"), BYTES("h\0\x86q\0"), 200, BYTES(".")));
    /* one storage with very many views */
    text t = {0};
    char name[32];
    append(&t, BYTES("\x80\2}("));
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "%08d", i);
        append(&t, BYTES("X\10\0\0\0"));
        append(&t, name, 8);
        append(&t, BYTES(REBUILD(PERSISTENT("FloatStorage", "0", "K\4"), "K\0", "(M\x00\x10t", "(K\0t")));
    }
    append(&t, BYTES("u."));
    assert_fails(E_FORMAT, "far more memory", load(t.data, t.n));
    text_deinit(&t);
}

/* Hostile objects that are skipped: no depth, number or repetition takes more memory than other values. */
static void test_passenger_bombs(void **state) {
    (void)state;
#define OBJECT "X\1\0\0\0w" FOUR "X\1\0\0\0a"
    /* calls of calls, objects with objects as attributes and items, which are dropped */
    assert_ok(load_repeated(BYTES("\x80\2}(" OBJECT "ca\nb\n"), BYTES(")R"), 1000000, BYTES("u.")));
    assert_ok(load_repeated(BYTES("\x80\2}(" OBJECT "ca\nb\nq\0"), BYTES("h\0b"), 1000000, BYTES("u.")));
    assert_ok(load_repeated(BYTES("\x80\2}(" OBJECT "ca\nb\nq\0"), BYTES("(h\0h\0u"), 1000000, BYTES("u.")));
    assert_ok(load_repeated(BYTES("\x80\4}(" OBJECT "\x8f\x94"), BYTES("(h\0h\0\x90"), 1000000, BYTES("u.")));
    assert_ok(load_repeated(BYTES("\x80\2}(" OBJECT "("), BYTES("ca\nb\n"), 1000000, BYTES("tu.")));
    assert_fails(E_FORMAT, "more than 2097152 values",
                 load_repeated(BYTES("\x80\2}(" OBJECT "]"), BYTES("ca\nb\na"), 2200000, BYTES("u.")));
    assert_fails(E_FORMAT, "values on the stack", load_repeated(BYTES("\x80\2N"), BYTES("2"), 1200000, BYTES(".")));
    assert_fails(E_FORMAT, "memo entries", load_repeated(BYTES("\x80\4N"), BYTES("\x94"), 2200000, BYTES(".")));
    /* an object in itself, and one that calls itself */
    assert_ok(load(BYTES("\x80\2}(" OBJECT "ca\nb\n)\x81q\0}X\1\0\0\0xh\0sbu.")));
    assert_ok(load(BYTES("\x80\2}(" OBJECT "ca\nb\nq\0h\0Ru.")));
    /* entries of a state_dict that cannot be read */
    assert_ok(load_repeated(BYTES("\x80\2}(" OBJECT "ca\nb\n"), BYTES("X\1\0\0\0xca\nb\n"), 60000, BYTES("u.")));
#undef OBJECT
}

/* One long string as the value of very many hyperparameters; each would be copied. */
static void test_string_bomb(void **state) {
    (void)state;
    text t = {0};
    char number[32];
    append(&t, BYTES("\x80\2}(" LIGHTNING "X\20\0\0\0hyper_parameters}(X\5\0\0\0xxxxxX\0\0\x10\0"));
    for (int i = 0; i < 1 << 16; i++)
        append(&t, BYTES("0123456789abcdef"));
    append(&t, BYTES("q\0"));
    for (int i = 0; i < 50000; i++) {
        snprintf(number, sizeof number, "X%c%c%c%c%05d", 5, 0, 0, 0, i);
        append(&t, number, 10);
        append(&t, BYTES("h\0"));
    }
    append(&t, BYTES("uu."));
    assert_fails(E_FORMAT, "strings need far more memory", load(t.data, t.n));
    text_deinit(&t);
}

static void test_wrong_kinds(void **state) {
    (void)state;
#define LINNET(dict) "X\6\0\0\0linnet" dict
#define VERSION "X\7\0\0\0versionK\1"
    static const hostile cases[] = {
        {BYTES("\x80\2}(" LIGHTNING "u."), NULL},
        {BYTES("\x80\2}(" LIGHTNING "X\5\0\0\0epoch" FOUR "X\5\0\0\0loops]X\11\0\0\0callbacksNu."), NULL},
        {BYTES("\x80\2}(" LIGHTNING "X\5\0\0\0epochJ\xff\xff\xff\xffu."), "invalid progress"},
        {BYTES("\x80\2}(" LIGHTNING "X\13\0\0\0global_step\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fu."),
         "invalid progress"},
        {BYTES("\x80\2}(" LIGHTNING "X\20\0\0\0optimizer_states]}(X\5\0\0\0stateNX\14\0\0\0param_groups](NN}eua"
               "X\15\0\0\0lr_schedulers](Neu."),
         NULL},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(" VERSION "u") "u."), NULL},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}") "u."), "'version' has the wrong type"},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(X\7\0\0\0versionK\2u") "u."), NULL},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(X\7\0\0\0versionK\3u") "u."), "layout 3"},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(" VERSION "X\10\0\0\0progress}X\5\0\0\0epochG\0\0\0\0\0\0\0\0su") "u."),
         "'epoch' has the wrong type"},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(" VERSION "X\10\0\0\0schedule}X\10\0\0\0patienceJ\0\0\0\x80su") "u."),
         NULL},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(" VERSION "X\4\0\0\0kept]K\1au") "u."), "'kept'"},
        {BYTES("\x80\2}(" LIGHTNING LINNET("}(" VERSION "X\11\0\0\0last_pathNu") "u."), "'last_path'"},
    };
    CHECK(cases);
}

/* Flips every bit of a real pickle and corrects the CRC: the file is read or refused. */
static void test_pickle_bit_flips(void **state) {
    (void)state;
    static const char pickle[] =
        "\x80\2}q\0(" LIGHTNING "X\20\0\0\0hyper_parameters}X\2\0\0\0lrG\x3f\xf0\0\0\0\0\0\0s" LINNET(
            "}(" VERSION "X\5\0\0\0items}X\1\0\0\0a\x88su") "u.";
    char bytes[sizeof pickle];
    memcpy(bytes, pickle, sizeof pickle);
    assert_ok(load(bytes, sizeof bytes - 1));
    for (size_t bit = 0; bit < 8 * (sizeof bytes - 1); bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        load(bytes, sizeof bytes - 1);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t cut = 0; cut < sizeof bytes - 1; cut++)
        assert_int_equal(load(bytes, cut), E_FORMAT);
}

/* Flips every byte of a file: it is read with unchanged content or refused. Every truncation is refused. */
static void test_file_flips(void **state) {
    (void)state;
    unsigned char *bytes = NULL;
    size_t n = 0, refused = 0;
    ckpt c = {.state_n = 1, .best_value = NAN, .current_value = NAN, .epoch = 3, .global_step = 1000};
    ckpt_tensor t;
    sample_tensor(&t, "model.fc.bias", CKPT_F32, 1, (int64_t[]){5});
    c.state = &t;
    assert_ok(ckpt_save(path, &c));
    assert_ok(file_read(&bytes, &n, path, 0));
    for (size_t i = 0; i < n; i++) {
        ckpt *back = NULL;
        bytes[i] ^= (unsigned char)(1 << i % 8);
        assert_ok(file_write_atomic(path, bytes, n));
        if (ckpt_load(&back, path) == OK)
            assert_same(&c, back);
        else
            refused++;
        ckpt_free(back);
        bytes[i] ^= (unsigned char)(1 << i % 8);
    }
    assert_true(refused > 2000); /* the pickle's bytes and the tensor's, at least */
    while (n-- > 0) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        assert_int_equal(load_file(), E_FORMAT);
    }
    free(bytes);
    free(t.data);
}

/* The format before PyTorch 1.6 has no CRC. Flips every bit of a file, and truncates it at every byte. */
static void test_legacy_damage(void **state) {
    (void)state;
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(file_read(&bytes, &n, SOURCE_DIR "/tests/checkpoint/golden/legacy.pth", 0));
    assert_ok(file_write_atomic(path, bytes, n));
    assert_ok(load_file());
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        unsigned char flipped = (unsigned char)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        load_file();
        assert_int_equal(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    assert_ok(load_file());
    for (size_t cut = n; cut-- > 0;) {
        assert_int_equal(ftruncate(fd, (off_t)cut), 0);
        assert_int_equal(load_file(), E_FORMAT);
    }
    close(fd);
    free(bytes);
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_globals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_structure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bombs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passenger_bombs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_string_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pickle_bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_legacy_damage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
