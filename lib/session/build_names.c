/* What answers of DNS say, to the record. */
#include "session/names_priv.h"

static const char *verdict_name(enum mt_name_verdict verdict)
{
    static const char *const names[] = {
        [MT_NAME_CONFIRMED] = "confirmed",
        [MT_NAME_DENIED] = "denied",
        [MT_NAME_NONE] = "none",
    };

    return names[verdict];
}

/* Recipients of one domain mostly stand together. */
static void build_recipients(struct mt_run *run, struct mt_build_slot *slot, struct mt_span *host,
                             unsigned *domains)
{
    struct mt_record_recipient *recipients = &run->engine->build->recipients[slot->recipients_off];

    for (uint32_t i = 0; i < slot->recipients; i++) {
        struct mt_record_recipient *recipient = &recipients[i];
        if (i > 0 && mt_span_eq(recipient->domain, recipients[i - 1].domain)) {
            recipient->mx = recipients[i - 1].mx;
        } else if (*domains == MT_NAMES_DOMAINS_MAX) {
            mt_cut(run, MT_CUT_MX);
            return;
        } else {
            (*domains)++;
            recipient->mx = (uint8_t)mt_names_mx(run, recipient->domain, host);
        }
    }
}

void mt_build_names(struct mt_run *run, struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    struct mt_span host = mt_span_none();
    const struct mt_known_names *names = &run->engine->known;
    unsigned domains = 0;

    record->source_domain = names->client;
    record->dns_reverse = verdict_name(names->reverse);
    record->dns_helo = verdict_name(names->helo);
    for (uint32_t i = 0; i < record->transactions.count; i++) {
        build->transactions[i].from_spf = mt_names_spf(run, build->transactions[i].from_domain);
        build_recipients(run, &build->slots[i], &host, &domains);
    }
    record->destination_domain = host;
}
