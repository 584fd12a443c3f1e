/* Which XDP program an interface has, by the kernel's netlink and bpf calls. */
#include "capture/netif_priv.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct link_request {
    struct nlmsghdr header;
    struct ifinfomsg link;
};

static const struct rtattr *find_attribute(const struct rtattr *first, int size, unsigned short type)
{
    for (const struct rtattr *at = first; RTA_OK(at, size); at = RTA_NEXT(at, size)) {
        if ((at->rta_type & NLA_TYPE_MASK) == type)
            return at;
    }
    return NULL;
}

/* The program's number in the kernel's answer; 0: there is none. */
static uint32_t program_of(const struct nlmsghdr *header, size_t size)
{
    if (!NLMSG_OK(header, size) || header->nlmsg_type != RTM_NEWLINK)
        return 0;
    const struct rtattr *all = IFLA_RTA((const struct ifinfomsg *)NLMSG_DATA(header));
    const struct rtattr *xdp = find_attribute(all, (int)IFLA_PAYLOAD(header), IFLA_XDP);
    if (xdp == NULL)
        return 0;
    const struct rtattr *id = find_attribute(RTA_DATA(xdp), (int)RTA_PAYLOAD(xdp), IFLA_XDP_PROG_ID);
    uint32_t number = 0;
    if (id != NULL && RTA_PAYLOAD(id) >= sizeof(number))
        memcpy(&number, RTA_DATA(id), sizeof(number));
    return number;
}

static uint32_t ask_program(unsigned index)
{
    _Alignas(struct nlmsghdr) char answer[16384];
    struct link_request request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index},
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t size = -1;
    if (fd < 0)
        return 0;
    if (send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
        size = recv(fd, answer, sizeof(answer), 0);
    close(fd);
    return size > 0 ? program_of((const struct nlmsghdr *)answer, (size_t)size) : 0;
}

static void ask_name(uint32_t program, char *ret_name, size_t name_size)
{
    union bpf_attr attr = {.prog_id = program};
    struct bpf_prog_info info = {0};
    long fd = syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
    if (fd < 0)
        return;
    memset(&attr, 0, sizeof(attr));
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof(info);
    attr.info.info = (uint64_t)(uintptr_t)&info;
    if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) == 0)
        snprintf(ret_name, name_size, "%.15s", info.name);
    close((int)fd);
}

void mt_netif_xdp(unsigned index, char *ret_name, size_t name_size)
{
    uint32_t program = ask_program(index);
    ret_name[0] = '\0';
    if (program == 0)
        return;
    snprintf(ret_name, name_size, "unnamed");
    ask_name(program, ret_name, name_size);
}
