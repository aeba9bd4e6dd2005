/** Schedules against values of torch.optim.lr_scheduler (PyTorch 1.13). */
#include "check.h"

#include "training/schedule.h"

static config *recipe(const char *name) {
    static config c;
    config_defaults(&c);
    assert_ok(config_set(&c, "schedule.name", name, "test"));
    return &c;
}

static void step_decays_every_30_epochs(void **state) {
    (void)state;
    schedule s;
    assert_ok(schedule_init(&s, recipe("step"), 0.1));
    for (int epoch = 0; epoch < 95; epoch++) {
        assert_near(schedule_lr(&s, epoch, 3, 10), 0.1 * pow(0.1, epoch / 30), 1e-15);
        assert_int_equal(schedule_end_epoch(&s, epoch, 1), epoch % 30 == 29);
        assert_int_equal(s.state.last_epoch, epoch + 1);
    }
}

static void multistep_equals_torch(void **state) {
    (void)state;
    /* MultiStepLR(milestones=[2, 3, 6], gamma=0.2), after each step() */
    static const double torch[] = {0.1, 0.02, 0.004, 0.004, 0.004, 0.0008, 0.0008};
    config *c = recipe("multistep");
    assert_ok(config_set(c, "schedule.milestones", "2,3,6", "test"));
    c->schedule.gamma = 0.2;
    schedule s;
    assert_ok(schedule_init(&s, c, 0.1));
    for (int epoch = 0; epoch < 7; epoch++) {
        bool changed = epoch == 1 || epoch == 2 || epoch == 5;
        assert_int_equal(schedule_end_epoch(&s, epoch, NAN), changed);
        assert_near(schedule_lr(&s, epoch + 1, 0, 5), torch[epoch], 1e-15);
    }
}

static void cosine_equals_torch(void **state) {
    (void)state;
    /* CosineAnnealingLR(T_max=7), after each step() */
    static const double torch[] = {0.09504844339512096,  0.08117449009293669, 0.06112604669781573,
                                   0.038873953302184286, 0.01882550990706333, 0.00495155660487904};
    config *c = recipe("cosine");
    c->trainer.max_epochs = 7;
    schedule s;
    assert_ok(schedule_init(&s, c, 0.1));
    assert_near(schedule_lr(&s, 0, 0, 5), 0.1, 0);
    for (int epoch = 0; epoch < 6; epoch++) {
        schedule_end_epoch(&s, epoch, NAN);
        assert_near(schedule_lr(&s, epoch + 1, 4, 5), torch[epoch], 1e-12);
    }
}

static void cosine_ends_at_eta_min(void **state) {
    (void)state;
    /* CosineAnnealingLR(T_max=5, eta_min=0.01), after each step() */
    static const double torch[] = {0.09140576474687263, 0.06890576474687264, 0.041094235253127365, 0.018594235253127366,
                                   0.01};
    config *c = recipe("cosine");
    c->trainer.max_epochs = 5;
    c->schedule.eta_min = 0.01;
    schedule s;
    assert_ok(schedule_init(&s, c, 0.1));
    assert_near(schedule_lr(&s, 0, 0, 5), 0.1, 0);
    for (int epoch = 0; epoch < 5; epoch++) {
        schedule_end_epoch(&s, epoch, NAN);
        assert_near(schedule_lr(&s, epoch + 1, 4, 5), torch[epoch], 1e-12);
    }
}

