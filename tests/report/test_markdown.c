#include "check.h"

#include "report/markdown.h"

static void assert_text(text *t, const char *expected) {
    assert_string_equal(text_string(t), expected);
    text_deinit(t);
}

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
    } c[] = {{"plain words 1.5", "plain words 1.5"},
             {"a|b", "a\\|b"},
             {"<b>&amp;", "&lt;b&gt;&amp;amp;"},
             {"`x` *y* [z](w)", "\\`x\\` \\*y\\* \\[z\\](w)"},
             {"train_loss", "train_loss"},
             {"__init__ _x_", "\\_\\_init\\_\\_ \\_x\\_"},
             {"a\\b #1 ~~c~~", "a\\\\b \\#1 &#126;&#126;c&#126;&#126;"},
             {"two\nlines\r\tand\x01", "two lines  and "},
             {"J\xc3\xa4ger \xff\xc3(\xed\xa0\x80 \xf0\x9f\x90\xa6",
              "J\xc3\xa4ger \\\\xFF\\\\xC3(\\\\xED\\\\xA0\\\\x80 \xf0\x9f\x90\xa6"},
             {"\xc0\xaf\xf4\x90\x80\x80 cut \xe2\x82", "\\\\xC0\\\\xAF\\\\xF4\\\\x90\\\\x80\\\\x80 cut \\\\xE2\\\\x82"},
             {"", ""}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        text t = {0};
        assert_ok(md_text(&t, c[i].from));
        assert_text(&t, c[i].to);
    }
}

static void test_code(void **state) {
    (void)state;
    static const char block[] = "a: 1\n```\nb:\t|<\x02\n````";
    text t = {0};
    assert_ok(md_code(&t, "epoch=7-val_loss=1.23.ckpt"));
    assert_text(&t, "`epoch=7-val_loss=1.23.ckpt`");
    assert_ok(md_code(&t, "`a``b"));
    assert_text(&t, "``` `a``b ```");
    assert_ok(md_block(&t, "yaml", block, sizeof block - 1));
    assert_text(&t, "`````yaml\na: 1\n```\nb:\t|< \n````\n`````\n\n");
    assert_ok(md_block(&t, "", "", 0));
    assert_text(&t, "```\n```\n\n");
}

static void test_table(void **state) {
    (void)state;
    static const char *const title[] = {"name", "a|b"};
    text t = {0};
    assert_ok(md_head(&t, title, "lr", 2));
    assert_text(&t, "| name | a\\|b |\n|---|---:|\n");
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *s;
    } c[] = {{1.23456, "1.2346"}, {0.00012345, "0.0001234"}, {123456.7, "1.235e+05"}, {0, "0"}, {NAN, "nan"},
             {-NAN, "nan"},       {INFINITY, "inf"},         {-INFINITY, "-inf"}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        text t = {0};
        assert_ok(md_loss(&t, c[i].v));
        assert_text(&t, c[i].s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
