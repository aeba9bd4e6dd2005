/** Classes, confusion and calibration of values that can be verified by hand. */
#include "check.h"

#include "evaluation/evaluation_report.h"
#include "evaluation/prediction.h"

enum { CLASSES = 7 };
static char *names[CLASSES] = {"a", "b,c", "d", "e", "f", "g", "h"};

/** A row of logits whose class `top` has probability p and the others have equal parts of the rest. */
static void row(double *logits, int top, double p) {
    for (int k = 0; k < CLASSES; k++)
        logits[k] = log(k == top ? p : (1 - p) / (CLASSES - 1));
}

/** Class 0: two correct (0.9, 0.6), one predicted as 2 (0.5); class 1: one predicted as 2 (0.95); class 2: one correct
 * (0.55). */
static void fill(evaluation_report *a) {
    const struct {
        int label, predicted;
        double p;
    } image[] = {{0, 0, 0.9}, {0, 0, 0.6}, {0, 2, 0.5}, {1, 2, 0.95}, {2, 2, 0.55}};
    double logits[5 * CLASSES];
    int32_t label[5];
    for (int i = 0; i < 5; i++) {
        row(logits + i * CLASSES, image[i].predicted, image[i].p);
        label[i] = image[i].label;
    }
    assert_ok(evaluation_report_init(a, names, CLASSES));
    evaluation_report_add(a, logits, label, 3); /* in two batches */
    evaluation_report_add(a, logits + 3 * CLASSES, label + 3, 2);
}

static void counts_classes(void **state) {
    (void)state;
    evaluation_report a;
    class_result *worst = NULL;
    fill(&a);
    class_result r = evaluation_report_class(&a, 0);
    assert_true(r.images == 3 && r.top1 == 2 && r.top5 == 3 && r.confused == 2 && r.confused_n == 1);
    assert_int_equal(evaluation_report_class(&a, 2).confused, -1);
    assert_int_equal(evaluation_report_class(&a, 3).images, 0);
    assert_true(a.sum.images == 5 && a.sum.top1 == 3);
    /* misclassified: the true class has a sixth of the rest */
    double loss = -log(0.9) - log(0.6) - log(0.5 / 6) - log(0.05 / 6) - log(0.55);
    assert_near(metrics_loss(&a.sum), loss / 5, 1e-12);
    assert_ok(evaluation_report_worst(&worst, &a));
    const int order[] = {1, 0, 2, 3, 4, 5, 6}; /* 0, 2/3 and 1; then classes without images */
    for (int i = 0; i < CLASSES; i++)
        assert_int_equal(worst[i].index, order[i]);
    free(worst);
    evaluation_report_deinit(&a);
}

/** Bins of a fifteenth: 0.5 and 0.55 lie in (7/15, 8/15] and (8/15, 9/15], as 0.6 = 9/15 does; 0.9 and 0.95 in
 *  (13/15, 14/15] and (14/15, 1]. */
static void measures_calibration(void **state) {
    (void)state;
    evaluation_report a;
    fill(&a);
    assert_true(a.bin[7].n == 1 && a.bin[8].n == 2 && a.bin[13].n == 1 && a.bin[14].n == 1);
    double ece = 0.5 + fabs(2 - (0.55 + 0.6)) + fabs(1 - 0.9) + 0.95;
    assert_near(evaluation_report_ece(&a), ece / 5, 1e-12);
    evaluation_report_deinit(&a);
    assert_ok(evaluation_report_init(&a, names, CLASSES));
    assert_true(isnan(evaluation_report_ece(&a)));
    evaluation_report_deinit(&a);
}

static void writes_tables(void **state) {
    (void)state;
    evaluation_report a;
    text t = {0};
    fill(&a);
    assert_ok(evaluation_report_classes_csv(&t, &a));
    assert_non_null(strstr(t.data, "top1,top5,confused_with,confused_images\na,0,3,0.666667,1,d,1\n"));
    assert_non_null(strstr(t.data, "\n\"b,c\",1,1,0,"));
    assert_non_null(strstr(t.data, "\ne,3,0,,,,0\n"));
    t.n = 0;
    assert_ok(evaluation_report_confusion_csv(&t, &a));
    assert_non_null(strstr(t.data, "true,a,\"b,c\",d,e,f,g,h\na,2,0,1,0,0,0,0\n\"b,c\",0,0,1,0,0,0,0\nd,0,0,1,"));
    t.n = 0;
    assert_ok(evaluation_report_calibration_csv(&t, &a));
    assert_non_null(strstr(t.data, "\n0.533333,0.6,2,1,0.575\n"));
    assert_non_null(strstr(t.data, "\n0.933333,1,1,0,0.95\n"));
    text_deinit(&t);
    evaluation_report_deinit(&a);
}

/** Equal logits: the lower class number ranks first, as in the engines' counts. A NaN ranks as the largest and is never
 * correct: not even top-5 with four classes. */
static void ranks(void **state) {
    (void)state;
    const double equal[] = {1, 3, 3, 0}, none[] = {NAN, NAN, NAN, NAN};
    assert_int_equal(predict_labelled(equal, 4, 1, 0).rank, 0);
    assert_int_equal(predict_labelled(equal, 4, 2, 0).rank, 1);
    assert_int_equal(predict_labelled(equal, 4, 0, 0).rank, 2);
    assert_int_equal(predict_labelled(equal, 4, 2, 0).predicted, 1);
    const double one[] = {9, 1, NAN, 3};
    for (int k = 0; k < 4; k++)
        assert_true(isnan(predict_labelled(none, 4, k, 0).loss) && predict_labelled(none, 4, k, 0).rank >= 4);
    assert_int_equal(predict_labelled(one, 4, 0, 0).predicted, 2);
    assert_int_equal(predict_labelled(one, 4, 0, 0).rank, 1);
    assert_true(predict_labelled(one, 4, 2, 0).rank >= 4 && isnan(predict_labelled(one, 4, 0, 0).loss) &&
                isnan(predict_labelled(one, 4, 0, 0).probability));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_classes), cmocka_unit_test(measures_calibration),
                                       cmocka_unit_test(writes_tables), cmocka_unit_test(ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
