/* Values that a checkpoint carries besides its tensors: objects of classes that linnet does not know are skipped, in
 * every protocol, and named once. If a wanted tensor depends on such an object, the message names both. */
#define _GNU_SOURCE
#include "pickled.h"
#include "sample.h"

#include "base/log.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "root.h"

static char path[300];
static text logged;

static void sink(void *context, log_level level, const char *line) {
    (void)context;
    (void)level;
    assert_ok(text_printf(&logged, "%s\n", line));
}

/** Loads a file of this pickle; `logged` has the lines. */
static int load(ckpt **out, const void *bytes, size_t n) {
    logged.n = 0;
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    pickled_write(path, bytes, n);
    log_set_sink(sink, NULL);
    int rc = ckpt_load(out, path);
    log_set_sink(NULL, NULL);
    assert_ok(text_append(&logged, "", 0));
    return rc;
}

typedef struct passenger {
    const char *pickle;
    size_t n;
    const char *line; /* what the log names; NULL: nothing is logged */
} passenger;

/** A dictionary with the tensor `w` and under "args" another value. */
#define WITH(proto, value) BYTES(proto "}(X\1\0\0\0w" FOUR "X\4\0\0\0args" value "u.")

static void check(const passenger *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ckpt *c = NULL;
        assert_ok(load(&c, cases[i].pickle, cases[i].n));
        assert_int_equal(c->state_n, 1);
        assert_string_equal(c->state[0].name, "w");
        assert_memory_equal(c->state[0].data, "0123456789abcdef", 16);
        ckpt_free(c);
        if (cases[i].line == NULL) {
            assert_int_equal(logged.n, 0);
            continue;
        }
        const char *at = strstr(text_string(&logged), cases[i].line);
        if (at == NULL)
            fail_msg("case %zu: the log lacks '%s': %s", i, cases[i].line, text_string(&logged));
        assert_null(strstr(at + 1, cases[i].line)); /* named once */
        assert_non_null(strstr(text_string(&logged), path));
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

/* As torch.save (protocol 2) writes them. */
static void test_protocol_2(void **state) {
    (void)state;
    static const passenger cases[] = {
        {WITH("\x80\2", "cargparse\nNamespace\n)\x81}(X\2\0\0\0lrG\0\0\0\0\0\0\0\0X\5\0\0\0modelX\2\0\0\0r1ub"),
         "argparse.Namespace"},
        {WITH("\x80\2", "(cargparse\nNamespace\n)\x81}bcargparse\nNamespace\n)\x81}bt"), "argparse.Namespace"},
        {WITH("\x80\2", "cpathlib\nPosixPath\n(X\1\0\0\0/X\4\0\0\0datatR"), "pathlib.PosixPath"},
        {WITH("\x80\2", "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\2\0\0\0f8\x89\x88tR(K\3X\1\0\0\0<NNNJ\xff"
                        "\xff\xff\xffJ\xff\xff\xff\xffK\0tbc_codecs\nencode\n(X\1\0\0\0aX\6\0\0\0latin1tRtR"),
         "numpy.core.multiarray.scalar, numpy.dtype, _codecs.encode"},
        {WITH("\x80\2", "c__builtin__\nset\n]K\1a\x85R"), "__builtin__.set"},
        {WITH("\x80\2", "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\1K\2s"), "collections.defaultdict"},
        {WITH("\x80\2", "cmy\nList\n)\x81(K\1K\2eK\3a}X\1\0\0\0xK\1sb"), "my.List"},
        {WITH("\x80\2", "cmy\nDict\n)\x81(K\1K\2uNN\x86"
                        "b"),
         "my.Dict"},
        {WITH("\x80\2", "cposix\nsystem\nX\7\0\0\0echo hi\x85R"), "posix.system"},
        {WITH("\x80\2", "(iargparse\nNamespace\n}b"), "argparse.Namespace"},
        {WITH("\x80\2", "(cargparse\nNamespace\nK\1o"), "argparse.Namespace"},
        {WITH("\x80\2", "\x82\1"), "copyreg extension"},
        {WITH("\x80\2", "\x83\1\2)R"), "copyreg extension"},
        {WITH("\x80\2", "\x84\1\0\0\x10"), "copyreg extension"},
        {WITH("\x80\2", "X\3\0\0\0abcQ"), "persistent id"},
        {WITH("\x80\2", "(X\6\0\0\0moduleK\1tQ"), "persistent id"},
        {WITH("\x80\2", "(X\6\0\0\0modulecmy\nNet\nNNtQ)\x81}b"), "my.Net"},
        {WITH("\x80\2", "Pabc\n"), "persistent id"},
        {WITH("\x80\2", "ccollections\nOrderedDict\n]](X\1\0\0\0aK\1ea\x85R"), NULL},
        {WITH("\x80\2", "(NN1N0N2\x86"), NULL}, /* POP_MARK, POP and DUP, as recursive tuples have them */
        {WITH("\x80\2", "\x8b\2\0\0\0\xff\x7f"), NULL},
        {WITH("\x80\2", "T\3\0\0\0abc"), NULL},
        {WITH("\x80\2", REBUILD(PERSISTENT("ComplexFloatStorage", "1", "K\4"), "K\0", "(K\4t", "(K\1t")),
         "torch.ComplexFloatStorage"},
    };
    CHECK(cases);
}

/* The opcodes that protocols 3 to 5 add. */
static void test_protocols_3_to_5(void **state) {
    (void)state;
    static const passenger cases[] = {
        {WITH("\x80\3", "B\3\0\0\0abc"), NULL},
        {WITH("\x80\3", "C\3abc"), NULL},
        {WITH("\x80\4", "\x8c\3abc\x94"), NULL},
        {WITH("\x80\4", "\x8d\3\0\0\0\0\0\0\0abc"), NULL},
        {WITH("\x80\4", "\x8e\3\0\0\0\0\0\0\0abc"), NULL},
        {WITH("\x80\4", "\x8f\x94(K\1K\2\x90"), NULL},
        {WITH("\x80\4", "(K\1K\2\x91\x94"), NULL},
        {WITH("\x80\4", "\x8c\x8"
                        "argparse\x8c\x9Namespace\x93)\x81}b"),
         "argparse.Namespace"},
        {WITH("\x80\4", "\x8c\x7pathlib\x8c\x9PosixPath\x93(\x8c\1/t}\x92"), "pathlib.PosixPath"},
        {WITH("\x80\5", "\x96\3\0\0\0\0\0\0\0abc"), NULL},
        {WITH("\x80\5", "\x97\x98"), NULL},
        {WITH("\x80\5", "C\3abc\x98"), NULL},
    };
    CHECK(cases);
}

/* A whole file of protocol 4, with frames, and names and tensor by way of the memo. */
static void test_tensor_of_protocol_4(void **state) {
    (void)state;
    static const passenger cases[] = {
        {BYTES("\x80\4\x95\x10\0\0\0\0\0\0\0}\x94(\x8c\1w\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93"
               "\x94((\x8c\7storage\x94\x8c\5torch\x94\x8c\x0c"
               "FloatStorage\x94\x93\x94\x8c\1"
               "0\x94\x8c\3cpu\x94K\4t\x94QK\0K\4\x85\x94K\1\x85\x94\x89\x8c\x0b"
               "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94t\x94R\x94\x8c\4mesah\5u."),
         NULL},
    };
    CHECK(cases);
}

/* Lightning's hyper-parameters: known kinds are read, others are skipped. */
static void test_hyper_parameters(void **state) {
    (void)state;
    ckpt *c = NULL;
    assert_ok(load(&c, BYTES("\x80\2}(" LIGHTNING "X\5\0\0\0epochK\2X\20\0\0\0hyper_parameters}(X\4\0\0\0rootcpathlib\n"
                             "PosixPath\n(X\1\0\0\0/tRX\2\0\0\0lrG?\xf0\0\0\0\0\0\0uu.")));
    assert_int_equal(c->epoch, 2);
    assert_int_equal(c->hyper_n, 1);
    assert_string_equal(c->hyper[0].key, "lr");
    assert_true(c->hyper[0].d == 1);
    ckpt_free(c);
    assert_ok(ckpt_load_progress(&c, path));
    assert_int_equal(c->epoch, 2);
    ckpt_free(c);
}

/* More classes than a line should list. */
static void test_many(void **state) {
    (void)state;
    text t = {0};
    ckpt *c = NULL;
    assert_ok(text_append(&t, BYTES("\x80\2}(X\1\0\0\0w" FOUR)));
    for (int i = 0; i < 40; i++)
        assert_ok(text_printf(&t, "K%ccmodule%d\nName\n", 'A' + i, i));
    assert_ok(text_append(&t, BYTES("u.")));
    assert_ok(load(&c, t.data, t.n));
    assert_non_null(strstr(text_string(&logged), "module7.Name and others"));
    assert_null(strstr(text_string(&logged), "module8"));
    ckpt_free(c);
    text_deinit(&t);
}

/* What is asked for depends on a skipped object. */
static void test_wanted(void **state) {
    (void)state;
    static const struct {
        const char *pickle;
        size_t n;
        const char *part;
    } cases[] = {
        {BYTES("\x80\2ctorchvision.models.resnet\nResNet\n)\x81}b."),
         "the file contains a value of type torchvision.models.resnet.ResNet, not a dictionary: save the model's "
         "state_dict()"},
        {BYTES("\x80\2}X\5\0\0\0modelctorchvision.models.resnet\nResNet\n)\x81}bs."),
         "'model' is of type torchvision.models.resnet.ResNet, not a dictionary"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_qtensor\n(" FOUR "tR")), "w is of type torch._utils._rebuild_qtensor"},
        {BYTES(NAMED(REBUILD(PERSISTENT("ComplexFloatStorage", "0", "K\2"), "K\0", "(K\2t", "(K\1t"))),
         "w is of type torch.ComplexFloatStorage"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_qtensor\n)R\x88}tR")),
         "w is of type torch._utils._rebuild_qtensor"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_tensor_v3\n(" PERSISTENT(
             "UntypedStorage", "0", "K\20") "K\0(K\2t(K\1t\x89}ctorch\nfloat8_e4m3fn\ntR")),
         "w is of type torch.float8_e4m3fn"},
        {BYTES(NAMED("ctorch._utils\n_rebuild_tensor_v2\n(\x97K\0(K\2t(K\1t\x89}tR")),
         "w is of type buffer outside the pickle"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ckpt *c = NULL;
        assert_fails(E_FORMAT, cases[i].part, load(&c, cases[i].pickle, cases[i].n));
    }
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol_2),
        cmocka_unit_test(test_protocols_3_to_5),
        cmocka_unit_test(test_tensor_of_protocol_4),
        cmocka_unit_test(test_hyper_parameters),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_wanted),
    };
    int failed = cmocka_run_group_tests(tests, root_set_up, root_tear_down);
    text_deinit(&logged);
    return failed;
}
