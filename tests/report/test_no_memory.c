#define _GNU_SOURCE
/* Converting a report to HTML without memory: cmark-gfm, which would end the program, does not. */
#include "no_memory.h"

#include "report/html.h"

static int run(void *context) {
    static const char page[] =
        "# A\n\n**b** `c`\n\n## D\n\n| e |  |\n|---|---:|\n| 1 | _2_ |\n\n"
        "<details><summary>F</summary>\n\n```yaml\ng: 1\n```\n\n</details>\n\n![h](images/none.png)\n";
    text out = {0};
    (void)context;
    int rc = html_document(&out, page, sizeof page - 1, "/nowhere", NULL, 0);
    text_deinit(&out);
    return rc;
}

static void test_html(void **state) {
    (void)state;
    assert_true(no_memory(run, NULL, 0, NULL) > 20);
}

int main(void) {
    if (html_unavailable() != NULL) {
        printf("skipped: %s\n", html_unavailable());
        return 77;
    }
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_html)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
