/* Addresses taken out of records, alerts and transcript lines, before anything
 * encodes them. What each field may hold, and so what is done with it, stands in
 * redact/privacy.def; a field that is not named there is searched like free text.
 *
 *   local-part  u-<16 digits>@example.com         the domain stays
 *   hash        u-<16 digits>@d-<16 digits>.invalid
 *   drop        [address] in texts; fields that are addresses are left out
 *
 * The digits are SipHash of the whole address, or of its domain, in lower case,
 * with the site's key: equal addresses have equal names as long as the key is the
 * same, and who lacks it can't try addresses out.
 *
 * Ownership: the redactor owns the texts it makes; a redacted record lives until
 * its next call. Thread: one redactor a thread. Limits: MT_REDACT_ROOM bytes a
 * record; what does not fit is refused whole, so nothing slips through.
 */
#ifndef MT_REDACT_REDACT_H
#define MT_REDACT_REDACT_H

#include "base/siphash.h"
#include "record/record.h"

enum mt_redact_mode {
    MT_REDACT_NONE,
    MT_REDACT_LOCAL_PART,
    MT_REDACT_HASH,
    MT_REDACT_DROP,
};

struct mt_redact_config {
    enum mt_redact_mode mode;
    struct mt_siphash_key key;
};

/* Texts and lists of one record. */
#define MT_REDACT_ROOM ((size_t)32 << 20)

/* What a field may hold. */
enum mt_privacy {
    MT_PRIVACY_UNDECIDED, /* as FREE */
    MT_PRIVACY_KEEP,      /* made by us, or from a fixed alphabet: never an address */
    MT_PRIVACY_FREE,      /* any text: the addresses in it */
    MT_PRIVACY_ADDRESS,   /* an address, or a local part alone, and nothing else */
    MT_PRIVACY_DOMAIN,    /* the domain of one */
    MT_PRIVACY_MAILBOX,   /* an address with a person's name: the name goes too */
    MT_PRIVACY_URL,       /* a URL: its login, and the addresses in it */
    MT_PRIVACY_LINE,      /* a line of the conversation, with or without time and side before it */
};

struct mt_redact;

/* "none", "local-part", "hash", "drop". */
bool mt_redact_mode_parse(struct mt_span word, enum mt_redact_mode *ret_mode);

/* The decision about a TEXT or TEXTS field. */
enum mt_privacy mt_redact_privacy(const struct mt_field_group *group, const struct mt_field *field);

/* *ret_redact is NULL when the mode is none. 0 or -ENOMEM. */
int mt_redact_create(const struct mt_redact_config *config, struct mt_redact **ret_redact);
void mt_redact_destroy(struct mt_redact *redact);

/* False: no room; then there is no record to write. The two are apart. */
bool mt_redact_session(struct mt_redact *redact, const struct mt_record_session *record,
                       struct mt_record_session *ret_record);
bool mt_redact_alert(struct mt_redact *redact, const struct mt_record_alert *alert,
                     struct mt_record_alert *ret_alert);

/* A text that is no member of a record. Absent when it has to be left out, or
 * when there is no room. */
struct mt_span mt_redact_text(struct mt_redact *redact, enum mt_privacy privacy, struct mt_span text);

#endif
