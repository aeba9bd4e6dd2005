/* What a resume does with metrics.csv and the journal: the input is the file. The first byte selects the last step.
 * After the trim there are only complete rows of steps up to it, and a second trim changes nothing. */
#include "logging/csv.h"
#include "logging/journal.h"
#include "scratch.h"

static void read_back(unsigned char **out, size_t *n, const char *path) {
    if (file_read(out, n, path, 0) != OK || (*n > 0 && (*out)[*n - 1] != '\n'))
        abort();
}

static void trim(int64_t last_step) {
    char path[PATH_BYTES];
    unsigned char *once = NULL, *twice = NULL;
    size_t once_n = 0, twice_n = 0;
    scratch_path(path, "metrics.csv");
    int rc = csv_trim(path, last_step, true, "val_loss");
    if (rc != OK && rc != E_FORMAT)
        abort();
    if (rc != OK)
        return;
    read_back(&once, &once_n, path);
    if (csv_trim(path, last_step, true, NULL) != OK)
        abort();
    read_back(&twice, &twice_n, path);
    if (once_n != twice_n || memcmp(once, twice, once_n) != 0)
        abort();
    free(once);
    free(twice);
}

static void append(void) {
    static const char *const column[] = {"val_loss", "train_loss"};
    const double value[] = {0.5, 1};
    char path[PATH_BYTES];
    csv *c = NULL;
    int rc = csv_open(&c, scratch_path(path, "metrics.csv"), column, 2);
    if (rc != OK && rc != E_FORMAT)
        abort();
    if (rc == OK && (csv_row(c, 1, 2, value, "\1\0") != OK || csv_close(c) != OK))
        abort();
}

static void append_journal(void) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    journal *j = NULL;
    if (journal_open(&j, scratch_path(path, "journal.log")) != OK || journal_line(j, 0, 0, "stop", "a\tb\nc") != OK ||
        journal_close(j) != OK)
        abort();
    read_back(&bytes, &n, path);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (n == 0)
        return 0;
    scratch_write("metrics.csv", bytes + 1, n - 1);
    scratch_write("journal.log", bytes + 1, n - 1);
    trim(bytes[0] % 32);
    append();
    append_journal();
    scratch_empty(scratch()); /* also the rows that were moved aside */
    return 0;
}
