/* The watchdog over loopback, each rank a process: who is killed, stopped, stuck or gone is named in time. The cases
 * run at the same time. */
#include "check.h"

#include "base/file.h"
#include "distributed/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANKS = 3, BYTES = 4096, STEP = 40 };
#define TIMEOUT 1.5 /* seconds; a loss shows after 0.7 of it */

/** What a rank has noticed. */
typedef struct noticed {
    bool any, tell;
    int rank, cause;
    int64_t step;
    char phase[32], host[64], why[64];
    double when;
} noticed;

/** Memory that all ranks of a case share. */
typedef struct shared {
    pthread_barrier_t barrier;
    unsigned char data[BYTES];
    int64_t most;
    double begun, closed[RANKS]; /* when watchdog_close began in rank 0, ended in the others; 0 not */
    noticed noticed[RANKS];
} shared;

typedef struct scene {
    const char *name;
    void (*run)(watchdog **w, comm *c, shared *s); /* each rank; what comes back from here ended in order */
    shared *shared;
    pid_t pid[RANKS];
} scene;

/** comm over shared memory: what watchdog_open asks for, one exchange at a time. */
static int fake_start(comm *c, comm_call *call) {
    (void)c;
    (void)call;
    return OK;
}

static int fake_wait(comm *c, comm_call *call) {
    shared *s = c->state;
    size_t bytes = call->n * comm_bytes(call->type);
    if (bytes > BYTES || (call->kind != COMM_BROADCAST && call->kind != COMM_MAX))
        _exit(2); /* the case then notices nothing, and fails */
    if (c->rank == 0)
        memcpy(s->data, call->data, bytes); /* of the maxima rank 0's: all are well here */
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

static void on_loss(void *context, const watch_loss *l) {
    noticed *n = context;
    *n = (noticed){.tell = l->tell, .rank = l->rank, .cause = (int)l->cause, .step = l->step, .when = clock_seconds()};
    snprintf(n->phase, sizeof n->phase, "%s", l->phase);
    snprintf(n->host, sizeof n->host, "%s", l->host);
    snprintf(n->why, sizeof n->why, "%s", l->why);
    n->any = true;
    _exit(1);
}

static void one_rank(scene *e, int rank) {
    shared *s = e->shared;
    comm c = {.rank = rank, .ranks = RANKS, .state = s, .start = fake_start, .wait = fake_wait};
    watchdog *w = NULL;
    watchdog_options o = {.timeout = TIMEOUT, .lost = on_loss, .context = &s->noticed[rank]};
    alarm(30); /* whatever goes wrong, nothing hangs */
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

/** Moves on like a rank that trains. */
static void work(comm *c, double seconds) {
    for (double end = clock_seconds() + seconds; clock_seconds() < end; usleep(20000))
        comm_at(c, COMM_COMPUTES);
}

static void wait_for_others(comm *c) {
    c->progress.waits = true;
    c->progress.moves++;
    sleep(10);
}

static void in_order(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    work(c, 0.2 * c->rank); /* the others stay for a while */
    if (c->rank == 0)
        sleep(2); /* writes its report; nobody waits */
}

static void killed(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 2) {
        comm_at(c, COMM_VALIDATES);
        usleep(300000); /* a heartbeat carries it */
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
    wait_for_others(c); /* all of them */
}

static void lead_killed(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 0) {
        usleep(300000);
        raise(SIGKILL);
    }
    work(c, 10);
}

static void lead_stopped(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    if (c->rank == 0) {
        usleep(300000);
        raise(SIGSTOP);
    }
    work(c, 10);
}

/** Rank 1 fails, tells, and rank 0 does not follow. */
static void left(watchdog **w, comm *c, shared *s) {
    (void)s;
    if (c->rank == 1) {
        watchdog_close(*w, "the disk is full");
        _exit(1);
    }
    work(c, 10);
}

/** The others end at once, with an error or in order; rank 0 has yet to save, and to tell. */
static void lead_saves(watchdog **w, comm *c, shared *s) {
    if (c->rank == 0) {
        work(c, 0.5);
        s->closed[0] = clock_seconds();
        return;
    }
    watchdog_close(*w, c->rank == 1 ? "rank 0 has failed" : NULL);
    s->closed[c->rank] = clock_seconds();
    _exit(1);
}

/** Stopped as a whole, as by Ctrl-Z, and set going again: no loss. */
static void paused(watchdog **w, comm *c, shared *s) {
    (void)w;
    (void)s;
    raise(SIGSTOP);
    work(c, 1);
}

static scene scenes[] = {{"in order", in_order, NULL, {0}},
                         {"killed", killed, NULL, {0}},
                         {"stopped", stopped, NULL, {0}},
                         {"stuck", stuck, NULL, {0}},
                         {"network", network, NULL, {0}},
                         {"rank 0 killed", lead_killed, NULL, {0}},
                         {"rank 0 stopped", lead_stopped, NULL, {0}},
                         {"left", left, NULL, {0}},
                         {"rank 0 saves", lead_saves, NULL, {0}},
                         {"paused", paused, NULL, {0}}};

enum { SCENES = sizeof scenes / sizeof *scenes };

static const scene *scene_of(const char *name) {
    for (int i = 0; i < SCENES; i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    return NULL;
}

static int run_all(void **state) {
    int status = 0;
    (void)state;
    for (int i = 0; i < SCENES; i++) {
        scenes[i].shared = shared_open();
        for (int r = 0; r < RANKS; r++) {
            scenes[i].pid[r] = fork();
            if (scenes[i].pid[r] == 0)
                one_rank(&scenes[i], r);
        }
    }
    const scene *p = scene_of("paused");
    for (int r = 0; r < RANKS; r++)
        waitpid(p->pid[r], NULL, WUNTRACED);
    usleep((useconds_t)(1.2e6 * TIMEOUT)); /* in which the other cases come to their end */
    for (int r = 0; r < RANKS; r++)
        kill(p->pid[r], SIGCONT);
    for (int r = 0; r < RANKS; r++)
        if (waitpid(p->pid[r], &status, 0) != p->pid[r] || status != 0)
            fail_msg("paused: rank %d ended with %x: rank %d, cause %d, %s", r, (unsigned)status,
                     p->shared->noticed[r].rank, p->shared->noticed[r].cause, p->shared->noticed[r].why);
    for (int i = 0; i < SCENES; i++)
        for (int r = 0; r < RANKS; r++)
            kill(scenes[i].pid[r], SIGKILL); /* those that are stopped; who lives on has noticed nothing */
    while (wait(NULL) > 0) {
    }
    return 0;
}

/** What `by` noticed of `rank`, in time. */
static const noticed *expect(const char *name, int by, int rank, watch_cause cause, bool tell) {
    const scene *e = scene_of(name);
    const noticed *n = &e->shared->noticed[by];
    if (!n->any)
        fail_msg("%s: rank %d noticed nothing", name, by);
    if (n->rank != rank || n->cause != (int)cause || n->tell != tell)
        fail_msg("%s: rank %d blames rank %d for %d (%s), tells: %d", name, by, n->rank, n->cause, n->why, n->tell);
    if (n->when - e->shared->begun > TIMEOUT + 0.3)
        fail_msg("%s: rank %d noticed after %g s", name, by, n->when - e->shared->begun);
    return n;
}

static void expect_nothing(const char *name) {
    for (int r = 0; r < RANKS; r++)
        if (scene_of(name)->shared->noticed[r].any)
            fail_msg("%s: rank %d noticed something", name, r);
}

static void test_names_who_is_lost(void **state) {
    (void)state;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    const noticed *n = expect("killed", 0, 2, WATCH_ENDED, true);
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

static void test_others_end_with_rank_0(void **state) {
    (void)state;
    expect("killed", 1, 0, WATCH_LEFT, false); /* rank 0 has told */
    expect("rank 0 killed", 1, 0, WATCH_ENDED, true);
    expect("rank 0 killed", 2, 0, WATCH_ENDED, false);
    const noticed *n = expect("rank 0 stopped", 1, 0, WATCH_STOPPED, true);
    assert_int_equal(n->step, STEP);
    expect("rank 0 stopped", 2, 0, WATCH_STOPPED, false);
}

static void test_says_nothing_without_a_loss(void **state) {
    (void)state;
    expect_nothing("in order");
    expect_nothing("paused");
}

static void test_rank_0_ends_first(void **state) {
    (void)state;
    const shared *s = scene_of("rank 0 saves")->shared;
    expect_nothing("rank 0 saves");
    assert_true(s->closed[0] > 0);
    for (int r = 1; r < RANKS; r++)
        assert_true(s->closed[r] >= s->closed[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_who_is_lost),
        cmocka_unit_test(test_others_end_with_rank_0),
        cmocka_unit_test(test_says_nothing_without_a_loss),
        cmocka_unit_test(test_rank_0_ends_first),
    };
    return cmocka_run_group_tests(tests, run_all, NULL);
}
