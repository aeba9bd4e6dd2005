/* TensorBoard event files: the input as a file, as the event inside a valid record, and as data that must survive a
 * record unchanged.
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc fuzz/fuzz_events.c src/logging/[a-z]*.c \
 *         src/base/[a-z]*.c -lm -lpthread -o fuzz_events && ./fuzz_events CORPUS */
#include "base/status.h"
#include "logging/record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void see(void *context, int64_t step, const char *tag, double value) {
    (void)step;
    (void)value;
    *(size_t *)context += strlen(tag);
}

static void read_file(const void *bytes, size_t n, const uint8_t *expected, size_t expected_n) {
    record_reader r;
    tb_event_view event;
    bool found = true;
    size_t tags = 0;
    FILE *file = fmemopen((void *)(uintptr_t)bytes, n, "rb");
    if (file == NULL)
        return;
    record_open(&r, file, n);
    while (record_next(&r, &found) == OK && found) {
        if (expected != NULL && (r.n != expected_n || memcmp(r.data, expected, r.n) != 0))
            abort();
        (void)tb_event_decode(&event, r.data, r.n, see, &tags);
        if (r.good > n)
            abort();
    }
    record_close(&r);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    text record = {0};
    tb_event_view event;
    size_t tags = 0;
    if (n > 0)
        read_file(bytes, n, NULL, 0);
    (void)tb_event_decode(&event, bytes, n, see, &tags);
    if (record_put(&record, bytes, n) == OK)
        read_file(record.data, record.n, bytes, n);
    text_deinit(&record);
    return 0;
}
