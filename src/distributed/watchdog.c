#define _GNU_SOURCE
#include "distributed/watchdog.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "distributed/heartbeat.h"
#include "distributed/watchdog_state.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_SECONDS 60 /* seconds until all ranks must have connected */
#define CLOSE_SECONDS 1    /* seconds that the other ranks have to read that this one ends */
#define PAUSE 0.3          /* seconds; after a longer delay this process had been stopped, it was not only slow */

static watch_record record(const watchdog *w, watch_kind kind, const char *text) {
    const comm_progress *p = &w->comm->progress;
    watch_record r = {.key = w->key,
                      .kind = (int32_t)kind,
                      .rank = w->rank,
                      .step = p->step,
                      .progress_count = p->progress_count,
                      .phase = p->phase,
                      .waiting = p->waits,
                      .successor = w->successor};
    snprintf(r.text, sizeof r.text, "%s", text);
    return r;
}

static void take_progress(peer *p, const watch_record *r, double now) {
    if (r->progress_count != p->progress_count)
        p->last_progress = now;
    p->step = r->step;
    p->progress_count = r->progress_count;
    p->phase = r->phase;
    p->waits = r->waiting != 0;
    p->last_message = now;
}

static void lose(peer *p, int error) {
    close(p->fd);
    p->fd = -1;
    p->error = error;
}

