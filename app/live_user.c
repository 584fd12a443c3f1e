#include "live_user.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_USER "mailtap"
#define MAKE_USER "useradd --system --no-create-home --shell /usr/sbin/nologin "

int mt_live_user_find(const char *wanted, struct mt_live_user *ret_user, char *ret_reason, size_t reason_size)
{
    struct mt_live_user user = {.is_wanted = false};
    const char *name = wanted ? wanted : DEFAULT_USER;
    bool is_root = geteuid() == 0;
    const struct passwd *entry = is_root || wanted ? getpwnam(name) : NULL;

    if (wanted && !entry) {
        snprintf(ret_reason, reason_size, "--user: there is no user '%s' here; make one: " MAKE_USER "%s",
                 wanted, wanted);
        return -EINVAL;
    }
    if (wanted && !is_root && entry->pw_uid != geteuid()) {
        snprintf(ret_reason, reason_size,
                 "--user: only root can become '%s'; start as root, or leave --user out", wanted);
        return -EINVAL;
    }
    if (is_root && !entry)
        snprintf(user.note, sizeof(user.note),
                 "stays root, as there is no user " DEFAULT_USER " to become; make one (" MAKE_USER
                 "%s) or give --user NAME",
                 name);
    if (is_root && entry && entry->pw_uid != 0) {
        user.is_wanted = true;
        user.uid = entry->pw_uid;
        user.gid = entry->pw_gid;
        snprintf(user.name, sizeof(user.name), "%s", name);
    }
    *ret_user = user;
    return 0;
}

void mt_live_user_confine(void)
{
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* A port that returns is opened again, and one that is closed is told so. */
static int keep_capabilities(void)
{
    const uint32_t kept = 1u << CAP_NET_RAW | 1u << CAP_NET_ADMIN | 1u << CAP_IPC_LOCK;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capget, &header, now) != 0)
        return -errno;
    data[0].permitted = now[0].permitted & kept;
    data[0].effective = data[0].permitted;
    return syscall(SYS_capset, &header, data) == 0 ? 0 : -errno;
}

int mt_live_user_become(const struct mt_live_user *user, char *ret_reason, size_t reason_size)
{
    if (!user->is_wanted)
        return 0;
    int rc = 0;
    /* the capabilities stay with this thread alone: prctl and capset are about
     * one thread, setresuid of the C library about all */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || initgroups(user->name, user->gid) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0)
        rc = -errno;
    if (rc == 0)
        rc = keep_capabilities();
    if (rc == 0 && (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0))
        rc = -errno;
    if (rc == 0 && setresuid(0, 0, 0) == 0)
        rc = -EPERM;
    if (rc != 0)
        snprintf(ret_reason, reason_size,
                 "can't become user '%s': %s; start with the right to (CAP_SETUID, "
                 "CAP_SETGID), or give --user root to stay",
                 user->name, strerrordesc_np(-rc));
    return rc;
}
