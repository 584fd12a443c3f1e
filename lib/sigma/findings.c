/* Which findings a rule is about, and their thresholds, in words. */
#include "detect/detect.h"
#include "sigma/events.h"
#include "sigma/rule_priv.h"

static const struct threshold {
    const char *rule;
    const char *key;
    size_t off;
    const char *meaning;
} thresholds[] = {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) \
    {rule, key, offsetof(struct mt_detect_config, member), meaning},
#include "detect/thresholds.def"
#undef MT_THRESHOLD
};

/* Of the tests of the finding's name anywhere in the condition: is there any, and does
 * the name meet one? */
struct naming {
    struct mt_span name;
    bool has_any;
    bool is_met;
};

static void look(struct naming *naming, const struct mt_sigma_node *node)
{
    const struct mt_sigma_test *test = node->kind == MT_SIGMA_TEST ? node->test : NULL;
    if (test && test->field->root == MT_SIGMA_ROOT_FINDING &&
        test->field->off == offsetof(struct mt_record_finding, kind)) {
        naming->has_any = true;
        /* of another kind: it may */
        naming->is_met |= test->op != MT_SIGMA_OP_TEXT ||
                          mt_sigma_pattern_matches(&test->pattern, test->is_cased, naming->name);
    }
    for (const struct mt_sigma_node *n = node->child; n; n = n->next)
        look(naming, n);
}

static bool is_about(const struct mt_sigma_loaded *loaded, enum mt_finding_kind kind)
{
    struct naming naming = {.name = mt_span_cstr(mt_finding_name(kind))};
    look(&naming, loaded->condition);
    return naming.is_met || !naming.has_any;
}

/* Which domains are local is inferred for all findings about relays. */
static bool concerns(const struct threshold *threshold, const char *finding)
{
    static const char relays[] = "open_relay_";
    if (strcmp(threshold->rule + strlen("smtp_"), finding) == 0)
        return true;
    return strncmp(finding, relays, strlen(relays)) == 0 && strncmp(threshold->key, "infer_", 6) == 0;
}

static void put_finding(struct mt_buf *b, enum mt_finding_kind kind, const struct mt_detect_config *config)
{
    const char *name = mt_finding_name(kind);
    mt_buf_put_cstr(b, "\nFinding ");
    mt_buf_put_cstr(b, name);
    mt_buf_put_cstr(b, "\n  ");
    mt_buf_put_cstr(b, mt_finding_meaning(kind));
    mt_buf_put_cstr(b, "\n  It can't see ");
    mt_buf_put_cstr(b, mt_finding_unseen(kind));
    mt_buf_put_cstr(b, "\n  Thresholds of the site file:\n");
    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        const struct threshold *t = &thresholds[i];
        uint32_t value;
        if (!concerns(t, name))
            continue;
        memcpy(&value, (const uint8_t *)config + t->off, sizeof(value));
        mt_buf_put_cstr(b, "    ");
        mt_buf_put_cstr(b, t->rule);
        mt_buf_put_cstr(b, ", ");
        mt_buf_put_cstr(b, t->key);
        mt_buf_put_cstr(b, ": ");
        mt_buf_put_u64(b, value);
        mt_buf_put_cstr(b, " (");
        mt_buf_put_cstr(b, t->meaning);
        mt_buf_put_cstr(b, ")\n");
    }
}

void mt_sigma_explain_findings(const struct mt_sigma_rule *rule, const struct mt_detect_config *config,
                               struct mt_buf *ret_text)
{
    const struct mt_sigma_loaded *loaded = mt_sigma_loaded_of(rule);
    if (rule->kind == MT_SIGMA_KIND_CORRELATION || rule->category != MT_SIGMA_FINDING || !loaded->condition)
        return;
    for (int kind = 0; kind < MT_FINDING_COUNT; kind++) {
        if (is_about(loaded, (enum mt_finding_kind)kind))
            put_finding(ret_text, (enum mt_finding_kind)kind, config);
    }
}
