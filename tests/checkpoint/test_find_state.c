/* Where the weights are in a file, and whose names they have. */
#define _GNU_SOURCE
#include "pickled.h"
#include "sample.h"

#include "base/text.h"
#include "root.h"

static char path[300];

static int load(ckpt **out, const text *file, const char *key) {
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    pickled_write(path, file->data, file->n);
    return ckpt_load_key(out, path, key);
}

static void string(text *t, const char *s) {
    uint32_t n = (uint32_t)strlen(s);
    assert_ok(text_append(t, "X", 1));
    assert_ok(text_append(t, &n, 4));
    assert_ok(text_append(t, s, n));
}

static void raw(text *t, const void *bytes, size_t n) { assert_ok(text_append(t, bytes, n)); }

/** A dictionary of tensors with these names. */
static void tensors(text *t, const char *const *names) {
    raw(t, BYTES("}("));
    for (; *names != NULL; names++) {
        string(t, *names);
        raw(t, BYTES(FOUR));
    }
    raw(t, BYTES("u"));
}

#define ANCHOR "layer1.0.conv1.weight"

/** A file with one dictionary of tensors under each path of keys, such as "state model". Each has the tensors "a" to
 *  "e" up to its own letter, so state_n tells which one was read. */
static text with_parts(const char *const *paths) {
    static const char *const names[] = {ANCHOR, "b", "c", "d", "e"};
    text t = {0};
    raw(&t, BYTES("\x80\2}("));
    for (int n = 1; *paths != NULL; paths++, n++) {
        const char *list[6] = {NULL};
        char key[64];
        const char *space = strchr(*paths, ' ');
        memcpy(list, names, (size_t)n * sizeof *names);
        snprintf(key, sizeof key, "%.*s", space != NULL ? (int)(space - *paths) : (int)strlen(*paths), *paths);
        string(&t, key);
        if (space != NULL) {
            raw(&t, BYTES("}"));
            string(&t, space + 1);
        }
        tensors(&t, list);
        if (space != NULL)
            raw(&t, BYTES("s"));
    }
    raw(&t, BYTES("u."));
    return t;
}

