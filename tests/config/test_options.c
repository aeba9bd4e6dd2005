#include "check.h"

#include "config/options.h"

#include "base/file.h"
#include "base/memory.h"

static config defaults(void) {
    config c;
    config_defaults(&c);
    return c;
}

static void test_defaults_are_the_recipe(void **state) {
    (void)state;
    config c = defaults();
    assert_string_equal(c.model.arch, "resnet50");
    assert_int_equal(c.data.batch_size, 32);
    assert_int_equal(c.data.image_size, 224);
    assert_int_equal(c.data.workers, -1);
    assert_int_equal(c.data.ahead, 3);
    assert_true(c.data.scale_min == 0.08 && c.data.scale_max == 1 && c.data.flip == 0.5);
    assert_true(c.data.ratio_min == 3.0 / 4 && c.data.ratio_max == 4.0 / 3);
    assert_true(c.data.mean[0] == 0.485 && c.data.mean[1] == 0.456 && c.data.mean[2] == 0.406);
    assert_true(c.data.std[0] == 0.229 && c.data.std[1] == 0.224 && c.data.std[2] == 0.225);
    assert_true(c.data.max_pixels == 178956970 && c.data.max_bad == 0.01);
    assert_true(c.optimizer.lr == 0 && c.optimizer.momentum == 0.9 && c.optimizer.weight_decay == 1e-4);
    assert_true(c.optimizer.decay_norm && c.optimizer.decay_bias && !c.optimizer.nesterov);
    assert_string_equal(c.schedule.name, "step");
    assert_true(c.schedule.step_size == 30 && c.schedule.gamma == 0.1);
    assert_true(c.schedule.factor == 0.1 && c.schedule.patience == 10 && c.schedule.min_lr == 1e-6);
    assert_true(c.schedule.threshold == 1e-4);
    assert_int_equal(c.trainer.max_epochs, 100);
    assert_true(c.trainer.max_steps == -1 && c.trainer.max_time == 0 && c.trainer.clip_norm == 1);
    assert_true(c.trainer.limit_train_batches == 1 && c.trainer.limit_val_batches == 1);
    assert_string_equal(c.trainer.precision, "auto");
    assert_string_equal(c.trainer.out, ".");
    assert_int_equal(c.trainer.log_every_n_steps, 50);
    assert_true(c.checkpoint.top_k == 3 && c.checkpoint.save_last);
    assert_ok(config_check(&c));
}

/* Every field of config has an entry in the table: the entries cover all bytes except for padding between fields. */
static void test_table_covers_config(void **state) {
    (void)state;
    size_t covered = 0, n = 0;
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        assert_true(o->offset >= n); /* in the order of the struct, one entry per field */
        assert_true(o->offset - n < 8);
        n = o->offset + o->size;
        if (o->type == OPTION_DEVICES) /* two fields */
            n = offsetof(config, trainer.device_list) + sizeof((config *)0)->trainer.device_list;
        covered += n - o->offset;
        assert_non_null(strchr(o->name, '.'));
        assert_true(o->help != NULL && strlen(o->help) > 3);
        assert_ptr_equal(option_find(o->name), o);
        if (o->alias != NULL)
            assert_ptr_equal(option_find(o->alias), o);
    }
    assert_true(sizeof(config) - n < 8);
    assert_true(covered > 5 * CONFIG_TEXT / 2);
}

static void test_aliases(void **state) {
    (void)state;
    static const char *const alias[][3] = {
        {"data", "data.path", "x"},
        {"arch", "model.arch", "resnet18"},
        {"image-size", "data.image_size", "64"},
        {"batch-size", "data.batch_size", "7"},
        {"lr", "optimizer.lr", "0.5"},
        {"max-epochs", "trainer.max_epochs", "3"},
        {"precision", "trainer.precision", "32-true"},
        {"device", "trainer.device", "cpu"},
        {"devices", "trainer.devices", "2"},
        {"workers", "data.workers", "5"},
        {"seed", "trainer.seed", "9"},
        {"init", "model.init", "w.ckpt"},
        {"resume", "trainer.resume", "auto"},
        {"out", "trainer.out", "o"},
        {"sweeps", "lr_finder.sweeps", "3"},
        {"repeats", "lr_finder.sweeps", "3"}, /* old names */
        {"lr_finder.repeats", "lr_finder.sweeps", "3"},
    };
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++) {
        config a = defaults(), b = defaults(), before = a;
        assert_ok(config_set(&a, alias[i][0], alias[i][2], "--x"));
        assert_ok(config_set(&b, alias[i][1], alias[i][2], "--x"));
        assert_memory_equal(&a, &b, sizeof b);
        assert_true(memcmp(&a, &before, sizeof a) != 0);
    }
    config c = defaults();
    assert_ok(config_set(&c, "batch_size", "8", "--x")); /* - and _ are the same */
    assert_ok(config_set(&c, "data.max-bad", "0.5", "--x"));
    assert_true(c.data.batch_size == 8 && c.data.max_bad == 0.5);
}

