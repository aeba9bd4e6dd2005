/* MPI as a transport: nonblocking collectives with one communicator per channel. It is a separate shared object, so
 * that the program also starts without MPI. It needs MPI 3.1 (MPI_Iallreduce and others), called by one thread only
 * (MPI_THREAD_FUNNELED). MPI has no 16-bit floats, so their sums are user-defined operations on 16-bit integers. */
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
    MPI_Request *notes; /* (notes_n) of messages that mpi_send sends; requests and texts are never freed */
    int notes_n;
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

/* MPI defines the parameter types. */
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
        return r == NULL ? "out of memory" : "more than INT_MAX elements in one MPI call";
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

/** Sends a short message in synchronous mode: the request completes when the receiver has read the message. It may
 * never complete, because the receiver may have ended. */
static const char *mpi_send(transport *t, int to, const char note[TRANSPORT_NOTE]) {
    char *copy = malloc(TRANSPORT_NOTE);
    if (state.notes == NULL)
        state.notes = malloc((size_t)t->ranks * sizeof *state.notes);
    if (copy == NULL || state.notes == NULL || state.notes_n == t->ranks) {
        free(copy);
        return "out of memory";
    }
    memcpy(copy, note, TRANSPORT_NOTE);
    /* NOLINTBEGIN(clang-analyzer-*) */
    int rc = MPI_Issend(copy, TRANSPORT_NOTE, MPI_BYTE, to, NOTE_TAG, state.communicator[NOTES],
                        &state.notes[state.notes_n]);
    state.notes_n += rc == MPI_SUCCESS;
    return said(rc);
    /* NOLINTEND(clang-analyzer-*) */
}

static bool mpi_sent(transport *t) {
    int all = 0;
    (void)t;
    return MPI_Testall(state.notes_n, state.notes, &all, MPI_STATUSES_IGNORE) != MPI_SUCCESS || all;
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

/** Sets the local rank and the number of ranks on this host. */
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
    /* By default Open MPI 4 and 5 implement an in-place all-reduce as reduce and broadcast. That takes 2 times the
     * transfer time of the data over a link with 2 ranks, and 2 log2 n times with n. This selects Rabenseifner's
     * algorithm, with 2 (n - 1) / n times. */
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
    t->sent = mpi_sent;
    t->receive = mpi_receive;
    t->close = mpi_close;
    return said(rc);
}