static void plateau_equals_torch(void **state) {
    (void)state;
    static const struct {
        double value, lr;
        int bad;
    } seen[] = {
        /* ReduceLROnPlateau(factor=0.1, patience=2, min_lr=1e-4) */
        {1.0, 0.1, 0},     {0.9, 0.1, 0},     {0.89995, 0.1, 1}, {0.9, 0.1, 2},     {NAN, 0.01, 0},
        {0.95, 0.01, 1},   {0.9, 0.01, 2},    {0.85, 0.01, 0},   {0.86, 0.01, 1},   {0.86, 0.01, 2},
        {0.86, 0.001, 0},  {0.86, 0.001, 1},  {0.86, 0.001, 2},  {0.86, 0.0001, 0}, {0.86, 0.0001, 1},
        {0.86, 0.0001, 2}, {0.86, 0.0001, 0}, {0.86, 0.0001, 1}, {0.86, 0.0001, 2}, {0.86, 0.0001, 0},
    };
    config *c = recipe("plateau");
    c->schedule.patience = 2;
    c->schedule.min_lr = 1e-4;
    schedule s;
    assert_ok(schedule_init(&s, c, 0.1));
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        schedule_end_epoch(&s, (int64_t)i, seen[i].value);
        assert_near(schedule_lr(&s, (int64_t)i + 1, 0, 1), seen[i].lr, 1e-12);
        assert_int_equal(s.state.num_bad_epochs, seen[i].bad);
    }
}

static void recipe_plateau_cuts_on_the_11th_bad_epoch(void **state) {
    (void)state;
    schedule s;
    assert_ok(schedule_init(&s, recipe("plateau"), 0.1));
    schedule_end_epoch(&s, 0, 1.0);
    for (int bad = 1; bad <= 10; bad++)
        assert_false(schedule_end_epoch(&s, bad, 1.0));
    assert_true(schedule_end_epoch(&s, 11, 1.0));
    assert_near(s.state.last_lr, 0.01, 1e-15);
}

static void warm_up_goes_by_the_step(void **state) {
    (void)state;
    config *c = recipe("cosine");
    c->trainer.max_epochs = 12;
    c->schedule.warmup_epochs = 2;
    c->schedule.warmup_start = 0.2;
    schedule s;
    assert_ok(schedule_init(&s, c, 1.0));
    assert_near(schedule_lr(&s, 0, 0, 5), 0.2, 1e-15);
    assert_near(schedule_lr(&s, 1, 0, 5), 0.6, 1e-15);
    assert_near(schedule_lr(&s, 1, 4, 5), 0.92, 1e-15);
    schedule_end_epoch(&s, 0, 1);
    schedule_end_epoch(&s, 1, 1);
    assert_near(schedule_lr(&s, 2, 0, 5), 1.0, 0); /* the cosine begins here */
    assert_near(schedule_lr(&s, 3, 0, 5), 0.5 * (1 + cos(M_PI / 10)), 1e-15);
}

static void unknown_name_is_refused(void **state) {
    (void)state;
    static config c;
    schedule s;
    config_defaults(&c);
    snprintf(c.schedule.name, sizeof c.schedule.name, "exponential");
    assert_fails(E_OPTION, "exponential", schedule_init(&s, &c, 0.1));
}

static void head_has_its_own_rate(void **state) {
    (void)state;
    schedule s;
    config *c = recipe("step");
    assert_ok(schedule_init(&s, c, 0.1));
    assert_true(s.head_scale == 0); /* none */
    c->optimizer.head_lr = 0.5;
    assert_ok(schedule_init(&s, c, 0.1));
    assert_near(s.head_scale, 5, 1e-12);
    schedule_end_epoch(&s, 29, 1);
    assert_near(s.head_scale, 5, 1e-12); /* a reduction applies to both rates */
    assert_ok(schedule_init(&s, c, 0));  /* the LR finder runs first, with one rate for all parameters */
    assert_true(s.head_scale == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_decays_every_30_epochs), cmocka_unit_test(multistep_equals_torch),
        cmocka_unit_test(cosine_equals_torch),         cmocka_unit_test(cosine_ends_at_eta_min),
        cmocka_unit_test(plateau_equals_torch),        cmocka_unit_test(recipe_plateau_cuts_on_the_11th_bad_epoch),
        cmocka_unit_test(warm_up_goes_by_the_step),    cmocka_unit_test(unknown_name_is_refused),
        cmocka_unit_test(head_has_its_own_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
