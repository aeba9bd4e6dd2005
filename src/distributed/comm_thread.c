#define _GNU_SOURCE
#include "distributed/comm_thread.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Times between two polls, in seconds. A poll that took longer than BUSY has transferred data. If the caller waits,
 * the next poll follows at once. Otherwise the core is left to computation, and the next poll follows after REST
 * times as long: then there is more data to transfer per poll. */
#define SHORTEST 20e-6
#define LONGEST 500e-6
#define BUSY 3e-6
#define REST 30
#define IDLE 20e-3  /* the pause while no exchange is active: only notes may arrive */
#define NOTE_WAIT 1 /* at most, in seconds, until the other ranks have read the note of a failure */

enum { POSTED, ACTIVE, ENDED };

typedef struct comm_thread {
    comm comm;
    transport transport;
    transport_open_function *open;
    char host[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work; /* signals the thread: a call is posted, this rank has failed, or the thread must quit */
    pthread_cond_t done; /* signals the caller: a call has ended, or the transport is open */
    bool opened, quit;
    comm_call *posted, **posted_end;
    comm_call *active, **active_end; /* used by the thread only */
    bool noted;                      /* this rank has failed: `note` must be sent to all ranks */
    char note[TRANSPORT_NOTE];
    int failed; /* if not OK, every call fails with this code */
    char message[TRANSPORT_NOTE];
} comm_thread;

/** Records the first failure. The caller holds the lock. */
static void set_failed(comm_thread *t, int code, const char *text) {
    if (t->failed != OK)
        return;
    t->failed = code;
    snprintf(t->message, sizeof t->message, "%s", text);
}

static void end_call(comm_thread *t, comm_call *c) {
    c->rc = t->failed;
    c->seconds = clock_seconds() - c->seconds;
    c->state = ENDED;
}

/** Ends all calls with the failure, because their exchanges cannot complete. The caller holds the lock. */
static void end_all(comm_thread *t) {
    for (comm_call *c = t->active, *next = NULL; c != NULL; c = next) {
        next = c->next;
        end_call(t, c);
    }
    for (comm_call *c = t->posted, *next = NULL; c != NULL; c = next) {
        next = c->next;
        end_call(t, c);
    }
    t->active = t->posted = NULL;
    t->active_end = &t->active;
    t->posted_end = &t->posted;
    pthread_cond_broadcast(&t->done);
}

/** Starts the posted calls on the transport, in order. The caller holds the lock. */
static void begin_posted(comm_thread *t) {
    while (t->posted != NULL && t->failed == OK) {
        comm_call *c = t->posted;
        t->posted = c->next;
        if (t->posted == NULL)
            t->posted_end = &t->posted;
        c->next = NULL;
        *t->active_end = c;
        t->active_end = &c->next;
        c->state = ACTIVE;
        const char *error = t->transport.start(&t->transport, c);
        if (error != NULL)
            set_failed(t, E_DEVICE, error);
    }
}

static void divide(const comm_call *c, int ranks) {
    double factor = 1.0 / ranks;
    if (c->type == COMM_F32)
        for (size_t i = 0; i < c->n; i++)
            ((float *)c->data)[i] *= (float)factor;
    else
        for (size_t i = 0; i < c->n; i++)
            ((double *)c->data)[i] *= factor;
}

/** Polls all active exchanges; the lock is not held. @return the number of calls that have ended, which are listed
 *  in *ended */
static int look(comm_call **ended, comm_thread *t, const char **error) {
    int n = 0;
    comm_call **at = &t->active;
    while (*at != NULL && *error == NULL) {
        comm_call *c = *at;
        bool done = false;
        *error = t->transport.test(&done, &t->transport, c);
        if (!done) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        if (*error == NULL && c->kind == COMM_MEAN)
            divide(c, t->comm.ranks);
        c->next = *ended;
        *ended = c;
        n++;
    }
    t->active_end = &t->active;
    while (*t->active_end != NULL)
        t->active_end = &(*t->active_end)->next;
    return n;
}

/** Sends the note after a failure of this rank. The lock is not held. A rank that does not receive the note detects the
 *  failure by its timeout. */
static void send_note(comm_thread *t) {
    double end = clock_seconds() + NOTE_WAIT;
    char other[TRANSPORT_NOTE];
    for (int r = 0; r < t->comm.ranks; r++)
        if (r != t->comm.rank)
            t->transport.send(&t->transport, r, t->note);
    for (bool sent = false; !sent && clock_seconds() < end;) {
        sent = t->transport.sent(&t->transport);
        int from = 0;
        while (from >= 0 && t->transport.receive(&from, &t->transport, other) == NULL)
            ; /* ranks that fail at the same time wait until their notes have been read */
        if (!sent)
            nanosleep(&(struct timespec){.tv_nsec = (long)(LONGEST * 1e9)}, NULL);
    }
}

static void receive_notes(comm_thread *t) {
    char note[TRANSPORT_NOTE];
    int from = -1;
    const char *error = t->transport.receive(&from, &t->transport, note);
    if (error == NULL && from < 0)
        return;
    note[sizeof note - 1] = 0;
    pthread_mutex_lock(&t->lock);
    set_failed(t, error != NULL ? E_DEVICE : E_RANK, error != NULL ? error : note);
    pthread_mutex_unlock(&t->lock);
}

/** Polls once. @return the duration in seconds of a poll that transferred data, else 0 */
static double move_on(comm_thread *t) {
    comm_call *ended = NULL;
    const char *error = NULL;
    double start = clock_seconds();
    int n = look(&ended, t, &error);
    double took = clock_seconds() - start;
    bool moved = n > 0 || took > BUSY;
    receive_notes(t);
    pthread_mutex_lock(&t->lock);
    if (error != NULL)
        set_failed(t, E_DEVICE, error);
    while (ended != NULL) {
        comm_call *next = ended->next;
        end_call(t, ended);
        ended = next;
    }
    if (n > 0)
        pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->lock);
    return moved ? took : 0;
}

