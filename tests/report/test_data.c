#include "folder_fixture.h"

#include "base/file.h"
#include "report/data.h"

static void put(const char *name, const char *content) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, folder, name));
    assert_ok(file_write_atomic(path, content, strlen(content)));
}

static void assert_x(const run_data *d, step_value k, const double *x, size_t n) {
    assert_int_equal(d->step[k].n, n);
    for (size_t i = 0; i < n; i++)
        assert_near(d->step[k].x[i], x[i], 1e-12);
}

/* The x of a step is within its epoch; that of an epoch's last row is the epoch's number. */
static void test_steps(void **state) {
    (void)state;
    report_run run = {.logs = folder};
    run_data d;
    put("metrics.csv", "epoch,step,train_loss_step,lr-SGD,val_loss\n0,4,1,0.1,\n0,9,2,0.1,\n0,9,,,3\n1,14,3,0.05,\n"
                       "1,29,4,0.05,\n1,29,,,2.5\n2,39,5,0.01,\n2,49,6,0.02,\n");
    assert_ok(run_load(&d, &run));
    assert_false(d.step_x);
    /* epoch 1 has 10 steps, epoch 2 has 20, and epoch 3 is assumed to have as many */
    assert_x(&d, STEP_LOSS, (double[]){0.5, 1, 1.25, 2, 2.5, 3}, 6);
    assert_int_equal(d.epoch_n, 2);
    assert_true(d.epoch[0].epoch == 1 && d.epoch[0].v[EPOCH_LR] == 0.1 && d.epoch[0].v[VAL_LOSS] == 3);
    assert_true(d.epoch[1].epoch == 2 && d.epoch[1].v[EPOCH_LR] == 0.05 && isnan(d.epoch[1].v[TRAIN_LOSS]));
    assert_int_equal(d.epoch[1].has, 1u << VAL_LOSS | 1u << EPOCH_LR);
    assert_ptr_equal(run_best(&d, VAL_LOSS, -1), &d.epoch[1]);
    assert_ptr_equal(run_best(&d, VAL_LOSS, 1), &d.epoch[0]);
    assert_null(run_best(&d, TRAIN_LOSS, -1));
    run_unload(&d);
}

/* A validation within an epoch has a row before the epoch's own. */
static void test_validation_within(void **state) {
    (void)state;
    report_run run = {.logs = folder};
    run_data d;
    put("metrics.csv", "epoch,step,train_loss_step,train_loss_epoch,val_loss\n0,4,1,,\n0,4,,,9\n0,9,2,,\n0,9,,2,3\n"
                       "1,14,3,,\n1,14,,,4\n");
    assert_ok(run_load(&d, &run));
    assert_int_equal(d.epoch_n, 1);
    assert_true(d.epoch[0].v[VAL_LOSS] == 3 && d.epoch[0].v[TRAIN_LOSS] == 2);
    assert_x(&d, STEP_LOSS, (double[]){0.5, 1, 1.5}, 3);
    run_unload(&d);
}

static void test_first_epoch(void **state) {
    (void)state;
    report_run run = {.logs = folder};
    run_data d;
    put("metrics.csv", "epoch,step,train_loss_step\n0,4,1\n0,9,2\n");
    assert_ok(run_load(&d, &run));
    assert_true(d.step_x);
    assert_x(&d, STEP_LOSS, (double[]){5, 10}, 2);
    run_unload(&d);
}

/* Rows that start in the middle of a run, epochs without rows, unordered rows. */
static void test_odd_epochs(void **state) {
    (void)state;
    report_run run = {.logs = folder};
    run_data d;
    put("metrics.csv", "epoch,step,train_loss_step,val_loss\n4,44,1,\n4,49,,1\n7,59,1,\n7,79,,1\n6,69,1,\n2,29,,0.5\n"
                       "x,5,1,1\n");
    assert_ok(run_load(&d, &run));
    assert_int_equal(d.epoch_n, 3);
    assert_true(d.epoch[0].epoch == 3 && d.epoch[1].epoch == 5 && d.epoch[2].epoch == 8);
    assert_int_equal(d.step[STEP_LOSS].n, 4);
    assert_near(d.step[STEP_LOSS].x[0], 4.5, 1e-12);
    assert_near(d.step[STEP_LOSS].x[1], 6, 1e-12);
    assert_near(d.step[STEP_LOSS].x[2], 7, 1e-12);
    assert_true(isnan(d.step[STEP_LOSS].x[3]));
    run_unload(&d);
}

static void test_device_time(void **state) {
    (void)state;
    report_run run = {.logs = folder};
    run_data d;
    put("run.json", "{}");
    put("device.csv", "epoch,step,seconds,cpu,gpu1_power\n0,0,10,50,\n0,5,20,nan,250\n0,9,5,70,300\n0,12,15,inf,\n");
    assert_ok(run_load(&d, &run));
    const double expected[] = {10, 20, 25, 35}; /* the run was resumed after 20 s */
    for (size_t i = 0; i < 4; i++)
        assert_true(d.device_time[i] == expected[i]);
    assert_int_equal(d.gpu_n, 2);
    assert_true(column_mean(table_at(&d.device, DEV_CPU)) == 60);
    assert_true(column_max(table_at(&d.device, gpu_column(1, GPU_POWER))) == 300);
    assert_true(isnan(column_max(table_at(&d.device, gpu_column(0, GPU_POWER)))));
    assert_true(isnan(column_max(table_at(&d.finder, FINDER_LR))));
    run_unload(&d);
}

static void test_options(void **state) {
    (void)state;
    static const char *const expected[][2] = {
        {"data.path", "\"a: b\""}, {"data.mean", "[0.5, 0.25]"}, {"model.arch", "resnet18"}};
    report_run run = {.logs = folder};
    run_data d;
    put("hparams.yaml", "  stray: 1\n# note:\ndata:\n  path: \"a: b\"\n  mean: [0.5, 0.25]\n    deep: 1\nmodel:\n"
                        "  arch: resnet18\nflat: 1\n  no value");
    assert_ok(run_load(&d, &run));
    assert_int_equal(d.options.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(d.options.pair[i].key, expected[i][0]);
        assert_string_equal(d.options.pair[i].value, expected[i][1]);
    }
    run_unload(&d);
}

static void test_expected(void **state) {
    (void)state;
    static const char *const none[] = {"{}", "{\"expected\": 3}",
                                       "{\"expected\": {\"val_acc\": \"0.9\", \"differs\": 1}}"};
    report_run run = {.logs = folder};
    run_data d;
    put("run.json", "{\"expected\": {\"val_acc\": 0.9, \"spread\": 0.01, \"epochs\": 3, \"differs\": \"optimizer.lr\", "
                    "\"result\": 0.895, \"reached\": true}}");
    assert_ok(run_load(&d, &run));
    const run_expected *e = &d.info.expected;
    assert_true(e->val_acc == 0.9 && e->spread == 0.01 && e->epochs == 3 && e->result == 0.895 && e->reached);
    assert_string_equal(e->differs, "optimizer.lr");
    run_unload(&d);
    put("run.json", "{\"expected\": {\"val_acc\": 0.9, \"differs\": \"\", \"result\": null, \"reached\": null}}");
    assert_ok(run_load(&d, &run));
    assert_true(e->val_acc == 0.9 && isnan(e->result) && !e->reached && e->differs == NULL);
    run_unload(&d);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        put("run.json", none[i]);
        assert_ok(run_load(&d, &run));
        assert_true(isnan(e->val_acc) && e->differs == NULL);
        run_unload(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validation_within, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expected, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
