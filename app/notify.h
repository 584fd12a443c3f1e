/* What the service manager is told, when it has started us (sd_notify(3)).
 *
 * Ownership: none. Thread: control. Limits: without a service manager nothing
 * happens.
 */
#ifndef MT_APP_NOTIFY_H
#define MT_APP_NOTIFY_H

void mt_notify_ready(void);
void mt_notify_reloading(void);
void mt_notify_stopping(void);

/* Alive; `status` is shown by systemctl status. */
void mt_notify_alive(const char *status);

#endif
