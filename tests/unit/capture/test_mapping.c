/* Files that are cut short while they are mapped, and bus errors of other causes. */
#include "maker.h"

#include "capture/mapping_priv.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PAGES = 64,
    THREADS = 4,
};

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* A file of PAGES pages of 'x', open for reading and writing. */
static int open_pages(const char *name)
{
    size_t size = PAGES * page_size();
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    int fd = open(place_bytes(name, bytes, size), O_RDWR | O_CLOEXEC);
    free(bytes);
    assert_true(fd >= 0);
    return fd;
}

static void cut(int fd, size_t size)
{
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
}

static size_t count_of(const uint8_t *bytes, size_t size, uint8_t wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] == wanted;
    return count;
}

static void bytes_that_were_cut_away_are_zeros_and_the_place_is_known(void **state)
{
    (void)state;
    struct mt_mapping mapping = {0};
    size_t page = page_size();
    int fd = open_pages("cut");
    assert_int_equal(mt_mapping_open(&mapping, fd, PAGES * page), 0);
    assert_int_equal(count_of(mapping.ptr, mapping.size, 'x'), PAGES * page);
    assert_true(mt_mapping_lost(&mapping) == SIZE_MAX);
    cut(fd, 3 * page + 100);
    assert_int_equal(mapping.ptr[9 * page], 0);
    assert_int_equal(mt_mapping_lost(&mapping), 9 * page);
    assert_int_equal(count_of(mapping.ptr, mapping.size, 'x'), 3 * page + 100);
    assert_int_equal(count_of(mapping.ptr, mapping.size, 0), (PAGES - 3) * page - 100);
    assert_int_equal(mt_mapping_lost(&mapping), 4 * page); /* the page of the cut itself is there */
    mt_mapping_close(&mapping);
    close(fd);
}

static void *count_zeros(void *arg)
{
    const struct mt_mapping *mapping = arg;
    return (void *)count_of(mapping->ptr, mapping->size, 0);
}

static void several_threads_may_meet_the_cut_at_once(void **state)
{
    (void)state;
    struct mt_mapping mapping = {0};
    pthread_t threads[THREADS];
    size_t page = page_size();
    int fd = open_pages("threads");
    assert_int_equal(mt_mapping_open(&mapping, fd, PAGES * page), 0);
    cut(fd, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_zeros, &mapping), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *zeros;
        assert_int_equal(pthread_join(threads[i], &zeros), 0);
        assert_int_equal((size_t)zeros, PAGES * page);
    }
    assert_int_equal(mt_mapping_lost(&mapping), 0);
    mt_mapping_close(&mapping);
    close(fd);
}

static void mappings_are_closed_in_any_order_and_each_has_its_own_losses(void **state)
{
    (void)state;
    static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    size_t page = page_size();
    for (size_t o = 0; o < MT_ARRAY_COUNT(orders); o++) {
        struct mt_mapping mappings[3] = {0};
        int fd = open_pages("all");
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(mt_mapping_open(&mappings[i], fd, PAGES * page), 0);
        cut(fd, page);
        for (size_t i = 0; i < 3; i++) {
            struct mt_mapping *mapping = &mappings[orders[o][i]];
            assert_true(mt_mapping_lost(mapping) == SIZE_MAX);
            assert_int_equal(mapping->ptr[2 * page], 0);
            assert_int_equal(mt_mapping_lost(mapping), 2 * page);
            mt_mapping_close(mapping);
            mt_mapping_close(mapping); /* does nothing */
        }
        close(fd);
    }
}

/* The signal by which a child died that does this with a mapping open; 0: it did not. */
static int death_of(void (*act)(const struct mt_mapping *mapping, int fd))
{
    int status;
    int fd = open_pages("death");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mt_mapping mapping = {0};
        signal(SIGBUS, SIG_DFL); /* cmocka and the sanitizers have actions of their own */
        if (mt_mapping_open(&mapping, fd, page_size()) == 0)
            act(&mapping, fd);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(fd);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void touch_another(const struct mt_mapping *mapping, int fd)
{
    (void)mapping;
    const uint8_t *other = mmap(NULL, 2 * page_size(), PROT_READ, MAP_PRIVATE, fd, 0);
    if (other == MAP_FAILED || ftruncate(fd, 0) != 0)
        return;
    _exit(other[page_size()]);
}

static void touch_own(const struct mt_mapping *mapping, int fd)
{
    if (ftruncate(fd, 0) != 0)
        return;
    _exit(mapping->ptr[0]);
}

static void send_to_itself(const struct mt_mapping *mapping, int fd)
{
    (void)mapping;
    (void)fd;
    raise(SIGBUS);
}

static void a_bus_error_that_is_not_of_a_mapping_ends_the_process_as_ever(void **state)
{
    (void)state;
    assert_int_equal(death_of(touch_own), 0);
    assert_int_equal(death_of(touch_another), SIGBUS);
    assert_int_equal(death_of(send_to_itself), SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_were_cut_away_are_zeros_and_the_place_is_known),
        cmocka_unit_test(several_threads_may_meet_the_cut_at_once),
        cmocka_unit_test(mappings_are_closed_in_any_order_and_each_has_its_own_losses),
        cmocka_unit_test(a_bus_error_that_is_not_of_a_mapping_ends_the_process_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
