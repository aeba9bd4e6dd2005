#include "check.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>

static void test_fail(void **state) {
    (void)state;
    assert_int_equal(fail(E_IO, "cannot read %s: %d", "a", 5), E_IO);
    assert_string_equal(status_message(), "cannot read a: 5");
    assert_int_equal(fail_context(E_IO, "while %s", "loading"), E_IO);
    assert_string_equal(status_message(), "while loading: cannot read a: 5");
    assert_int_equal(fail(E_DATA, "again: %s", status_message()), E_DATA); /* the argument is the message itself */
    assert_string_equal(status_message(), "again: while loading: cannot read a: 5");
}

static void test_errno(void **state) {
    (void)state;
    static const int error[] = {ENOSPC, EDQUOT, ENOENT, ENOMEM, EACCES, EIO};
    static const int code[] = {E_FULL, E_FULL, E_NOTFOUND, E_NOMEM, E_IO, E_IO};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(fail_errno(error[i], "cannot write %s", "x"), code[i]);
        assert_non_null(strstr(status_message(), "cannot write x: "));
        assert_non_null(strstr(status_message(), strerror(error[i])));
    }
}

/** A saved error is unaffected by later messages and may be restored in another thread. */
static void *restore_in_thread(void *argument) {
    const status_saved *saved = argument;
    int code = status_restore(saved);
    return code == E_FULL && strcmp(status_message(), saved->message) == 0 ? NULL : (void *)1;
}

static void test_save_and_restore(void **state) {
    (void)state;
    static char longest[STATUS_BYTES];
    status_saved saved;
    pthread_t t;
    void *result = NULL;
    memset(longest, 'x', sizeof longest - 1);
    status_save(&saved, fail(E_FULL, "%s", longest));
    assert_int_equal(saved.code, E_FULL);
    fail(E_IO, "while cleaning up");
    assert_int_equal(status_restore(&saved), E_FULL);
    assert_string_equal(status_message(), longest);
    assert_string_equal(saved.message, longest);
    assert_int_equal(pthread_create(&t, NULL, restore_in_thread, &saved), 0);
    assert_int_equal(pthread_join(t, &result), 0);
    assert_null(result);
}

static void test_long_messages(void **state) {
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    fail(E_IO, "%s", text);
    size_t n = strlen(status_message());
    assert_in_range(n, 500, 4000);
    fail_context(E_IO, "%s", text);
    assert_in_range(strlen(status_message()), 500, 4000);
    fail_errno(EIO, "%s", text);
    assert_non_null(strstr(status_message(), strerror(EIO))); /* a long path does not displace the cause */
}

static void test_texts(void **state) {
    (void)state;
    for (int code = 0; code >= E_NOTFOUND; code--)
        assert_string_not_equal(status_text(code), "unknown status");
    assert_string_equal(status_text(-99), "unknown status");
}

static void *other_thread(void *argument) {
    (void)argument;
    const char *at_first = status_message();
    int same = strcmp(at_first, "no error") == 0;
    fail(E_IO, "of the other");
    return same ? NULL : (void *)1;
}

static void test_message_is_the_threads_own(void **state) {
    (void)state;
    pthread_t t;
    void *result = NULL;
    fail(E_IO, "mine");
    assert_int_equal(pthread_create(&t, NULL, other_thread, NULL), 0);
    assert_int_equal(pthread_join(t, &result), 0);
    assert_null(result);
    assert_string_equal(status_message(), "mine");
}

static int cleanup_runs;

static int try_twice(int first, int second) {
    int rc = OK;
    TRY(first);
    TRY(second);
done:
    cleanup_runs++;
    return rc;
}

static void test_try(void **state) {
    (void)state;
    assert_int_equal(try_twice(0, 0), 0);
    assert_int_equal(try_twice(E_IO, 0), E_IO);
    assert_int_equal(try_twice(0, E_FULL), E_FULL);
    assert_int_equal(cleanup_runs, 3);
}

static char last_line[64];
static log_level last_level;

static void keep_line(void *context, log_level level, const char *line) {
    (*(int *)context)++;
    last_level = level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void test_log(void **state) {
    (void)state;
    int lines = 0;
    log_info("dropped: no sink yet");
    log_set_sink(keep_line, &lines);
    log_warn("%d bad", 3);
    assert_int_equal(lines, 1);
    assert_int_equal(last_level, LOG_WARN);
    assert_string_equal(last_line, "3 bad");
    log_warn("%d bad", 3);
    assert_int_equal(lines, 2);
    log_set_sink(NULL, NULL);
    log_warn("dropped");
    assert_int_equal(lines, 2);
}

static void test_log_once(void **state) {
    (void)state;
    int lines = 0;
    for (int i = 0; i < 2; i++) {
        log_set_sink(keep_line, &lines);
        log_once(LOG_WARN, "%d images", 3);
        log_once(LOG_WARN, "%d images", 4);
        log_once(LOG_WARN, "%d images", 3);
        assert_int_equal(lines, 2 + 2 * i); /* each sink has its own */
        assert_string_equal(last_line, "4 images");
    }
    for (int i = 0; i < 1000; i++)
        log_once(LOG_INFO, "line %d", i);
    assert_int_equal(lines, 1004); /* none is lost, however many there are */
    assert_int_equal(last_level, LOG_INFO);
    log_set_sink(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_try),
        cmocka_unit_test(test_message_is_the_threads_own),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_once),
        cmocka_unit_test(test_save_and_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
