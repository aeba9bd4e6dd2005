#include "training/ranks.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "loader/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int learn_hosts(rank_group *r) {
    char own[RANK_HOST] = "";
    int rc = memory_zeroed(&r->host, (size_t)comm_ranks(r->comm), RANK_HOST);
    if (rc == OK && gethostname(own, sizeof own - 1) != 0)
        snprintf(own, sizeof own, "?");
    return rc == OK ? comm_lines(r->comm, r->host, RANK_HOST, own) : rc;
}

int ranks_init(rank_group *r, comm *c) {
    size_t n = (size_t)comm_ranks(c);
    int rc = OK;
    *r = (rank_group){.comm = c, .started = clock_seconds()};
    TRY(memory_zeroed(&r->report, n, sizeof *r->report));
    TRY(memory_zeroed(&r->now, n, sizeof *r->now));
    TRY(memory_zeroed(&r->logged, n, sizeof *r->logged));
    if (n > 1)
        TRY(learn_hosts(r));
done:
    return rc;
}

void ranks_deinit(rank_group *r) {
    rank_sync_end(NULL, r); /* a pending exchange uses the memory */
    free(r->report);
    free(r->now);
    free(r->logged);
    free(r->host);
    *r = (rank_group){0};
}

static rank_time time_now(const rank_group *r) {
    return (rank_time){clock_seconds(), r->comm != NULL ? r->comm->waited : 0, r->loaded};
}

void ranks_begin(rank_group *r, double loaded) {
    size_t bytes = (size_t)comm_ranks(r->comm) * sizeof(rank_time);
    r->loaded = loaded;
    r->began = time_now(r);
    memset(r->now, 0, bytes);
    memset(r->logged, 0, bytes);
}

rank_timing ranks_timing(const rank_group *r) { return rank_timing_between(r->now, NULL, comm_ranks(r->comm)); }

rank_timing ranks_timing_row(rank_group *r) {
    rank_timing p = rank_timing_between(r->now, r->logged, comm_ranks(r->comm));
    memcpy(r->logged, r->now, (size_t)comm_ranks(r->comm) * sizeof *r->logged);
    return p;
}

const char *ranks_host(const rank_group *r, int rank) {
    return r->host != NULL ? r->host + (size_t)rank * RANK_HOST : NULL;
}

int ranks_number_hosts(int *number, const rank_group *r) {
    int hosts = 0;
    for (int i = 0; i < comm_ranks(r->comm); i++) {
        int same = 0;
        while (same < i && strcmp(ranks_host(r, same), ranks_host(r, i)) != 0)
            same++;
        number[i] = same < i ? number[same] : hosts++;
    }
    return hosts;
}

static int asked_to_stop(const rank_group *r) { return r->stop != NULL ? (int)*r->stop : 0; }
/** The reason to save on this rank; reset by this call. */
static ranks_save_reason take_save(rank_group *r) {
    ranks_save_reason why = RANKS_SAVE_NONE;
    if (r->save != NULL && *r->save != 0) {
        *r->save = 0;
        why = RANKS_SAVE_REQUESTED;
    } else if (r->save_due) {
        why = RANKS_SAVE_DUE;
    }
    r->save_due = false;
    return why;
}

void ranks_failed(comm *c, int rc) {
    if (comm_ranks(c) > 1 && rc != OK && rc != E_STOPPED && rc != E_RANK && c->tell != NULL)
        c->tell(c, status_message());
}

int rank_sync_begin(rank_group *r, const metrics *own) {
    comm *c = r->comm;
    int rc = OK;
    if (r->pending)
        TRY(rank_sync_end(NULL, r));
    rank_report *one = &r->report[comm_rank(c)];
    *one = (rank_report){.stop = asked_to_stop(r),
                         .save = take_save(r),
                         .seconds = clock_seconds() - r->started,
                         .has_events = r->has_events,
                         .samples = (double)r->samples,
                         .time = time_since(time_now(r), &r->began)};
    if (own != NULL) {
        one->loss_sum = own->loss_sum;
        one->images = (double)own->images;
        one->top1 = (double)own->top1;
        one->top5 = (double)own->top5;
    }
    if (comm_ranks(c) > 1) {
        r->call = (comm_call){
            .kind = COMM_GATHER, .type = COMM_F64, .channel = COMM_CONTROL, .data = r->report, .n = RANK_REPORT};
        TRY(c->start(c, &r->call));
    }
    r->pending = true;
done:
    return rc;
}

int rank_sync_end(metrics *sum, rank_group *r) {
    comm *c = r->comm;
    int rc = OK;
    if (!r->pending)
        return OK;
    r->pending = false;
    if (comm_ranks(c) > 1)
        TRY(c->wait(c, &r->call));
    metrics all = {0};
    r->agreed_events = false;
    r->agreed_samples = 0;
    for (int i = 0; i < comm_ranks(c); i++) {
        const rank_report *one = &r->report[i];
        metrics m = {one->loss_sum, (long long)one->images, (long long)one->top1, (long long)one->top5};
        metrics_add(&all, &m);
        r->agreed_save = one->save > r->agreed_save ? (ranks_save_reason)one->save : r->agreed_save;
        r->agreed_events = r->agreed_events || one->has_events != 0;
        r->agreed_samples = samples_join(r->agreed_samples, (uint64_t)one->samples);
        r->agreed_stop = (int)one->stop > r->agreed_stop ? (int)one->stop : r->agreed_stop;
        r->now[i] = one->time;
    }
    r->agreed_seconds = r->report[0].seconds;
    if (sum != NULL)
        *sum = all;
done:
    return rc;
}

int ranks_stop(const rank_group *r) { return comm_ranks(r->comm) < 2 ? asked_to_stop(r) : r->agreed_stop; }

ranks_save_reason ranks_save(rank_group *r) {
    ranks_save_reason agreed = r->agreed_save, now = comm_ranks(r->comm) < 2 ? take_save(r) : RANKS_SAVE_NONE;
    r->agreed_save = RANKS_SAVE_NONE;
    return now > agreed ? now : agreed;
}

double ranks_seconds(const rank_group *r) {
    return comm_ranks(r->comm) < 2 ? clock_seconds() - r->started : r->agreed_seconds;
}

double ranks_run_seconds(const rank_group *r, const train_state *t) { return t->seconds_before + ranks_seconds(r); }
