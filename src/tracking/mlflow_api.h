/** The calls of MLflow's REST API 2.0 that a run needs. One thread at a time. */
#ifndef LINNET_TRACKING_MLFLOW_API_H
#define LINNET_TRACKING_MLFLOW_API_H

#include "base/file.h"
#include "base/json.h"

#include <stdbool.h>

enum { MLFLOW_ID = 65, MLFLOW_REQUEST_SECONDS = 30 };

/** A run on the server. */
typedef struct mlflow_run {
    char id[MLFLOW_ID], experiment[MLFLOW_ID]; /* "": not created yet */
    char artifacts[PATH_BYTES];                /* artifact_uri; "": unknown */
} mlflow_run;

typedef struct mlflow_api mlflow_api;

/** Reads a run's ids and "artifact_uri" (without control characters) from an object. @return false, with *out empty:
 *  no ids of MLflow: letters, digits, '-' and '_' */
bool mlflow_run_read(mlflow_run *out, const json_t *info);

/** Token, user, password and certificates are those of MLFLOW_TRACKING_TOKEN, _USERNAME, _PASSWORD, _SERVER_CERT_PATH
 * and _INSECURE_TLS. trusted false: neither token, user, password nor ~/.netrc is used. uri: without '/' at its end.
 * stop: asked at least once per second; true ends a request.
 *  @return 0, E_NOMEM, E_IO (the address is too long), E_UNSUPPORTED (built without libcurl) */
int mlflow_api_open(mlflow_api **out, const char *uri, bool trusted, bool (*stop)(void *context), void *context);
void mlflow_api_close(mlflow_api *a);

/* All calls: @return 0; E_DATA: the server refuses the data (status 400 or 413), so trying again is useless; E_IO: no
 * useful answer, to be tried again; E_STOPPED; E_NOMEM. E_NOTFOUND, of mlflow_api_batch, _pairs and
 * _status: the server does not have the run (status 404). The message has the server's reason. */

/** Creates the run of a "run" record (records.h), and its experiment if necessary. A run with the record's key, which
 * an earlier request may have created whose answer was lost, is used. With "run_id" in the record that run is
 * continued.
 */
int mlflow_api_create(mlflow_run *out, mlflow_api *a, const json_t *record);
/** Sends `list`, an array, as the member `kind` ("metrics", "params", "tags") of a batch. */
int mlflow_api_batch(mlflow_api *a, const char *run_id, const char *kind, json_t *list);
/** Sends the members of an object as params or tags, in batches. */
int mlflow_api_pairs(mlflow_api *a, const char *run_id, const char *kind, const json_t *pairs);
int mlflow_api_status(mlflow_api *a, const char *run_id, const json_t *record);
/** Whether files can be uploaded: the server stores artefacts itself. */
bool mlflow_api_takes_files(const mlflow_run *r);
/** Uploads a file. E_NOTFOUND: there is no such file. E_DATA: every status 4xx except 401, 408 and 429. */
int mlflow_api_upload(mlflow_api *a, const mlflow_run *r, const char *path, const char *name);

#endif
