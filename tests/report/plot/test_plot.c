/* Reads the images back with cairo and checks them. */
#include "check.h"

#include "report/plot/plot.h"

#if !__has_include(<cairo.h>)

int main(void) {
    puts("skipped: this build has no cairo");
    return 77;
}

#else

#include "report/plot/panel.h"

#include <cairo.h>

typedef struct picture {
    cairo_surface_t *surface;
    int w, h;
} picture;

typedef struct source {
    const text *png;
    size_t at;
} source;

static cairo_status_t read_bytes(void *from, unsigned char *out, unsigned n) {
    source *s = from;
    if (n > s->png->n - s->at)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(out, s->png->data + s->at, n);
    s->at += n;
    return CAIRO_STATUS_SUCCESS;
}

static picture decode(const text *png) {
    assert_true(png->n > 8 && memcmp(png->data, "\x89PNG\r\n\x1a\n", 8) == 0);
    source s = {png, 0};
    picture p = {.surface = cairo_image_surface_create_from_png_stream(read_bytes, &s)};
    assert_int_equal(cairo_surface_status(p.surface), CAIRO_STATUS_SUCCESS);
    assert_int_equal(s.at, png->n);
    p.w = cairo_image_surface_get_width(p.surface);
    p.h = cairo_image_surface_get_height(p.surface);
    return p;
}

static picture draw(const plot_chart *c, size_t n, int columns) {
    text png = {0};
    assert_ok(plot_charts(&png, c, n, columns));
    picture p = decode(&png);
    text_deinit(&png);
    return p;
}

static void drop(picture *p) { cairo_surface_destroy(p->surface); }

static uint32_t pixel(const picture *p, int x, int y) {
    assert_true(x >= 0 && y >= 0 && x < p->w && y < p->h);
    const unsigned char *row =
        cairo_image_surface_get_data(p->surface) + (size_t)y * (size_t)cairo_image_surface_get_stride(p->surface);
    return ((const uint32_t *)(const void *)row)[x] & 0xFFFFFF;
}

/* Pixels of exactly this colour in columns x0..x1 - 1 and rows y0..y1 - 1. */
static int count(const picture *p, uint32_t color, int x0, int y0, int x1, int y1) {
    int n = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            n += pixel(p, x, y) == color;
    return n;
}

static bool is_near(uint32_t a, uint32_t b) {
    for (int shift = 0; shift <= 16; shift += 8)
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > 48)
            return false;
    return true;
}

/* Pixels of about this colour: thin lines and letters cover most pixels only in part. */
static int count_near(const picture *p, uint32_t color, int x0, int y0, int x1, int y1) {
    int n = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            n += is_near(pixel(p, x, y), color);
    return n;
}

/* An area of an 800-pixel panel that contains only data: below title and legend, right of the labels. */
enum { LEFT = 80, RIGHT = 780, TOP = 62, BOTTOM = 352 };

static int count_data(const picture *p, uint32_t color) { return count(p, color, LEFT, TOP, RIGHT, BOTTOM); }

static int count_series(const picture *p, int color) {
    return count_near(p, plot_palette(color), LEFT, TOP, RIGHT, BOTTOM);
}

static const double four_x[] = {1, 2, 3, 4}, four_y[] = {2, 2, 2, 2};
static const plot_axis of_data = {"epoch", false, false, NAN, NAN};

static plot_chart chart_of(const plot_series *s, size_t n) {
    return (plot_chart){.title = "Loss", .x = of_data, .y = of_data, .series = s, .series_n = n};
}

static void test_line(void **state) {
    (void)state;
    plot_series s = {"train", four_x, four_y, NULL, 4, PLOT_LINE, 0};
    plot_chart c = chart_of(&s, 1);
    picture p = draw(&c, 1, 1);
    assert_true(p.w == PLOT_WIDTH && p.h == PLOT_HEIGHT);
    for (int x = 100; x < 760; x += 7) { /* a constant is drawn in the middle */
        int n = count_near(&p, plot_palette(0), x, 180, x + 1, 230);
        assert_true(n == 1 || n == 2);
        assert_int_equal(count_near(&p, plot_palette(0), x, TOP, x + 1, BOTTOM), n);
    }
    drop(&p);
}

