#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "report/html.h"
#include "report/report.h"

#include <sys/stat.h>

static char folder[256], logs[2][PATH_BYTES], to[PATH_BYTES];
static text page; /* of the last report */

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    for (int i = 0; i < 2; i++) {
        assert_ok(path_format(logs[i], "%s/logs/resnet18/version_%d", folder, i));
        assert_ok(folder_make(logs[i]));
    }
    return path_join(to, folder, "out put");
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    text_deinit(&page);
    return 0;
}

static void put(const char *where, const char *name, const char *content) {
    char path[PATH_BYTES];
    assert_ok(path_join(path, where, name));
    assert_ok(file_write_atomic(path, content, strlen(content)));
}

#define METRICS                                                                                                        \
    "epoch,step,train_loss_step,lr-SGD,grad_norm,train_loss_epoch,train_acc,val_loss,val_acc,val_acc_top5,"            \
    "images_per_second,data_wait,scale,skipped_steps\n"

/* `epochs` epochs of 20 steps; validation is best in epoch `best` (from 1). */
static void put_metrics(const char *where, int epochs, int best) {
    text t = {0};
    assert_ok(text_printf(&t, METRICS));
    for (int e = 0; e < epochs; e++) {
        for (int s = 9; s < 20; s += 10)
            assert_ok(text_printf(&t, "%d,%d,%g,%g,1.5,,,,,,,,1024,0\n", e, 20 * e + s, 2.0 / (e + 1), 0.1 / (e + 1)));
        double far = abs(e + 1 - best);
        assert_ok(text_printf(&t, "%d,%d,,,,%g,%g,%g,%g,%g,812.5,0.025,,\n", e, 20 * e + 19, 2.0 / (e + 1), 0.5,
                              0.25 + 0.01 * far, 0.75 - 0.001 * far, 0.95));
    }
    put(where, "metrics.csv", text_string(&t));
    text_deinit(&t);
}

static const char run_json[] =
    "{\"title\": \"ResNet-18 on a|b <c>\", \"state\": \"running\", \"started\": \"2026-11-23T09:59:00Z\","
    "\"updated\": \"2026-11-23T10:31:02Z\", \"seconds\": 3900.5,"
    "\"run\": {\"Z first\": \"1\", \"A second|\": \"x`y\", \"Number\": 5}, \"hardware\": {\"CPU\": \"EPYC\"},"
    "\"lr_finder\": {\"suggestion\": 0.0123},"
    "\"checkpoints\": [{\"file\": \"epoch=7-val_loss=1.23.ckpt\", \"epoch\": 7, \"val_loss\": 1.234}],"
    "\"last\": \"last.ckpt\", \"worst\": {\"size\": 4, \"columns\": 2, \"n\": 3}}";

static void put_all(const char *where, int epochs) {
    put_metrics(where, epochs, 2);
    put(where, "run.json", run_json);
    put(where, "hparams.yaml",
        "data:\n  path: \"/d/a|b\"\noptimizer:\n  lr: 0.1\ntrainer:\n  max_epochs: 90\n  out: x\n");
    put(where, "lr_finder.csv", "step,lr,loss,smoothed\n0,0.001,2.3,2.3\n1,0.01,2.1,2.2\n2,0.1,1.5,1.8\n3,1,nan,\n");
    put(where, "device.csv",
        "epoch,step,seconds,cpu,process_cpu,process_memory,memory_used,memory_total,gpu0_utilisation,gpu0_memory_used,"
        "gpu0_memory_total,gpu0_power,gpu0_temperature,gpu0_sm_clock,gpu0_memory_clock\n"
        "0,0,10,90,80,1e9,2e9,16e9,95,1e10,8e10,300,60,1700,2600\n0,9,20,91,81,1e9,2e9,16e9,96,1e10,8e10,301,61,1701,"
        "2600\n1,20,5,91,81,1e9,2e9,16e9,nan,1e10,8e10,301,61,1701,2600\n");
    put(where, "ranks.csv",
        "epoch,step,comm,slowest,excess,slowest_data_wait\n0,9,0.05,3,0.2,0\n0,19,0.07,1,0.1,0.04\n1,29,0.03,3,0.3,0."
        "02\n");
    put(where, "worst.csv",
        "file,true,predicted,probability,loss\n\"val/a b/x|1.jpg\",a|b,<c>,0.97,5.5\nval/2.jpg,a,b_,0.8,2\n");
    put(where, "journal.log",
        "2026-11-23T23:52:56Z\t1\t0\tstart\tresnet18\n2026-11-23T23:53:56Z\t1\t20\tsaved\tepoch=0 ```\n"
        "2026-11-23T23:59:00Z\t2\t4");
}

