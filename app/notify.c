#include "notify.h"

#include "live_view.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void mt_notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void mt_notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, mt_live_now() / 1000);
}

void mt_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void mt_notify_alive(const char *status)
{
    sd_notifyf(0, "WATCHDOG=1\nSTATUS=%s", status);
}