static void test_gap(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, 3, 4}, y[] = {1, 1, NAN, 1, 1};
    plot_series s = {NULL, x, y, NULL, 5, PLOT_LINE, 0};
    plot_chart c = chart_of(&s, 1);
    picture p = draw(&c, 1, 1);
    assert_true(count_near(&p, plot_palette(0), LEFT, TOP, 200, BOTTOM) > 50);
    assert_int_equal(count_near(&p, plot_palette(0), 300, TOP, 500, BOTTOM), 0);
    assert_true(count_near(&p, plot_palette(0), 650, TOP, RIGHT, BOTTOM) > 50);
    drop(&p);
}

static void test_single_point(void **state) {
    (void)state;
    for (int style = PLOT_LINE; style <= PLOT_STEPS; style++) {
        if (style == PLOT_FAINT || style == PLOT_BAND)
            continue; /* pale */
        plot_series s = {"val", (double[]){1}, (double[]){0.5}, NULL, 1, (plot_style)style, 1};
        plot_chart c = chart_of(&s, 1);
        c.x.whole = true;
        picture p = draw(&c, 1, 1);
        int n = count_series(&p, 1);
        assert_true(n >= 9 && n < 40);
        drop(&p);
    }
}

static void test_styles(void **state) {
    (void)state;
    const double rising[] = {1, 2, 3, 4}, above[] = {2, 3, 4, 5};
    int inked[PLOT_STEPS + 1];
    for (int style = PLOT_LINE; style <= PLOT_STEPS; style++) {
        plot_series s = {NULL, four_x, rising, above, 4, (plot_style)style, 2};
        plot_chart c = chart_of(&s, 1);
        picture p = draw(&c, 1, 1);
        int white = count_data(&p, 0xFFFFFF);
        inked[style] = (RIGHT - LEFT) * (BOTTOM - TOP) - white;
        drop(&p);
    }
    assert_true(inked[PLOT_BAND] > 2 * inked[PLOT_STEPS]);
    assert_true(inked[PLOT_STEPS] > inked[PLOT_DOTS] && inked[PLOT_LINE] > inked[PLOT_DOTS]);
}

/* Of the lines of one colour that are in the legend, every second one is dashed. */
static void test_dashes(void **state) {
    (void)state;
    const double high[] = {3, 3, 3, 3};
    plot_series s[] = {{"train", four_x, four_y, NULL, 4, PLOT_LINE, 5}, {"val", four_x, high, NULL, 4, PLOT_LINE, 5}};
    plot_chart c = chart_of(s, 2);
    assert_false(plot_series_dashed(&c, 0));
    assert_true(plot_series_dashed(&c, 1));
    picture p = draw(&c, 1, 1);
    int solid = count_near(&p, plot_palette(5), LEFT, 200, RIGHT, BOTTOM);
    int dashed = count_near(&p, plot_palette(5), LEFT, TOP, RIGHT, 200);
    assert_true(solid > 600 && dashed > 300 && dashed < solid * 3 / 4);
    drop(&p);
    s[1].name = NULL;
    assert_false(plot_series_dashed(&c, 1));
    s[1] = (plot_series){"raw", four_x, high, NULL, 4, PLOT_FAINT, 5};
    assert_false(plot_series_dashed(&c, 1));
}

static void test_no_data(void **state) {
    (void)state;
    const double nothing[] = {NAN, INFINITY, -INFINITY, NAN};
    plot_series s = {"loss", four_x, nothing, NULL, 4, PLOT_LINE, 0};
    plot_chart c[] = {chart_of(&s, 1), chart_of(NULL, 0)};
    c[0].mark = &(plot_mark){1, 1, "a mark is no data"};
    c[0].mark_n = 1;
    for (int i = 0; i < 2; i++) {
        picture p = draw(&c[i], 1, 1);
        assert_true(count_data(&p, PLOT_GROUND) > 150000);
        assert_int_equal(count_series(&p, 0), 0);
        assert_true(count(&p, PLOT_GROUND, 350, 190, 450, 240) <
                    100 * 50 - 100); /* a text says that there are no data */
        drop(&p);
    }
    picture p = draw(NULL, 0, 2);
    assert_true(p.w == PLOT_WIDTH && p.h == PLOT_HEIGHT);
    drop(&p);
}

