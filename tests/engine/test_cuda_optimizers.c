/* Every optimizer of the cuda engine against torch.optim and timm.optim and against the reference engine, and the GPU's
 * own count of updates. */
#include "optimizer_cases.h"

static void golden(void **state) {
    (void)state;
    golden_compare("cuda", 2e-6);
}

static void reference(void **state) {
    (void)state;
    optimizer_compare("cuda", 1e-5);
}

static void saved(void **state) {
    (void)state;
    optimizer_save("cuda");
}

/** The same steps with the updates counted by the host and by the GPU, which does not count a step that is not finite.
 */
static void counted(void **state) {
    (void)state;
    model *n = golden_model();
    double *g = allocated(n->weight_n, sizeof *g);
    for (int k = 0; k < OPTIMIZER_KINDS; k++) {
        optimizer_kind kind = (optimizer_kind)k;
        engine *host = optimizer_engine("cuda", n, kind, 1), *gpu = optimizer_engine("cuda", n, kind, 1);
        for (int s = 0, done = 7; s < 6; s++) {
            engine_hyper h = optimizer_hyper(kind, done);
            fill_normal(g, n->weight_n, (uint64_t)s);
            if (s == 2)
                g[5] = NAN;
            h.first_step = s == 0;
            optimizer_step(host, n, &h, g);
            h.updates = s == 0 ? done : -1;
            optimizer_step(gpu, n, &h, g);
            done += s != 2;
        }
        optimizer_same(host, gpu, n, kind, 0);
        engine_destroy(host);
        engine_destroy(gpu);
    }
    free(g);
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(reference), cmocka_unit_test(saved),
                                       cmocka_unit_test(counted)};
    if (engine_unavailable("cuda") != NULL) {
        print_message("skipped: %s\n", engine_unavailable("cuda"));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