/** Waits until a call is posted, at most `seconds`. The caller holds the lock. */
static void pause_for(comm_thread *t, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    long long nanoseconds = until.tv_nsec + (long long)(seconds * 1e9);
    until.tv_sec += nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    pthread_cond_timedwait(&t->work, &t->lock, &until);
}

/** Ends all exchanges. Every function of the transport may write to the data of exchanges in progress, so none is
 * called after this function, except close. Call under the lock. */
static void end_after_failure(comm_thread *t) {
    if (t->noted) {
        pthread_mutex_unlock(&t->lock);
        send_note(t);
        pthread_mutex_lock(&t->lock);
    }
    end_all(t);
    while (!t->quit)
        pthread_cond_wait(&t->work, &t->lock);
}

static void serve(comm_thread *t) {
    double pause = SHORTEST;
    pthread_mutex_lock(&t->lock);
    while (!t->quit && t->failed == OK) {
        if (t->posted != NULL)
            pause = SHORTEST;
        begin_posted(t);
        bool busy = t->active != NULL;
        pthread_mutex_unlock(&t->lock);
        double moved = move_on(t);
        pthread_mutex_lock(&t->lock);
        if (t->quit || t->failed != OK || t->posted != NULL || (moved > 0 && busy && t->comm.progress.waits)) {
            pause = SHORTEST;
            continue;
        }
        if (moved > 0)
            pause = fmin(REST * moved, LONGEST);
        pause_for(t, busy ? pause : IDLE);
        pause = pause * 1.5 < LONGEST ? pause * 1.5 : LONGEST;
    }
    bool in_order = t->failed == OK;
    if (!in_order)
        end_after_failure(t);
    pthread_mutex_unlock(&t->lock);
    t->transport.close(&t->transport, in_order);
}

