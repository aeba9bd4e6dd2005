/* The matching of images: a large number of similar images gives few findings per image, and these include leaks
 * into val. */
#include "check.h"

#include "base/memory.h"
#include "dataset/dataset.h"
#include "tools/audit.h"

enum { TRAIN = 3000, VAL = 50 };

/** Images of one class that look the same but have different bytes. */
static void make(dataset *d, audit_image **images, int64_t n, uint64_t first) {
    static char *class_name[] = {"a"};
    *d = (dataset){.class_n = 1, .class_name = class_name, .image_n = n};
    assert_ok(memory_zeroed(&d->label, (size_t)n, sizeof *d->label));
    assert_ok(memory_zeroed(images, (size_t)n, sizeof **images));
    for (int64_t i = 0; i < n; i++)
        (*images)[i] = (audit_image){.bytes = 100, .digest = first + (uint64_t)i, .seen = true, .hash = {1, 1}};
}

static void test_many_alike(void **state) {
    (void)state;
    audit a = {0};
    dataset train, val;
    bool leak[VAL] = {false}, told[TRAIN] = {false};
    make(&train, &a.image[0], TRAIN, 1);
    make(&val, &a.image[1], VAL, 1 << 20);
    a.data[0] = &train;
    a.data[1] = &val;
    assert_ok(audit_match(&a));
    assert_in_range(a.n, TRAIN + VAL - 1, (TRAIN + 2 * VAL) * AUDIT_PAIRS);
    for (int64_t i = 0; i < a.n; i++) {
        const audit_finding *f = &a.finding[i];
        assert_int_equal(f->kind, AUDIT_NEAR_DUPLICATE);
        if (f->split == 0)
            told[f->index] = true;
        else if (f->other_split == 0)
            leak[f->index] = true;
        free(f->detail);
    }
    for (int i = 1; i < TRAIN; i++)
        assert_true(told[i]);
    for (int i = 0; i < VAL; i++)
        assert_true(leak[i]);
    free(a.finding);
    for (int s = 0; s < 2; s++) {
        free(a.image[s]);
        free(a.data[s]->label);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
