/* Bytes as a file of rules: they are taken, or refused with printable sentences;
 * what was taken is explained and run. */
#include "fuzz.h"

#include "base/check.h"
#include "sigma/events.h"

/* libfyaml 0.7.12 forgets a buffer on some syntax errors, as in site.c. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void on_match(void *ctx, const struct mt_sigma_match *match)
{
    (void)ctx;
    MT_BUG_ON(match->rule->inactive != NULL || match->evidence_count > MT_SIGMA_EVIDENCE_MAX);
}

static void check_error(const char *error)
{
    MT_BUG_ON(strncmp(error, "fuzz:", 5) != 0 && strncmp(error, "more than", 9) != 0);
    for (const char *p = error; *p != '\0'; p++)
        MT_BUG_ON((uint8_t)*p < 0x20 || *p == 0x7f);
}

static void run(const struct mt_sigma *sigma)
{
    static const char *const texts[] = {"mail.ours.test", "", "a%b@ours.test"};
    struct mt_span extensions[] = {mt_span_cstr("SIZE 1000"), mt_span_cstr("PIPELINING")};
    struct mt_record_recipient recipients[] = {{.address = mt_span_cstr(texts[2]), .code = 550},
                                               {.code = 250}};
    struct mt_record_transaction transaction = {
        .from_address = mt_span_cstr(texts[1]), .recipients = {recipients, 2}, .outcome = "delivered"};
    struct mt_record_auth auth = {.user = mt_span_cstr("admin"), .outcome = "failure"};
    const struct mt_record_session session = {
        .timestamp = UINT64_C(1790000000000000000),
        .source_port = 40000,
        .destination_port = 25,
        .source_ip = {.bytes = {10, 0, 0, 1}, .family = 4},
        .helo_name = mt_span_cstr(texts[0]),
        .extensions = {extensions, 2},
        .auth = {&auth, 1},
        .transactions = {&transaction, 1},
    };
    const struct mt_record_command command = {
        .verb = "vrfy", .word = mt_span_cstr("VRFY"), .argument = mt_span_cstr("root"), .size = 11};
    const struct mt_record_reply reply = {
        .code = 550, .verb = "rcpt", .text = mt_span_cstr("5.1.1 no\nsuch user"), .lines = 2};
    static const struct mt_sigma_statistics statistics = {.interval = 10, .lost_permille = 3};
    static const char *const helo_findings[] = {"own_name", "not_fqdn"};
    const struct mt_record_finding finding = {.kind = "vrfy_probe",
                                              .count = 5,
                                              .confidence = "high",
                                              .helo_findings = {helo_findings, 2},
                                              .vrfy_argument = mt_span_cstr("root"),
                                              .vrfy_code = 550};
    const struct {
        enum mt_sigma_category category;
        struct mt_sigma_event event;
    } events[] = {
        {MT_SIGMA_COMMAND, {.session = &session, .command = &command}},
        {MT_SIGMA_REPLY, {.session = &session, .reply = &reply}},
        {MT_SIGMA_FINDING, {.session = &session, .finding = &finding}},
        {MT_SIGMA_STATISTICS, {.session = &session, .statistics = &statistics}},
    };
    struct mt_detect_config detect;
    uint8_t text[2048];
    mt_detect_config_init(&detect);
    mt_sigma_evaluate(mt_sigma_evaluator(sigma, 0), &session, on_match, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(events); i++)
        mt_sigma_evaluate_event(mt_sigma_evaluator(sigma, 0), events[i].category, &events[i].event, on_match,
                                NULL);
    for (size_t i = 0; i < mt_sigma_rule_count(sigma); i++) {
        const struct mt_sigma_rule *rule = mt_sigma_rule(sigma, i);
        struct mt_buf b = mt_buf(text, sizeof(text));
        uint32_t met;
        uint32_t parts;
        mt_sigma_explain(sigma, rule, &b);
        mt_sigma_explain_findings(rule, &detect, &b);
        b = mt_buf(text, sizeof(text));
        mt_sigma_nearness(mt_sigma_evaluator(sigma, 0), rule, &session, &met, &parts, &b);
        MT_BUG_ON(met > parts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mt_span domain = {(const uint8_t *)"ours.test", 9};
    struct mt_site site = mt_site_default;
    site.local_domains = &domain;
    site.local_domain_count = 1;
    const struct mt_sigma_config config = {.site = &site, .evaluators = 1, .scan_from = size % 2};
    struct mt_sigma *sigma;

    if (mt_sigma_load_text(&config, "fuzz", mt_span(data, size), &sigma) != 0)
        return 0;
    for (size_t i = 0; i < mt_sigma_error_count(sigma); i++)
        check_error(mt_sigma_error(sigma, i));
    run(sigma);
    mt_sigma_destroy(sigma);
    return 0;
}
