/* Converts the Markdown of a page with cmark-gfm. */
#include "report/html.h"

#include "base/status.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

const char *html_unavailable(void) { return NULL; }

/* cmark's own allocator ends the program when memory is exhausted. This one jumps back to convert(), and release()
 * frees what cmark had. */
typedef struct block {
    struct block *next, *previous;
    size_t n;
    alignas(max_align_t) unsigned char bytes[];
} block;

static _Thread_local struct {
    block list; /* head of a ring */
    jmp_buf exhausted;
} pool;

static block *block_of(void *bytes) { return (block *)((unsigned char *)bytes - offsetof(block, bytes)); }

static void unlink_block(block *b) {
    b->previous->next = b->next;
    b->next->previous = b->previous;
}

static void *link_block(block *b, size_t n) {
    if (b == NULL)
        longjmp(pool.exhausted, 1);
    b->n = n;
    b->next = pool.list.next;
    b->previous = &pool.list;
    b->next->previous = b;
    pool.list.next = b;
    return b->bytes;
}

static void *pool_calloc(size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n) || n > SIZE_MAX - sizeof(block))
        longjmp(pool.exhausted, 1);
    return link_block(calloc(1, sizeof(block) + n), n);
}

static void pool_free(void *bytes) {
    if (bytes == NULL)
        return;
    unlink_block(block_of(bytes));
    free(block_of(bytes));
}

static void *pool_realloc(void *bytes, size_t n) {
    if (bytes == NULL)
        return pool_calloc(1, n);
    void *larger = pool_calloc(1, n);
    size_t old = block_of(bytes)->n;
    memcpy(larger, bytes, old < n ? old : n);
    pool_free(bytes);
    return larger;
}

static cmark_mem pool_memory = {pool_calloc, pool_realloc, pool_free};

static void release(void) {
    for (block *b = pool.list.next, *next; b != &pool.list; b = next) {
        next = b->next;
        free(b);
    }
}

/* Whether a block of HTML is one of the two that a report contains. */
static bool is_details(const char *html) {
    static const char open[] = "<details><summary>", close[] = "</summary>\n";
    size_t n = strlen(html), open_n = sizeof open - 1, close_n = sizeof close - 1;
    if (strcmp(html, "</details>\n") == 0)
        return true;
    return n > open_n + close_n && strncmp(html, open, open_n) == 0 && strcmp(html + n - close_n, close) == 0 &&
           memchr(html + open_n, '<', n - open_n - close_n) == NULL;
}

/* The renderer omits HTML. The <details> are kept: as custom blocks, which it writes as they are. */
static void keep_details(cmark_node *root) {
    cmark_iter *i = cmark_iter_new(root);
    while (cmark_iter_next(i) != CMARK_EVENT_DONE) {
        cmark_node *node = cmark_iter_get_node(i);
        if (cmark_node_get_type(node) != CMARK_NODE_HTML_BLOCK || !is_details(cmark_node_get_literal(node)))
            continue;
        cmark_node *kept = cmark_node_new_with_mem(CMARK_NODE_CUSTOM_BLOCK, &pool_memory);
        cmark_node_set_on_enter(kept, cmark_node_get_literal(node));
        cmark_node_insert_before(node, kept);
        cmark_node_free(node);
    }
    cmark_iter_free(i);
}

static int convert(const char **html, const char *markdown, size_t n) {
    if (setjmp(pool.exhausted) != 0)
        return fail(E_NOMEM, "out of memory: cannot convert the report to HTML");
    cmark_parser *parser = cmark_parser_new_with_mem(CMARK_OPT_DEFAULT, &pool_memory);
    cmark_parser_attach_syntax_extension(parser, cmark_find_syntax_extension("table"));
    cmark_parser_feed(parser, markdown, n);
    cmark_node *root = cmark_parser_finish(parser);
    keep_details(root);
    *html =
        cmark_render_html_with_mem(root, CMARK_OPT_DEFAULT, cmark_parser_get_syntax_extensions(parser), &pool_memory);
    return OK;
}

int html_body(text *out, const char *markdown, size_t n) {
    const char *html = NULL;
    int rc = OK;
    cmark_gfm_core_extensions_ensure_registered();
    pool.list.next = pool.list.previous = &pool.list;
    TRY(convert(&html, markdown, n));
    TRY(text_append(out, html, strlen(html)));
done:
    release();
    return rc;
}
