/* Privileges: needed to open devices, given up once threads run.
 *
 * Root becomes --user, or mailtap where there is such a user. What is kept are
 * the capabilities that a port needs that returns, and those for the control
 * thread alone.
 *
 * Ownership: none. Thread: control; every thread of the process changes. Limits:
 * none.
 */
#ifndef MT_APP_LIVE_USER_H
#define MT_APP_LIVE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mt_live_user {
    char name[64];
    uid_t uid;
    gid_t gid;
    bool is_wanted; /* we are root, and are to become this user */
    char note[256]; /* "" or what is to be said about it */
};

/* wanted: --user, or NULL. Before devices are opened: 0; -EINVAL and a sentence. */
int mt_live_user_find(const char *wanted, struct mt_live_user *ret_user, char *ret_reason,
                      size_t reason_size);

/* No program that this process might start gets more rights. Before threads. */
void mt_live_user_confine(void);

/* 0; or -errno and a sentence: then nobody may go on. */
int mt_live_user_become(const struct mt_live_user *user, char *ret_reason, size_t reason_size);

#endif
