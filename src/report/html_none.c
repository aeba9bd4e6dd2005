/* The functions of html.h that need cmark-gfm, in a build without it. */
#include "report/html.h"

#include "base/status.h"

const char *html_unavailable(void) {
    return "this build has no cmark-gfm: install libcmark-gfm-dev and libcmark-gfm-extensions-dev, and rebuild";
}

int html_body(text *out, const char *markdown, size_t n) {
    (void)out, (void)markdown, (void)n;
    return fail(E_UNSUPPORTED, "cannot write HTML: %s", html_unavailable());
}