static void test_unknown_suggests_the_nearest(void **state) {
    (void)state;
    config c = defaults();
    assert_fails(E_OPTION, "did you mean --batch-size?", config_set(&c, "btach-size", "3", "--btach-size"));
    assert_fails(E_OPTION, "did you mean --max-epochs?", config_set(&c, "epoch", "3", "--epoch"));
    assert_fails(E_OPTION, "did you mean --optimizer.dampening?", config_set(&c, "dampening", "3", "--dampening"));
    assert_fails(E_OPTION, "r.yaml:3: unknown option 'x.lr'; did you mean optimizer.lr?",
                 config_set(&c, "x.lr", "3", "r.yaml:3"));
    assert_fails(E_OPTION, "did you mean --data.batch_size?",
                 config_set(&c, "data.batch-siez", "3", "--data.batch-siez"));
    assert_fails(E_OPTION, "did you mean expected.epochs?", config_set(&c, "expected.epoch", "3", "r.yaml:3"));
    assert_fails(E_OPTION, "did you mean --trainer.max_time?", config_set(&c, "time", "3", "--time"));
    assert_fails(E_OPTION, "-b: unknown option 'b'; options begin with --; did you mean --batch-size?",
                 config_set(&c, "b", "3", "-b"));
    assert_fails(E_OPTION, ": unknown option ''; --print-config prints all options", config_set(&c, "", "3", NULL));
    char endless[5000];
    memset(endless, 'a', sizeof endless);
    endless[sizeof endless - 1] = 0;
    assert_fails(E_OPTION, "unknown option", config_set(&c, endless, "3", "--x"));
}

