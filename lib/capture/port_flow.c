#include "capture/ports_priv.h"

void mt_port_flow_install(struct mt_port *port)
{
    (void)port;
}
