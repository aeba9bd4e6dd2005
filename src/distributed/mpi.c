/* MPI as a transport: nonblocking collectives, one communicator a channel. A shared object of its own, so that the
 * program starts where there is no MPI. MPI 3.1: MPI_Iallreduce and its like; called by one thread alone
 * (MPI_THREAD_FUNNELED). MPI has no 16-bit floats: their sums are operations of ours over 16-bit integers. */
#define _POSIX_C_SOURCE 200112L
#include "distributed/half.h"
#include "distributed/transport.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = COMM_CHANNELS, COMMUNICATORS, NOTE_TAG = 1 };

typedef struct mpi_state {
    MPI_Comm communicator[COMMUNICATORS];
    MPI_Op add_bf16, add_f16;
} mpi_state;

static mpi_state state;
static char message[MPI_MAX_ERROR_STRING];

static const char *said(int code) {
    int n = 0;
    if (code == MPI_SUCCESS)
        return NULL;
    if (MPI_Error_string(code, message, &n) != MPI_SUCCESS)
        return "MPI failed";
    return message;
}

static MPI_Datatype type_of(comm_type t) {
    switch (t) {
    case COMM_F32: return MPI_FLOAT;
    case COMM_F64: return MPI_DOUBLE;
    case COMM_I64: return MPI_INT64_T;
    case COMM_BF16:
    case COMM_F16: return MPI_UINT16_T;
    default: return MPI_BYTE;
    }
}

static MPI_Op sum_of(comm_type t) { return t == COMM_BF16 ? state.add_bf16 : t == COMM_F16 ? state.add_f16 : MPI_SUM; }

/* MPI says what they take. */
/* NOLINTBEGIN(readability-non-const-parameter) */
static void add_bf16(void *in, void *sum, int *n, MPI_Datatype *type) {
    (void)type;
    half_add(sum, in, (size_t)*n, COMM_BF16);
}

static void add_f16(void *in, void *sum, int *n, MPI_Datatype *type) {
    (void)type;
    half_add(sum, in, (size_t)*n, COMM_F16);
}
/* NOLINTEND(readability-non-const-parameter) */

static const char *mpi_start(transport *t, comm_call *call) {
    MPI_Comm c = state.communicator[call->channel];
    MPI_Datatype type = type_of(call->type);
    MPI_Request *r = malloc(sizeof *r);
    int n = (int)call->n, rc = MPI_SUCCESS;
    if (r == NULL || call->n > INT_MAX) {
        free(r);
        return r == NULL ? "out of memory" : "more elements than an MPI call accepts (int)";
    }
    switch (call->kind) {
    case COMM_MEAN:
    case COMM_SUM: rc = MPI_Iallreduce(MPI_IN_PLACE, call->data, n, type, sum_of(call->type), c, r); break;
    case COMM_MAX: rc = MPI_Iallreduce(MPI_IN_PLACE, call->data, n, type, MPI_MAX, c, r); break;
    case COMM_BROADCAST: rc = MPI_Ibcast(call->data, n, type, 0, c, r); break;
    case COMM_GATHER: rc = MPI_Iallgather(MPI_IN_PLACE, 0, type, call->data, n, type, c, r); break;
    }
    (void)t;
    if (rc != MPI_SUCCESS) {
        free(r);
        return said(rc);
    }
    call->handle = r;
    return NULL;
}

static const char *mpi_test(bool *done, transport *t, comm_call *call) {
    int flag = 0, rc = MPI_Test(call->handle, &flag, MPI_STATUS_IGNORE);
    (void)t;
    *done = flag != 0 || rc != MPI_SUCCESS;
    if (*done) {
        free(call->handle);
        call->handle = NULL;
    }
    return said(rc);
}

/** Short messages leave at once; the request is not waited for, as the other side may be gone. */
static const char *mpi_send(transport *t, int to, const char note[TRANSPORT_NOTE]) {
    char *copy = malloc(TRANSPORT_NOTE); /* stays until the process ends: nobody knows when it was read */
    MPI_Request r;
    (void)t;
    if (copy == NULL)
        return "out of memory";
    memcpy(copy, note, TRANSPORT_NOTE);
    /* NOLINTBEGIN(clang-analyzer-*) */
    int rc = MPI_Isend(copy, TRANSPORT_NOTE, MPI_BYTE, to, NOTE_TAG, state.communicator[NOTES], &r);
    if (rc == MPI_SUCCESS)
        rc = MPI_Request_free(&r);
    return said(rc);
    /* NOLINTEND(clang-analyzer-*) */
}

static const char *mpi_receive(int *from, transport *t, char note[TRANSPORT_NOTE]) {
    int flag = 0;
    MPI_Status s;
    (void)t;
    *from = -1;
    int rc = MPI_Iprobe(MPI_ANY_SOURCE, NOTE_TAG, state.communicator[NOTES], &flag, &s);
    if (rc != MPI_SUCCESS || !flag)
        return said(rc);
    rc = MPI_Recv(note, TRANSPORT_NOTE, MPI_BYTE, s.MPI_SOURCE, NOTE_TAG, state.communicator[NOTES], &s);
    if (rc == MPI_SUCCESS)
        *from = s.MPI_SOURCE;
    return said(rc);
}

static void mpi_close(transport *t, bool in_order) {
    (void)t;
    if (!in_order)
        return;
    for (int i = 0; i < COMMUNICATORS; i++)
        MPI_Comm_free(&state.communicator[i]);
    MPI_Op_free(&state.add_bf16);
    MPI_Op_free(&state.add_f16);
    MPI_Finalize();
}

/** Rank and number on this host. */
static int find_local(transport *t) {
    MPI_Comm local;
    int rc = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_rank(local, &t->local_rank);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_size(local, &t->local_ranks);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_free(&local);
    return rc;
}

const char *linnet_transport_open(transport *t);

const char *linnet_transport_open(transport *t) {
    /* Left to itself Open MPI 4 and 5 reduce to one rank and broadcast where the sum is made in place: twice the time
     * of a link at 2 ranks, 2 log2 n times at n. This is Rabenseifner's, 2 (n - 1) / n times. */
    setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "3", 0);
    int given = 0, rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (rc == MPI_SUCCESS && given < MPI_THREAD_FUNNELED)
        return "this MPI was built without thread support";
    for (int i = 0; rc == MPI_SUCCESS && i < COMMUNICATORS; i++)
        rc = MPI_Comm_dup(MPI_COMM_WORLD, &state.communicator[i]);
    if (rc == MPI_SUCCESS)
        rc = MPI_Op_create(add_bf16, 1, &state.add_bf16);
    if (rc == MPI_SUCCESS)
        rc = MPI_Op_create(add_f16, 1, &state.add_f16);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_rank(MPI_COMM_WORLD, &t->rank);
    if (rc == MPI_SUCCESS)
        rc = MPI_Comm_size(MPI_COMM_WORLD, &t->ranks);
    if (rc == MPI_SUCCESS)
        rc = find_local(t);
    t->start = mpi_start;
    t->test = mpi_test;
    t->send = mpi_send;
    t->receive = mpi_receive;
    t->close = mpi_close;
    return said(rc);
}