static void *run(void *argument) {
    comm_thread *t = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL); /* nanoseconds; the default of 50 us is longer than a pause */
    const char *error = t->open(&t->transport);
    pthread_mutex_lock(&t->lock);
    if (error != NULL)
        set_failed(t, E_DEVICE, error);
    t->opened = true;
    pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->lock);
    if (error == NULL)
        serve(t);
    return NULL;
}

static int thread_start(comm *c, comm_call *call) {
    comm_thread *t = c->state;
    int rc = OK;
    pthread_mutex_lock(&t->lock);
    call->next = NULL;
    call->state = POSTED;
    call->seconds = clock_seconds();
    if (t->failed != OK)
        rc = fail(t->failed, "%s", t->message);
    else {
        *t->posted_end = call;
        t->posted_end = &call->next;
        pthread_cond_signal(&t->work);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int thread_wait(comm *c, comm_call *call) {
    comm_thread *t = c->state;
    double start = clock_seconds();
    pthread_mutex_lock(&t->lock);
    c->progress.waits = call->state != ENDED;
    while (call->state != ENDED)
        pthread_cond_wait(&t->done, &t->lock);
    c->progress.waits = false;
    c->progress.progress_count++;
    int rc = call->rc != OK ? fail(call->rc, "%s", t->message) : OK;
    pthread_mutex_unlock(&t->lock);
    c->waited += clock_seconds() - start;
    return rc;
}

static bool thread_lost(comm *c) {
    comm_thread *t = c->state;
    pthread_mutex_lock(&t->lock);
    bool lost = t->failed != OK;
    pthread_mutex_unlock(&t->lock);
    return lost;
}

static void thread_tell(comm *c, const char *text) {
    comm_thread *t = c->state;
    pthread_mutex_lock(&t->lock);
    if (t->failed == OK) {
        snprintf(t->note, sizeof t->note, "rank %d on %s: %.*s", c->rank, t->host, TRANSPORT_NOTE - 100, text);
        t->noted = true;
        set_failed(t, E_RANK, t->note);
        pthread_cond_signal(&t->work);
    }
    pthread_mutex_unlock(&t->lock);
}

static void destroy(comm_thread *t) {
    pthread_cond_destroy(&t->work);
    pthread_cond_destroy(&t->done);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static comm_thread *create(transport_open_function *open) {
    comm_thread *t = NULL;
    pthread_condattr_t clock;
    if (memory_zeroed(&t, 1, sizeof *t) != OK)
        return NULL;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, &clock);
    pthread_cond_init(&t->done, NULL);
    pthread_condattr_destroy(&clock);
    t->open = open;
    t->posted_end = &t->posted;
    t->active_end = &t->active;
    if (gethostname(t->host, sizeof t->host - 1) != 0)
        snprintf(t->host, sizeof t->host, "?");
    return t;
}

int comm_thread_open(comm **out, transport_open_function *open) {
    sigset_t all, before;
    comm_thread *t = create(open);
    if (t == NULL)
        return E_NOMEM;
    sigfillset(&all); /* the main thread handles signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        destroy(t);
        return fail_errno(error, "cannot start the communication thread");
    }
    pthread_mutex_lock(&t->lock);
    while (!t->opened)
        pthread_cond_wait(&t->done, &t->lock);
    int rc = t->failed != OK ? fail(t->failed, "MPI is not available: %s", t->message) : OK;
    pthread_mutex_unlock(&t->lock);
    if (rc != OK) {
        pthread_join(t->thread, NULL);
        destroy(t);
        return rc;
    }
    const transport *p = &t->transport;
    t->comm = (comm){.rank = p->rank,
                     .ranks = p->ranks,
                     .local_rank = p->local_rank,
                     .local_ranks = p->local_ranks,
                     .state = t,
                     .start = thread_start,
                     .wait = thread_wait,
                     .lost = thread_lost,
                     .tell = thread_tell};
    *out = &t->comm;
    return OK;
}

void comm_thread_close(comm *c) {
    if (c == NULL)
        return;
    comm_thread *t = c->state;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_signal(&t->work);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    destroy(t);
}
