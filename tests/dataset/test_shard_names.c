/* To which split a shard belongs, in a folder and in a list; the order of compressed and plain shards. */
#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "dataset/shard_names.h"
#include "folder_fixture.h"

static void touch(const char *name) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, folder, name));
    assert_ok(file_write_atomic(path, "", 0));
}

static void join(text *out, const shard_names *s) {
    out->n = 0;
    assert_ok(text_append(out, "", 0));
    for (size_t i = 0; i < s->n; i++)
        assert_ok(text_printf(out, "%s%s", i > 0 ? " " : "", s->name[i]));
}

static void in_folder(const char *split, const char *expected) {
    shard_names s = {0};
    text names = {0};
    assert_ok(shard_names_of_folder(&s, folder, split));
    join(&names, &s);
    assert_string_equal(text_string(&names), expected);
    text_deinit(&names);
    shard_names_deinit(&s);
}

static void in_list(const char *list, const char *split, const char *root, const char *expected) {
    shard_names s = {0};
    text names = {0};
    char found[PATH_BYTES];
    assert_ok(shard_names_of_list(&s, found, list, split));
    join(&names, &s);
    assert_string_equal(found, root);
    assert_string_equal(text_string(&names), expected);
    text_deinit(&names);
    shard_names_deinit(&s);
}

static void fails(int code, const char *says, const char *list, const char *split) {
    shard_names s = {0};
    char root[PATH_BYTES];
    assert_fails(code, says, shard_names_of_list(&s, root, list, split));
    shard_names_deinit(&s);
}

/** Words are delimited by any character that is no letter; parts of words do not count. */
static void test_folder(void **state) {
    (void)state;
    static const char *const name[] = {"constrained-val-0.tar", "train-00-of-10.tar", "train_1.tar",
                                       "x.TRAIN.tar.gz",        "valid2.tgz",         "interval-0.tar",
                                       "trainval.tar",          "train.txt"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        touch(name[i]);
    in_folder("val", "constrained-val-0.tar valid2.tgz");
    in_folder("train", "train-00-of-10.tar train_1.tar x.TRAIN.tar.gz");
    touch("train_1.tar.zst"); /* its .tar is there too */
    in_folder("train", "train-00-of-10.tar train_1.tar x.TRAIN.tar.gz");
    touch("train-00-of-10-more.tar.gz");
    touch("train-00-of-10.tar.gz");
    in_folder("train", "train-00-of-10-more.tar.gz train-00-of-10.tar train_1.tar x.TRAIN.tar.gz");
    shard_names s = {0};
    touch("x.TRAIN.tar.zst");
    assert_fails(E_DATA, "contains both x.TRAIN.tar.gz and x.TRAIN.tar.zst",
                 shard_names_of_folder(&s, folder, "train"));
    shard_names_deinit(&s);
    touch("train-val.tar");
    assert_fails(E_DATA, "train-val.tar: the file name contains both train and val",
                 shard_names_of_folder(&s, folder, "val"));
    shard_names_deinit(&s);
}

/** The last part of the path with a word of a split decides. */
static void test_list(void **state) {
    (void)state;
    in_list("s/{train-{0..1},val-0}.tar", "train", "s", "train-0.tar train-1.tar");
    in_list("s/{train-{0..1},val-0}.tar", "val", "s", "val-0.tar");
    in_list("s/{train,val}/{b,a}.tar.gz", "val", "s", "val/a.tar.gz val/b.tar.gz");
    in_list("train/x-{0..1}.tar", "train", "train", "x-0.tar x-1.tar");
    in_list("train/x-{0..1}.tar", "val", "train", "");
    in_list("/train/val-0.tar", "val", "/train", "val-0.tar");
    in_list("x-{0..1}.tar", "", ".", "x-0.tar x-1.tar");
    in_list("https://train.example.org/s/val-{0..1}.tar", "train", "https://train.example.org/s", "");
    in_list("https://train.example.org/{0..1}.tar", "train", "https://train.example.org", "");
    in_list("s3://bucket/{train,val}-0.tar", "train", "s3://bucket", "train-0.tar");
    fails(E_OPTION, "a } without its {", "a}.tar", "");
    fails(E_OPTION, "may contain only .tar, .tar.gz", "a{.tar,.jpg}", "");
    fails(E_OPTION, "expected the address", "s3://{a,b}/x.tar", "");
    fails(E_OPTION, "~/.netrc", "https://me:key@host/x.tar", "");
    fails(E_OPTION, "must not contain '?'", "https://host/x?y.tar", "");
    fails(E_DATA, "twice", "s/{a,a}.tar", "");
    fails(E_DATA, "twice", "s/a.tar{,.gz}", "");
    fails(E_DATA, "unxz 's/a.tar.xz'", "s/a.tar.xz", "");
    fails(E_DATA, "both train and val", "s/train-val.tar", "train");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder), cmocka_unit_test(test_list)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
