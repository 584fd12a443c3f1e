#include "detect/detect_priv.h"

static const struct helo_test {
    uint32_t bit;
    const char *name;
    const char *meaning;
} helo_tests[] = {
#define MT_HELO_TEST(ident, number, finding, points, text) {UINT32_C(1) << ((number)-1), finding, text},
#include "record/helo_tests.def"
#undef MT_HELO_TEST
};

enum {
#define MT_HELO_TEST(ident, number, finding, points, text) HELO_##ident = 1 << ((number)-1),
#include "record/helo_tests.def"
#undef MT_HELO_TEST
};

/* To pretend to be the one who is asked needs intent; the other tests are
 * failed by broken set-ups as well. */
#define HELO_OURS ((uint32_t)(HELO_OWN_NAME | HELO_OWN_IP | HELO_LOCAL_DOMAIN))

/* RFC 8314, RFC 6409: mail programs submit there, and greet with any name. */
static bool is_submission(uint16_t port)
{
    return port == 465 || port == 587;
}

static void put_findings(struct mt_buf *b, uint32_t findings)
{
    const char *separator = ": ";

    for (size_t i = 0; i < MT_ARRAY_COUNT(helo_tests); i++) {
        if (!(findings & helo_tests[i].bit))
            continue;
        mt_buf_put_cstr(b, separator);
        mt_buf_put_cstr(b, helo_tests[i].name);
        mt_buf_put_cstr(b, " (");
        mt_buf_put_cstr(b, helo_tests[i].meaning);
        mt_buf_put_byte(b, ')');
        separator = ", ";
    }
}

void mt_helo_greeting(struct mt_detect *detect, const struct mt_observation *o)
{
    if (o->score < detect->config.helo_score || is_submission(o->tuple.dst_port))
        return;

    bool is_ours = o->findings & HELO_OURS;
    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_HELO_FORGED, &draft);
    mt_draft_group(&draft, "event.id", mt_detect_event_id(detect, o));
    draft.level = is_ours ? MT_LEVEL_HIGH : MT_LEVEL_INFORMATIONAL;
    draft.confidence = is_ours ? "high" : "medium";

    struct mt_buf *b = &draft.message;
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, " greeted ");
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, " as \"");
    mt_buf_put_escaped(b, mt_observed_subject(o));
    mt_buf_put_cstr(b, "\", which scores ");
    mt_buf_put_u64(b, o->score);
    mt_buf_put_cstr(b, " points where ");
    mt_buf_put_u64(b, detect->config.helo_score);
    mt_buf_put_cstr(b, " make a forgery");
    put_findings(b, o->findings);
    mt_detect_raise(detect, o, &draft);
}
