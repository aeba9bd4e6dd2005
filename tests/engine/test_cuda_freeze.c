/* A frozen part and a separate LR for the classifier on the GPU, against PyTorch in float64. */
#include "engine/freeze.h"

static void cuda(void **state) {
    (void)state;
    freeze_check("cuda", "backbone", false, 1e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cuda)};
    const char *why = engine_unavailable("cuda");
    if (why != NULL) {
        printf("skipped: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
