/* A report as one HTML file: texts stay texts, and nothing is fetched. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "report/html.h"
#include "report/markdown.h"
#include "root.h"

static text html;
static const html_narrow *narrow; /* of the next document */
static size_t narrow_n;

static const char *document(const text *markdown) {
    text_deinit(&html);
    assert_ok(html_document(&html, text_string(markdown), markdown->n, root, narrow, narrow_n));
    return text_string(&html);
}

static const char *body_of(const char *markdown) {
    text_deinit(&html);
    assert_ok(html_body(&html, markdown, strlen(markdown)));
    return text_string(&html);
}

static int count(const char *in, const char *part) {
    int n = 0;
    for (; (in = strstr(in, part)) != NULL; in += strlen(part))
        n++;
    return n;
}

static void assert_has(const char *part) {
    if (strstr(text_string(&html), part) == NULL)
        fail_msg("the page lacks '%s':\n%s", part, text_string(&html));
}

/* Texts as names of classes, paths and options may contain them, at each place of a page. */
static void test_escaping(void **state) {
    (void)state;
    static const char *const hostile[] = {"<script>alert(1)</script>",
                                          "</title></details></h2><img src=\"images/loss.png\" onerror=x>",
                                          "<details><summary>x</summary>",
                                          "![a](http://x/y.png)",
                                          "[a](javascript:alert(1)) <http://x.y> http://x.y",
                                          "\"'`&lt;&#60;\\<b>|</td>",
                                          "-->]]><!--",
                                          "\xff<i>\n<b>\n\n<u>"};
    static const char *const tag[] = {"<script", "<img",           "<b>",           "<i>",
                                      "<u>",     "<a href=\"http", "javascript:\"", "<!--"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        text md = {0};
        assert_ok(text_printf(&md, "# "));
        assert_ok(md_text(&md, hostile[i]));
        assert_ok(text_printf(&md, "\n\n## "));
        assert_ok(md_text(&md, hostile[i]));
        assert_ok(text_printf(&md, "\n\n"));
        assert_ok(md_text(&md, hostile[i]));
        assert_ok(text_printf(&md, "\n\n"));
        assert_ok(md_code(&md, hostile[i]));
        assert_ok(text_printf(&md, "\n\n"));
        assert_ok(md_head(&md, &hostile[i], "l", 1));
        assert_ok(text_printf(&md, "| "));
        assert_ok(md_text(&md, hostile[i]));
        assert_ok(text_printf(&md, " |\n\n"));
        assert_ok(md_block(&md, "text", hostile[i], strlen(hostile[i])));
        const char *page = document(&md);
        for (size_t k = 0; k < sizeof tag / sizeof *tag; k++)
            if (strstr(page, tag[k]) != NULL)
                fail_msg("'%s' has become '%s':\n%s", hostile[i], tag[k], page);
        assert_int_equal(count(page, "<details>"), 0);
        assert_int_equal(count(page, "</title>"), 1);
        assert_int_equal(count(page, "<h2 "), 1);
        assert_int_equal(count(page, "<table>"), 1);
        assert_int_equal(count(page, "</td>"), 1);
        text_deinit(&md);
    }
    text md = {0};
    assert_ok(md_text(&md, "<b>&\"'"));
    assert_non_null(strstr(document(&md), "<p>&lt;b&gt;&amp;&quot;'</p>"));
    text_deinit(&md);
}

static void test_own_html(void **state) {
    (void)state;
    assert_string_equal(body_of("<details><summary>The 3 images</summary>\n\ntext\n\n</details>\n"),
                        "<details><summary>The 3 images</summary>\n<p>text</p>\n</details>\n");
    assert_null(strstr(body_of("<script>x</script>\n\na <b>c</b>\n\n<details open>\n\n</details>x\n"), "<b>"));
    assert_null(strstr(text_string(&html), "script"));
    assert_null(strstr(text_string(&html), "details"));
    assert_null(strstr(body_of("<details><summary><b>x</b></summary>\n\ny\n"), "<b>"));
}

static void put(const char *name, const char *bytes, size_t n) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "images"));
    assert_ok(folder_make(path));
    assert_ok(path_format(path, "%s/images/%s", root, name));
    assert_ok(file_write_atomic(path, bytes, n));
}

#define PNG_HEAD "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x03\x20\0\0\1\x90"

