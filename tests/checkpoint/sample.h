/** A checkpoint with every field set, and the bitwise comparison of two checkpoints. */
#ifndef LINNET_TESTS_CKPT_SAMPLE_H
#define LINNET_TESTS_CKPT_SAMPLE_H

#include "check.h"

#include "checkpoint/checkpoint.h"

#include <unistd.h>

/** Uses a memory file system: with thousands of files, the fsync of a disk would be slow. Call before
 *  make_temporary_folder. */
static inline void use_memory_folder(void) {
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

static inline void sample_tensor(ckpt_tensor *t, const char *name, ckpt_type type, int rank, const int64_t *shape) {
    size_t numel = 1;
    *t = (ckpt_tensor){.type = type, .rank = rank};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        numel *= (size_t)shape[i];
    }
    t->bytes = numel * ckpt_type_bytes(type);
    unsigned char *data = malloc(t->bytes + 1);
    for (size_t i = 0; i < t->bytes; i++)
        data[i] = (unsigned char)(type == CKPT_BOOL ? i % 2 : i * 37 + (size_t)name[strlen(name) - 1]);
    t->data = data;
}

static inline void sample_item(ckpt_item *item, const char *key, char kind, int64_t i, double d, const char *s) {
    *item = (ckpt_item){.kind = kind, .i = i, .d = d, .s = s != NULL ? strdup(s) : NULL};
    snprintf(item->key, sizeof item->key, "%s", key);
}

static inline void sample_schedule(ckpt *c, ckpt_schedule_kind kind) {
    c->schedule = (ckpt_schedule){.kind = kind,
                                  .last_epoch = 8,
                                  .base_lr = 0.1,
                                  .last_lr = 0.1 / 3,
                                  .step_size = 30,
                                  .gamma = 0.1,
                                  .factor = 0.5,
                                  .min_lr = 1e-6,
                                  .threshold = 1e-4,
                                  .best = INFINITY,
                                  .eps = 1e-8,
                                  .patience = 10,
                                  .cooldown = 2,
                                  .cooldown_counter = 1,
                                  .num_bad_epochs = 4,
                                  .t_max = 100};
}

