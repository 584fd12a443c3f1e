/* What a server at the front sees: strangers, most of them sent away before
 * DATA; and those who only ask. */
#include "helo.h"
#include "profiles.h"

#define UNKNOWN_USER "Recipient address rejected: User unknown in local recipient table"

static void leave(struct mt_talk *talk)
{
    uint32_t luck = mt_random_below(talk->random, 10);

    if (luck < 6) {
        mt_talk_quit(talk);
    } else if (luck < 8) {
        mt_plan_control(talk->plan, MT_PLAN_CLIENT, MT_PLAN_RST | MT_PLAN_ACK, talk->plan->rtt);
        talk->truth->ends = MT_END_RST;
    } else {
        mt_plan_close(talk->plan, MT_PLAN_CLIENT);
        talk->truth->ends = MT_END_FIN;
    }
}

static void server_leaves(struct mt_talk *talk)
{
    mt_plan_close(talk->plan, MT_PLAN_SERVER);
    talk->truth->ends = MT_END_FIN;
}

static void greet(struct mt_talk *talk)
{
    if (mt_random_permille(talk->random, 300))
        mt_talk_helo(talk);
    else
        mt_talk_ehlo(talk);
}

static void begin(struct mt_talk *talk)
{
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    greet(talk);
}

static void scan(struct mt_talk *talk)
{
    uint32_t luck = mt_random_below(talk->random, 3);

    mt_plan_open(talk->plan);
    talk->truth->ends = MT_END_FIN;
    if (luck == 0) {
        talk->truth->story = "a scanner that does not wait for the banner";
        mt_plan_close(talk->plan, MT_PLAN_CLIENT);
    } else if (luck == 1) {
        talk->truth->story = "a scanner that takes the banner and resets";
        mt_talk_banner(talk);
        mt_plan_control(talk->plan, MT_PLAN_CLIENT, MT_PLAN_RST | MT_PLAN_ACK, talk->plan->rtt);
        talk->truth->ends = MT_END_RST;
    } else {
        talk->truth->story = "a server that hangs up without a banner";
        mt_plan_close(talk->plan, MT_PLAN_SERVER);
    }
}

static void send_away(struct mt_talk *talk)
{
    unsigned code = mt_random_permille(talk->random, 600) ? 554 : 421;
    struct mt_line text;

    talk->truth->story = "sent away by the greeting";
    text.size = 0;
    if (talk->server->is_enhanced)
        mt_line_put(&text, code == 554 ? "5.7.1 " : "4.7.0 ");
    mt_line_put_bytes(&text, talk->server_name.data, talk->server_name.size);
    mt_line_put_bytes(&text, " no service for you", 20);
    mt_plan_open(talk->plan);
    mt_talk_answer(talk, code, NULL, text.data);
    talk->truth->banner_code = (uint16_t)code;
    talk->truth->banner_text = mt_truth_text(talk->truth, text.data, text.size - 1);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    if (code == 554 && mt_random_permille(talk->random, 500))
        mt_talk_quit(talk);
    else
        server_leaves(talk);
}

static void talk_early(struct mt_talk *talk)
{
    talk->truth->story = "EHLO before the banner";
    mt_plan_open(talk->plan);
    mt_talk_ehlo_say(talk);
    mt_plan_flush_after(talk->plan, MT_PLAN_CLIENT, 300000);
    mt_truth_anomaly(talk->truth, "early_talker");
    mt_talk_banner(talk);
    mt_talk_ehlo_answer(talk);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_talk_quit(talk);
}

static struct mt_truth_transaction *offer_mail(struct mt_talk *talk)
{
    struct mt_mail_choice choice = {.recipients = 1, .is_null_sender = mt_random_permille(talk->random, 100)};
    struct mt_truth_transaction *transaction = mt_mail_from(talk, &choice);

    mt_talk_flush(talk, MT_PLAN_CLIENT);
    return transaction;
}

static struct mt_truth_transaction *begin_mail(struct mt_talk *talk)
{
    struct mt_truth_transaction *transaction = offer_mail(talk);

