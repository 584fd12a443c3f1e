/* The redactor, and how texts are searched for addresses.
 *
 * Ownership: the redactor owns its room. Thread: one. Limits: those of redact.h;
 * MT_REDACT_NAMES_MAX local parts are remembered.
 */
#ifndef MT_REDACT_REDACT_PRIV_H
#define MT_REDACT_REDACT_PRIV_H

#include "base/buf.h"
#include "redact/redact.h"

/* Local parts that stood alone (VRFY alice): servers repeat them in their answers
 * ("alice is ambiguous"), where nothing else tells them from a word. */
#define MT_REDACT_NAMES_MAX 256u
#define MT_REDACT_NAME_MAX 64u
#define MT_REDACT_GROUPS 16u

struct mt_redact_name {
    uint8_t size;
    uint8_t text[MT_REDACT_NAME_MAX]; /* lower case */
};

struct mt_redact {
    struct mt_redact_config config;
    struct mt_buf b; /* texts and lists of the record in hand; in b.ptr there are MT_REDACT_ROOM */
    struct mt_redact_name names[MT_REDACT_NAMES_MAX];
    uint32_t name_count; /* also beyond the limit: the oldest gives way */
    uint32_t group_count;
    struct {
        const struct mt_field_group *group;
        uint8_t *privacy; /* of each field: enum mt_privacy */
    } groups[MT_REDACT_GROUPS];
};

/* One address: what stands between < and >, or a local part alone. */
void mt_redact_put_address(struct mt_redact *redact, struct mt_span address);
void mt_redact_put_domain(struct mt_redact *redact, struct mt_span domain);

/* A text with its addresses replaced. */
void mt_redact_put_free(struct mt_redact *redact, struct mt_span text);
void mt_redact_put_line(struct mt_redact *redact, struct mt_span line);

/* The addresses of a mailbox, without names and comments. */
void mt_redact_put_mailbox(struct mt_redact *redact, struct mt_span mailbox);

/* A login of a URL, whole, whatever it is made of. */
void mt_redact_put_login(struct mt_redact *redact, struct mt_span login);
void mt_redact_put_url(struct mt_redact *redact, struct mt_span url);

/* The value of an ESMTP parameter. */
void mt_redact_put_parameter(struct mt_redact *redact, struct mt_span keyword, struct mt_span value);

void mt_redact_forget_names(struct mt_redact *redact);

#endif
