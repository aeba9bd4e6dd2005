/** journal.log: the events of a run and their reasons, one line per event, in chronological order. Entries are never
 *  removed: steps that a resumed run repeats are logged again, after its "resume" line.
 *
 *      2026-11-23T23:52:56Z<TAB>epoch<TAB>step<TAB>kind<TAB>text      (UTC; epoch counts from 1, step from 0) */
#ifndef LINNET_LOGGING_JOURNAL_H
#define LINNET_LOGGING_JOURNAL_H

#include <stdint.h>

typedef struct journal journal;

/** Opens for appending; an incomplete last line gets a line end. @return 0, E_IO, E_FULL, E_NOMEM */
int journal_open(journal **out, const char *path);
int journal_close(journal *j);

/** Writes one entry immediately (no buffering). Tabs and line ends in the text become spaces.
 *  @param epoch from 0, in progress; @param kind start, resume, lr_finder, lr, size, best, saved, requeued, evicted,
 *  disk_full, skipped, bad_image, stop, error, end
 *  @return 0, E_IO, E_FULL (the line is then not written, not even partly), E_NOMEM */
int journal_line(journal *j, int64_t epoch, int64_t step, const char *kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** "2026-11-23T23:52:56Z" of seconds since 1970 into 24 bytes, returned for use in printf. */
const char *journal_time(char out[24], double wall);

#endif