/** Sends without blocking. A peer that does not read (it is stopped) misses whole heartbeats, never a part of one. */
static void send_to(peer *p, const watch_record *r) {
    if (p->out_left == 0 && r != NULL) {
        p->out = *r;
        p->out_left = sizeof p->out;
    }
    if (p->out_left == 0)
        return;
    ssize_t n =
        send(p->fd, (const char *)&p->out + sizeof p->out - p->out_left, p->out_left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        p->out_left -= (size_t)n; /* an error is detected when reading */
}

static void obey(watchdog *w, peer *p, double now) {
    const watch_record *r = &p->in;
    if (r->key != w->key || r->kind < WATCH_BEAT || r->kind > WATCH_OVER) {
        lose(p, EPROTO);
        return;
    }
    take_progress(p, r, now);
    if (w->rank != 0)
        w->successor = r->successor;
    if (r->kind != WATCH_BEAT) {
        p->left = true;
        p->over = r->kind == WATCH_OVER;
        p->cut = r->cut != 0;
        p->last_progress = now;
        snprintf(p->why, sizeof p->why, "%.*s", WATCH_TEXT - 1, r->text);
    }
}

static int fd_to_read(const peer *p) { return p->ended ? -1 : p->fd; }

static void receive_from(watchdog *w, peer *p) {
    while (fd_to_read(p) >= 0) {
        ssize_t n = recv(p->fd, (char *)&p->in + p->in_n, sizeof p->in - p->in_n, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (n == 0 && p->left) {
            p->ended = true;
            return;
        }
        if (n <= 0) {
            lose(p, n < 0 ? errno : 0);
            return;
        }
        p->in_n += (size_t)n;
        if (p->in_n == sizeof p->in) {
            p->in_n = 0;
            obey(w, p, clock_seconds());
        }
    }
}

/** Resets the times of all ranks after this process was stopped (Ctrl-Z), since its clock then says nothing about
 *  them. */
static void reset_times(watchdog *w, double now) {
    for (int r = 0; r < w->ranks; r++)
        w->peers[r].last_message = w->peers[r].last_progress = now;
}

/** Sends a message to all ranks from which a message has arrived since `since`. */
static void send_to_all(watchdog *w, const watch_record *r, double since) {
    for (int i = 0; i < w->ranks; i++)
        if (w->peers[i].fd >= 0 && w->peers[i].last_message >= since) {
            send_to(&w->peers[i], NULL); /* the pending rest of the last message comes first */
            send_to(&w->peers[i], r);
        }
}

/** Sends a heartbeat and checks the other ranks. @return whether a rank is lost */
static bool beat(watch_loss *l, watchdog *w, double now) {
    watch_record r = record(w, WATCH_BEAT, "");
    take_progress(&w->peers[w->rank], &r, now);
    /* a stopped rank reads nothing; with a full send buffer its host would seem to be cut off */
    send_to_all(w, &r, now - 5 * w->interval);
    return watchdog_find_lost(l, w, now) || (w->rank == 0 && watchdog_find_stuck(l, w, now));
}

/** @return false if the thread must quit */
static bool listen_until(watchdog *w, double until) {
    double left = until - clock_seconds();
    w->polls[w->ranks] = (struct pollfd){.fd = w->quit_fd, .events = POLLIN};
    for (int r = 0; r < w->ranks; r++)
        w->polls[r] = (struct pollfd){.fd = fd_to_read(&w->peers[r]), .events = POLLIN};
    if (poll(w->polls, (nfds_t)w->ranks + 1, left > 0 ? (int)(1e3 * left) + 1 : 0) <= 0)
        return true;
    for (int r = 0; r < w->ranks; r++)
        if (w->polls[r].revents != 0)
            receive_from(w, &w->peers[r]);
    return w->polls[w->ranks].revents == 0;
}

static void *run(void *argument) {
    watchdog *w = argument;
    watch_loss l;
    double next = clock_seconds();
    reset_times(w, next); /* the others connected some time ago */
    for (bool go_on = true; go_on;) {
        double now = clock_seconds();
        if (now > next + fmax(2 * w->interval, PAUSE))
            reset_times(w, now);
        bool lost = now >= next ? beat(&l, w, now) : watchdog_find_lost(&l, w, now);
        if (now >= next)
            next = now + w->interval;
        if (lost) {
            watch_record over = record(w, WATCH_OVER, "");
            over.cut = l.cut;
            if (w->rank == 0) /* otherwise the other ranks would report the loss of rank 0 */
                send_to_all(w, &over, 0);
            w->options.lost(w->options.context, &l);
            break;
        }
        go_on = listen_until(w, next);
    }
    return NULL;
}

static void add_peer(peer *p, int fd, const watch_record *r) {
    p->fd = fd;
    p->was_connected = true;
    p->last_message = p->last_progress = clock_seconds();
    snprintf(p->host, sizeof p->host, "%.*s", WATCH_HOST - 1, r->text);
}

/** The rank that prints the message if rank 0 is lost: the first on another host, since rank 0's whole host may be
 *  lost. */
static int find_successor(const watchdog *w) {
    for (int r = 1; r < w->ranks; r++)
        if (strcmp(w->peers[r].host, w->peers[0].host) != 0)
            return r;
    return 1;
}

/** Rank 0: accepts the connections of the other ranks. */
static int receive_all(watchdog *w, int listener) {
    watch_record own = record(w, WATCH_WELCOME, w->peers[0].host), hello;
    double until = clock_seconds() + CONNECT_SECONDS;
    int missing = w->ranks - 1, fd = -1;
    while (missing > 0 && clock_seconds() < until) {
        watch_accept(&fd, &hello, listener, &own, until);
        if (fd < 0)
            continue;
        if (hello.rank < 1 || hello.rank >= w->ranks || w->peers[hello.rank].was_connected) {
            close(fd);
            continue;
        }
        add_peer(&w->peers[hello.rank], fd, &hello);
        missing--;
    }
    w->successor = find_successor(w);
    return missing == 0 ? OK
                        : fail(E_IO,
                               "%d ranks did not connect to rank 0 for heartbeats within %d s: open the ports between "
                               "the hosts, or set --dist.timeout 0",
                               missing, CONNECT_SECONDS);
}

static int try_connect(watchdog *w, const watch_endpoint *where) {
    watch_record hello = record(w, WATCH_HELLO, w->peers[w->rank].host), welcome;
    int fd = -1, rc = watch_connect(&fd, &welcome, where, &hello);
    if (rc == OK)
        add_peer(&w->peers[0], fd, &welcome);
    return rc;
}

static int gather(watchdog *w) {
    watch_endpoint where = {0};
    int listener = -1, own = OK, rc = OK;
    if (w->rank == 0)
        own = watch_listen(&listener, &where, w->options.interfaces != NULL ? w->options.interfaces : "",
                           w->options.port);
    TRY(comm_agree(w->comm, own));
    TRY(comm_all(w->comm, COMM_BROADCAST, COMM_BYTES, &where, sizeof where));
    w->key = where.key;
    TRY(comm_agree(w->comm, w->rank == 0 ? receive_all(w, listener) : try_connect(w, &where)));
done:
    if (listener >= 0)
        close(listener);
    return rc;
}

static int start(watchdog *w) {
    sigset_t all, before;
    sigfillset(&all); /* the main thread handles signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? OK : fail_errno(error, "cannot start the watchdog's thread");
}

static void destroy(watchdog *w) {
    for (int r = 0; w->peers != NULL && r < w->ranks; r++)
        if (w->peers[r].fd >= 0)
            close(w->peers[r].fd);
    if (w->quit_fd >= 0)
        close(w->quit_fd);
    free(w->peers);
    free(w->polls);
    free(w);
}

/** Heartbeats are sent once per second, and at least twenty times within the timeout. */
static int create(watchdog **out, comm *c, const watchdog_options *o) {
    watchdog *w = NULL;
    int rc = memory_zeroed(&w, 1, sizeof *w);
    if (rc != OK)
        return rc;
    w->comm = c;
    w->options = *o;
    w->rank = c->rank;
    w->ranks = c->ranks;
    w->interval = fmin(o->timeout / 20, 1);
    w->limit = o->timeout - fmin(0.3 * o->timeout, 4);
    w->cut_limit = o->timeout / 2;
    w->quit_fd = eventfd(0, EFD_CLOEXEC);
    TRY(memory_zeroed(&w->peers, (size_t)w->ranks, sizeof *w->peers));
    for (int r = 0; r < w->ranks; r++)
        w->peers[r].fd = -1;
    TRY(memory_zeroed(&w->polls, (size_t)w->ranks + 1, sizeof *w->polls));
    peer *own = &w->peers[w->rank];
    own->was_connected = true;
    own->last_progress = clock_seconds();
    if (gethostname(own->host, sizeof own->host - 1) != 0)
        snprintf(own->host, sizeof own->host, "?");
    if (w->quit_fd < 0)
        rc = fail_errno(errno, "cannot create an eventfd");
done:
    if (rc != OK)
        destroy(w);
    else
        *out = w;
    return rc;
}

int watchdog_open(watchdog **out, comm *c, const watchdog_options *o) {
    watchdog *w = NULL;
    int rc = OK;
    *out = NULL;
    if (comm_ranks(c) < 2)
        return OK;
    TRY(create(&w, c, o));
    TRY(gather(w));
    TRY(start(w));
    *out = w;
    w = NULL; /* now owned by the caller */
done:
    if (w != NULL)
        destroy(w);
    return rc;
}

/** Waits until rank 0 has announced its end or has ended. */
static void wait_for_rank_0(watchdog *w) {
    double until = clock_seconds() + w->limit;
    peer *lead = &w->peers[0];
    while (fd_to_read(lead) >= 0 && !lead->left && clock_seconds() < until) {
        struct pollfd p = {.fd = lead->fd, .events = POLLIN};
        if (poll(&p, 1, (int)(1e3 * w->interval)) > 0)
            receive_from(w, lead);
    }
}

/** Reads until the others have closed their connections too. A connection closed with unread data is reset, and data
 *  that the other side has not read yet would be lost. */
static void close_connections(watchdog *w) {
    double until = clock_seconds() + CLOSE_SECONDS;
    for (int open = w->ranks; open > 0 && clock_seconds() < until;) {
        open = 0;
        for (int r = 0; r < w->ranks; r++) {
            w->polls[r] = (struct pollfd){.fd = fd_to_read(&w->peers[r]), .events = POLLIN};
            open += fd_to_read(&w->peers[r]) >= 0;
        }
        if (open == 0 || poll(w->polls, (nfds_t)w->ranks, (int)(1e3 * CLOSE_SECONDS)) <= 0)
            continue;
        for (int r = 0; r < w->ranks; r++)
            if (w->polls[r].revents != 0)
                receive_from(w, &w->peers[r]);
    }
}

void watchdog_close(watchdog *w, const char *why) {
    if (w == NULL)
        return;
    eventfd_write(w->quit_fd, 1);
    pthread_join(w->thread, NULL);
    watch_record bye = record(w, WATCH_BYE, why != NULL ? why : "");
    send_to_all(w, &bye, 0);
    for (int r = 0; r < w->ranks; r++)
        if (w->peers[r].fd >= 0)
            shutdown(w->peers[r].fd, SHUT_WR);
    if (w->rank != 0)
        wait_for_rank_0(w);
    else
        close_connections(w);
    destroy(w);
}
