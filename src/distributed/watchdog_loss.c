#define _GNU_SOURCE
#include "distributed/watchdog_state.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

static bool lost_by_network(int error) {
    return error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN;
}

static void blame(watch_loss *l, const watchdog *w, int rank, watch_cause cause, double seconds) {
    static const char *const phases[COMM_PHASES] = {"start", "data", "forward and backward", "validation", "save"};
    const peer *p = &w->peers[rank];
    bool known = p->phase >= 0 && p->phase < COMM_PHASES;
    *l = (watch_loss){.rank = rank,
                      .host = p->host,
                      .step = p->step,
                      .phase = !known                                  ? "?"
                               : p->waits && p->phase == COMM_COMPUTES ? "all-reduce"
                                                                       : phases[p->phase],
                      .cause = cause,
                      .seconds = seconds,
                      .cut = cause == WATCH_CUT || (cause == WATCH_LEFT && p->cut),
                      .why = p->left         ? p->why
                             : p->error != 0 ? strerror(p->error)
                                             : "",
                      .tell = w->rank == 0 || (rank == 0 && cause != WATCH_LEFT && w->rank == w->heir)};
}

/** The kernel of a process that is stopped still takes what is sent to it; a host that is cut off takes nothing. */
static bool host_answers(const peer *p) {
    int waiting = 0;
    return ioctl(p->fd, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

/** Ranks that no word comes from. Rank 0's limits are the shorter: where a link is cut, its line counts. */
bool watchdog_find_lost(watch_loss *l, const watchdog *w, double now) {
    double more = w->rank == 0 ? 0 : w->interval, limit = w->limit + more, cut_limit = w->cut_limit + more;
    for (int r = 0; r < w->ranks; r++) {
        const peer *p = &w->peers[r];
        if (!p->met || r == w->rank)
            continue;
        if (p->fd < 0 && !p->left) {
            blame(l, w, r, lost_by_network(p->error) ? WATCH_CUT : WATCH_ENDED, now - p->heard);
            return true;
        }
        if (!p->left && now - p->heard > cut_limit) {
            bool cut = !host_answers(p);
            if (cut || now - p->heard > limit) {
                blame(l, w, r, cut ? WATCH_CUT : WATCH_STOPPED, now - p->heard);
                return true;
            }
        }
        if (p->over) {
            blame(l, w, r, WATCH_LEFT, 0);
            return true;
        }
        if (p->left && (w->rank != 0 || p->why[0] != 0) && now - p->heard > limit) {
            blame(l, w, r, WATCH_LEFT, now - p->heard);
            return true;
        }
    }
    return false;
}

/** On rank 0: whom the others wait for. */
bool watchdog_find_stuck(watch_loss *l, const watchdog *w, double now) {
    int busy = -1, behind = 0;
    bool waited = false;
    for (int r = 0; r < w->ranks; r++) {
        const peer *p = &w->peers[r];
        bool still = now - p->moved > w->limit;
        waited = waited || (p->waits && !p->left && still);
        if ((!p->waits || p->left) && (busy < 0 || p->moved < w->peers[busy].moved))
            busy = r;
        if (p->moves < w->peers[behind].moves)
            behind = r;
    }
    if (!waited)
        return false;
    int guilty = busy >= 0 ? busy : behind;
    double seconds = now - w->peers[guilty].moved;
    if (seconds <= w->limit)
        return false;
    blame(l, w, guilty, busy >= 0 ? WATCH_STUCK : WATCH_ALL, seconds);
    return true;
}
