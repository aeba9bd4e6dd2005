/** Errors: an int status (0 or a negative code) and a thread-local message with the file, what was expected and what to
 *  do.
 *
 *      TRY(file_read(&bytes, &bytes_n, path));
 *      if (bytes_n < 8) { rc = fail(E_FORMAT, "%s: %zu bytes, a header needs 8", path, bytes_n); goto done; }
 *
 *  TRY jumps to the function's one cleanup label, `done:`, with the code in its `int rc`. */
#ifndef LINNET_BASE_STATUS_H
#define LINNET_BASE_STATUS_H

#define STATUS_LIST(X)                                                                                                 \
    X(E_NOMEM, -1, "out of memory")                                                                                    \
    X(E_IO, -2, "I/O error")                                                                                           \
    X(E_FULL, -3, "no space left")                                                                                     \
    X(E_FORMAT, -4, "malformed file")                                                                                  \
    X(E_DATA, -5, "unusable dataset")                                                                                  \
    X(E_OPTION, -6, "invalid option")                                                                                  \
    X(E_SHAPE, -7, "shapes do not match")                                                                              \
    X(E_DEVICE, -8, "device failed")                                                                                   \
    X(E_UNSUPPORTED, -9, "not supported here")                                                                         \
    X(E_NONFINITE, -10, "value is not finite")                                                                         \
    X(E_LOCKED, -11, "in use by another process")                                                                      \
    X(E_STOPPED, -12, "stopped by a signal")                                                                           \
    X(E_NOTFOUND, -13, "not found")                                                                                    \
    X(E_RANK, -14, "another rank failed")

enum status_code {
    OK = 0,
#define STATUS_ENUM(name, value, text) name = (value),
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
};

/** Sets this thread's message; the value is `code`, for use as `return fail(...)`. It is a macro so that compilers
 *  and static analysers see which code is returned. */
#define fail(code, ...) (status_set(__VA_ARGS__), status_pass(code))

/** Prepends "context: " to this thread's message; the value is `code`. */
#define fail_context(code, ...) (status_prefix(__VA_ARGS__), status_pass(code))

static inline int status_pass(int code) { return code; } /* a function call, so that callers may ignore its value */
void status_set(const char *format, ...) __attribute__((format(printf, 1, 2)));
void status_prefix(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** fail() for a failed system call: E_FULL for ENOSPC and EDQUOT, E_NOTFOUND for ENOENT, E_NOMEM for
 *  ENOMEM, else E_IO; ": strerror" is appended. `error` is the errno value. */
int fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** This thread's last message; never NULL. Valid until the thread's next fail(). */
const char *status_message(void);

#define STATUS_BYTES 1024 /* maximum length of a message, with the terminator */

/** An error saved while other calls may set messages, or passed to another thread. {0}: no error, code OK. */
typedef struct status_saved {
    int code;
    char message[STATUS_BYTES];
} status_saved;

/** Saves `code` and this thread's message. */
void status_save(status_saved *out, int code);
/** Restores the saved message as this thread's message. @return the saved code */
int status_restore(const status_saved *saved);

/** The general description of a code ("malformed file"). */
const char *status_text(int code);

#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        rc = (expression);                                                                                             \
        if (rc != OK)                                                                                                  \
            goto done;                                                                                                 \
    } while (0)

#endif
