#include "capture/devices_priv.h"
#include "capture/port_driver_priv.h"

#include "maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct mt_device devices[MT_DEVICES_MAX];
static struct mt_device_host host;
static size_t count;

static void folder(const char *path)
{
    char part[128];
    for (const char *at = path; (at = strchr(at, '/')) != NULL; at++) {
        snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
        if (access(place(part), F_OK) != 0)
            place_directory(part);
    }
    if (access(place(path), F_OK) != 0)
        place_directory(path);
}

static void file(const char *path, const char *text)
{
    char above[128];
    snprintf(above, sizeof(above), "%s", path);
    *strrchr(above, '/') = '\0';
    folder(above);
    place_bytes(path, text, strlen(text));
}

static void link_to(const char *path, const char *target)
{
    char above[128];
    snprintf(above, sizeof(above), "%s", path);
    *strrchr(above, '/') = '\0';
    folder(above);
    assert_int_equal(symlink(target, place(path)), 0);
}

static void interface(const char *name, const char *flags, const char *type, unsigned queues)
{
    char path[128];
    snprintf(path, sizeof(path), "sys/class/net/%s/flags", name);
    file(path, flags);
    snprintf(path, sizeof(path), "sys/class/net/%s/type", name);
    file(path, type);
    snprintf(path, sizeof(path), "sys/class/net/%s/ifindex", name);
    file(path, "7\n");
    for (unsigned i = 0; i < queues; i++) {
        snprintf(path, sizeof(path), "sys/class/net/%s/queues/rx-%u", name, i);
        folder(path);
    }
}

static void card(const char *address, const char *class, const char *driver)
{
    char path[128];
    char target[128];
    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/class", address);
    file(path, class);
    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/numa_node", address);
    file(path, "1\n");
    if (driver == NULL)
        return;
    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", address);
    snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
    link_to(path, target);
}

static void list(bool is_privileged)
{
    const struct mt_devices_roots roots = {.sysfs = place("sys"), .is_privileged = is_privileged};
    count = mt_devices_list_below(&roots, devices, MT_DEVICES_MAX, &host);
}

