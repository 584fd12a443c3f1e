/* Prometheus' text format: names, escapes, times, histograms. */
#include "metrics/exposition.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

static char *text;
static size_t size;

static FILE *begin(void)
{
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    return file;
}

static void expect(FILE *file, const char *expected)
{
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void a_family_has_its_help_and_type(void **state)
{
    (void)state;
    FILE *file = begin();
    mt_metric_put_head(file, "a_total", MT_METRIC_COUNTER, "What it counts");
    mt_metric_put(file, "a_total", NULL, UINT64_MAX);
    mt_metric_put_head(file, "b", MT_METRIC_GAUGE, "B");
    expect(file, "# HELP a_total What it counts\n# TYPE a_total counter\na_total 18446744073709551615\n"
                 "# HELP b B\n# TYPE b gauge\n");
}

static void what_would_end_a_line_or_a_label_is_escaped(void **state)
{
    (void)state;
    FILE *file = begin();
    struct mt_metric_labels labels = {{{"a", "say \"\\\"\n"}, {"b", ""}}, 2};
    mt_metric_put_head(file, "x", MT_METRIC_HISTOGRAM, "a \\ and\na \"quote\"");
    mt_metric_put(file, "x", &labels, 0);
    expect(file,
           "# HELP x a \\\\ and\\na \"quote\"\n# TYPE x histogram\nx{a=\"say \\\"\\\\\\\"\\n\",b=\"\"} 0\n");
}

static void times_are_seconds_to_the_nanosecond(void **state)
{
    (void)state;
    FILE *file = begin();
    mt_metric_put_seconds(file, "t", NULL, 0);
    mt_metric_put_seconds(file, "t", NULL, 1);
    mt_metric_put_seconds(file, "t", NULL, 5000000);
    mt_metric_put_seconds(file, "t", NULL, UINT64_C(10000000000));
    mt_metric_put_seconds(file, "t", NULL, UINT64_MAX);
    expect(file, "t 0\nt 0.000000001\nt 0.005\nt 10\nt 18446744073.709551615\n");
}

static void buckets_count_what_is_at_most_their_bound(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1000000, UINT64_C(30000000000)};
    static const uint64_t counts[] = {2, 0, 5};
    struct mt_metric_labels labels = {{{"o", "x"}}, 1};
    FILE *file = begin();
    mt_metric_put_histogram(file, "h", &labels, bounds, counts, 3, 1500000000);
    expect(file, "h_bucket{o=\"x\",le=\"0.001\"} 2\nh_bucket{o=\"x\",le=\"30\"} 2\n"
                 "h_bucket{o=\"x\",le=\"+Inf\"} 7\nh_sum{o=\"x\"} 1.5\nh_count{o=\"x\"} 7\n");
}

static void a_histogram_needs_no_labels(void **state)
{
    (void)state;
    static const uint64_t count = 3;
    FILE *file = begin();
    mt_metric_put_histogram(file, "h", NULL, NULL, &count, 1, 0);
    expect(file, "h_bucket{le=\"+Inf\"} 3\nh_sum 0\nh_count 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_has_its_help_and_type),
        cmocka_unit_test(what_would_end_a_line_or_a_label_is_escaped),
        cmocka_unit_test(times_are_seconds_to_the_nanosecond),
        cmocka_unit_test(buckets_count_what_is_at_most_their_bound),
        cmocka_unit_test(a_histogram_needs_no_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