static const uint8_t pixels[8 * 8 * 3];

static report_run a_run(int i, const char *name) {
    return (report_run){.logs = logs[i], .name = name, .worst = {pixels, 8, 8}};
}

/* Checks that every picture of the page exists and is a PNG. */
static int count_pictures(void) {
    int n = 0;
    for (const char *p = text_string(&page); (p = strstr(p, "](images/")) != NULL; n++) {
        char path[PATH_BYTES];
        unsigned char *bytes = NULL;
        size_t bytes_n = 0;
        p += 2;
        assert_ok(path_format(path, "%s/%.*s", to, (int)strcspn(p, ")"), p));
        assert_ok(file_read(&bytes, &bytes_n, path, 0));
        assert_true(bytes_n > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0);
        free(bytes);
    }
    return n;
}

/* Checks report.html, whose elements refer to nothing outside the file, and which has all pictures of the page. */
static void check_html(const report_result *r) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    int pictures = 0;
    assert_int_equal(r->html, html_unavailable() == NULL);
    if (!r->html)
        return;
    assert_ok(path_join(path, to, "report.html"));
    assert_ok(file_read(&bytes, &n, path, 0));
    for (const char *p = (const char *)bytes; (p = strstr(p, "src=")) != NULL; p++, pictures++)
        assert_int_equal(strncmp(p, "src=\"data:image/png;base64,iVBOR", 32), 0);
    for (const char *p = (const char *)bytes; (p = strstr(p, "srcset=")) != NULL; p++)
        assert_int_equal(strncmp(p, "srcset=\"data:image/png;base64,iVBOR", 35), 0);
    for (const char *p = (const char *)bytes; (p = strstr(p, "href=")) != NULL; p++)
        assert_true(p[6] == '#' || strncmp(p, "href=\"data:,\"", 13) == 0);
    assert_int_equal(pictures, r->pictures);
    assert_null(strstr((const char *)bytes, "raw HTML omitted"));
    assert_null(strstr((const char *)bytes, "<c>"));
    free(bytes);
}

static void report_of(const report_run *run, size_t n, report_result *r) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t bytes_n = 0;
    assert_ok(report_write(r, to, run, n));
    assert_ok(path_join(path, to, "viewlogs.md"));
    assert_ok(file_read(&bytes, &bytes_n, path, 0));
    text_deinit(&page);
    assert_ok(text_append(&page, bytes, bytes_n));
    free(bytes);
    assert_int_equal(count_pictures(), r->pictures);
    check_html(r);
}

static void assert_has(const char *part) {
    if (strstr(text_string(&page), part) == NULL)
        fail_msg("the page lacks '%s':\n%s", part, text_string(&page));
}

static void assert_lacks(const char *part) {
    if (strstr(text_string(&page), part) != NULL)
        fail_msg("the page has '%s':\n%s", part, text_string(&page));
}

/* Checks the number of pictures, or that the report lists the missing ones. */
static void assert_pictures(const report_result *r, int n, const char *undrawn) {
    if (plot_unavailable() == NULL) {
        assert_int_equal(r->pictures, n);
        assert_string_equal(r->missing, "");
        assert_lacks("Images are missing");
        return;
    }
    assert_int_equal(r->pictures, 0);
    assert_non_null(strstr(r->missing, plot_unavailable()));
    assert_has("> **Images are missing**: ");
    assert_has(undrawn);
    assert_has("Not drawn.\n");
}

