/* The watchdog over loopback, with one process per rank: a rank that is killed, stopped, stuck or has ended is
 * reported in time. The cases run at the same time. */
#include "check.h"

#include "base/file.h"
#include "distributed/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANKS = 3, BYTES = 4096, STEP = 40 };
#define TIMEOUT 1.5 /* seconds; a lost rank is reported after 0.7 of it */

/** The event that a rank has reported. */
typedef struct event {
    bool any, tell;
    int rank, cause;
    int64_t step;
    char phase[32], host[64], why[64];
    double when;
} event;

/** Memory that all ranks of a case share. */
typedef struct shared {
    pthread_barrier_t barrier;
    unsigned char data[BYTES];
    int64_t most;
    double begun,
        closed[RANKS]; /* when watchdog_close began on rank 0, and when it returned on the others; 0: not yet */
    event event[RANKS];
} shared;

typedef struct watch_case {
    const char *name;
    void (*run)(watchdog **w, comm *c, shared *s); /* the program of each rank; a return is a regular end */
    shared *shared;
    pid_t pid[RANKS];
} watch_case;

/** The exchanges that watchdog_open needs, in shared memory, one at a time. */
static int fake_start(comm *c, comm_call *call) {
    (void)c;
    (void)call;
    return OK;
}

static int fake_wait(comm *c, comm_call *call) {
    shared *s = c->state;
    size_t bytes = call->n * comm_bytes(call->type);
    if (bytes > BYTES || (call->kind != COMM_BROADCAST && call->kind != COMM_MAX))
        _exit(2); /* then no event is reported and the case fails */
    if (c->rank == 0)
        memcpy(s->data, call->data, bytes); /* the maximum is that of rank 0, because no rank fails here */
    pthread_barrier_wait(&s->barrier);
    memcpy(call->data, s->data, bytes);
    pthread_barrier_wait(&s->barrier);
    return OK;
}

static shared *shared_open(void) {
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t a;
    assert_true(s != MAP_FAILED);
    pthread_barrierattr_init(&a);
    pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&s->barrier, &a, RANKS);
    pthread_barrierattr_destroy(&a);
    return s;
}

static void on_event(void *context, const watch_loss *l) {
    event *n = context;
    *n = (event){.tell = l->tell, .rank = l->rank, .cause = (int)l->cause, .step = l->step, .when = clock_seconds()};
    snprintf(n->phase, sizeof n->phase, "%s", l->phase);
    snprintf(n->host, sizeof n->host, "%s", l->host);
    snprintf(n->why, sizeof n->why, "%s", l->why);
    n->any = true;
    _exit(1);
}

static void one_rank(watch_case *e, int rank) {
    shared *s = e->shared;
    comm c = {.rank = rank, .ranks = RANKS, .state = s, .start = fake_start, .wait = fake_wait};
    watchdog *w = NULL;
    watchdog_options o = {.timeout = TIMEOUT, .lost = on_event, .context = &s->event[rank]};
    alarm(30); /* so that a failure does not hang the test */
    comm_step(&c, STEP + rank);
    comm_at(&c, COMM_COMPUTES);
    if (watchdog_open(&w, &c, &o) != OK) {
        fprintf(stderr, "%s: rank %d: %s\n", e->name, rank, status_message());
        _exit(2);
    }
    pthread_barrier_wait(&s->barrier);
    s->begun = clock_seconds();
    e->run(&w, &c, s);
    watchdog_close(w, NULL);
    _exit(0);
}

/** Reports progress like a rank that trains. */
static void work(comm *c, double seconds) {
    for (double end = clock_seconds() + seconds; clock_seconds() < end; usleep(20000))
        comm_at(c, COMM_COMPUTES);
}

static void wait_for_others(comm *c) {
    c->progress.waits = true;
    c->progress.progress_count++;
    sleep(10);
}

static void in_order(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    work(c, 0.2 * c->rank); /* the other ranks end later */
    if (c->rank == 0)
        sleep(2); /* writes its report; no rank waits for it */
}

static void killed(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 2) {
        comm_at(c, COMM_VALIDATES);
        usleep(300000); /* a heartbeat transmits it */
        raise(SIGKILL);
    }
    work(c, 10);
}

static void stopped(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 2) {
        usleep(300000);
        raise(SIGSTOP);
    }
    work(c, 10);
}

static void stuck(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 2) {
        comm_at(c, COMM_LOADS);
        sleep(10);
    }
    wait_for_others(c);
}

static void network(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank != 1)
        comm_at(c, COMM_COMPUTES);
    wait_for_others(c); /* all ranks wait */
}

static void rank_0_killed(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 0) {
        usleep(300000);
        raise(SIGKILL);
    }
    work(c, 10);
}

static void rank_0_stopped(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 0) {
        usleep(300000);
        raise(SIGSTOP);
    }
    work(c, 10);
}

/** Rank 1 fails and reports its error; rank 0 continues. */
static void left(watchdog **w, comm *c, shared *s) {
    (void)s;
    if (c->rank == 1) {
        watchdog_close(*w, "the disk is full");
        _exit(1);
    }
    work(c, 10);
}

/** The other ranks end at once, with an error or regularly, before rank 0 has saved and reported. */
static void rank_0_saves(watchdog **w, comm *c, shared *s) {
    if (c->rank == 0) {
        work(c, 0.5);
        s->closed[0] = clock_seconds();
        return;
    }
    watchdog_close(*w, c->rank == 1 ? "rank 0 has failed" : NULL);
    s->closed[c->rank] = clock_seconds();
    _exit(1);
}