static void test_keys(void **state) {
    (void)state;
    static const struct {
        const char *paths[6], *key;
        int found; /* from 1; 0: refused */
    } cases[] = {
        {{"state_dict", "state_dict_ema"}, "", 1},
        {{"state_dict_ema", "state_dict"}, "", 2},
        {{"state_dict", "state_dict_ema"}, "state_dict_ema", 2},
        {{"model", "optimizer state", "model_ema"}, "", 1},
        {{"model", "optimizer state", "model_ema"}, "model_ema", 3},
        {{"optimizer state", "state model"}, "", 2},
        {{"optimizer state", "state model"}, "state.model", 2},
        {{"optimizer state", "state model"}, "state", 2},
        {{"model_state_dict", "epoch"}, "", 1},
        {{"acc", "net"}, "", 2},
        {{"state_dict_ema"}, "", 1},
        {{"a.b", "a b"}, "a.b", 1},
        {{"model", "other"}, "other", 2},
        {{"model", "other"}, "nothing", 0},
        {{"other", "another"}, "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ckpt *c = NULL;
        text t = with_parts(cases[i].paths);
        int rc = load(&c, &t, cases[i].key);
        if ((rc == OK ? c->state_n : 0) != cases[i].found)
            fail_msg("case %zu: found %d: %s", i, rc == OK ? c->state_n : 0, status_message());
        ckpt_free(c);
        text_deinit(&t);
    }
}

static void test_messages(void **state) {
    (void)state;
    ckpt *c = NULL;
    char key[200];
    text t = with_parts((const char *const[]){"model", "other x", "another", NULL});
    assert_fails(E_FORMAT, "no ResNet under 'nothing': the file has tensors under model, another",
                 load(&c, &t, "nothing"));
    assert_fails(E_FORMAT, "no tensors", load(&c, &t, "other"));
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    assert_fails(E_OPTION, "has 199 bytes, more than the limit of 95", load(&c, &t, key));
    assert_ok(load(&c, &t, "model"));
    assert_string_equal(c->parts, "model, another");
    ckpt_free(c);
    text_deinit(&t);
    t = with_parts((const char *const[]){"x", "y", NULL});
    assert_fails(E_FORMAT, "but under x, y: choose one with --init-key", load(&c, &t, ""));
    text_deinit(&t);
    raw(&t, BYTES("\x80\2}X\5\0\0\0modelK\1s."));
    assert_fails(E_FORMAT, "'model' is not a dictionary", load(&c, &t, "model"));
    text_deinit(&t);
}

/** Loads a state_dict of these names, and compares what they have become. */
static void check_names(const char *const *theirs, const char *const *ours, const char *prefix, const char *key) {
    ckpt *c = NULL;
    text t = {0};
    raw(&t, BYTES("\x80\2"));
    tensors(&t, theirs);
    raw(&t, BYTES("."));
    assert_ok(load(&c, &t, key));
    assert_string_equal(c->prefix, prefix);
    for (int i = 0; i < c->state_n; i++)
        assert_string_equal(c->state[i].name, ours[i]);
    ckpt_free(c);
    text_deinit(&t);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_names(void **state) {
    (void)state;
#define STAGES "encoder.stages."
    static const char *const hugging[] = {"resnet.embedder.embedder.convolution.weight",
                                          "resnet.embedder.embedder.normalization.running_var",
                                          "resnet." STAGES "0.layers.0.layer.0.convolution.weight",
                                          "resnet." STAGES "2.layers.11.layer.2.normalization.bias",
                                          "resnet." STAGES "1.layers.0.shortcut.convolution.weight",
                                          "resnet." STAGES "3.layers.0.shortcut.normalization.num_batches_tracked",
                                          "classifier.1.weight",
                                          "classifier.2.weight",
                                          "resnet." STAGES "x.layers.0.layer.0.convolution.weight",
                                          "resnet." STAGES "0.layers.99999999999999999999.layer.0.convolution.weight",
                                          "resnet." STAGES,
                                          NULL};
    static const char *const ours[] = {"resnet.conv1.weight",
                                       "resnet.bn1.running_var",
                                       "resnet." ANCHOR,
                                       "resnet.layer3.11.bn3.bias",
                                       "resnet.layer2.0.downsample.0.weight",
                                       "resnet.layer4.0.downsample.1.num_batches_tracked",
                                       "resnet.fc.weight",
                                       "classifier.2.weight",
                                       "resnet." STAGES "x.layers.0.layer.0.convolution.weight",
                                       "resnet." STAGES "0.layers.99999999999999999999.layer.0.convolution.weight",
                                       "resnet." STAGES,
                                       NULL};
    check_names(hugging, ours, "resnet.", "");
    /* the model without a classifier, and as a part of another */
    check_names(LIST(STAGES "0.layers.0.layer.0.convolution.weight"), LIST(ANCHOR), "", "");
    check_names(LIST("net.resnet." STAGES "0.layers.0.layer.0.convolution.weight", "net.classifier.1.bias",
                     "classifier.1.bias"),
                LIST("net.resnet." ANCHOR, "net.resnet.fc.bias", "classifier.1.bias"), "net.resnet.", "");
    /* MMPretrain; a classifier of the backbone's own stays */
    check_names(LIST("backbone." ANCHOR, "head.fc.weight"), LIST("backbone." ANCHOR, "backbone.fc.weight"), "backbone.",
                "");
    check_names(LIST("backbone." ANCHOR, "backbone.fc.weight", "head.fc.weight"),
                LIST("backbone." ANCHOR, "backbone.fc.weight", "head.fc.weight"), "backbone.", "");
    check_names(LIST("model.backbone." ANCHOR, "model.head.fc.bias", "head.fc.bias"),
                LIST("model.backbone." ANCHOR, "model.backbone.fc.bias", "head.fc.bias"), "model.backbone.", "");
    check_names(LIST("student." ANCHOR, "head.fc.weight"), LIST("student." ANCHOR, "head.fc.weight"), "student.", "");
    /* children of a Sequential: fastai */
    check_names(LIST("0.0.weight", "0.1.bias", "0.4.0.conv1.weight", "0.7.1.bn2.weight", "0.8.weight", "1.0.weight"),
                LIST("0.conv1.weight", "0.bn1.bias", "0." ANCHOR, "0.layer4.1.bn2.weight", "0.8.weight", "1.0.weight"),
                "0.", "");
    /* torch.compile of the whole and of parts */
    check_names(LIST("_orig_mod." ANCHOR, "_orig_mod.fc.bias"), LIST("_orig_mod." ANCHOR, "_orig_mod.fc.bias"),
                "_orig_mod.", "");
    check_names(LIST("net.layer1._orig_mod.0.conv1.weight", "net.fc._orig_mod.bias"),
                LIST("net." ANCHOR, "net.fc.bias"), "net.", "");
    /* one of two models, by its prefix */
    check_names(LIST("student." ANCHOR, "teacher." ANCHOR), LIST("student." ANCHOR, "teacher." ANCHOR), "teacher.",
                "teacher");
    check_names(LIST("student." ANCHOR, "teacher." ANCHOR), LIST("student." ANCHOR, "teacher." ANCHOR), "student.",
                "student.");
}

/* Two names that become one. */
static void test_same_name(void **state) {
    (void)state;
    ckpt *c = NULL;
    text t = {0};
    raw(&t, BYTES("\x80\2"));
    tensors(&t, LIST("layer1._orig_mod.0.conv1.weight", "fc._orig_mod.bias", "fc.bias"));
    raw(&t, BYTES("."));
    assert_fails(E_FORMAT, "tensor fc.bias occurs twice", load(&c, &t, ""));
    text_deinit(&t);
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_same_name),
    };
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