/** The names of Lightning, torchvision, timm and torchrun set the option, or suggest it if their values differ. */
static void test_names_of_other_programs(void **state) {
    (void)state;
    static const char *const same[][4] = {
        {"epochs", "3", "trainer.max_epochs", "3"},
        {"wd", "0.5", "optimizer.weight_decay", "0.5"},
        {"num-workers", "3", "data.workers", "3"},
        {"accumulate_grad_batches", "4", "trainer.accumulate", "4"},
        {"trainer.accumulate_grad_batches", "4", "trainer.accumulate", "4"},
        {"accelerator", "gpu", "trainer.device", "cuda"},
        {"accelerator", "cpu", "trainer.device", "cpu"},
        {"lr-scheduler", "cosineannealinglr", "schedule.name", "cosine"},
        {"amp", "true", "trainer.precision", "16-mixed"},
        {"fast_dev_run", "1", "trainer.dry_run", "true"},
        {"auto_augment", "imagenet", "data.auto_augment", "autoaugment"},
        {"aa", "3a", "data.auto_augment", "3augment"},
        {"color-jitter", "0.4", "data.color_jitter", "0.4,0.4,0.4"},
        {"devices", "[0, 3]", "trainer.devices", "0,3"},
        {"devices", "2,", "trainer.devices", "[2]"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        config a = defaults(), b = defaults();
        assert_ok(config_set(&a, same[i][0], same[i][1], "--x"));
        assert_ok(config_set(&b, same[i][2], same[i][3], "--x"));
        assert_memory_equal(&a, &b, sizeof a);
    }
    static const char *const case_[][2] = {
        {"gpus", "--devices"},
        {"warmup-lr", "--schedule.warmup_start"},
        {"pretrained", "--init"},
        {"trainer.gpus", "--trainer.devices"},
        {"epoch", "--max-epochs"},
        {"warmup", "--schedule.warmup_epochs"},
        {"size-of-batch", "--batch-size"},
        {"deterministic-mode", "--trainer.deterministic"},
    };
    config c = defaults();
    for (size_t i = 0; i < sizeof case_ / sizeof *case_; i++) {
        char where[64], expected[96];
        snprintf(where, sizeof where, "--%s", case_[i][0]);
        snprintf(expected, sizeof expected, "did you mean %s?", case_[i][1]);
        assert_fails(E_OPTION, expected, config_set(&c, case_[i][0], "3", where));
    }
    static const char *const none[] = {"gaussian-blur-prob", "xyzzy", "q", "torchscript"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_fails(E_OPTION, "--print-config prints all options", config_set(&c, none[i], "3", "--x"));
    assert_fails(E_OPTION, "did you mean trainer.devices?", config_set(&c, "trainer.gpus", "3", "r.yaml:3"));
}

static void refused(const char *name, const char *value, const char *part) {
    config c = defaults(), before = c;
    assert_fails(E_OPTION, part, config_set(&c, name, value, "here"));
    assert_non_null(strstr(status_message(), "here: "));
    assert_memory_equal(&c, &before, sizeof before);
}

static void test_strict_values(void **state) {
    (void)state;
    static const char *const no_int[] = {
        "32x",        "",          " 32", "32 ", "3.0", "1e3", "0x10", "nan", "++3", "3-", "99999999999999999999",
        "4294967328", "2147483648"};
    for (size_t i = 0; i < sizeof no_int / sizeof *no_int; i++)
        refused("data.batch_size", no_int[i], "data.batch_size must be auto or a whole number from 1 to 65536, not '");
    static const char *const no_real[] = {"nan", "NaN",  "inf", "-inf", "1e999", "", "0x1p3",
                                          "1,5", "fast", "1 ",  "-1",   "e",     "."};
    for (size_t i = 0; i < sizeof no_real / sizeof *no_real; i++)
        refused("optimizer.weight_decay", no_real[i], "optimizer.weight_decay must be a number from 0 to 1000000");
    refused("lr", "0", "optimizer.lr must be auto or a number in (0, 1000000]");
    refused("lr", "Auto", "auto or");
    refused("workers", "0", "auto or a whole number from 1 to 1024");
    refused("data.flip", "1.0000001", "from 0 to 1");
    refused("data.scale_min", "0", "a number in (0, 1]");
    refused("data.shuffle", "1", "true or false");
    refused("data.shuffle", "", "true or false");
    refused("arch", "resnet", "one of resnet18, resnet34, resnet50, resnet101, resnet152");
    refused("arch", "", "one of");
    refused("arch", "resnet18|resnet34", "one of");
    refused("seed", "-1", "from 0 to 18446744073709551615");
    refused("seed", "18446744073709551616", "from 0 to");
    refused("data.mean", "0.5,0.5", "three numbers");
    refused("data.mean", "0.5,0.5,0.5,0.5", "three numbers");
    refused("data.mean", "0.5,0.5,", "three numbers");
    refused("data.mean", "0.5 0.5 0.5", "three numbers");
    refused("data.mean", "0.5,nan,0.5", "three numbers");
    refused("data.std", "0.5,0,0.5", "three numbers");
    static const char *const epochs[] = {"",   ",",   "0",  "3,2", "3,3",     "1,", "[1,2", "1,2]",
                                         "[]", "1 2", "-1", "1.5", "1000001", "x",  "[1]2"};
    for (size_t i = 0; i < sizeof epochs / sizeof *epochs; i++)
        refused("schedule.milestones", epochs[i], "none or at most 32 epochs in increasing order");
    refused("data.color_jitter", "0.4,0.4", "three or four numbers");
    refused("data.color_jitter", "0.4,0.4,0.4,0.1,0.1", "three or four numbers");
    refused("data.color_jitter", "0.4,", "three or four numbers");
    refused("data.color_jitter", "-0.1", "three or four numbers");
    refused("data.color_jitter", "10.5", "from 0 to 10");
    refused("data.color_jitter", "0.4,0.4,0.4,0.51", "hue, which is at most 0.5");
    refused("data.color_jitter", "", "auto, one number");
    static const char *const no_rand[] = {"rand-m9-tweights", "rand-m",    "rand-m9.5",       "rand-n0",
                                          "rand-n17",         "rand-p1.1", "rand-",           "rand-m9-",
                                          "rand--m9",         "rand_m9",   "rand-mstd",       "rand-mstd0.5.1",
                                          "rand-x3",          "rand-m101", "rand-increasing1"};
    for (size_t i = 0; i < sizeof no_rand / sizeof *no_rand; i++)
        refused("auto_augment", no_rand[i], "of the parts of timm's RandAugment m, n, p, mstd, mmax and inc");
    refused("aa", "augmix-m5-w4-d2", "the nearest is augmix");
    refused("aa", "originalr", "the nearest to timm's policies is autoaugment");
    refused("auto_augment", "svhn", "only ImageNet's");
    refused("out", "\xff", "UTF-8");
    refused("out", "\xc0\xaf", "UTF-8");
    refused("out", "\xed\xa0\x80", "UTF-8");
    char longest[CONFIG_TEXT + 1];
    memset(longest, 'x', sizeof longest);
    longest[CONFIG_TEXT] = 0;
    refused("out", longest, "at most 1023 bytes");
    config c = defaults();
    longest[CONFIG_TEXT - 1] = 0;
    assert_ok(config_set(&c, "out", longest, "here"));
    assert_string_equal(c.trainer.out, longest);
}

static void test_good_values(void **state) {
    (void)state;
    config c = defaults();
    assert_ok(config_set(&c, "lr", "1e-3", "x"));
    assert_true(c.optimizer.lr == 1e-3);
    assert_ok(config_set(&c, "lr", "auto", "x"));
    assert_true(c.optimizer.lr == 0);
    assert_ok(config_set(&c, "workers", "4", "x"));
    assert_int_equal(c.data.workers, 4);
    assert_ok(config_set(&c, "workers", "auto", "x"));
    assert_int_equal(c.data.workers, -1);
    assert_ok(config_set(&c, "seed", "18446744073709551615", "x"));
    assert_true(c.trainer.seed == 18446744073709551615ull);
    assert_ok(config_set(&c, "trainer.max_steps", "-1", "x"));
    assert_ok(config_set(&c, "trainer.max_steps", "9007199254740992", "x"));
    assert_true(c.trainer.max_steps == 9007199254740992);
    assert_ok(config_set(&c, "data.mean", "0.1, 0.2 ,0.3", "x"));
    assert_true(c.data.mean[0] == 0.1 && c.data.mean[1] == 0.2 && c.data.mean[2] == 0.3);
    assert_ok(config_set(&c, "schedule.milestones", "[ 30, 60 ,1000000]", "x"));
    assert_int_equal(c.schedule.milestones.n, 3);
    assert_int_equal(c.schedule.milestones.at[2], 1000000);
    assert_ok(config_set(&c, "schedule.milestones", "none", "x"));
    assert_int_equal(c.schedule.milestones.n, 0);
    assert_ok(config_set(&c, "color_jitter", "0.4", "x"));
    assert_true(c.data.color_jitter[0] == 0.4 && c.data.color_jitter[2] == 0.4 && c.data.color_jitter[3] == 0);
    assert_ok(config_set(&c, "data.color_jitter", "0.4, 0.3 ,0.2,0.1", "x"));
    assert_true(c.data.color_jitter[0] == 0.4 && c.data.color_jitter[1] == 0.3 && c.data.color_jitter[3] == 0.1);
    assert_ok(config_set(&c, "data.color_jitter", "auto", "x"));
    assert_true(c.data.color_jitter[0] == -1 && c.data.color_jitter[3] == -1);
    config_rand_augment ra;
    assert_ok(config_set(&c, "aa", "rand-m9-mstd0.5-inc1", "x"));
    assert_true(config_read_rand_augment(&ra, c.data.auto_augment));
    assert_true(ra.magnitude == 9 && ra.deviation == 0.5 && ra.increasing && ra.ops == 2 && ra.probability == 0.5);
    assert_true(config_read_rand_augment(&ra, "rand-n3-p1-mmax14-mstd101-inc0") && ra.ops == 3 && ra.most == 14);
    assert_true(ra.magnitude == 10 && ra.probability == 1 && isinf(ra.deviation) && !ra.increasing);
    assert_true(config_read_rand_augment(&ra, "rand") && ra.magnitude == 10 && ra.most == 10 && ra.deviation == 0);
    assert_ok(config_set(&c, "ThreeAugment", "true", "x"));
    assert_string_equal(c.data.auto_augment, "3augment");
    static const char *const on[] = {"true", "True", "yes", "on"}, *const off[] = {"false", "FALSE", "no", "off"};
    for (int i = 0; i < 4; i++) {
        assert_ok(config_set(&c, "data.shuffle", off[i], "x"));
        assert_false(c.data.shuffle);
        assert_ok(config_set(&c, "data.shuffle", on[i], "x"));
        assert_true(c.data.shuffle);
    }
}

static void test_time(void **state) {
    (void)state;
    static const struct {
        const char *value;
        double seconds;
    } good[] = {{"90", 90},
                {"1.5", 1.5},
                {"00:01:30", 90},
                {"1:02:03", 3723},
                {"00:12:00:00", 43200},
                {"30:00:00", 108000},
                {"2:01:00:01", 2 * 86400 + 3601}};
    config c = defaults();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(config_set(&c, "trainer.max_time", good[i].value, "x"));
        assert_true(c.trainer.max_time == good[i].seconds);
    }
    static const char *const bad[] = {"1:30", "1:60:00",  "1:00:60",  "1:24:00:00", "1:2:3:4:5", "::",
                                      "1::2", "-1:00:00", "1:00:00:", "",           "1:00:0x",   "99999999:00:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused("trainer.max_time", bad[i], "HH:MM:SS");
}

static void test_limits(void **state) {
    (void)state;
    static const struct {
        const char *value;
        long long of_1000;
    } good[] = {{"1.0", 1000}, {"1", 1},   {"0.25", 250}, {"10", 10},   {"5000", 1000},
                {"0", 0},      {"0.0", 0}, {"1e-3", 1},   {"0.0019", 1}};
    config c = defaults();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(config_set(&c, "trainer.limit_train_batches", good[i].value, "x"));
        assert_true(config_limit(c.trainer.limit_train_batches, 1000) == good[i].of_1000);
    }
    static const char *const bad[] = {"1.5", "2.0", "-1", "-0.5", "all", "", "99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused("trainer.limit_val_batches", bad[i], "a fraction from 0.0 to 1.0 or a whole number of batches");
}

static void test_check(void **state) {
    (void)state;
    static const char *const wrong[][5] = {
        {"data.scale_min", "0.9", "data.scale_max", "0.5", "data.scale_min 0.9 is greater than data.scale_max 0.5"},
        {"data.ratio_min", "2", "data.ratio_max", "1", "data.ratio_min 2"},
        {"data.balance", "0.5", "data.sequential", "true", "data.balance 0.5 needs random access"},
        {"data.balance", "1", "data.shuffle", "false", "data.balance 1 draws images at random"},
        {"optimizer.bce_threshold", "0.2", "optimizer.loss", "cross_entropy",
         "optimizer.bce_threshold has an effect only with optimizer.loss bce"},
        {"data.pad_crop", "32", "image_size", "32", "data.pad_crop 32 must be less than"},
        {"data.resize_size", "200", "image_size", "224",
         "data.resize_size 200 is less than the crop size data.image_size 224"},
        {"data.resize_size", "230", "data.val_size", "240",
         "data.resize_size 230 is less than the crop size data.val_size 240"},
        {"data.resize_size", "256", "data.crop_pct", "0.9",
         "data.resize_size 256 and data.crop_pct 0.9 both set the resize"},
        {"data.augment", "none", "data.auto_augment", "randaugment",
         "data.auto_augment cannot be combined with data.augment none"},
        {"data.auto_augment", "rand-m9", "data.interpolation", "lanczos", "cannot be combined with lanczos"},
        {"data.augment", "none", "data.random_erase", "0.1", "data.random_erase cannot be combined"},
        {"data.augment", "none", "data.color_jitter", "0,0,0,0.1", "data.color_jitter cannot be combined"},
        {"data.augment", "none", "data.grayscale", "0.1", "data.grayscale cannot be combined"},
        {"data.progressive_size", "256", "data.progressive_end", "3", "must be from 8 to data.image_size 224"},
        {"data.progressive_size", "128", "data.progressive_end", "0", "data.progressive_begin 0 must be less than"},
        {"data.repeats", "4", "data.sequential", "true", "data.repeats 4 needs random access"},
        {"batch_size", "auto", "seed", "1", "data.batch_size auto is for train and find-lr only"},
        {"optimizer.nesterov", "true", "optimizer.momentum", "0", "optimizer.nesterov needs"},
        {"opt", "adamw", "optimizer.nesterov", "true",
         "optimizer.nesterov has no effect with optimizer.name adamw, only with: sgd lars"},
        {"opt", "adamw", "momentum", "0.8", "optimizer.momentum has no effect"},
        {"opt", "lamb", "optimizer.dampening", "0.1", "optimizer.dampening has no effect"},
        {"opt", "sgd", "optimizer.beta1", "0.8", "optimizer.beta1 has no effect"},
        {"schedule.name", "multistep", "seed", "1", "schedule.name multistep needs schedule.milestones"},
        {"schedule.name", "cosine", "schedule.milestones", "3",
         "schedule.milestones has no effect with schedule.name cosine"},
        {"opt", "rmsprop", "optimizer.beta2", "0.8", "optimizer.beta2 has no effect"},
        {"opt", "adamw", "optimizer.alpha", "0.9", "optimizer.alpha has no effect"},
        {"opt", "sgd", "optimizer.eps", "1e-8", "optimizer.eps has no effect"},
        {"opt", "lamb", "optimizer.trust_coeff", "0.01", "optimizer.trust_coeff has no effect"},
        {"opt", "adamw", "optimizer.beta2", "1", "must be less than 1"},
        {"schedule.name", "plateau", "schedule.factor", "1", "schedule.factor must be less than 1"},
        {"schedule.warmup_epochs", "9", "max_epochs", "8", "schedule.warmup_epochs 9 is greater than"},
        {"precision", "16-mixed", "device", "cpu", "bf16-mixed or 32-true"},
        {"lr_finder.min", "0.1", "lr_finder.max", "0.1", "must be less than lr_finder.max"},
        {"init", "a", "resume", "b", "model.init and trainer.resume"},
        {"trainer.val_check_interval", "0", "seed", "1", "trainer.val_check_interval must not be 0"},
        {"early_stopping.monitor", "val_acc", "trainer.limit_val_batches", "0",
         "early_stopping.monitor val_acc needs validation"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config c = defaults();
        assert_ok(config_set(&c, wrong[i][0], wrong[i][1], "x"));
        assert_ok(config_set(&c, wrong[i][2], wrong[i][3], "x"));
        assert_fails(E_OPTION, wrong[i][4], config_check(&c));
    }
}

typedef struct visited {
    int n;
    bool lr, mean;
} visited;

static void see(void *context, const char *name, const char *value) {
    visited *v = context;
    assert_string_equal(name, option_table[v->n++].name);
    v->lr = v->lr || (strcmp(name, "optimizer.lr") == 0 && strcmp(value, "auto") == 0);
    v->mean = v->mean || (strcmp(name, "data.mean") == 0 && strcmp(value, "0.485,0.456,0.406") == 0);
}

static void test_visit(void **state) {
    (void)state;
    visited v = {0};
    config c = defaults();
    config_visit(&c, see, &v);
    assert_int_equal(v.n, option_n);
    assert_true(v.lr && v.mean);
}

static void test_help(void **state) {
    (void)state;
    text help = {0}, page = {0};
    assert_ok(config_help(&help, false));
    for (const char *line = help.data; *line != 0; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    for (int i = 0; i < option_n; i++)
        assert_non_null(strstr(help.data, option_table[i].name));
    assert_non_null(strstr(help.data, "--batch-size"));
    assert_ok(config_help(&page, true));
    unsigned char *kept = NULL;
    size_t n = 0;
    assert_ok(file_read(&kept, &n, SOURCE_DIR "/docs/options.md", 0));
    if (n != page.n || memcmp(kept, page.data, n) != 0)
        fail_msg("docs/options.md is out of date: build/tests/config_tool_help > docs/options.md");
    free(kept);
    text_deinit(&help);
    text_deinit(&page);
}

/* What man pages and completions offer: each word of a value is accepted, and each group has a title. */
static void test_described(void **state) {
    (void)state;
    config c = defaults();
    config_option o;
    int n = 0, words = 0;
    for (; config_option_at(&o, n); n++) {
        assert_string_equal(o.name, option_table[n].name);
        assert_true(o.value[0] != 0 && o.range[0] != 0 && o.initial[0] != 0);
        assert_true(config_group_title(o.name)[0] != 0);
        for (const char *at = o.value; *at != 0; at += strspn(at, "|")) {
            char word[64];
            int k = (int)strcspn(at, "|");
            snprintf(word, sizeof word, "%.*s", k, at);
            at += k;
            if (word[0] >= 'A' && word[0] <= 'Z')
                continue; /* a placeholder */
            assert_ok(config_set(&c, o.name, word, NULL));
            words++;
        }
    }
    assert_int_equal(n, option_n);
    assert_true(words > 50);
    assert_string_equal(config_group_title("dat.path"), "");
    assert_string_equal(config_group_title("datas.path"), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_recipe),
        cmocka_unit_test(test_table_covers_config),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_unknown_suggests_the_nearest),
        cmocka_unit_test(test_names_of_other_programs),
        cmocka_unit_test(test_strict_values),
        cmocka_unit_test(test_good_values),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_visit),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
