/* Any text through the redactor in every mode: in drop mode no @ is left between
 * two characters of an address, in hash mode every one stands in a name of ours. */
#include "fuzz.h"

#include "base/check.h"
#include "redact/redact.h"

static struct mt_redact *redactors[MT_REDACT_DROP + 1];

static bool is_plain(uint8_t c)
{
    return mt_ascii_is_alpha(c) || mt_ascii_is_digit(c);
}

/* "u-" and digits before, "d-" behind, or the next address where one follows at once;
 * the host of a URL stays. */
static bool is_ours(enum mt_privacy privacy, struct mt_span text, size_t at)
{
    struct mt_span rest = mt_span_from(text, at + 1);
    bool is_name = at >= 18 && memcmp(text.ptr + at - 18, "u-", 2) == 0;
    bool is_followed = rest.size >= 18 && (memcmp(rest.ptr, "d-", 2) == 0 || memcmp(rest.ptr, "u-", 2) == 0);

    return is_name && (is_followed || privacy == MT_PRIVACY_URL);
}

static void check(enum mt_redact_mode mode, enum mt_privacy privacy, struct mt_span text)
{
    for (size_t i = 1; i + 1 < text.size; i++) {
        bool is_address = text.ptr[i] == '@' && is_plain(text.ptr[i - 1]) && is_plain(text.ptr[i + 1]);
        MT_BUG_ON(is_address && !(mode == MT_REDACT_HASH && is_ours(privacy, text, i)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mt_span text = mt_span(data, size);

    if (size > 4096)
        return 0;
    for (int mode = MT_REDACT_LOCAL_PART; mode <= MT_REDACT_DROP; mode++) {
        struct mt_redact_config config = {.mode = (enum mt_redact_mode)mode};
        if (redactors[mode] == NULL)
            MT_BUG_ON(mt_redact_create(&config, &redactors[mode]) != 0);
        struct mt_record_session empty = {0}; /* forgets the names of the input before */
        struct mt_record_session redacted;
        MT_BUG_ON(!mt_redact_session(redactors[mode], &empty, &redacted));
        for (int privacy = MT_PRIVACY_UNDECIDED; privacy <= MT_PRIVACY_LINE; privacy++) {
            struct mt_span made = mt_redact_text(redactors[mode], (enum mt_privacy)privacy, text);
            if (privacy != MT_PRIVACY_KEEP && mode != MT_REDACT_LOCAL_PART)
                check(config.mode, (enum mt_privacy)privacy, made);
        }
        struct mt_record_parameter parameter = {.keyword = mt_span_head(text, 5),
                                                .value = mt_span_from(text, 6)};
        struct mt_record_recipient recipient = {.address = text, .params = {.items = &parameter, .count = 1}};
        struct mt_record_transaction transaction = {.recipients = {.items = &recipient, .count = 1}};
        struct mt_record_session record = {.banner_text = text,
                                           .transactions = {.items = &transaction, .count = 1}};
        if (mt_redact_session(redactors[mode], &record, &redacted) && mode == MT_REDACT_DROP) {
            check(config.mode, MT_PRIVACY_FREE, redacted.banner_text);
            check(config.mode, MT_PRIVACY_FREE,
                  redacted.transactions.items[0].recipients.items[0].params.items[0].value);
        }
    }
    return 0;
}
