/* Random erasing: one rectangle of the fill colour, whose moments are torchvision's (tests/golden/erase_make.py). */
#include "check.h"

#include "loader/erase.h"

#include <stdbool.h>

enum { DRAWS = 6000, MOST = 224 };

typedef struct box {
    int h, w, y, x;
} box;

static const uint8_t mean[3] = {124, 116, 104};

/* The rectangle that differs from an image of zeros, filled completely; h is 0 if nothing was erased. */
static box find(const uint8_t *pixels, int size) {
    int top = size, left = size, bottom = -1, right = -1, n = 0;
    for (int i = 0; i < size * size; i++) {
        const uint8_t *p = pixels + (size_t)i * 3;
        if (p[0] == 0)
            continue;
        assert_memory_equal(p, mean, 3);
        top = i / size < top ? i / size : top;
        left = i % size < left ? i % size : left;
        bottom = i / size;
        right = i % size > right ? i % size : right;
        n++;
    }
    if (n == 0)
        return (box){0};
    box b = {.h = bottom - top + 1, .w = right - left + 1, .y = top, .x = left};
    assert_int_equal(b.h * b.w, n);
    assert_true(b.h < size && b.w < size);
    return b;
}

typedef struct moments {
    int n;
    double sum, squares;
} moments;

static void add(moments *m, double x) {
    m->n++;
    m->sum += x;
    m->squares += x * x;
}

enum { NONE, HEIGHT, WIDTH, Y, X, AREA, QUANTITIES };
static const char *const names[QUANTITIES] = {"none", "h", "w", "y", "x", "area"};

static void draw(moments m[QUANTITIES], int size) {
    static uint8_t pixels[MOST * MOST * 3];
    const erase e = {.probability = 1, .fill = {mean[0], mean[1], mean[2]}};
    for (uint64_t i = 0; i < (size > 100 ? DRAWS / 4 : DRAWS); i++) {
        random_stream r = random_open(5, 0, i, RANDOM_TEST);
        memset(pixels, 0, (size_t)size * (size_t)size * 3);
        erase_random(pixels, size, &e, &r);
        box b = find(pixels, size);
        add(&m[NONE], b.h == 0);
        if (b.h == 0)
            continue;
        const int values[] = {b.h, b.w, b.y, b.x, b.h * b.w};
        for (int k = 0; k < 5; k++)
            add(&m[HEIGHT + k], values[k]);
    }
}

static void test_moments(void **state) {
    (void)state;
    FILE *f = fopen(SOURCE_DIR "/tests/golden/erase_golden.txt", "r");
    char text[120], name[16];
    int size = 0, drawn = 0, lines = 0;
    double average = 0, deviation = 0;
    static moments m[QUANTITIES];
    assert_non_null(f);
    while (fgets(text, sizeof text, f) != NULL) {
        assert_int_equal(sscanf(text, "%d %15s %lf %lf", &size, name, &average, &deviation), 4);
        if (size != drawn) {
            memset(m, 0, sizeof m);
            draw(m, drawn = size);
        }
        int k = 0;
        while (k < QUANTITIES && strcmp(names[k], name) != 0)
            k++;
        assert_true(k < QUANTITIES);
        double own = m[k].sum / m[k].n;
        /* within 4.5 standard errors of the two means' difference; the spread within a tenth */
        assert_near(own, average, 4.5 * deviation * sqrt(1.0 / m[k].n + 1.0 / 30000) + 1e-3);
        assert_near(sqrt(m[k].squares / m[k].n - own * own), deviation, 0.1 * deviation + 5e-3);
        lines++;
    }
    fclose(f);
    assert_int_equal(lines, 2 * QUANTITIES);
}

static void test_probability(void **state) {
    (void)state;
    uint8_t pixels[24 * 24 * 3];
    erase e = {.probability = 0.1, .fill = {mean[0], mean[1], mean[2]}};
    int erased = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        random_stream r = random_open(5, 1, i, RANDOM_TEST);
        memset(pixels, 0, sizeof pixels);
        erase_random(pixels, 24, &e, &r);
        erased += find(pixels, 24).h > 0;
    }
    assert_near(erased, 0.1 * DRAWS, 120); /* sd 23 */
    random_stream r = random_open(5, 2, 0, RANDOM_TEST), before = r;
    e.probability = 0;
    erase_random(pixels, 24, &e, &r);
    assert_memory_equal(&r, &before, sizeof r); /* an option that is off draws nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments), cmocka_unit_test(test_probability)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
