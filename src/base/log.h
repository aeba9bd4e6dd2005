/** Messages for the user. Nothing below src/cli prints: lines go to the sink that the program has set, and are
 *  dropped if there is none. Thread-safe. */
#ifndef LINNET_BASE_LOG_H
#define LINNET_BASE_LOG_H

typedef enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN } log_level;

typedef void log_sink(void *context, log_level level, const char *line);

/** Sets the sink; `context` is passed on to it. NULL drops all lines. Call before threads start. */
void log_set_sink(log_sink *sink, void *context);

void log_line(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The same, unless an equal line was logged by this function before, to the same sink: for notes about data, which a
 *  command may open more than once. It remembers 256 lines. */
void log_once(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)

#endif
