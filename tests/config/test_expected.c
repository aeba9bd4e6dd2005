/* What differs from the configuration whose result was measured. */
#include "check.h"

#include "config/options.h"

static void differs(const char *name, const char *value, const char *want) {
    static config recipe, c;
    config_defaults(&recipe);
    recipe.expected.val_acc = 0.9;
    c = recipe;
    assert_ok(config_set(&c, name, value, name));
    config_add_differences(&c, &recipe);
    if (strcmp(c.expected.differs, want) != 0)
        fail_msg("%s %s: differs in '%s', expected '%s'", name, value, c.expected.differs, want);
}

static void test_effect(void **state) {
    (void)state;
    static const char *const with[][2] = {{"trainer.max_epochs", "3"},

                                          {"optimizer.lr", "0.3"},
                                          {"model.arch", "resnet18"},
                                          {"model.init", "w.ckpt"},
                                          {"trainer.precision", "bf16-mixed"},
                                          {"data.image_size", "64"},
                                          {"data.mixup", "0.2"},
                                          {"schedule.milestones", "3,4"},
                                          {"optimizer.nesterov", "true"},
                                          {"dist.gradients", "compute"},
                                          {"trainer.limit_train_batches", "0.5"},
                                          {"trainer.sync_batchnorm", "true"},
                                          {"early_stopping.patience", "1"},
                                          {"data.val_split", "0.1"}};
    static const char *const without[][2] = {
        {"data.path", "photos"},        {"trainer.max_steps", "20"},    {"trainer.max_time", "9"},
        {"trainer.out", "runs"},        {"trainer.devices", "4"},       {"trainer.threads", "1"},
        {"trainer.seed", "3"},          {"trainer.resume", "auto"},     {"data.workers", "3"},
        {"trainer.device", "cpu"},      {"checkpoint.top_k", "1"},      {"monitor.report", "false"},
        {"dist.timeout", "9"},          {"trainer.global_batch", "64"}, {"data.batch_size", "64"},
        {"expected.hardware", "my own"}};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        differs(with[i][0], with[i][1], with[i][0]);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        differs(without[i][0], without[i][1], "");
    differs("optimizer.momentum", "0.90", ""); /* an equal value */
}

static void test_list(void **state) {
    (void)state;
    static config c, recipe;
    config_defaults(&recipe);
    c = recipe;
    assert_ok(config_set(&c, "lr", "3", "--lr"));
    assert_ok(config_set(&c, "max-epochs", "3", "--max-epochs"));
    config_add_differences(&c, &recipe);
    assert_string_equal(c.expected.differs, "optimizer.lr, trainer.max_epochs");
    config_add_differing(&c, "images per step, optimizer.lr");
    config_add_differing(&c, "");
    assert_string_equal(c.expected.differs, "optimizer.lr, trainer.max_epochs, images per step");
    config_add_differing(&c, "images"); /* a part of a name is not the name */
    assert_string_equal(c.expected.differs, "optimizer.lr, trainer.max_epochs, images per step, images");
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "group.option_%d", i);
        config_add_differing(&c, name);
    }
    size_t n = strlen(c.expected.differs);
    assert_true(n < sizeof c.expected.differs && n > sizeof c.expected.differs - 24);
    assert_string_equal(c.expected.differs + n - 5, ", ...");
    assert_null(strstr(c.expected.differs, "..., "));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_effect), cmocka_unit_test(test_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
