/** Sends the records of a run (records.h) to an MLflow server, by a thread of its own of the lowest priority. A
 * training only appends them to a file, LOGS/mlflow.spool, so it never waits for the server. The thread sends what is
 * new every MLFLOW_SEND_SECONDS; after a failure it tries again after 1 s, 2 s ... up to MLFLOW_RETRY_SECONDS. What was
 * not delivered when a process ends remains in the file, and the next mlflow_open continues there. LOGS/mlflow.json has
 * the ids of experiment and run and the position in the file. Neither file contains a password or token. */
#ifndef LINNET_TRACKING_MLFLOW_H
#define LINNET_TRACKING_MLFLOW_H

#include <jansson.h>
#include <stdbool.h>

enum { MLFLOW_SEND_SECONDS = 5, MLFLOW_RETRY_SECONDS = 60 };

typedef struct mlflow mlflow;

/** The address that an option means: itself, or with "env" that of MLFLOW_TRACKING_URI. *out is borrowed from the
 * option or the environment. @return 0, E_OPTION (no address, not http or https, or with a password in it),
 * E_UNSUPPORTED (built without libcurl) */
int mlflow_address(const char **out, const char *option);

/** Whether an address is that of MLFLOW_TRACKING_URI. */
bool mlflow_is_env(const char *uri);

/** Opens the files of a log folder and starts the thread. uri: NULL: that of the previous process, to which token and
 *  password are sent only if mlflow_is_env; a line says so otherwise.
 *  @return 0, E_IO, E_FULL, E_FORMAT, E_NOTFOUND (uri NULL, and there is none), E_NOMEM, E_DEVICE, E_UNSUPPORTED */
int mlflow_open(mlflow **out, const char *logs, const char *uri);
/** Whether the log folder has no run yet: neither on the server nor in the file. */
bool mlflow_is_new(const mlflow *m);

/* m NULL: the functions do nothing. */

/** Appends a record, which it takes over (NULL: out of memory). If that fails, it warns the first time. */
void mlflow_put(mlflow *m, json_t *record);
/** Collects a value for mlflow_row. */
void mlflow_metric(mlflow *m, const char *name, double value);
/** Appends the collected values as one record. */
void mlflow_row(mlflow *m, long long step);

/** Waits until everything is delivered, at most `seconds`, and ends the thread. The file is removed if nothing is left;
 *  otherwise *why (may be NULL) is the last error: of static duration until the next call of this function.
 *  *skipped (may be NULL): number of records that the server refused.
 *  @return number of records that were not delivered: they remain in the file */
long long mlflow_close(mlflow *m, double seconds, const char **why, long long *skipped);

#endif
