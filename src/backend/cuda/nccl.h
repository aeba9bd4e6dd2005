/** NCCL, loaded at run time: libnccl.so.2 is opened once and its functions are stored in one table. Internal to
 *  src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_NCCL_H
#define LINNET_BACKEND_CUDA_NCCL_H

#include <nccl.h>

/** X(member, symbol, parameters): the functions that return an ncclResult_t. */
#define NCCL_LIST(X)                                                                                                   \
    X(version, "ncclGetVersion", (int *version))                                                                       \
    X(unique_id, "ncclGetUniqueId", (ncclUniqueId * out))                                                              \
    X(join, "ncclCommInitRankConfig", (ncclComm_t * out, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config))  \
    X(leave, "ncclCommDestroy", (ncclComm_t group))                                                                    \
    X(abort, "ncclCommAbort", (ncclComm_t group))                                                                      \
    X(state, "ncclCommGetAsyncError", (ncclComm_t group, ncclResult_t * state))                                        \
    X(all_reduce, "ncclAllReduce",                                                                                     \
      (const void *in, void *out, size_t n, ncclDataType_t type, ncclRedOp_t operation, ncclComm_t group,              \
       cudaStream_t stream))

typedef struct nccl_library {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): declares */
#define NCCL_MEMBER(member, symbol, parameters) ncclResult_t(*member) parameters;
    NCCL_LIST(NCCL_MEMBER)
#undef NCCL_MEMBER
    const char *(*error_string)(ncclResult_t result); /* ncclGetErrorString */
    const char *(*last_error)(ncclComm_t group);      /* ncclGetLastError; the group may be NULL */
    int version_number;                               /* 22809 for 2.28.9 */
    const char *file;                                 /* path of the loaded library */
} nccl_library;

/** Returns the table, which all callers share and which is never closed. $LINNET_NCCL overrides the path of the
 *  library. @return 0, E_DEVICE (the message says where it was searched and what to do) */
int nccl_open(const nccl_library **out);

/** Sets the one-line message "what: symbol: NCCL's text". @return E_DEVICE */
int nccl_failed(const nccl_library *n, ncclResult_t error, const char *member, const char *what);

/** Calls n->member(...) and turns its error into a status. `what`: the current operation, for the message.
 *  ncclInProgress (a nonblocking call continues in the background) is not an error. */
#define NCCL(n, what, member, ...) nccl_check(n, (n)->member(__VA_ARGS__), #member, what)

static inline int nccl_check(const nccl_library *n, ncclResult_t error, const char *member, const char *what) {
    return error == ncclSuccess || error == ncclInProgress ? 0 : nccl_failed(n, error, member, what);
}

#endif
