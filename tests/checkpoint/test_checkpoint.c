/* Round trips, failed saves, and files that PyTorch and Lightning wrote (golden/, made by golden/make.py). */
#define _GNU_SOURCE
#include "sample.h"

#include "base/file.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void round_trip(const ckpt *c) {
    ckpt *back = NULL;
    assert_ok(ckpt_save(path, c));
    assert_ok(ckpt_load(&back, path));
    assert_same(c, back);
    ckpt_free(back);
}

static void test_round_trip(void **state) {
    (void)state;
    ckpt *c = sample_make();
    for (int kind = CKPT_SCHEDULE_NONE; kind <= CKPT_SCHEDULE_COSINE; kind++) {
        sample_schedule(c, (ckpt_schedule_kind)kind);
        c->epoch_done = kind % 2 != 0;
        c->batch_in_epoch = kind % 2 != 0 ? c->batches_per_epoch : 17;
        round_trip(c);
    }
    ckpt_free(c);
}

/* A new run: no momentum, no best files, no items. */
static void test_round_trip_bare(void **state) {
    (void)state;
    ckpt c = {.state_n = 1, .best_value = NAN, .current_value = NAN, .param_n = 1};
    ckpt_tensor t;
    sample_tensor(&t, "model.fc.bias", CKPT_F32, 1, (int64_t[]){10});
    c.state = &t;
    round_trip(&c);
    free(t.data);
}

static void test_equal_runs_write_equal_files(void **state) {
    (void)state;
    unsigned char *a = NULL, *b = NULL;
    size_t a_n = 0, b_n = 0;
    ckpt *c = sample_make();
    assert_ok(ckpt_save(path, c));
    assert_ok(file_read(&a, &a_n, path, 0));
    assert_ok(ckpt_save(path, c));
    assert_ok(file_read(&b, &b_n, path, 0));
    assert_int_equal(a_n, b_n);
    assert_memory_equal(a, b, a_n);
    free(a);
    free(b);
    ckpt_free(c);
}

static void test_find(void **state) {
    (void)state;
    ckpt *c = sample_make();
    assert_ptr_equal(ckpt_find_tensor(c, "model.bn1.weight"), &c->state[1]);
    assert_null(ckpt_find_tensor(c, "model.bn1"));
    assert_ptr_equal(ckpt_find_item(c->hyper, c->hyper_n, "lr"), &c->hyper[1]);
    assert_null(ckpt_find_item(c->hyper, c->hyper_n, "l"));
    ckpt_free(c);
}

static int entries_in_folder(const char *name) {
    int n = 0;
    DIR *d = opendir(name);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/** A failed save leaves the old file unchanged and no other file. */
static void failed_save(const char *where, const ckpt *c, int code, const char *part) {
    unsigned char *before = NULL, *after = NULL;
    size_t before_n = 0, after_n = 0;
    assert_ok(file_read(&before, &before_n, where, 0));
    assert_fails(code, part, ckpt_save(where, c));
    assert_non_null(strstr(status_message(), "the checkpoint was not saved"));
    assert_non_null(strstr(status_message(), where));
    assert_null(strchr(status_message(), '\n'));
    assert_ok(file_read(&after, &after_n, where, 0));
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, after_n);
    free(before);
    free(after);
}