static void test_columns(void **state) {
    (void)state;
    plot_series s = {"train", four_x, four_y, NULL, 4, PLOT_LINE, 0};
    plot_chart c[5];
    for (int i = 0; i < 5; i++)
        c[i] = chart_of(&s, 1);
    const struct {
        size_t n;
        int columns, rows;
    } cases[] = {{1, 2, 1}, {2, 2, 1}, {3, 2, 2}, {5, 3, 2}, {5, 0, 5}, {5, 99, 2}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        picture p = draw(c, cases[k].n, cases[k].columns);
        assert_true(p.w == PLOT_WIDTH && p.h == cases[k].rows * PLOT_HEIGHT);
        drop(&p);
    }
    picture p = draw(c, 3, 2);
    assert_int_equal(count(&p, 0xFFFFFF, 400, 400, 800, 800), 400 * 400);
    assert_true(count_near(&p, plot_palette(0), 400, 60, 800, 350) > 250);
    drop(&p);
}

/* Labels of marks at the edges are within the picture, and labels of close marks do not overlap. */
static void test_marks(void **state) {
    (void)state;
    plot_series s = {"train", four_x, four_y, NULL, 4, PLOT_LINE, 0};
    plot_chart c = chart_of(&s, 1), plain = c;
    plot_mark m[] = {{1, 2, "the first of all points"},
                     {4, 2, "the last of all points"},
                     {2.5, 2, "one in the middle"},
                     {2.52, 2, "one very close to it"},
                     {NAN, 2, "nowhere"},
                     {2, INFINITY, "nowhere"}};
    c.mark = m;
    c.mark_n = 6;
    picture p = draw(&c, 1, 1), q = draw(&plain, 1, 1);
    int dark = count(&p, PLOT_DARK, 0, 0, 800, 400) - count(&q, PLOT_DARK, 0, 0, 800, 400), alone = 0;
    assert_true(dark > 500);
    for (int y = 0; y < 400; y++) /* none beyond the axes */
        for (int x = 0; x < 800; x++)
            if (x < 35 || x > 787 || y < 50)
                assert_int_equal(pixel(&p, x, y), pixel(&q, x, y));
    drop(&p);
    for (int i = 0; i < 4; i++) { /* overlapping labels would have fewer visible pixels */
        c.mark = &m[i];
        c.mark_n = 1;
        p = draw(&c, 1, 1);
        alone += count(&p, PLOT_DARK, 0, 0, 800, 400) - count(&q, PLOT_DARK, 0, 0, 800, 400);
        drop(&p);
    }
    assert_true(abs(dark - alone) < alone / 20);
    drop(&q);
}

static void test_log_axes(void **state) {
    (void)state;
    double x[200], y[200];
    for (int i = 0; i < 200; i++) {
        x[i] = i == 7 ? 0 : pow(10, -8 + i / 25.0); /* 0 is a gap */
        y[i] = 3;
    }
    plot_series s = {"loss", x, y, NULL, 200, PLOT_LINE, 0};
    plot_chart c = chart_of(&s, 1);
    c.x.log = c.y.log = true;
    picture p = draw(&c, 1, 1);
    assert_true(count_series(&p, 0) > 600);
    assert_true(count_data(&p, PLOT_GRID_MINOR) > 5000);
    drop(&p);
}

