/* The address space that no public host can claim, once: what mt_ip_is_private
 * tests is what the site without a site file calls home.
 *
 * Ownership: constants. Thread: any. Limits: none.
 */
#ifndef MT_BASE_NET_PRIV_H
#define MT_BASE_NET_PRIV_H

#include "base/net.h"

#define MT_PRIVATE_PREFIX_COUNT 9

extern const struct mt_prefix mt_private_prefixes[MT_PRIVATE_PREFIX_COUNT];

#endif