static void test_whole(void **state) {
    (void)state;
    static const char *const part[] = {
        "# ResNet-18 on a\\|b &lt;c&gt;\n",
        ("**running** · 3 of 90 epochs finished · best validation accuracy **75.00 %** (epoch 2) · best validation "
         "loss "
         "**0.2500** (epoch 2) · run time 1 h 05 min\n"),
        "report of 2026-11-23 10:31:02 UTC.\n",
        "## Learning rate finder\n\nSuggested learning rate: **0.0123**.\n",
        "## Loss\n",
        "## Accuracy\n",
        "## Learning rate\n",
        "## Throughput\n",
        ("## Ranks\n\nRank 3 was the slowest rank in 67 % of the logged steps. On average, the slowest rank took 20.0 "
         "% "
         "longer than the mean of the other ranks. It spent 5.0 % of its time in communication and 2.0 % waiting for "
         "data.\n"),
        "## Device\n",
        "The machine has 15 GiB of memory.",
        "### GPUs\n",
        "GPU 0 has 75 GiB of memory.",
        "## Steps\n",
        "## Epochs\n\n| epoch |",
        "\n| 1 | 2.0000 | 50.00 % | 0.2600 | 74.90 % | 95.00 % | 0.1 | 812 | 2.5 % |\n",
        "\n| 2 | 1.0000 | 50.00 % | **0.2500** | **75.00 %** | 95.00 % | 0.05 | 812 | 2.5 % |\n",
        "## Worst predictions\n\nThe misclassified validation images with the highest loss, highest first. ",
        "<details><summary>List of these images</summary>\n",
        "| val/a b/x\\|1.jpg | a\\|b | &lt;c&gt; | 97.0 % | 5.5000 |\n| val/2.jpg | a | b\\_ | 80.0 % | 2.0000 |\n",
        "## Configuration\n\n<details><summary>hparams.yaml</summary>\n\n```yaml\ndata:\n  path: \"/d/a|b\"\n",
        "```\n\n</details>\n",
        "## Run\n\n|  |  |\n|---|---|\n| Z first | 1 |\n| A second\\| | x\\`y |\n| Number | 5 |\n",
        "## Hardware\n\n|  |  |\n|---|---|\n| CPU | EPYC |\n",
        "| epoch=7-val_loss=1.23.ckpt | 8 | 1.2340 |\n\nLatest: `last.ckpt`\n",
        ("## Event log\n\n2 entries, newest last; times are UTC.\n\n````text\n"
         "2026-11-23 23:52:56  epoch   1  step       0  start      resnet18\n"
         "2026-11-23 23:53:56  epoch   1  step      20  saved      epoch=0 ```\n````\n")};
    report_result r;
    put_all(logs[0], 3);
    report_run run = a_run(0, NULL);
    report_of(&run, 1, &r);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        assert_has(part[i]);
    assert_pictures(&r, 10, "Not drawn: Learning rate finder, Loss over epochs, Accuracy over epochs");
    if (r.pictures > 0)
        assert_has("![Loss over epochs](images/loss.png)\n");
}

/* The report depends only on the folder, and existing pictures are not written again. */
static void test_again(void **state) {
    (void)state;
    char path[PATH_BYTES];
    struct stat before, after;
    report_result r;
    put_all(logs[0], 3);
    report_run run = a_run(0, NULL);
    report_of(&run, 1, &r);
    char *first = strdup(text_string(&page));
    assert_ok(path_join(path, to, "images/loss.png"));
    int drawn = stat(path, &before) == 0;
    report_of(&run, 1, &r);
    assert_string_equal(text_string(&page), first);
    assert_true(!drawn || (stat(path, &after) == 0 && before.st_ino == after.st_ino));
    put_all(logs[0], 4);
    report_of(&run, 1, &r);
    assert_true(!drawn || (stat(path, &after) == 0 && before.st_ino != after.st_ino));
    free(first);
}

/* A run that has just started, with only the header of metrics.csv: the report has only a title. */
static void test_empty(void **state) {
    (void)state;
    report_result r;
    put(logs[0], "metrics.csv", METRICS);
    report_run run = {.logs = logs[0]};
    report_of(&run, 1, &r);
    assert_int_equal(r.pictures, 0);
    assert_has("# A run\n\n**unknown state** · 0 epochs finished\n");
    assert_has("## Loss\n\nNo finished epoch yet.\n");
    assert_has("## Learning rate\n\nNo steps logged yet.\n");
    assert_has("## Device\n\nNo device statistics yet.\n");
    assert_has("## Epochs\n\nNo finished epoch yet.\n");
    assert_has("## Worst predictions\n\nNo misclassified images were collected.\n");
    assert_has("## Configuration\n\nThere is no hparams.yaml.\n");
    assert_has("## Run\n\nThere is no run.json.\n");
    assert_has("## Checkpoints\n\nThere is no run.json.\n");
    assert_has("## Event log\n\nThere is no journal.log.");
    assert_lacks("## Learning rate finder");
    assert_lacks("## Ranks");
    assert_string_equal(r.missing, "");
}

/* The journal of an older version is called events.log. */
static void test_older_journal(void **state) {
    (void)state;
    report_result r;
    report_run run = a_run(0, NULL);
    put(logs[0], "events.log", "2026-11-23T23:52:56Z\t1\t0\tstart\tolder\n");
    report_of(&run, 1, &r);
    assert_has("start      older\n");
    put(logs[0], "journal.log", "2026-11-23T23:52:56Z\t1\t0\tstart\tnewer\n");
    report_of(&run, 1, &r);
    assert_has("start      newer\n");
    assert_lacks("start      older");
}