/* Values far beyond the axes, in every style, are drawn without an error and in finite time. */
static void test_far_away(void **state) {
    (void)state;
    const double x[] = {-1e300, 0, 1, 1e300, 2, 3, -1e18}, y[] = {0, 1e300, -1e300, 5, 1, 1e9, 2};
    for (int style = PLOT_LINE; style <= PLOT_STEPS; style++) {
        plot_series s[] = {{"a", x, y, x, 7, (plot_style)style, 0}, {"b", x, y, x, 7, (plot_style)style, 0}};
        plot_chart c = chart_of(s, 2);
        picture p = draw(&c, 1, 1);
        drop(&p);
        c.x.low = c.y.low = 0;
        c.x.high = c.y.high = 4;
        p = draw(&c, 1, 1);
        assert_true(count_data(&p, 0xFFFFFF) < (RIGHT - LEFT) * (BOTTOM - TOP));
        drop(&p);
    }
}

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {{NULL, ""},
                 {"plain", "plain"},
                 {"K\xC3\xB6nig \xE6\x97\xA5 \xF0\x9F\x98\x80", "K\xC3\xB6nig \xE6\x97\xA5 \xF0\x9F\x98\x80"},
                 {"a\xFF\xFE"
                  "b",
                  "a??b"},
                 {"cut \xC3", "cut ?"},
                 {"cut \xE6\x97", "cut ??"},
                 {"\xC0\xAF overlong", "?? overlong"},
                 {"\xE0\x80\xAF", "???"},
                 {"\xED\xA0\x80 surrogate", "??? surrogate"},
                 {"\xF4\x90\x80\x80", "????"},
                 {"\xEF\xBF\xBF none", "??? none"},
                 {"\xC2\x85 control", "?? control"},
                 {"a\tb\nc\x7F", "a b c "}};
    char out[PLOT_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plot_text_clean(out, cases[i].in);
        assert_string_equal(out, cases[i].out);
    }
    char long_text[4 * PLOT_TEXT];
    for (size_t i = 0; i + 3 < sizeof long_text; i += 3)
        memcpy(long_text + i, "\xE6\x97\xA5", 4);
    plot_text_clean(out, long_text);
    assert_true(strlen(out) < PLOT_TEXT && strlen(out) > PLOT_TEXT - 16);
    assert_string_equal(out + strlen(out) - 6, "\xE6\x97\xA5\xE2\x80\xA6");
    plot_sheet s;
    assert_ok(plot_sheet_open(&s, 10, 10));
    plot_font(s.cr, 12, false);
    for (int width = 12; width < 7000; width = width * 5 / 4) {
        plot_text_fit(out, s.cr, long_text, width);
        assert_true(plot_text_width(s.cr, out) <= width && strlen(out) % 3 == 0 && strlen(out) < PLOT_TEXT);
    }
    plot_text_fit(out, s.cr, "tench, Tinca tinca", 60);
    assert_string_equal(out, "tench,\xE2\x80\xA6"); /* no blank before it */
    plot_text_fit(out, s.cr, "tench", 60);
    assert_string_equal(out, "tench");
    plot_sheet_close(&s);
}

static void test_bad_text(void **state) {
    (void)state;
    const char *bad = "\xC3\x28 bad \xFF\xE6\x97";
    plot_series s = {bad, four_x, four_y, NULL, 4, PLOT_LINE, 0};
    plot_mark m = {2, 2, bad};
    plot_chart c = {bad, {bad, false, false, NAN, NAN}, {bad, false, false, NAN, NAN}, &s, 1, &m, 1};
    picture p = draw(&c, 1, 1);
    assert_true(count_series(&p, 0) > 500);
    drop(&p);
}

/* More names than fit in the legend. */
static void test_legend(void **state) {
    (void)state;
    plot_series s[60];
    for (int i = 0; i < 60; i++)
        s[i] = (plot_series){i % 7 == 6 ? NULL : "a run whose name is long", four_x, four_y, NULL, 4, PLOT_LINE, -1};
    for (int columns = 1; columns <= 3; columns++) {
        plot_chart c[3] = {chart_of(s, 60), chart_of(s, 60), chart_of(s, 60)};
        picture p = draw(c, 3, columns);
        for (int x = LEFT; x < p.w && columns == 1; x++) /* three rows at most, then the data */
            assert_int_equal(pixel(&p, x, 98), 0xFFFFFF);
        drop(&p);
    }
}

static void test_same_again(void **state) {
    (void)state;
    plot_series s = {"train", four_x, four_y, NULL, 4, PLOT_LINE, 0};
    plot_chart c = chart_of(&s, 1);
    text a = {0}, b = {0};
    assert_ok(plot_charts(&a, &c, 1, 1));
    assert_ok(text_append(&b, "before", 6));
    assert_ok(plot_charts(&b, &c, 1, 1));
    assert_true(b.n == a.n + 6 && memcmp(b.data + 6, a.data, a.n) == 0 && memcmp(b.data, "before", 6) == 0);
    plot_chart many[90]; /* 36,000 pixels exceed cairo's limit */
    for (int i = 0; i < 90; i++)
        many[i] = c;
    size_t n = b.n;
    assert_fails(E_NOMEM, "800 x 36000 pixels", plot_charts(&b, many, 90, 1));
    assert_int_equal(b.n, n);
    text_deinit(&a);
    text_deinit(&b);
}