    mt_mail_from_answer(talk, transaction, 250, "2.1.0", talk->server->mail_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    return transaction;
}

static void refuse_sender(struct mt_talk *talk)
{
    talk->truth->story = "sender refused";
    begin(talk);
    mt_mail_from_answer(talk, offer_mail(talk), 553, "5.1.8", "Sender address rejected: Domain not found");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    leave(talk);
}

static void ask_recipient(struct mt_talk *talk, struct mt_truth_transaction *transaction, unsigned code,
                          const char *enhanced, const char *text)
{
    struct mt_truth_recipient *recipient;
    struct mt_line address;

    mt_mail_local_address(talk, &address);
    recipient = mt_mail_rcpt(talk, transaction, &address, true);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_rcpt_answer(talk, recipient, code, enhanced, text);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void refuse_recipients(struct mt_talk *talk)
{
    uint32_t count = mt_random_range(talk->random, 1, 3);
    bool is_listed = mt_random_permille(talk->random, 500);
    struct mt_truth_transaction *transaction;

    talk->truth->story = "recipients refused";
    begin(talk);
    transaction = begin_mail(talk);
    for (uint32_t i = 0; i < count; i++) {
        if (is_listed)
            ask_recipient(talk, transaction, 554, "5.7.1",
                          "Service unavailable; Client host blocked by policy");
        else
            ask_recipient(talk, transaction, 550, "5.1.1", UNKNOWN_USER);
    }
    leave(talk);
}

static void harvest(struct mt_talk *talk)
{
    uint32_t count = mt_random_range(talk->random, 6, 12);
    struct mt_truth_transaction *transaction;

    talk->truth->story = "many recipients tried";
    begin(talk);
    transaction = begin_mail(talk);
    for (uint32_t i = 0; i < count; i++) {
        if (mt_random_permille(talk->random, 100))
            ask_recipient(talk, transaction, 250, "2.1.5", talk->server->rcpt_ok);
        else
            ask_recipient(talk, transaction, 550, "5.1.1", UNKNOWN_USER);
    }
    if (mt_random_permille(talk->random, 400)) {
        ask_recipient(talk, transaction, 421, "4.7.0", "Error: too many errors");
        transaction->outcomes |= MT_OUTCOME_DEFERRED;
        server_leaves(talk);
        return;
    }
    leave(talk);
}

static void deliver(struct mt_talk *talk)
{
    struct mt_mail_choice choice;

    talk->truth->story = "a short message from a stranger";
    begin(talk);
    choice = mt_mail_choose(talk, mt_random_range(talk->random, 200, 4000));
    mt_mail_send(talk, &choice);
    leave(talk);
}

/* --- relaying ------------------------------------------------------------------- */

enum relay_form {
    RELAY_PLAIN,
    RELAY_PERCENT_NAME,
    RELAY_PERCENT_IP,
    RELAY_ROUTE_NAME,
    RELAY_ROUTE_IP,
    RELAY_BANG_NAME,
    RELAY_FORMS,
};

static void put_server_ip(struct mt_talk *talk, struct mt_line *line)
{
    const uint8_t *server = talk->plan->link.ip[MT_PLAN_SERVER].bytes;

    for (int i = 0; i < 4; i++) {
        mt_line_put(line, i ? "." : "[");
        mt_line_put_number(line, server[i]);
    }
    mt_line_put(line, "]");
}

static void put_server(struct mt_talk *talk, struct mt_line *line, bool is_ip)
{
    if (is_ip)
        put_server_ip(talk, line);
    else
        mt_line_put_bytes(line, talk->server_name.data, talk->server_name.size);
}

static void put_relay_address(struct mt_talk *talk, enum relay_form form, struct mt_line *line)
{
    uint32_t domain = MT_DOMAIN_FOREIGN + mt_random_below(talk->random, 4000000);

    line->size = 0;
    switch (form) {
    case RELAY_PERCENT_NAME:
    case RELAY_PERCENT_IP:
        mt_line_put(line, "relaytest%");
        mt_line_put_domain(line, domain);
        mt_line_put(line, "@");
        put_server(talk, line, form == RELAY_PERCENT_IP);
        break;
    case RELAY_ROUTE_NAME:
    case RELAY_ROUTE_IP:
        mt_line_put(line, "@");
        put_server(talk, line, form == RELAY_ROUTE_IP);
        mt_line_put(line, ":relaytest@");
        mt_line_put_domain(line, domain);
        break;
    case RELAY_BANG_NAME:
        mt_line_put_domain(line, domain);
        mt_line_put(line, "!relaytest@");
        put_server(talk, line, false);
        break;
    default:
        mt_line_put(line, "relaytest@");
        mt_line_put_domain(line, domain);
    }
    if (form != RELAY_PLAIN)
        mt_truth_anomaly(talk->truth, "relay_route_syntax");
}

static struct mt_truth_recipient *ask_relay(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                                            enum relay_form form)
{
    struct mt_truth_recipient *recipient;
    struct mt_line address;

    put_relay_address(talk, form, &address);
    recipient = mt_mail_rcpt(talk, transaction, &address, false);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    return recipient;
}

static void probe_relay(struct mt_talk *talk)
{
    /* Three forms alert, and twice as many would again. */
    uint32_t forms = mt_random_permille(talk->random, 500) ? RELAY_FORMS - 1 : 1;
    uint32_t first = forms > 1 ? mt_random_below(talk->random, RELAY_FORMS) : RELAY_PLAIN;
    struct mt_truth_transaction *transaction;

    talk->truth->story =
        forms == 1 ? "relaying tried once, refused" : "relaying tried in many forms, refused";
    begin(talk);
    transaction = begin_mail(talk);
    for (uint32_t i = 0; i < forms; i++) {
        enum relay_form form = (enum relay_form)((first + i) % RELAY_FORMS);

        mt_mail_rcpt_answer(talk, ask_relay(talk, transaction, form), 554, "5.7.1", "Relay access denied");
        mt_talk_flush(talk, MT_PLAN_SERVER);
    }
    if (forms > 1)
        mt_truth_alert(talk->truth, MT_TRUTH_RELAY_PROBE, 1, 1);
    leave(talk);
}

static void use_relay(struct mt_talk *talk)
{
    struct mt_mail_choice choice = {.recipients = 1, .body_size = 700};
    struct mt_truth_transaction *transaction;

    talk->truth->story = "an open relay";
    begin(talk);
    transaction = begin_mail(talk);
    mt_mail_rcpt_answer(talk, ask_relay(talk, transaction, RELAY_PLAIN), 250, "2.1.5", talk->server->rcpt_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    if (mt_random_permille(talk->random, 400)) {
        mt_truth_alert(talk->truth, MT_TRUTH_RELAY_SUSPECTED, 1, 1);
        leave(talk);
        return;
    }
    mt_talk_say_text(talk, MT_SAID_DATA, "DATA");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 354, NULL, talk->server->data_go);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_mail_content(talk, transaction, &choice);
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, ".\r\n", 3);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_final_answer(talk, transaction, &choice);
    mt_truth_alert(talk->truth, MT_TRUTH_RELAY_ACCEPTED, 1, 1);
    leave(talk);
}

/* --- VRFY and EXPN ----------------------------------------------------------------- */

static void keep_probe(struct mt_truth_probe *list, uint32_t *count, struct mt_text argument,
                       struct mt_truth_answer answer)
{
    list[(*count)++] = (struct mt_truth_probe){argument, answer};
}

static void ask_name(struct mt_talk *talk, const char *fixed)
{
    struct mt_truth *truth = talk->truth;
    struct mt_line line;
    struct mt_text argument;
    struct mt_truth_answer answer;
    uint32_t luck = mt_random_below(talk->random, 10);

    line.size = 0;
    mt_line_put(&line, "VRFY ");
    if (fixed)
        mt_line_put(&line, fixed);
    else
        mt_line_put_name(&line, mt_random_below(talk->random, 9000000));
    argument = mt_truth_text(truth, line.data + 5, line.size - 5);
    mt_talk_say(talk, MT_SAID_VRFY, &line);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    if (luck < 5) {
        mt_talk_answer(talk, 252, "2.0.0", "cannot say, but will try");
        answer = mt_talk_answered(talk, 252, "2.0.0");
    } else if (luck < 9) {
        mt_talk_answer(talk, 550, "5.1.1", "User unknown in local recipient table");
        answer = mt_talk_answered(talk, 550, "5.1.1");
    } else {
        mt_talk_answer(talk, 250, "2.1.5", "known here");
        answer = mt_talk_answered(talk, 250, "2.1.5");
    }
    keep_probe(truth->vrfy, &truth->vrfy_count, argument, answer);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void ask_list(struct mt_talk *talk)
{
    struct mt_truth *truth = talk->truth;
    struct mt_line line;
    struct mt_text argument;

    line.size = 0;
    mt_line_put(&line, "EXPN ");
    mt_line_put_name(&line, mt_random_below(talk->random, 9000000));
    argument = mt_truth_text(truth, line.data + 5, line.size - 5);
    mt_talk_say(talk, MT_SAID_EXPN, &line);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    if (mt_random_permille(talk->random, 100)) {
        mt_talk_answer_more(talk, 250, "2.1.5", "Anna <anna@example.org>");
        mt_talk_answer(talk, 250, "2.1.5", "Boris <boris@example.org>");
        keep_probe(truth->expn, &truth->expn_count, argument, mt_talk_answered(talk, 250, "2.1.5"));
        mt_truth_alert(truth, MT_TRUTH_VRFY_SENSITIVE, 1, 1);
    } else {
        mt_talk_answer(talk, 502, "5.5.1", "EXPN not available");
        keep_probe(truth->expn, &truth->expn_count, argument, mt_talk_answered(talk, 502, "5.5.1"));
    }
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void ask_few(struct mt_talk *talk)
{
    uint32_t count = mt_random_range(talk->random, 1, 4);

    talk->truth->story = "a few VRFY, below the threshold";
    begin(talk);
    for (uint32_t i = 0; i < count; i++)
        ask_name(talk, NULL);
    mt_truth_alert(talk->truth, MT_TRUTH_VRFY_USE, 1, 1);
    leave(talk);
}

static bool is_confirmed(const struct mt_truth_probe *probes, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < count; i++)
        if (probes[i].answer.code == 250)
            return true;
    return false;
}

static void ask_many(struct mt_talk *talk)
{
    /* Five alert, and ten would again; with what follows there are at most nine. */
    uint32_t count = mt_random_range(talk->random, 5, 7);
    struct mt_truth *truth = talk->truth;
    uint32_t alerts = 1;

    truth->story = "VRFY and EXPN above the threshold";
    begin(talk);
    for (uint32_t i = 0; i < count; i++)
        ask_name(talk, NULL);
    if (mt_random_permille(talk->random, 300))
        ask_list(talk);
    if (mt_random_permille(talk->random, 30)) {
        ask_name(talk, "root");
        mt_truth_alert(truth, MT_TRUTH_VRFY_SENSITIVE, 1, 1);
    }
    mt_truth_alert(truth, MT_TRUTH_VRFY_USE, 1, 1);
    /* A name confirmed after the alert makes it more severe: it is raised again. */
    if (!is_confirmed(truth->vrfy, 0, 5) &&
        (is_confirmed(truth->vrfy, 5, truth->vrfy_count) || is_confirmed(truth->expn, 0, truth->expn_count)))
        alerts++;
    mt_truth_alert(truth, MT_TRUTH_VRFY_PROBE, alerts, alerts);
    leave(talk);
}

static void ask_help(struct mt_talk *talk)
{
    begin(talk);
    talk->truth->story = "HELP, NOOP and a verb that is none";
    mt_talk_say_text(talk, MT_SAID_HELP, "HELP");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 214, "2.0.0", "see the manual");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_talk_say_text(talk, MT_SAID_NOOP, "NOOP");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 250, "2.0.0", "Ok");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_talk_say_text(talk, MT_SAID_UNKNOWN, "FOOBAR x");
    mt_truth_anomaly(talk->truth, "unknown_command");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 500, "5.5.2", "command not recognized");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_talk_quit(talk);
}

