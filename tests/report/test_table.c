#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "report/table.h"

static char folder[256], path[PATH_BYTES];

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    return path_join(path, folder, "table.csv");
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

static void put(const char *content) { assert_ok(file_write_atomic(path, content, strlen(content))); }

static void test_cells(void **state) {
    (void)state;
    char s[] = "a,\"b,\"\"c\"\"\n\",,\"d\"e\r\n\"\",f\nlast,\"torn";
    static const struct {
        const char *s;
        char stop;
    } expected[] = {{"a", ','}, {"b,\"c\"\n", ','}, {"", ','},     {"de", '\n'},
                    {"", ','},  {"f", '\n'},        {"last", ','}, {"torn", 0}};
    cells c = {s, s + sizeof s - 1};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cell v = cells_next(&c);
        assert_string_equal(v.s, expected[i].s);
        assert_int_equal(v.n, strlen(expected[i].s));
        assert_int_equal(v.stop, expected[i].stop);
    }
    assert_ptr_equal(c.next, c.end);
}

static void test_columns(void **state) {
    (void)state;
    static const char *const name[] = {"step", "loss", "absent", "lr"};
    table t;
    put("epoch,step,\"loss\",more,lr\r\n0,1,2.5,x,\r\n0,2,,\"1,5\",0.1\n0,3,nan,,1e-07\n0,4,-inf,,word\n");
    assert_ok(table_read(&t, path, name, 4));
    assert_int_equal(t.row_n, 4);
    assert_int_equal(t.column[0].n, 4);
    assert_int_equal(t.column[1].n, 3);
    assert_int_equal(t.column[2].n, 0);
    assert_int_equal(t.column[3].n, 2);
    assert_true(t.column[1].value[0] == 2.5 && isnan(t.column[1].value[1]) && t.column[1].value[2] == -INFINITY);
    size_t at = 0;
    assert_true(isnan(table_value(&t.column[3], 0, &at)));
    assert_true(table_value(&t.column[3], 1, &at) == 0.1);
    assert_true(table_value(&t.column[3], 2, &at) == 1e-7);
    assert_true(isnan(table_value(&t.column[3], 3, &at)));
    table_deinit(&t);
}

static void test_numbers(void **state) {
    (void)state;
    static const char *const name[] = {"x"};
    static const char *const number[] = {"0",
                                         "-0.5",
                                         "0.30000000000000004",
                                         "123456789012345678",
                                         "1e22",
                                         "1e-22",
                                         "1.7976931348623157e308",
                                         "4.9e-324",
                                         "6.02e+23",
                                         "1e-300",
                                         "99999999999999999999",
                                         "-3.25e4",
                                         "1e400",
                                         "1e",
                                         "0x10",
                                         "1.2.3",
                                         "-",
                                         "."};
    text s = {0};
    table t;
    assert_ok(text_printf(&s, "x\n"));
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        assert_ok(text_printf(&s, "%s\n", number[i]));
    put(text_string(&s));
    assert_ok(table_read(&t, path, name, 1));
    size_t k = 0;
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        double expected;
        if (!text_to_double(&expected, number[i]))
            continue;
        assert_true(k < t.column->n && t.column->row[k] == i);
        assert_near(t.column->value[k], expected, fabs(expected) * 4e-16);
        k++;
    }
    assert_int_equal(k, t.column->n);
    table_deinit(&t);
    text_deinit(&s);
}

static void test_torn(void **state) {
    (void)state;
    static const char *const name[] = {"step", "loss"};
    table t;
    put("step,loss,lr\n1,1,1\n2,2\n3,3,3,3\n4,4,4\n5,5,5.12");
    assert_ok(table_read(&t, path, name, 2));
    assert_int_equal(t.row_n, 2);
    assert_int_equal(t.column[1].n, 2);
    assert_true(t.column[1].value[1] == 4 && t.column[1].row[1] == 1);
    table_deinit(&t);
    put("step,lo");
    assert_fails(E_FORMAT, "no complete first line", table_read(&t, path, name, 2));
    put("");
    assert_fails(E_FORMAT, "no complete first line", table_read(&t, path, name, 2));
    put("name,age\nx,1\n");
    assert_fails(E_FORMAT, "none of the expected columns", table_read(&t, path, name, 2));
    assert_fails(E_NOTFOUND, "nowhere", table_read(&t, "/nowhere/table.csv", name, 2));
    assert_fails(E_IO, "not a regular file", table_read(&t, folder, name, 2));
}

static void test_worst(void **state) {
    (void)state;
    worst_list w;
    put("file,true,predicted,probability,loss,more\n\"val/a, \"\"b\"\".jpg\",cat,dog,0.97,4.25,x\n"
        "val/c.jpg,,,,,\nval/torn.jpg,cat");
    assert_ok(worst_read(&w, path));
    assert_int_equal(w.n, 2);
    assert_string_equal(w.image[0].file, "val/a, \"b\".jpg");
    assert_string_equal(w.image[0].truth, "cat");
    assert_string_equal(w.image[0].predicted, "dog");
    assert_true(w.image[0].probability == 0.97 && w.image[0].loss == 4.25);
    assert_string_equal(w.image[1].truth, "");
    assert_true(isnan(w.image[1].loss));
    worst_deinit(&w);
}

/* A million rows: read in well below a second; the limit is higher because of slow builds. */
static void test_long(void **state) {
    (void)state;
    static const char *const name[] = {"epoch", "step", "train_loss_step"};
    text s = {0};
    table t;
    assert_ok(text_printf(&s, "epoch,step,train_loss_step,lr-SGD,grad_norm,val_loss\n"));
    for (int i = 0; i < 1000000; i++)
        assert_ok(text_printf(&s, "%d,%d,2.51412825256%05d,0.1,1.6429887310925317,\n", i / 5000, i, i % 99991));
    assert_ok(file_write_atomic(path, s.data, s.n));
    double begun = clock_seconds();
    assert_ok(table_read(&t, path, name, 3));
    double took = clock_seconds() - begun;
    assert_int_equal(t.column[2].n, 1000000);
    assert_true(t.column[1].value[999999] == 999999);
    if (took > 5)
        fail_msg("%.2f s for a million rows", took);
    table_deinit(&t);
    text_deinit(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),
        cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