/** To be freed with ckpt_free. */
static inline ckpt *sample_make(void) {
    static const int64_t shape[] = {2, 3, 1, 5};
    ckpt *c = calloc(1, sizeof *c);
    c->epoch = 7;
    c->global_step = 5000000007;
    c->batches_per_epoch = 1000;
    c->batch_in_epoch = 999;
    c->epoch_done = false;
    c->state = calloc(10, sizeof *c->state);
    sample_tensor(&c->state[c->state_n++], "model.conv1.weight", CKPT_F32, 4, shape);
    sample_tensor(&c->state[c->state_n++], "model.bn1.weight", CKPT_F32, 1, shape);
    sample_tensor(&c->state[c->state_n++], "model.bn1.running_mean", CKPT_F64, 1, shape);
    sample_tensor(&c->state[c->state_n++], "model.bn1.num_batches_tracked", CKPT_I64, 0, shape);
    sample_tensor(&c->state[c->state_n++], "half", CKPT_F16, 2, shape);
    sample_tensor(&c->state[c->state_n++], "bfloat", CKPT_BF16, 2, shape);
    sample_tensor(&c->state[c->state_n++], "int", CKPT_I32, 3, shape);
    sample_tensor(&c->state[c->state_n++], "byte", CKPT_U8, 2, shape);
    sample_tensor(&c->state[c->state_n++], "bool", CKPT_BOOL, 1, shape);
    sample_tensor(&c->state[c->state_n++], "empty", CKPT_F32, 2, (int64_t[]){0, 3});
    c->momentum = calloc(9, sizeof *c->momentum);
    c->param_n = 8;
    for (int i = 0, k = 0; i < c->state_n; i++)
        if (i != 2 && i != 3) { /* not the buffers */
            sample_tensor(&c->momentum[k], c->state[i].name, CKPT_F32, 1, (int64_t[]){i + 100});
            c->momentum_n = ++k;
        }
    c->optimizer = (ckpt_optimizer){.kind = CKPT_SGD,
                                    .lr = 0.1 / 7,
                                    .initial_lr = 0.1,
                                    .momentum = 0.9,
                                    .dampening = 0.25,
                                    .weight_decay = 1e-4,
                                    .nesterov = true};
    sample_schedule(c, CKPT_SCHEDULE_PLATEAU);
    c->scaler = (ckpt_grad_scaler){.on = true,
                                   .scale = 32768,
                                   .growth_factor = 2,
                                   .backoff_factor = 0.5,
                                   .growth_interval = 2000,
                                   .growth_tracker = 17};
    c->early_stopping = (ckpt_early_stopping){
        .on = true, .monitor = "train_loss", .wait_count = 2, .stopped_epoch = 5, .patience = 3, .best_score = 0.1};
    snprintf(c->monitor, sizeof c->monitor, "val_acc");
    c->monitor_max = true;
    c->kept = calloc(3, sizeof *c->kept);
    for (; c->kept_n < 3; c->kept_n++) {
        snprintf(c->kept[c->kept_n].path, sizeof c->kept[0].path, "/runs/caf\xc3\xa9 \xff\xed\xb2\x80/e=%d.ckpt",
                 c->kept_n);
        c->kept[c->kept_n].value = 1.0 / (c->kept_n + 3);
    }
    snprintf(c->monitor_dir, sizeof c->monitor_dir, "/runs/\xe2\x82\xac\xf0\x9f\x90\xa6");
    snprintf(c->last_path, sizeof c->last_path, "/runs/last.ckpt");
    c->best_value = 0.2;
    c->current_value = NAN;
    c->hyper = calloc(6, sizeof *c->hyper);
    sample_item(&c->hyper[c->hyper_n++], "arch", 's', 0, 0, "resnet50");
    sample_item(&c->hyper[c->hyper_n++], "lr", 'd', 0, 0.1, NULL);
    sample_item(&c->hyper[c->hyper_n++], "batch_size", 'i', 32, 0, NULL);
    sample_item(&c->hyper[c->hyper_n++], "nesterov", 'b', 1, 0, NULL);
    sample_item(&c->hyper[c->hyper_n], "class_names", 'l', 3, 0, NULL);
    c->hyper[c->hyper_n].list = malloc(3 * sizeof(char *));
    memcpy(c->hyper[c->hyper_n++].list, (char *[]){"caf\xc3\xa9", "", "two\nlines \xff"}, 3 * sizeof(char *));
    sample_item(&c->hyper[c->hyper_n++], "none", 'l', 0, 0, NULL);
    static const int64_t integers[] = {0, 1, 255, 256, 65536, INT32_MAX, INT32_MIN, -1, INT64_MAX, INT64_MIN};
    static const double doubles[] = {0.0, -0.0, INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308};
    c->own = calloc(32, sizeof *c->own);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        sample_item(&c->own[c->own_n++], (char[]){'i', (char)('a' + i), 0}, 'i', integers[i], 0, NULL);
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        sample_item(&c->own[c->own_n++], (char[]){'d', (char)('a' + i), 0}, 'd', 0, doubles[i], NULL);
    sample_item(&c->own[c->own_n++], "nan", 'd', 0, NAN, NULL);
    sample_item(&c->own[c->own_n++], "false", 'b', 0, 0, NULL);
    sample_item(&c->own[c->own_n++], "empty", 's', 0, 0, "");
    sample_item(&c->own[c->own_n++], "lines", 's', 0, 0, "a: 1\nb: \xf8\x80\xc0\xaf\xe0\x80\x80\xf4\x90\x80\x80\xc3\n");
    return c;
}

static inline void assert_same_double(double a, double b) { assert_memory_equal(&a, &b, sizeof a); }

static inline void assert_same_tensors(const ckpt_tensor *a, int a_n, const ckpt_tensor *b, int b_n) {
    assert_int_equal(a_n, b_n);
    for (int i = 0; i < a_n; i++) {
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].type, b[i].type);
        assert_int_equal(a[i].rank, b[i].rank);
        assert_memory_equal(a[i].shape, b[i].shape, sizeof a[i].shape);
        assert_int_equal(a[i].bytes, b[i].bytes);
        assert_memory_equal(a[i].data, b[i].data, a[i].bytes);
    }
}

static inline void assert_same_items(const ckpt_item *a, int a_n, const ckpt_item *b, int b_n) {
    assert_int_equal(a_n, b_n);
    for (int i = 0; i < a_n; i++) {
        assert_string_equal(a[i].key, b[i].key);
        assert_int_equal(a[i].kind, b[i].kind);
        assert_int_equal(a[i].i, b[i].i);
        assert_same_double(a[i].d, b[i].d);
        if (a[i].kind == 's')
            assert_string_equal(a[i].s, b[i].s);
        for (int64_t k = 0; a[i].kind == 'l' && k < a[i].i; k++)
            assert_string_equal(a[i].list[k], b[i].list[k]);
    }
}

