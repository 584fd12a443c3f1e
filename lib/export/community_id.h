/* Community ID flow hash v1 (https://github.com/corelight/community-id-spec):
 * "1:" + base64(SHA-1(seed, ordered tuple)), seed 0, TCP.
 *
 * Ownership: caller's buffer. Thread: any; no state. Limits: 30 bytes.
 */
#ifndef MT_EXPORT_COMMUNITY_ID_H
#define MT_EXPORT_COMMUNITY_ID_H

#include "base/net.h"

#define MT_COMMUNITY_ID_SIZE 30

void mt_community_id(const struct mt_tuple *tuple, uint8_t ret_text[MT_COMMUNITY_ID_SIZE]);

#endif