static void test_grid(void **state) {
    (void)state;
    enum { W = 30, H = 20 };
    uint8_t red[3 * W * H], blue[3 * W * W];
    for (int i = 0; i < W * H; i++)
        memcpy(red + 3 * i, (uint8_t[]){200, 10, 20}, 3);
    for (int i = 0; i < W * W; i++)
        memcpy(blue + 3 * i, (uint8_t[]){10, 20, 200}, 3);
    plot_thumbnail t[] = {{red, W, H, "red", "60 %", false},
                          {blue, W, W, "blue, of a name that does not fit", "sure", true},
                          {NULL, 0, 0, "\xFF", NULL, false}};
    text png = {0};
    assert_ok(plot_grid(&png, "Mistakes \xFF", t, 3, 2));
    picture p = decode(&png);
    /* cells of 381 pixels, the first picture is 254 pixels high and centred in its cell */
    assert_int_equal(p.w, PLOT_WIDTH);
    assert_int_equal(count(&p, 0xC80A14, 0, 0, p.w, p.h), 381 * 254);
    assert_int_equal(count(&p, 0x0A14C8, 0, 0, p.w, p.h), 381 * 381);
    assert_int_equal(pixel(&p, 14 + 190, 40 + 190), 0xC80A14);
    assert_int_equal(pixel(&p, 14 + 190, 45), PLOT_GROUND);
    assert_int_equal(pixel(&p, 14 + 391 + 190, 45), 0x0A14C8);
    assert_true(count_near(&p, PLOT_RED, 400, 425, p.w, 460) > 10);
    assert_int_equal(count_near(&p, PLOT_RED, 0, 425, 400, 450), 0);
    assert_true(count_near(&p, PLOT_DARK, 0, 425, 400, 450) > 10);
    drop(&p);
    png.n = 0;
    assert_ok(plot_grid(&png, NULL, NULL, 0, 4));
    p = decode(&png);
    assert_true(p.w == PLOT_WIDTH && p.h >= 1);
    drop(&p);
    png.n = 0;
    assert_ok(plot_grid_narrow(&png, "Mistakes", t, 3)); /* three cells of 117 pixels */
    p = decode(&png);
    assert_int_equal(p.w, PLOT_NARROW);
    assert_int_equal(count(&p, 0x0A14C8, 0, 0, p.w, p.h), 117 * 117);
    drop(&p);
    text_deinit(&png);
}

/* The diagonal is blue, other cells orange, nothing white; many classes share cells. */
static void test_matrix(void **state) {
    (void)state;
    const double value[] = {1, 0, 0.25, 0.75};
    const char *const name[] = {"one", "t\xFFwo"};
    text png = {0};
    assert_ok(plot_matrix(&png, "Confusion", value, name, 2));
    picture p = decode(&png);
    assert_int_equal(p.w, PLOT_WIDTH);
    assert_true(count(&p, plot_palette(0), 0, 0, p.w, p.h) > 2000);  /* 100 % */
    assert_int_equal(count(&p, plot_palette(1), 0, 0, p.w, p.h), 0); /* 25 % is paler */
    assert_true(count_near(&p, 0xEAAE80, 0, 0, p.w, p.h) > 2000);
    drop(&p);
    enum { MANY = 2500 };
    double *large = calloc((size_t)MANY * MANY, sizeof *large);
    const char **names = calloc(MANY, sizeof *names);
    large[(size_t)3 * MANY + 700] = 1;
    png.n = 0;
    assert_ok(plot_matrix(&png, "Confusion", large, names, MANY));
    p = decode(&png);
    assert_int_equal(count(&p, plot_palette(1), 0, 0, p.w, p.h), 1);
    assert_true(p.w < 1400);
    drop(&p);
    text_deinit(&png);
    free(large);
    free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),     cmocka_unit_test(test_gap),        cmocka_unit_test(test_single_point),
        cmocka_unit_test(test_styles),   cmocka_unit_test(test_dashes),     cmocka_unit_test(test_no_data),
        cmocka_unit_test(test_columns),  cmocka_unit_test(test_marks),      cmocka_unit_test(test_log_axes),
        cmocka_unit_test(test_far_away), cmocka_unit_test(test_text),       cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_legend),   cmocka_unit_test(test_same_again), cmocka_unit_test(test_grid),
        cmocka_unit_test(test_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