static void test_foreign(void **state) {
    (void)state;
    static const char *const name[] = {"metrics.csv", "device.csv", "lr_finder.csv", "worst.csv",
                                       "ranks.csv",   "run.json",   "hparams.yaml",  "journal.log"};
    report_result r;
    report_run run = a_run(0, "a_run");
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        put(logs[0], name[i], "PK\x03\x04 \xff\xfe,\"\t:\n  x: y\n[1, 2");
    report_of(&run, 1, &r);
    assert_int_equal(r.pictures, 0);
    assert_has("# a_run\n");
    assert_has("## Loss\n\nmetrics.csv cannot be read: the file was not written by linnet.\n");
    assert_has("## Device\n\ndevice.csv cannot be read: the file was not written by linnet.\n");
    assert_has("## Ranks\n\nranks.csv cannot be read: the file was not written by linnet.\n");
    assert_has("## Worst predictions\n\nworst.csv cannot be read: the file was not written by linnet.\n");
    assert_has("## Run\n\nrun.json cannot be read: ");
    assert_has("## Event log\n\nNo entries yet.");
    put(logs[0], "run.json", "[1]");
    report_of(&run, 1, &r);
    assert_has("run.json cannot be read: it is not a JSON object.");
    put(logs[0], "run.json",
        "{\"title\": 5, \"run\": [1], \"checkpoints\": {\"a\": 1}, \"seconds\": \"x\", \"lr_finder\": {}, "
        "\"worst\": {\"size\": -4, \"columns\": 1e300}}");
    put(logs[0], "worst.csv", "file,true\na.jpg,b\n");
    report_of(&run, 1, &r);
    assert_has("# a_run\n\n**unknown state** · 0 epochs finished\n");
    assert_has("No learning rate is suggested: no reason was logged.");
    assert_has("The thumbnails are missing.");
    assert_has("| a.jpg | b |  | nan | nan |");
}

/* A contact sheet that is smaller than run.json states is not read past its end. */
static void test_sheet(void **state) {
    (void)state;
    report_result r;
    put_all(logs[0], 1);
    report_run run = a_run(0, NULL);
    run.worst = (report_sheet){pixels, 7, 8};
    report_of(&run, 1, &r);
    assert_has("The thumbnails are missing.");
    run.worst = (report_sheet){pixels, 8, 3};
    report_of(&run, 1, &r);
    assert_has("The thumbnails are missing.");
    run.worst = (report_sheet){NULL, 8, 8};
    report_of(&run, 1, &r);
    assert_has("The thumbnails are missing.");
    assert_pictures(&r, 9, "Not drawn: Learning rate finder");
}

static void test_not_finite(void **state) {
    (void)state;
    report_result r;
    put(logs[0], "metrics.csv",
        METRICS "0,9,nan,0.1,inf,,,,,,,,,\n0,9,,,,nan,0.5,inf,0.25,,100.25,,,\n1,19,,,,1.5,,,,,50.25,-0,,\n"
                "2,29,,,,1,nan,0.75,nan,nan,1,0.5,,\n2,30,1");
    report_run run = {.logs = logs[0], .name = "x"};
    report_of(&run, 1, &r);
    assert_has("· 3 epochs finished · best validation accuracy **25.00 %** (epoch 1) · best validation loss **0.7500** "
               "(epoch 3)");
    assert_has("\n| 1 | nan | 50.00 % | inf | **25.00 %** |  | 0.1 | 100 |  |\n");
    assert_has("\n| 2 | 1.5000 |  |  |  |  |  | 50.2 |");
    assert_has("\n| 3 | 1.0000 | nan | **0.7500** | nan | nan |  | 1.0 | 50.0 % |\n");
}

static void test_many_epochs(void **state) {
    (void)state;
    report_result r;
    put_metrics(logs[0], 60, 30);
    report_run run = {.logs = logs[0]};
    report_of(&run, 1, &r);
    assert_lacks("epochs, the first");
    assert_has("\n| 29 |");
    put_metrics(logs[0], 100, 30);
    report_of(&run, 1, &r);
    assert_has("Of 100 epochs, the first 10, the best (bold) and the last 40 are shown.\n");
    assert_has("\n| 10 |");
    assert_lacks("\n| 11 |");
    assert_lacks("\n| 29 |");
    assert_has("\n| 30 | 0.0667 | 50.00 % | **0.2500** |");
    assert_lacks("\n| 31 |");
    assert_lacks("\n| 60 |");
    assert_has("\n| 61 |");
    assert_has("\n| 100 |");
}