/* Every file size limit: writing fails in the header, the pickle, a tensor and the directory. */
static void test_file_size_limit(void **state) {
    (void)state;
    struct rlimit old, low;
    unsigned char *bytes = NULL;
    size_t n = 0;
    ckpt *c = sample_make();
    assert_ok(ckpt_save(path, c));
    assert_ok(file_read(&bytes, &n, path, 0));
    free(bytes);
    c->epoch++;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t limit = 0; limit < n; limit += limit < n - 200 ? 191 : 1) {
        low = (struct rlimit){limit, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        int rc = ckpt_save(path, c);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(rc, E_IO);
        assert_int_equal(entries_in_folder(folder), 1);
    }
    low = (struct rlimit){n / 2, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    failed_save(path, c, E_IO, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    ckpt *back = NULL;
    assert_ok(ckpt_load(&back, path));
    c->epoch--;
    assert_same(c, back);
    ckpt_free(back);
    ckpt_free(c);
}

static void write_text(const char *file, const char *text) {
    FILE *f = fopen(file, "w");
    if (f != NULL) {
        fputs(text, f);
        fclose(f);
    }
}

/** Mounts a tmpfs of 32 KiB in a new mount namespace, if permitted. @return whether it is mounted */
static bool mount_small(void) {
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
    }
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return mount("tmpfs", folder, "tmpfs", 0, "size=32k") == 0;
}

static void test_full_disk(void **state) {
    (void)state;
    pid_t child = fork(); /* a process cannot leave a namespace again */
    if (child == 0) {
        if (!mount_small())
            _exit(77);
        ckpt *c = sample_make();
        assert_ok(ckpt_save(path, c));
        ckpt_tensor big;
        sample_tensor(&big, "big", CKPT_F32, 1, (int64_t[]){10000});
        c->state[0] = big;
        failed_save(path, c, E_FULL, "No space left");
        _exit(entries_in_folder(folder) == 1 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("no tmpfs can be mounted here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_unwritable_folder(void **state) {
    (void)state;
    ckpt c = {0};
    char nowhere[600];
    snprintf(nowhere, sizeof nowhere, "%s/none/a.ckpt", folder);
    assert_fails(E_NOTFOUND, nowhere, ckpt_save(nowhere, &c));
}

static void test_not_a_checkpoint(void **state) {
    (void)state;
    ckpt *c = NULL;
    static const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } files[] = {
        {"", 0, "no zip directory"},
        {"PK\5\6", 4, "no zip directory"},
        {"a text file", 11, "no zip directory"},
        {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15, "pickle, byte 0"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_ok(file_write_atomic(path, files[i].bytes, files[i].n));
        assert_fails(E_FORMAT, files[i].part, ckpt_load(&c, path));
        assert_null(c);
        assert_non_null(strstr(status_message(), path));
    }
    assert_fails(E_IO, "regular file", ckpt_load(&c, folder));
    assert_ok(file_remove(path));
    assert_fails(E_NOTFOUND, path, ckpt_load(&c, path));
}

static ckpt *golden(const char *name) {
    ckpt *c = NULL;
    char file[600];
    snprintf(file, sizeof file, "%s/tests/checkpoint/golden/%s", SOURCE_DIR, name);
    assert_ok(ckpt_load(&c, file));
    return c;
}

static double float_at(const ckpt_tensor *t, size_t i) {
    float f;
    assert_non_null(t);
    assert_int_equal(t->type, CKPT_F32);
    memcpy(&f, (const char *)t->data + i * sizeof f, sizeof f);
    return f;
}

/** The time of a run is where Lightning's Timer keeps it; without a time there is no Timer. */
static void test_timer(void **state) {
    (void)state;
    static const double seconds[] = {12.5, 0, INFINITY};
    for (int i = 0; i < 3; i++) {
        ckpt *c = sample_make(), *back = NULL;
        c->train_seconds = seconds[i];
        assert_ok(ckpt_save(path, c));
        if (i == 2) {
            assert_fails(E_FORMAT, "invalid Timer: time_elapsed is inf", ckpt_load(&back, path));
        } else {
            assert_ok(ckpt_load(&back, path));
            assert_true(back->train_seconds == seconds[i]);
            ckpt_free(back);
        }
        ckpt_free(c);
    }
}

/* Lightning 2.2.5, StepLR, saved by ModelCheckpoint at the end of epoch 1 of 3 batches. */
static void test_lightning_end(void **state) {
    (void)state;
    ckpt *c = golden("lightning-step.ckpt");
    assert_int_equal(c->epoch, 1);
    assert_int_equal(c->global_step, 6);
    assert_int_equal(c->batches_per_epoch, 3);
    assert_int_equal(c->batch_in_epoch, 3);
    assert_true(c->epoch_done);
    assert_int_equal(c->state_n, 7);
    assert_string_equal(c->state[0].name, "model.0.weight");
    assert_int_equal(c->state[0].rank, 4);
    assert_int_equal(c->param_n, 4);
    assert_int_equal(c->momentum_n, 4);
    assert_string_equal(c->momentum[3].name, "model.4.bias");
    assert_true(c->optimizer.lr == 0.1 && c->optimizer.initial_lr == 0.1 && c->optimizer.momentum == 0.9 &&
                c->optimizer.weight_decay == 1e-4);
    assert_int_equal(c->schedule.kind, CKPT_SCHEDULE_STEP);
    assert_int_equal(c->schedule.step_size, 30);
    assert_int_equal(c->schedule.last_epoch, 2);
    assert_true(c->schedule.gamma == 0.1 && c->schedule.base_lr == 0.1 && c->schedule.last_lr == 0.1);
    assert_int_equal(c->kept_n, 2);
    assert_non_null(strstr(c->kept[0].path, "/epoch=0-val_loss="));
    assert_true(c->current_value == c->kept[1].value);
    assert_true(c->best_value == fmin(c->kept[0].value, c->kept[1].value));
    assert_non_null(strstr(c->last_path, "/last.ckpt"));
    const ckpt_item *arch = ckpt_find_item(c->hyper, c->hyper_n, "arch");
    assert_true(arch != NULL && arch->kind == 's' && strcmp(arch->s, "resnet18") == 0);
    assert_true(ckpt_find_item(c->hyper, c->hyper_n, "lr")->d == 0.1);
    assert_null(ckpt_find_item(c->hyper, c->hyper_n, "layers")); /* a list */
    assert_int_equal(c->own_n, 0);
    ckpt_free(c);
}

static void test_lightning_middle(void **state) {
    (void)state;
    ckpt *c = golden("lightning-plateau-middle.ckpt");
    assert_int_equal(c->epoch, 1);
    assert_int_equal(c->global_step, 5);
    assert_int_equal(c->batch_in_epoch, 2);
    assert_int_equal(c->batches_per_epoch, 0);
    assert_false(c->epoch_done);
    assert_int_equal(c->schedule.kind, CKPT_SCHEDULE_PLATEAU);
    assert_int_equal(c->schedule.patience, 10);
    assert_true(c->schedule.factor == 0.1 && c->schedule.min_lr == 1e-6 && c->schedule.threshold == 1e-4);
    assert_int_equal(c->schedule.last_epoch, 1);
    assert_true(c->schedule.base_lr == 0 && c->schedule.last_lr == 0.1); /* the first rate is not recorded */
    assert_int_equal(c->kept_n, 1);
    ckpt_free(c);
}

/* torch.save of a plain state_dict: views, shared storages, every type, a Parameter. */
static void test_state_dict(void **state) {
    (void)state;
    ckpt *c = golden("state-dict.pth");
    static const struct {
        const char *name;
        ckpt_type type;
    } types[] = {{"double", CKPT_F64}, {"half", CKPT_F16}, {"bfloat16", CKPT_BF16}, {"long", CKPT_I64},
                 {"int", CKPT_I32},    {"byte", CKPT_U8},  {"bool", CKPT_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const ckpt_tensor *t = ckpt_find_tensor(c, types[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, types[i].type);
        assert_int_equal(t->bytes, 3 * ckpt_type_bytes(t->type));
    }
    int64_t last = 0;
    memcpy(&last, (const char *)ckpt_find_tensor(c, "long")->data + 16, sizeof last);
    assert_int_equal(last, -3000000000);
    /* base = arange(24).view(2, 3, 4) */
    const ckpt_tensor *t = ckpt_find_tensor(c, "transposed");
    assert_true(t->rank == 3 && t->shape[0] == 4 && t->shape[1] == 3 && t->shape[2] == 2);
    for (size_t i = 0; i < 24; i++)
        assert_true(float_at(t, i) == (double)(i % 2 * 12 + i / 2 % 3 * 4 + i / 6));
    t = ckpt_find_tensor(c, "strided");
    for (size_t i = 0; i < 12; i++)
        assert_true(float_at(t, i) == (double)(i * 2 + 1));
    t = ckpt_find_tensor(c, "tail");
    assert_true(t->rank == 2 && float_at(t, 0) == 12 && float_at(t, 11) == 23);
    t = ckpt_find_tensor(c, "expanded");
    assert_true(t->rank == 2 && t->shape[1] == 5 && float_at(t, 4) == 0 && float_at(t, 5) == 1);
    assert_true(float_at(ckpt_find_tensor(c, "parameter"), 1) == 2.5);
    assert_int_equal(ckpt_find_tensor(c, "empty")->bytes, 0);
    assert_int_equal(ckpt_find_tensor(c, "scalar")->rank, 0);
    assert_int_equal(c->momentum_n + c->kept_n + c->hyper_n + (int)c->epoch, 0);
    ckpt_free(c);
}

/* The same tensors in the format before PyTorch 1.6, and every truncation and flipped byte of it. */
static void test_legacy(void **state) {
    (void)state;
    unsigned char *bytes = NULL;
    size_t n = 0;
    char file[600];
    ckpt *c = golden("legacy.pth"), *same = golden("state-dict.pth"), *back = NULL;
    assert_same(c, same);
    ckpt_free(c);
    ckpt_free(same);
    snprintf(file, sizeof file, "%s/tests/checkpoint/golden/legacy.pth", SOURCE_DIR);
    assert_ok(file_read(&bytes, &n, file, 0));
    for (size_t cut = 0; cut < n; cut++) {
        assert_ok(file_write_atomic(path, bytes, cut));
        assert_int_equal(ckpt_load(&back, path), E_FORMAT);
    }
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= (unsigned char)(1 << i % 8);
        assert_ok(file_write_atomic(path, bytes, n));
        if (ckpt_load(&back, path) != OK)
            assert_null(strchr(status_message(), '\n'));
        ckpt_free(back);
        bytes[i] ^= (unsigned char)(1 << i % 8);
    }
    free(bytes);
}

/* The tar format, older than the legacy one: the message says so. */
static void test_tar(void **state) {
    (void)state;
    static unsigned char tar[1024] = "sys_info";
    ckpt *c = NULL;
    memcpy(tar + 257, "ustar", 5);
    assert_ok(file_write_atomic(path, tar, sizeof tar));
    assert_fails(E_FORMAT, "PyTorch's oldest (tar) format", ckpt_load(&c, path));
}

static void test_nested_state_dict(void **state) {
    (void)state;
    ckpt *c = golden("nested.pth");
    assert_int_equal(c->state_n, 1);
    assert_string_equal(c->state[0].name, "fc.weight");
    assert_int_equal(c->epoch, 0); /* not written by Lightning, so its "epoch" is ignored */
    ckpt_free(c);
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip_bare, setup, teardown),
        cmocka_unit_test_setup_teardown(test_equal_runs_write_equal_files, setup, teardown),
        cmocka_unit_test(test_find),
        cmocka_unit_test_setup_teardown(test_file_size_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwritable_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
        cmocka_unit_test(test_lightning_end),
        cmocka_unit_test(test_lightning_middle),
        cmocka_unit_test(test_state_dict),
        cmocka_unit_test_setup_teardown(test_legacy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tar, setup, teardown),
        cmocka_unit_test(test_nested_state_dict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