/** All ranks are stopped, as by Ctrl-Z, and continued: no rank is lost. */
static void paused(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    raise(SIGSTOP);
    work(c, 1);
}

static watch_case cases[] = {{"in order", in_order, NULL, {0}},
                             {"killed", killed, NULL, {0}},
                             {"stopped", stopped, NULL, {0}},
                             {"stuck", stuck, NULL, {0}},
                             {"network", network, NULL, {0}},
                             {"rank 0 killed", rank_0_killed, NULL, {0}},
                             {"rank 0 stopped", rank_0_stopped, NULL, {0}},
                             {"left", left, NULL, {0}},
                             {"rank 0 saves", rank_0_saves, NULL, {0}},
                             {"paused", paused, NULL, {0}}};

enum { CASES = sizeof cases / sizeof *cases };

static const watch_case *find_case(const char *name) {
    for (int i = 0; i < CASES; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    return NULL;
}

static int run_all(void **state) {
    int status = 0;
    (void)state;
    for (int i = 0; i < CASES; i++) {
        cases[i].shared = shared_open();
        for (int r = 0; r < RANKS; r++) {
            cases[i].pid[r] = fork();
            if (cases[i].pid[r] == 0)
                one_rank(&cases[i], r);
        }
    }
    const watch_case *p = find_case("paused");
    for (int r = 0; r < RANKS; r++)
        waitpid(p->pid[r], NULL, WUNTRACED);
    usleep((useconds_t)(1.2e6 * TIMEOUT)); /* until the other cases have ended */
    for (int r = 0; r < RANKS; r++)
        kill(p->pid[r], SIGCONT);
    for (int r = 0; r < RANKS; r++)
        if (waitpid(p->pid[r], &status, 0) != p->pid[r] || status != 0)
            fail_msg("paused: rank %d ended with %x: rank %d, cause %d, %s", r, (unsigned)status,
                     p->shared->event[r].rank, p->shared->event[r].cause, p->shared->event[r].why);
    for (int i = 0; i < CASES; i++)
        for (int r = 0; r < RANKS; r++)
            kill(cases[i].pid[r], SIGKILL); /* stopped ranks, and ranks that reported no event */
    while (wait(NULL) > 0) {
    }
    return 0;
}

/** Checks that rank `by` reported `rank` in time. */
static const event *expect(const char *name, int by, int rank, watch_cause cause, bool tell) {
    const watch_case *e = find_case(name);
    const event *n = &e->shared->event[by];
    if (!n->any)
        fail_msg("%s: rank %d reported nothing", name, by);
    if (n->rank != rank || n->cause != (int)cause || n->tell != tell)
        fail_msg("%s: rank %d reported rank %d with cause %d (%s), tell: %d", name, by, n->rank, n->cause, n->why,
                 n->tell);
    if (n->when - e->shared->begun > TIMEOUT + 0.3)
        fail_msg("%s: rank %d reported it after %g s", name, by, n->when - e->shared->begun);
    return n;
}

static void expect_nothing(const char *name) {
    for (int r = 0; r < RANKS; r++)
        if (find_case(name)->shared->event[r].any)
            fail_msg("%s: rank %d reported an event", name, r);
}

static void test_lost_rank_is_reported(void **state) {
    (void)state;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    const event *n = expect("killed", 0, 2, WATCH_ENDED, true);
    assert_int_equal(n->step, STEP + 2);
    assert_string_equal(n->phase, "validation");
    assert_string_equal(n->host, host);
    n = expect("stopped", 0, 2, WATCH_STOPPED, true);
    assert_int_equal(n->step, STEP + 2);
    assert_string_equal(n->phase, "forward and backward");
    n = expect("stuck", 0, 2, WATCH_STUCK, true);
    assert_string_equal(n->phase, "data");
    n = expect("network", 0, 1, WATCH_ALL, true);
    assert_string_equal(n->phase, "all-reduce");
    n = expect("left", 0, 1, WATCH_LEFT, true);
    assert_string_equal(n->why, "the disk is full");
}

static void test_other_ranks_end_with_rank_0(void **state) {
    (void)state;
    expect("killed", 1, 0, WATCH_LEFT, false); /* rank 0 has reported it */
    expect("rank 0 killed", 1, 0, WATCH_ENDED, true);
    expect("rank 0 killed", 2, 0, WATCH_ENDED, false);
    const event *n = expect("rank 0 stopped", 1, 0, WATCH_STOPPED, true);
    assert_int_equal(n->step, STEP);
    expect("rank 0 stopped", 2, 0, WATCH_STOPPED, false);
}

static void test_no_event_without_a_lost_rank(void **state) {
    (void)state;
    expect_nothing("in order");
    expect_nothing("paused");
}

static void test_rank_0_ends_first(void **state) {
    (void)state;
    const shared *s = find_case("rank 0 saves")->shared;
    expect_nothing("rank 0 saves");
    assert_true(s->closed[0] > 0);
    for (int r = 1; r < RANKS; r++)
        assert_true(s->closed[r] >= s->closed[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_rank_is_reported),
        cmocka_unit_test(test_other_ranks_end_with_rank_0),
        cmocka_unit_test(test_no_event_without_a_lost_rank),
        cmocka_unit_test(test_rank_0_ends_first),
    };
    return cmocka_run_group_tests(tests, run_all, NULL);
}
