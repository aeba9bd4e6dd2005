/* TensorBoard event files: the input is used as a file, as an event inside a valid record, and as data that must be
 * unchanged after a round trip through a record. A resume trims the file: no later step may remain, and a second trim
 * must change nothing. */
#define _GNU_SOURCE
#include "logging/tensorboard.h"
#include "logging/tfrecord.h"
#include "scratch.h"

#define EVENTS "events.out.tfevents.1.a.1.1"
#define LAST_STEP 5

static void see(void *context, int64_t step, const char *tag, double value) {
    (void)step;
    (void)value;
    *(size_t *)context += strlen(tag);
}

static void read_file(const void *bytes, size_t n, const uint8_t *expected, size_t expected_n) {
    tfrecord_reader r;
    tb_event_view event;
    bool found = true;
    size_t tags = 0;
    FILE *file = fmemopen((void *)(uintptr_t)bytes, n, "rb");
    if (file == NULL)
        return;
    tfrecord_open(&r, file, n);
    while (tfrecord_next(&r, &found) == OK && found) {
        if (expected != NULL && (r.n != expected_n || memcmp(r.data, expected, r.n) != 0))
            abort();
        (void)tb_event_decode(&event, r.data, r.n, see, &tags);
        if (r.good > n)
            abort();
    }
    tfrecord_close(&r);
    fclose(file);
}

/** Every record is an event of a step that is kept. */
static void check_steps(unsigned char *bytes, size_t n) {
    tfrecord_reader r;
    tb_event_view event;
    bool found = true;
    FILE *file = fmemopen(bytes, n, "rb");
    if (file == NULL)
        abort();
    tfrecord_open(&r, file, n);
    while (tfrecord_next(&r, &found) == OK && found)
        if (tb_event_decode(&event, r.data, r.n, NULL, NULL) != OK || (!event.version && event.step > LAST_STEP))
            abort();
    if (!r.foreign && r.good != n)
        abort();
    tfrecord_close(&r);
    fclose(file);
}

static void trim(const void *bytes, size_t n) {
    char path[PATH_BYTES];
    unsigned char *once = NULL, *twice = NULL;
    size_t once_n = 0, twice_n = 0;
    scratch_write(EVENTS, bytes, n);
    scratch_path(path, EVENTS);
    if (tb_events_trim(scratch(), LAST_STEP) != OK || file_read(&once, &once_n, path, 0) != OK || once_n > n)
        abort();
    if (once_n > 0 && once_n < n)
        check_steps(once, once_n);
    (void)tb_events_read(path, see, &(size_t){0});
    if (tb_events_trim(scratch(), LAST_STEP) != OK || file_read(&twice, &twice_n, path, 0) != OK || once_n != twice_n ||
        memcmp(once, twice, once_n) != 0)
        abort();
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    text record = {0};
    tb_event_view event;
    size_t tags = 0;
    if (n > 0)
        read_file(bytes, n, NULL, 0);
    (void)tb_event_decode(&event, bytes, n, see, &tags);
    if (tfrecord_put(&record, bytes, n) == OK)
        read_file(record.data, record.n, bytes, n);
    trim(bytes, n);
    trim(record.data, record.n);
    text_deinit(&record);
    return 0;
}
