#include "capture/port_cores_priv.h"

#include "maker.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int plan(struct mt_cores *cores, const char *list, uint32_t workers, bool has_reader, char *reason)
{
    reason[0] = '\0';
    mt_cores_init(cores);
    return mt_cores_plan(cores, list, workers, has_reader, -1, "/sys", reason, 256);
}

/* The lowest processor that this test may use. */
static int allowed(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET((size_t)i, &set))
            return i;
    }
    return 0;
}

static void a_core_that_does_not_exist_is_named_beside_those_that_do(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    char expected[256];
    assert_int_equal(plan(&cores, "9999", 1, false, reason), -22);
    snprintf(expected, sizeof(expected), "core 9999 does not exist; this machine has 0-%ld",
             sysconf(_SC_NPROCESSORS_CONF) - 1);
    assert_string_equal(reason, expected);
}

static void a_list_that_is_no_list_is_refused_with_an_example(void **state)
{
    (void)state;
    static const char *const lists[] = {"", "x", "1-", "-1", "3-2", "0;1", "0,", "0 1", "99999999999"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct mt_cores cores;
        char reason[256];
        assert_int_equal(plan(&cores, lists[i], 1, false, reason), -22);
        assert_non_null(strstr(reason, "write it like \"2-5,8\""));
    }
}

static void a_core_named_twice_and_a_list_too_short_are_refused(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    char list[32];
    snprintf(list, sizeof(list), "%d,%d", allowed(), allowed());
    assert_int_equal(plan(&cores, list, 1, false, reason), -22);
    assert_non_null(strstr(reason, "stands twice"));
    snprintf(list, sizeof(list), "%d", allowed());
    assert_int_equal(plan(&cores, list, 2, true, reason), -22);
    assert_non_null(strstr(reason, "has 1, but 3 are needed (a reader and 2 workers)"));
}

static void a_given_list_goes_to_the_reader_first_and_then_to_workers(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    char list[32];
    snprintf(list, sizeof(list), "%d", allowed());
    assert_int_equal(plan(&cores, list, 1, false, reason), 0);
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_WORKER, 0), allowed());
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_WORKER, 1), -1);
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_COLLECTOR, 0), -1);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        print_message("one processor here: the reader's place is not tried\n");
        return;
    }
    assert_int_equal(plan(&cores, "1,0", 1, true, reason), 0);
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_READER, 0), 1);
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_WORKER, 0), 0);
}

static void threads_are_not_pinned_where_they_would_have_to_share(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    assert_int_equal(plan(&cores, NULL, 64, true, reason), 0);
    if (cores.allowed_count >= 65) {
        print_message("65 processors here: sharing is not tried\n");
        return;
    }
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_READER, 0), -1);
    assert_int_equal(mt_cores_of(&cores, MT_THREAD_WORKER, 63), -1);
}

/* A machine of which core 1 is the other half of core 0, as far as it exists. */
static void physical_cores_come_before_their_second_halves(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        print_message("one processor here: there is no choice\n");
        return;
    }
    place_directory("sys");
    place_directory("sys/devices");
    place_directory("sys/devices/system");
    place_directory("sys/devices/system/cpu");
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d", i);
        place_directory(path);
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology", i);
        place_directory(path);
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
        place_bytes(path, "0-1\n", 4);
    }
    mt_cores_init(&cores);
    assert_int_equal(mt_cores_plan(&cores, NULL, 1, false, -1, place("sys"), reason, sizeof(reason)), 0);
    if (cores.allowed_count == 2)
        assert_int_equal(mt_cores_of(&cores, MT_THREAD_WORKER, 0), 0);
    else
        assert_true(mt_cores_of(&cores, MT_THREAD_WORKER, 0) >= 2);
    place_fini();
}

static void *pin_and_look(void *cores)
{
    static cpu_set_t set;
    mt_cores_pin(cores, MT_THREAD_WORKER, 0);
    pthread_getaffinity_np(pthread_self(), sizeof(set), &set);
    return &set;
}

static void *look(void *unused)
{
    static cpu_set_t set;
    (void)unused;
    pthread_getaffinity_np(pthread_self(), sizeof(set), &set);
    return &set;
}

/* A thread like the one that controls a run: it pins itself, starts another, which
 * is looked at, and one that polls. */
static void *control(void *cores)
{
    pthread_t thread;
    void *inherited;
    void *pinned;
    mt_cores_pin(cores, MT_THREAD_CONTROL, 0);
    pthread_create(&thread, NULL, look, NULL);
    pthread_join(thread, &inherited);
    pthread_create(&thread, NULL, pin_and_look, cores);
    pthread_join(thread, &pinned);
    return CPU_COUNT((cpu_set_t *)pinned) == 1 ? inherited : NULL;
}

static void what_does_not_poll_stays_off_the_cores_that_are_polled_on(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    char list[32];
    char others[256];
    char all[256];
    pthread_t thread;
    void *set;
    snprintf(list, sizeof(list), "%d", allowed());
    assert_int_equal(plan(&cores, list, 1, false, reason), 0);
    mt_cores_describe_others(&cores, others, sizeof(others));
    mt_cores_describe(&cores, all, sizeof(all));
    assert_int_equal(pthread_create(&thread, NULL, control, &cores), 0);
    pthread_join(thread, &set);
    assert_non_null(set);
    if (cores.allowed_count == 1) { /* there is nowhere else */
        assert_string_equal(others, all);
        assert_int_equal(CPU_COUNT((cpu_set_t *)set), 1);
        return;
    }
    assert_string_not_equal(others, all);
    assert_int_equal((uint32_t)CPU_COUNT((cpu_set_t *)set), cores.allowed_count - 1);
    assert_false(CPU_ISSET((size_t)allowed(), (cpu_set_t *)set));
    /* planned anew by a thread that is bound: no less is allowed than before */
    uint32_t count = cores.allowed_count;
    assert_int_equal(mt_cores_plan(&cores, list, 1, false, -1, "/sys", reason, sizeof(reason)), 0);
    assert_int_equal(cores.allowed_count, count);
    assert_int_equal(cores.polling_count, 1);
}

static void a_pinned_thread_runs_where_it_was_put(void **state)
{
    (void)state;
    struct mt_cores cores;
    char reason[256];
    char list[32];
    pthread_t thread;
    void *set;
    snprintf(list, sizeof(list), "%d", allowed());
    assert_int_equal(plan(&cores, list, 1, false, reason), 0);
    assert_int_equal(pthread_create(&thread, NULL, pin_and_look, &cores), 0);
    pthread_join(thread, &set);
    assert_int_equal(CPU_COUNT((cpu_set_t *)set), 1);
    assert_true(CPU_ISSET((size_t)allowed(), (cpu_set_t *)set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_that_does_not_exist_is_named_beside_those_that_do),
        cmocka_unit_test(a_list_that_is_no_list_is_refused_with_an_example),
        cmocka_unit_test(a_core_named_twice_and_a_list_too_short_are_refused),
        cmocka_unit_test(a_given_list_goes_to_the_reader_first_and_then_to_workers),
        cmocka_unit_test(threads_are_not_pinned_where_they_would_have_to_share),
        cmocka_unit_test(physical_cores_come_before_their_second_halves),
        cmocka_unit_test(a_pinned_thread_runs_where_it_was_put),
        cmocka_unit_test(what_does_not_poll_stays_off_the_cores_that_are_polled_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