static void test_picture(void **state) {
    (void)state;
    static const char head[] = PNG_HEAD "\xff\xfe";
    static const struct {
        size_t n;
        const char *end;
    } c[] = {{24, "AAAyAAAAGQ\"></div>"}, {25, "AAAyAAAAGQ/w==\"></div>"}, {26, "AAAyAAAAGQ//4=\"></div>"}};
    static const char page[] =
        "# T\n\n![The <loss>](images/loss.png)\n\n![Lost](images/none.png)\n\n![cut](images/cut.png)\n";
    text md = {0};
    assert_ok(text_append(&md, page, sizeof page - 1));
    put("cut.png", PNG_HEAD, 20);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        put("loss.png", head, c[i].n);
        document(&md);
        assert_has("<img id=\"loss\" width=\"800\" height=\"400\" alt=\"The &lt;loss&gt;\" "
                   "src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA");
        assert_has("<p>Lost: the picture is missing.</p>");
        assert_has("<p>cut: the picture is missing.</p>");
        assert_int_equal(count(text_string(&html), "<img "), 1);
    }
    text_deinit(&md);
}

/* The picture that narrow screens show in place of the other. */
static void test_narrow(void **state) {
    (void)state;
    static char narrow_png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\x90\0\0\1\x90";
    const html_narrow of_loss[] = {{"los", {narrow_png, 24, 0}}, {"loss", {narrow_png, 24, 0}}};
    static const char page[] = "# T\n\n![L](images/loss.png)\n\n![W](images/worst.png)\n";
    text md = {0};
    assert_ok(text_append(&md, page, sizeof page - 1));
    put("loss.png", PNG_HEAD, 24);
    put("worst.png", PNG_HEAD, 24);
    narrow = of_loss;
    narrow_n = 2;
    document(&md);
    narrow_n = 0;
    assert_has("<picture><source media=\"(max-width:700px)\" width=\"400\" height=\"400\" "
               "srcset=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAZAAAAGQ\"><img id=\"loss\" width=\"800\" "
               "height=\"400\" "
               "alt=\"L\" src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAyAAAAGQ\"></picture>");
    assert_has("<div class=\"wide\" tabindex=\"0\"><img id=\"worst\"");
    assert_int_equal(count(text_string(&html), "<picture>"), 1);
    text_deinit(&md);
}

static void test_document(void **state) {
    (void)state;
    static const char page[] = "# A & B\n\n**done**\n\n## Loss\n\nx\n\n## Epochs\n\n| a |\n|---:|\n| 1 |\n";
    text md = {0};
    assert_ok(text_append(&md, page, sizeof page - 1));
    document(&md);
    assert_has("<!DOCTYPE html>\n<html lang=\"en\">");
    assert_has("<meta charset=\"utf-8\">");
    assert_has("default-src 'none'; img-src data:; style-src 'unsafe-inline'");
    assert_has("<title>A &amp; B</title>");
    assert_has("<h1>A &amp; B</h1>\n<nav>\n<a href=\"#s1\">Loss</a>\n<a href=\"#s2\">Epochs</a>\n</nav>");
    assert_has("<h2 id=\"s1\">Loss</h2>");
    assert_has("<h2 id=\"s2\">Epochs</h2>\n<div class=\"wide\" tabindex=\"0\"><table>");
    assert_has("<td align=\"right\">1</td>");
    assert_has("</table></div>");
    assert_has("prefers-color-scheme:dark");
    assert_int_equal(count(text_string(&html), "url("), 0);
    assert_int_equal(count(text_string(&html), "@import"), 0);
    assert_int_equal(count(text_string(&html), "http:"), 0);
    assert_int_equal(count(text_string(&html), "https:"), 0);
    text_deinit(&md);
    assert_has("</body>\n</html>\n");
    document(&md); /* an empty page */
    assert_has("<title></title>");
}

static int tear_down(void **state) {
    text_deinit(&html);
    return root_tear_down(state);
}

int main(void) {
    if (html_unavailable() != NULL) {
        printf("skipped: %s\n", html_unavailable());
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_escaping), cmocka_unit_test(test_own_html),
                                       cmocka_unit_test(test_picture), cmocka_unit_test(test_narrow),
                                       cmocka_unit_test(test_document)};
    return cmocka_run_group_tests(tests, root_set_up, tear_down);
}
