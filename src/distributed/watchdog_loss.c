/* Decides which rank is lost or stuck. */

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
                      .tell = w->rank == 0 || (rank == 0 && cause != WATCH_LEFT && w->rank == w->successor)};
}

/** The kernel of a stopped process still acknowledges data; a host that is cut off does not. */
static bool host_answers(const peer *p) {
    int waiting = 0;
    return ioctl(p->fd, SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

/** Finds a rank from which no message arrives. Rank 0's limits are shorter than the others' by one interval: if a
 *  link is cut, rank 0 reports first. */
bool watchdog_find_lost(watch_loss *l, const watchdog *w, double now) {
    double more = w->rank == 0 ? 0 : w->interval, limit = w->limit + more, cut_limit = w->cut_limit + more;
    for (int r = 0; r < w->ranks; r++) {
        const peer *p = &w->peers[r];
        if (!p->was_connected || r == w->rank)
            continue;
        if (p->fd < 0 && !p->left) {
            blame(l, w, r, lost_by_network(p->error) ? WATCH_CUT : WATCH_ENDED, now - p->last_message);
            return true;
        }
        if (!p->left && now - p->last_message > cut_limit) {
            bool cut = !host_answers(p);
            if (cut || now - p->last_message > limit) {
                blame(l, w, r, cut ? WATCH_CUT : WATCH_STOPPED, now - p->last_message);
                return true;
            }
        }
        if (p->over) {
            blame(l, w, r, WATCH_LEFT, 0);
            return true;
        }
        if (p->left && (w->rank != 0 || p->why[0] != 0) && now - p->last_message > limit) {
            blame(l, w, r, WATCH_LEFT, now - p->last_message);
            return true;
        }
    }
    return false;
}

/** On rank 0: finds the rank that the others wait for. */
bool watchdog_find_stuck(watch_loss *l, const watchdog *w, double now) {
    int busy = -1, behind = 0;
    bool waited = false;
    for (int r = 0; r < w->ranks; r++) {
        const peer *p = &w->peers[r];
        bool still = now - p->last_progress > w->limit;
        waited = waited || (p->waits && !p->left && still);
        if ((!p->waits || p->left) && (busy < 0 || p->last_progress < w->peers[busy].last_progress))
            busy = r;
        if (p->progress_count < w->peers[behind].progress_count)
            behind = r;
    }
    if (!waited)
        return false;
    int guilty = busy >= 0 ? busy : behind;
    double seconds = now - w->peers[guilty].last_progress;
    if (seconds <= w->limit)
        return false;
    blame(l, w, guilty, busy >= 0 ? WATCH_STUCK : WATCH_ALL, seconds);
    return true;
}