static inline void assert_same_schedule(const ckpt_schedule *a, const ckpt_schedule *b) {
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->last_epoch, b->last_epoch);
    assert_same_double(a->base_lr, b->base_lr);
    assert_same_double(a->last_lr, b->last_lr);
    assert_int_equal(a->step_size, b->step_size);
    assert_same_double(a->gamma, b->gamma);
    assert_same_double(a->factor, b->factor);
    assert_same_double(a->min_lr, b->min_lr);
    assert_same_double(a->threshold, b->threshold);
    assert_same_double(a->best, b->best);
    assert_same_double(a->eps, b->eps);
    assert_int_equal(a->patience, b->patience);
    assert_int_equal(a->cooldown, b->cooldown);
    assert_int_equal(a->cooldown_counter, b->cooldown_counter);
    assert_int_equal(a->num_bad_epochs, b->num_bad_epochs);
    assert_int_equal(a->t_max, b->t_max);
}

static inline void assert_same_scaler(const ckpt_grad_scaler *a, const ckpt_grad_scaler *b) {
    assert_int_equal(a->on, b->on);
    assert_same_double(a->scale, b->scale);
    assert_same_double(a->growth_factor, b->growth_factor);
    assert_same_double(a->backoff_factor, b->backoff_factor);
    assert_int_equal(a->growth_interval, b->growth_interval);
    assert_int_equal(a->growth_tracker, b->growth_tracker);
}

static inline void assert_same_early_stopping(const ckpt_early_stopping *a, const ckpt_early_stopping *b) {
    assert_int_equal(a->on, b->on);
    assert_string_equal(a->monitor, b->monitor);
    assert_int_equal(a->max, b->max);
    assert_int_equal(a->wait_count, b->wait_count);
    assert_int_equal(a->stopped_epoch, b->stopped_epoch);
    assert_int_equal(a->patience, b->patience);
    assert_same_double(a->best_score, b->best_score);
}

static inline void assert_same(const ckpt *a, const ckpt *b) {
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->global_step, b->global_step);
    assert_int_equal(a->batches_per_epoch, b->batches_per_epoch);
    assert_int_equal(a->batch_in_epoch, b->batch_in_epoch);
    assert_int_equal(a->epoch_done, b->epoch_done);
    assert_same_tensors(a->state, a->state_n, b->state, b->state_n);
    assert_same_tensors(a->momentum, a->momentum_n, b->momentum, b->momentum_n);
    assert_int_equal(a->param_n, b->param_n);
    assert_int_equal(a->optimizer.kind, b->optimizer.kind);
    assert_int_equal(a->optimizer.updates, b->optimizer.updates);
    assert_same_tensors(a->square, a->square_n, b->square, b->square_n);
    assert_same_double(a->optimizer.beta1, b->optimizer.beta1);
    assert_same_double(a->optimizer.beta2, b->optimizer.beta2);
    assert_same_double(a->optimizer.alpha, b->optimizer.alpha);
    assert_same_double(a->optimizer.eps, b->optimizer.eps);
    assert_same_double(a->optimizer.trust_coeff, b->optimizer.trust_coeff);
    assert_same_double(a->optimizer.lr, b->optimizer.lr);
    assert_same_double(a->optimizer.initial_lr, b->optimizer.initial_lr);
    assert_same_double(a->optimizer.momentum, b->optimizer.momentum);
    assert_same_double(a->optimizer.dampening, b->optimizer.dampening);
    assert_same_double(a->optimizer.weight_decay, b->optimizer.weight_decay);
    assert_int_equal(a->optimizer.nesterov, b->optimizer.nesterov);
    assert_same_schedule(&a->schedule, &b->schedule);
    assert_same_scaler(&a->scaler, &b->scaler);
    assert_same_early_stopping(&a->early_stopping, &b->early_stopping);
    assert_string_equal(a->monitor, b->monitor);
    assert_int_equal(a->monitor_max, b->monitor_max);
    assert_int_equal(a->kept_n, b->kept_n);
    for (int i = 0; i < a->kept_n; i++) {
        assert_string_equal(a->kept[i].path, b->kept[i].path);
        assert_same_double(a->kept[i].value, b->kept[i].value);
    }
    assert_string_equal(a->monitor_dir, b->monitor_dir);
    assert_string_equal(a->last_path, b->last_path);
    assert_same_double(a->best_value, b->best_value);
    assert_same_double(a->current_value, b->current_value);
    assert_same_items(a->hyper, a->hyper_n, b->hyper, b->hyper_n);
    assert_same_items(a->own, a->own_n, b->own, b->own_n);
}

#endif
