/* Mail between servers in clear text; the same behind STARTTLS; and sessions
 * that stay open and wait. */
#include "profiles.h"

static void authenticate(struct mt_talk *talk)
{
    struct mt_truth_auth *auth = &talk->truth->auth[talk->truth->auth_count++];

    *auth = (struct mt_truth_auth){.code = 235, .outcome = "success"};
    auth->user = (struct mt_text){"emil", 4};
    if (mt_random_permille(talk->random, 500)) {
        auth->mechanism = (struct mt_text){"PLAIN", 5};
        mt_talk_say_text(talk, MT_SAID_AUTH, "AUTH PLAIN AGVtaWwAYSBzZWNyZXQ=");
        mt_talk_flush(talk, MT_PLAN_CLIENT);
    } else {
        auth->mechanism = (struct mt_text){"LOGIN", 5};
        mt_talk_say_text(talk, MT_SAID_AUTH, "AUTH LOGIN");
        mt_talk_flush(talk, MT_PLAN_CLIENT);
        mt_talk_answer(talk, 334, NULL, "VXNlcm5hbWU6");
        mt_talk_flush(talk, MT_PLAN_SERVER);
        mt_plan_put(talk->plan, MT_PLAN_CLIENT, "ZW1pbA==\r\n", 10);
        mt_talk_flush(talk, MT_PLAN_CLIENT);
        mt_talk_answer(talk, 334, NULL, "UGFzc3dvcmQ6");
        mt_talk_flush(talk, MT_PLAN_SERVER);
        mt_plan_put(talk->plan, MT_PLAN_CLIENT, "YSBzZWNyZXQ=\r\n", 14);
        mt_talk_flush(talk, MT_PLAN_CLIENT);
    }
    mt_talk_answer(talk, 235, "2.7.0", "Authentication successful");
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void reset(struct mt_talk *talk)
{
    mt_talk_say_text(talk, MT_SAID_RSET, "RSET");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 250, "2.0.0", talk->server->rset_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

void mt_profile_send_mail(struct mt_talk *talk, uint32_t messages)
{
    bool may_pipeline = talk->is_extended && mt_talk_server_pipelines(talk);
    bool may_chunk = talk->is_extended && mt_talk_server_chunks(talk);

    /* 400 of 1000 pipeline where 880 could; 100 chunk where 600 could. */
    talk->is_pipelined = may_pipeline && mt_random_permille(talk->random, 500);
    talk->is_chunked = may_chunk && mt_random_permille(talk->random, 170);
    for (uint32_t i = 0; i < messages; i++) {
        struct mt_mail_choice choice = mt_mail_choose(talk, mt_mail_draw_size(talk));
        bool is_sent = mt_mail_send(talk, &choice);

        if (i + 1 < messages && (!is_sent || mt_random_permille(talk->random, 150)))
            reset(talk);
    }
}

static void hello(struct mt_talk *talk)
{
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    if (talk->plan->link.port[MT_PLAN_SERVER] != 587 && mt_random_permille(talk->random, 40)) {
        mt_talk_helo(talk);
        return;
    }
    mt_talk_ehlo(talk);
    if (talk->plan->link.port[MT_PLAN_SERVER] == 587)
        authenticate(talk);
}

static uint32_t messages_of_a_connection(struct mt_talk *talk)
{
    uint32_t luck = mt_random_below(talk->random, 10);

    return luck < 7 ? 1 : luck < 9 ? 2 : 3;
}

static void converse_ordinary(struct mt_talk *talk)
{
    talk->truth->story = "ordinary mail";
    talk->offers_starttls = mt_random_permille(talk->random, 100);
    hello(talk);
    mt_profile_send_mail(talk, messages_of_a_connection(talk));
    mt_talk_quit(talk);
}

static void converse_modern(struct mt_talk *talk)
{
    struct mt_truth *truth = talk->truth;
    uint32_t size;

    if (!mt_random_permille(talk->random, 920)) {
        converse_ordinary(talk);
        return;
    }
    truth->story = "mail behind STARTTLS";
    talk->offers_starttls = true;
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    mt_talk_ehlo(talk);
    truth->is_starttls_requested = true;
    mt_talk_say_text(talk, MT_SAID_STARTTLS, "STARTTLS");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    if (mt_random_permille(talk->random, 20)) {
        truth->story = "STARTTLS refused, mail in clear text";
        truth->starttls_code = 454;
        truth->starttls_outcome = "refused";
        mt_talk_answer(talk, 454, "4.7.0", "TLS not available due to local problem");
        mt_talk_flush(talk, MT_PLAN_SERVER);
        mt_profile_send_mail(talk, 1);
        mt_talk_quit(talk);
        return;
    }
    truth->starttls_code = 220;
    truth->starttls_outcome = "established";
    mt_talk_answer(talk, 220, "2.0.0", "Ready to start TLS");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    size = 900 + mt_mail_draw_size(talk);
    mt_tls_talk(talk, size, 700);
    truth->ends = MT_END_FIN;
}

static void converse_idle(struct mt_talk *talk)
{
    static const struct mt_mail_choice choice = {.recipients = 1, .body_size = 4000};
    struct mt_truth_transaction *transaction;

    talk->truth->story = "an open session that waits";
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    mt_talk_ehlo(talk);
    transaction = mt_mail_from(talk, &choice);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_from_answer(talk, transaction, 250, "2.1.0", talk->server->mail_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    transaction->outcomes = MT_OUTCOME_UNFINISHED;
    talk->truth->ends = MT_END_CAPTURE_END;
}

const struct mt_profile mt_profile_ordinary = {
    .name = "ordinary",
    .meaning = "mail between servers in clear text, sizes from 200 bytes to 25 MB",
    .converse = converse_ordinary,
    .submission = 30,
};

const struct mt_profile mt_profile_modern = {
    .name = "modern",
    .meaning = "the same, nine of ten sessions behind STARTTLS",
    .converse = converse_modern,
};

const struct mt_profile mt_profile_idle = {
    .name = "idle",
    .meaning = "greeting and MAIL, then nothing: sessions that stay open",
    .converse = converse_idle,
};