static void test_long_journal(void **state) {
    (void)state;
    text t = {0};
    report_result r;
    for (int i = 0; i < 1234; i++)
        assert_ok(text_printf(&t, "2026-11-23T23:52:56Z\t%d\t%d\tbad_image\tval/%d.jpg\n%s", i, i, i,
                              i == 700 ? "no event\n" : ""));
    assert_ok(text_printf(&t, "2026-11-23T23:52:56Z\t9\t9\tend\ttorn"));
    put(logs[0], "journal.log", text_string(&t));
    report_run run = {.logs = logs[0]};
    report_of(&run, 1, &r);
    assert_has("The last 200 of 1234 entries, newest last; times are UTC.");
    assert_lacks("val/1033.jpg");
    assert_has("val/1034.jpg");
    assert_has("val/1233.jpg\n```\n");
    assert_lacks("torn");
    text_deinit(&t);
}

static void test_two(void **state) {
    (void)state;
    report_result r;
    put_all(logs[0], 3);
    put_all(logs[1], 5);
    put(logs[1], "hparams.yaml",
        "data:\n  path: \"/d/a|b\"\noptimizer:\n  lr: 0.5\n  more: 1\ntrainer:\n  max_epochs: 90\n  out: y\n"
        "monitor:\n  port: 8000\n");
    report_run run[2] = {a_run(0, "first"), a_run(1, "lr|0.5")};
    report_of(run, 2, &r);
    assert_has("# Comparison of 2 runs\n");
    assert_has("| | first | lr\\|0.5 |\n|---|---:|---:|\n| state | running | running |\n| epochs | 3 | 5 |\n");
    assert_has("| best val top-1 | 75.00 % (epoch 2) | 75.00 % (epoch 2) |\n"
               "| best val loss | 0.2500 (epoch 2) | 0.2500 (epoch 2) |\n");
    assert_has("| mean images/s | 812 | 812 |\n| wall time | 1 h 05 min | 1 h 05 min |\n");
    assert_has("| optimizer.lr | 0.1 | 0.5 |\n| optimizer.more |  | 1 |\n\n");
    assert_lacks("data.path");
    assert_lacks("trainer.out");
    assert_lacks("monitor.port");
    assert_lacks("Event log");
    assert_pictures(&r, 6, "Not drawn: Learning rate finder, Loss over epochs");
}

/* The better values are bold. */
static void test_two_best(void **state) {
    (void)state;
    report_result r;
    put_metrics(logs[0], 1, 2);
    put_metrics(logs[1], 3, 2);
    report_run run[2] = {a_run(0, "a"), a_run(1, "b")};
    report_of(run, 2, &r);
    assert_has("| best val top-1 | 74.90 % (epoch 1) | **75.00 % (epoch 2)** |\n"
               "| best val loss | 0.2600 (epoch 1) | **0.2500 (epoch 2)** |\n");
    assert_lacks("learning rate finder");
}

/* A run that has just started, compared with a completed one. */
static void test_two_uneven(void **state) {
    (void)state;
    report_result r;
    put_metrics(logs[0], 1, 1);
    put(logs[1], "run.json", "{\"state\": \"failed\"}");
    report_run run[2] = {a_run(0, "a"), a_run(1, "b")};
    report_of(run, 2, &r);
    assert_has("| state |  | failed |\n| epochs | 1 | 0 |\n| best val top-1 | 75.00 % (epoch 1) |  |\n");
    assert_has("- a: There is no run.json\n");
    assert_has("- b: No metrics yet\n");
    assert_lacks("## Learning rate finder");
    assert_pictures(&r, 5, "Not drawn: Loss over epochs");
}

static void test_no_run(void **state) {
    (void)state;
    report_result r;
    char nowhere[PATH_BYTES];
    assert_ok(path_join(nowhere, folder, "nowhere"));
    report_run run = {.logs = nowhere};
    assert_fails(E_NOTFOUND, "there is no folder", report_write(&r, to, &run, 1));
    run.logs = logs[0];
    assert_fails(E_NOTFOUND, "contains no logs of a run", report_write(&r, to, &run, 1));
    assert_fails(E_NOTFOUND, "no run to report on", report_write(&r, to, &run, 0));
    assert_false(file_exists(to));
    put_all(logs[0], 1);
    put(folder, "out put", "a file in the way");
    assert_fails(E_IO, "out put", report_write(&r, to, &run, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sheet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_finite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_best, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_uneven, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_run, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
