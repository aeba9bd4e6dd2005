#include "training/run/run_live.h"

#include "base/log.h"
#include "base/status.h"
#include "report/html.h"
#include "telemetry/web_server.h"
#include "training/run/epoch_clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/** Serves a page until the first report exists. */
static int put_first_page(train_run_state *r) {
    const config *c = r->context.config;
    const char *why = html_unavailable();
    text page = {0}, notice = {0};
    int rc = OK;
    if (!c->monitor.report)
        TRY(text_printf(&notice, "There is no report: monitor.report is false."));
    else if (why != NULL)
        TRY(text_printf(&notice, "There is no report.html: %s.", why));
    else
        TRY(text_printf(&notice, "The report appears here after %s.",
                        c->monitor.report_seconds > 0 ? "the first minute, or the first epoch" : "the first epoch"));
    TRY(html_notice(&page, r->folder.logs, text_string(&notice)));
    TRY(web_put(r->monitor.web, WEB_PAGE, text_string(&page), page.n));
done:
    text_deinit(&page);
    text_deinit(&notice);
    return rc;
}

int run_live_listen(train_run_state *r, const config *c) {
    if (c->monitor.port == 0)
        return OK;
    int rc = web_open(&r->monitor.web, c->monitor.address, c->monitor.port);
    return rc != OK ? fail_context(rc, "monitor.port") : OK;
}

int run_live_open(train_run_state *r) {
    const config *c = r->context.config;
    bool bare = strchr(c->monitor.address, ':') != NULL && c->monitor.address[0] != '['; /* IPv6 without brackets */
    int rc = OK;
    if (!run_live_is_open(r))
        return OK;
    TRY(put_first_page(r));
    rc = web_start(r->monitor.web);
    if (rc != OK)
        return fail_context(rc, "monitor.port");
    log_info("live page  http://%s%s%s:%d/", bare ? "[" : "", c->monitor.address, bare ? "]" : "", c->monitor.port);
done:
    return rc;
}

static int put_value(text *out, const char *format, double x) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return isfinite(x) ? text_printf(out, format, x) : OK;
#pragma GCC diagnostic pop
}

/** Appends the line at the top of the page: numbers only, so nothing must be escaped. */
static int put_status(text *out, const train_run_state *r, const char *state) {
    const train_state *t = &r->state;
    const run_monitor *m = &r->monitor;
    int epochs = r->context.config->trainer.max_epochs;
    long long epoch = t->epoch + 1 < epochs ? t->epoch + 1 : epochs;
    char step[32], left[32], now[32];
    time_t wall = time(NULL);
    struct tm utc;
    int rc = OK;
    TRY(text_printf(out, "<p class=\"live\"><strong>%s</strong> · epoch %lld of %d · step %s · batch %lld of %lld",
                    state, epoch, epochs, text_count(step, (unsigned long long)t->global_step),
                    (long long)t->batch_in_epoch, (long long)r->context.train_batches));
    TRY(put_value(out, " · loss of the last step %.4g", m->loss));
    TRY(put_value(out, " · training accuracy %.2f %%", 100 * m->accuracy));
    TRY(put_value(out, " · %.4g images/s", m->images_per_second));
    double seconds = run_remaining_seconds(r);
    if (strcmp(state, "running") == 0 && seconds > 0)
        TRY(text_printf(out, " · about %s left", text_duration(left, seconds)));
    strftime(now, sizeof now, "%Y-%m-%d %H:%M:%S", gmtime_r(&wall, &utc));
    TRY(text_printf(out,
                    " · as of %s UTC. This page reloads every %d s; the report below can be older.<progress "
                    "max=\"%lld\" value=\"%lld\">the epoch"
                    "</progress></p>\n",
                    now, WEB_RELOAD_SECONDS, (long long)r->context.train_batches, (long long)t->batch_in_epoch));
done:
    return rc;
}

int run_live_values(train_run_state *r, const text *values, const char *state) {
    text status = {0};
    int rc = OK;
    if (!run_live_is_open(r))
        return OK;
    TRY(web_put(r->monitor.web, WEB_METRICS, text_string(values), values->n));
    TRY(put_status(&status, r, state));
    TRY(web_put(r->monitor.web, WEB_STATUS, text_string(&status), status.n));
done:
    text_deinit(&status);
    return rc;
}

int run_live_event(train_run_state *r, const text *line) {
    return run_live_is_open(r) ? web_put(r->monitor.web, WEB_PROGRESS, text_string(line), line->n) : OK;
}

int run_live_report(train_run_state *r) {
    char path[PATH_BYTES];
    int rc = OK;
    if (!run_live_is_open(r))
        return OK;
    TRY(path_join(path, r->context.config->trainer.out, "report.html"));
    TRY(web_page_file(r->monitor.web, path));
done:
    return rc;
}

void run_live_close(train_run_state *r) {
    web_close(r->monitor.web);
    r->monitor.web = NULL;
}