/* --- the mixes --------------------------------------------------------------------- */

struct share {
    uint32_t permille;
    void (*converse)(struct mt_talk *talk);
};

static void pick(struct mt_talk *talk, const struct share *shares)
{
    uint32_t luck = mt_random_below(talk->random, 1000);

    while (luck >= shares->permille) {
        luck -= shares->permille;
        shares++;
    }
    shares->converse(talk);
}

static void converse_spam(struct mt_talk *talk)
{
    static const struct share shares[] = {
        {50, scan},     {70, send_away},   {30, talk_early}, {60, refuse_sender}, {480, refuse_recipients},
        {60, harvest},  {40, probe_relay}, {10, use_relay},  {20, ask_few},       {10, ask_help},
        {170, deliver},
    };

    mt_helo_choose(talk);
    pick(talk, shares);
    /* Nobody greeted, nothing was forged. */
    if (!talk->truth->helo_verb) {
        talk->truth->alerts_low[MT_TRUTH_HELO_FORGED] = 0;
        talk->truth->alerts_high[MT_TRUTH_HELO_FORGED] = 0;
    }
}

static void converse_probing(struct mt_talk *talk)
{
    static const struct share shares[] = {
        {600, ask_many},
        {250, harvest},
        {100, ask_few},
        {50, ask_help},
    };

    pick(talk, shares);
}

const struct mt_profile mt_profile_spam = {
    .name = "spam",
    .meaning = "short sessions of strangers, four of five sent away before DATA",
    .converse = converse_spam,
};

const struct mt_profile mt_profile_probing = {
    .name = "probing",
    .meaning = "VRFY, EXPN and refused RCPT in frames of about 90 bytes",
    .converse = converse_probing,
};