static int setup(void **state)
{
    (void)state;
    folder("sys");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

static void an_empty_machine_has_no_devices_and_is_told_of_huge_pages(void **state)
{
    (void)state;
    list(true);
    assert_int_equal(count, 0);
    assert_false(host.has_vfio);
    assert_false(host.has_iommu);
    assert_non_null(strstr(host.notes[0], "No huge pages"));
    assert_non_null(strstr(host.notes[0], "sysctl vm.nr_hugepages="));
    assert_string_equal(host.notes[1], "");
}

static void an_interface_that_is_up_lacks_nothing(void **state)
{
    (void)state;
    interface("tap0", "0x1103\n", "1\n", 4);
    file("sys/class/net/tap0/speed", "25000\n");
    list(true);
    assert_int_equal(count, 1);
    assert_string_equal(devices[0].name, "tap0");
    assert_string_equal(devices[0].option, "--interface tap0");
    assert_int_equal(devices[0].queues, 4);
    assert_int_equal(devices[0].speed, 25000);
    assert_int_equal(devices[0].numa_node, -1);
    assert_true(devices[0].is_up);
    assert_string_equal(devices[0].spread, "software");
    assert_string_equal(devices[0].missing, "");
    assert_string_equal(devices[0].mend, "");
}

static void an_interface_that_is_down_is_listed_with_the_command_that_mends_it(void **state)
{
    (void)state;
    interface("eth1", "0x1002\n", "1\n", 1);
    list(true);
    assert_int_equal(count, 1);
    assert_false(devices[0].is_up);
    assert_string_equal(devices[0].missing, "it is down");
    assert_string_equal(devices[0].mend, "ip link set eth1 up");
}

static void an_interface_without_ethernet_headers_cannot_be_captured_from(void **state)
{
    (void)state;
    interface("tun0", "0x1091\n", "65534\n", 1);
    list(true);
    assert_string_equal(devices[0].option, "");
    assert_string_equal(devices[0].missing, "not an Ethernet interface");
}

static void rights_that_are_missing_are_told(void **state)
{
    (void)state;
    interface("eth0", "0x1003\n", "1\n", 1);
    list(false);
    assert_string_equal(devices[0].missing, "the right to capture");
    assert_string_equal(devices[0].mend, "sudo mailtap live --interface eth0");
    assert_non_null(strstr(host.notes[0], "No right to capture: run as root"));
}

static void a_card_that_the_kernel_drives_is_listed_with_how_to_take_it(void **state)
{
    (void)state;
    card("0000:3b:00.0", "0x020000\n", "ixgbe");
    card("0000:00:1f.0", "0x060100\n", "lpc_ich");
    list(true);
    assert_int_equal(count, 1);
    assert_string_equal(devices[0].name, "0000:3b:00.0");
    assert_string_equal(devices[0].option, "--port 0000:3b:00.0");
    assert_string_equal(devices[0].driver, "net_ixgbe");
    assert_string_equal(devices[0].kernel, "ixgbe");
    assert_string_equal(devices[0].spread, "device (symmetric hash)");
    assert_int_equal(devices[0].numa_node, 1);
    assert_non_null(strstr(devices[0].missing, "the kernel has it (ixgbe)"));
    assert_string_equal(devices[0].mend, "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0");
    assert_non_null(strstr(host.notes[1], "modprobe vfio-pci"));
    assert_non_null(strstr(host.notes[2], "IOMMU"));
}

static void assert_obstacle(const char *address, const char *one, const char *other)
{
    char text[256];
    mt_port_request_pci_obstacle(address, place("sys"), text, sizeof(text));
    if (strstr(text, one) == NULL || strstr(text, other) == NULL)
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", text, one, other);
    assert_null(strchr(text, '\n'));
}

static void a_card_that_cannot_be_polled_is_refused_with_the_command_that_mends_it(void **state)
{
    (void)state;
    char text[256];
    card("0000:3b:00.0", "0x020000\n", "ixgbe");
    card("0000:3b:00.1", "0x020000\n", NULL);
    card("0000:3b:00.2", "0x020000\n", "vfio-pci");
    card("0000:3b:00.3", "0x020000\n", "mlx5_core");
    assert_obstacle("0000:3b:00.0", "belongs to the kernel's driver ixgbe",
                    "\"modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0\"");
    assert_obstacle("0000:3b:00.0", "or capture from its interface", "--interface");
    assert_obstacle("0000:3b:00.1", "has no driver",
                    "\"modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.1\"");
    assert_obstacle("0000:3c:00.0", "there is no PCI device 0000:3c:00.0", "\"mailtap devices\"");
    for (int i = 2; i <= 3; i++) {
        char address[16];
        snprintf(address, sizeof(address), "0000:3b:00.%d", i);
        mt_port_request_pci_obstacle(address, place("sys"), text, sizeof(text));
        assert_string_equal(text, "");
    }
}

static void a_card_that_was_given_to_us_and_one_that_is_shared_lack_nothing(void **state)
{
    (void)state;
    card("0000:3b:00.0", "0x020000\n", "vfio-pci");
    card("0000:3b:00.1", "0x020000\n", "mlx5_core");
    folder("sys/module/vfio_pci");
    folder("sys/kernel/iommu_groups/0");
    list(true);
    assert_int_equal(count, 2);
    assert_string_equal(devices[0].missing, "");
    assert_string_equal(devices[1].missing, "");
    assert_string_equal(devices[1].driver, "mlx5_pci");
    assert_true(host.has_vfio);
    assert_true(host.has_iommu);
}

static void a_card_without_a_driver_is_said_to_have_none(void **state)
{
    (void)state;
    card("0000:3b:00.0", "0x020000\n", NULL);
    folder("sys/module/vfio_pci");
    list(true);
    assert_string_equal(devices[0].missing, "it has no driver");
    assert_string_equal(devices[0].mend, "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0");
}

static void a_card_has_the_queues_and_speed_of_its_interface(void **state)
{
    (void)state;
    card("0000:3b:00.0", "0x020000\n", "i40e");
    interface("eth0", "0x1003\n", "1\n", 16);
    file("sys/class/net/eth0/speed", "40000\n");
    link_to("sys/class/net/eth0/device", "../../../bus/pci/devices/0000:3b:00.0");
    list(true);
    assert_int_equal(count, 2);
    assert_string_equal(devices[1].name, "0000:3b:00.0");
    assert_int_equal(devices[1].queues, 16);
    assert_int_equal(devices[1].speed, 40000);
    assert_true(devices[1].is_up);
}

static void huge_pages_of_the_size_that_has_most_memory_are_told(void **state)
{
    (void)state;
    file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100\n");
    file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "40\n");
    file("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2\n");
    file("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
    list(true);
    assert_int_equal(host.huge_page_size, 1u << 30);
    assert_int_equal(host.huge_pages_total, 2);
    assert_int_equal(host.huge_pages_free, 1);
    assert_string_equal(host.notes[0], "");
}

static void this_machine_is_listed_too(void **state)
{
    (void)state;
    count = mt_devices_list(devices, MT_DEVICES_MAX, &host);
    bool has_loopback = false;
    for (size_t i = 0; i < count; i++)
        has_loopback |= strcmp(devices[i].name, "lo") == 0;
    assert_true(has_loopback);
    assert_true(host.processors >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_machine_has_no_devices_and_is_told_of_huge_pages, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_interface_that_is_up_lacks_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interface_that_is_down_is_listed_with_the_command_that_mends_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_interface_without_ethernet_headers_cannot_be_captured_from, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rights_that_are_missing_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_card_that_the_kernel_drives_is_listed_with_how_to_take_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_card_that_cannot_be_polled_is_refused_with_the_command_that_mends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_card_that_was_given_to_us_and_one_that_is_shared_lack_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_card_without_a_driver_is_said_to_have_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_card_has_the_queues_and_speed_of_its_interface, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_pages_of_the_size_that_has_most_memory_are_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(this_machine_is_listed_too, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
