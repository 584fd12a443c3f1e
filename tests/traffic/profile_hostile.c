/* Everything that makes reassembly and parsing hard, each session with one
 * trouble, most of them on a line that loses and reorders. */
#include "disturb.h"
#include "profiles.h"

static void begin(struct mt_talk *talk)
{
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    mt_talk_ehlo(talk);
}

static void send_mail(struct mt_talk *talk, uint32_t body_size, enum mt_ring ring)
{
    struct mt_mail_choice choice = mt_mail_choose(talk, body_size);

    choice.ring = ring;
    mt_mail_send(talk, &choice);
}

static void plain(struct mt_talk *talk)
{
    uint32_t messages = mt_random_range(talk->random, 1, 2);

    talk->is_pipelined = false;
    begin(talk);
    talk->is_pipelined = mt_talk_server_pipelines(talk) && mt_random_permille(talk->random, 500);
    talk->is_chunked = mt_talk_server_chunks(talk) && mt_random_permille(talk->random, 300);
    for (uint32_t i = 0; i < messages; i++) {
        struct mt_mail_choice choice = mt_mail_choose(talk, mt_random_range(talk->random, 200, 40000));

        if (!mt_mail_send(talk, &choice))
            break;
    }
    mt_talk_quit(talk);
}

static void lossy(struct mt_talk *talk)
{
    mt_disturb_reorder(talk, 10);
    mt_disturb_lose(talk, 10);
}

/* An accepted transaction up to the point where content is due; the server
 * answers one by one. */
static struct mt_truth_transaction *envelope(struct mt_talk *talk)
{
    struct mt_mail_choice choice = {.recipients = 1, .body_size = 1000};
    struct mt_truth_transaction *transaction = mt_mail_from(talk, &choice);
    struct mt_truth_recipient *recipient;
    struct mt_line address;

    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_from_answer(talk, transaction, 250, "2.1.0", talk->server->mail_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_mail_local_address(talk, &address);
    recipient = mt_mail_rcpt(talk, transaction, &address, true);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_rcpt_answer(talk, recipient, 250, "2.1.5", talk->server->rcpt_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    return transaction;
}

static void ask_data(struct mt_talk *talk)
{
    mt_talk_say_text(talk, MT_SAID_DATA, "DATA");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 354, NULL, talk->server->data_go);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void on_a_bad_line(struct mt_talk *talk)
{
    talk->truth->story = "mail over a line that loses and reorders";
    plain(talk);
    lossy(talk);
}

static void with_content_lost(struct mt_talk *talk)
{
    struct mt_mail_choice choice = mt_mail_choose(talk, mt_random_range(talk->random, 20000, 60000));

    talk->truth->story = "content that the capture lacks";
    begin(talk);
    talk->is_chunked = mt_talk_server_chunks(talk) && mt_random_permille(talk->random, 500);
    mt_mail_send(talk, &choice);
    mt_talk_quit(talk);
    mt_disturb_lose(talk, 60);
}

static void with_tls_lost(struct mt_talk *talk)
{
    mt_profile_modern.converse(talk);
    lossy(talk);
}

static void with_command_lost(struct mt_talk *talk)
{
    talk->truth->story = "a command or reply that the capture lacks";
    plain(talk);
    mt_disturb_lose_command(talk);
}

static void with_overlaps(struct mt_talk *talk)
{
    talk->truth->story = "segments that begin with old bytes";
    plain(talk);
    mt_disturb_overlap(talk, 300);
    lossy(talk);
}

static void with_conflict(struct mt_talk *talk)
{
    talk->truth->story = "two segments for one range that differ";
    begin(talk);
    send_mail(talk, mt_random_range(talk->random, 8000, 20000), MT_RING_BASE64);
    mt_talk_quit(talk);
    mt_disturb_conflict(talk);
}

static void with_duplicates(struct mt_talk *talk)
{
    talk->truth->story = "segments that come twice";
    plain(talk);
    mt_disturb_duplicate(talk, 300);
    lossy(talk);
}

static void byte_by_byte(struct mt_talk *talk)
{
    struct mt_mail_choice choice = mt_mail_choose(talk, mt_random_range(talk->random, 50, 300));

    talk->truth->story = "one byte a segment";
    choice.ring = MT_RING_DOTS;
    talk->plan->cut = MT_PLAN_CUT_BYTES;
    begin(talk);
    mt_mail_send(talk, &choice);
    mt_talk_quit(talk);
}

static void through_zero(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;

    talk->truth->story = "sequence numbers that wrap";
    plain(talk);
    for (int side = 0; side < 2; side++)
        plan->link.isn[side] = 0u - mt_random_range(talk->random, 1, plan->stream_size[side]);
    lossy(talk);
}

static void put_many(struct mt_talk *talk, uint32_t count)
{
    static const char block[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                "xxxxxxxxxxxxxxxxxxxxxxxx";

    for (uint32_t i = 0; i < count; i++)
        mt_plan_put(talk->plan, MT_PLAN_CLIENT, block, sizeof(block) - 1);
}

static void with_long_line(struct mt_talk *talk)
{
    talk->truth->story = "a command line that seems never to end, then does";
    begin(talk);
    talk->truth->said[MT_SAID_NOOP]++;
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, "NOOP ", 5);
    put_many(talk, mt_random_range(talk->random, 150, 600));
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, "\r\n", 2);
    mt_truth_anomaly(talk->truth, "line_too_long");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 500, "5.5.2", "Error: line too long");
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_talk_quit(talk);
    mt_disturb_reorder(talk, 10);
}

static void with_endless_line(struct mt_talk *talk)
{
    talk->truth->story = "a command line that never ends";
    begin(talk);
    talk->truth->said[MT_SAID_NOOP]++;
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, "NOOP ", 5);
    put_many(talk, mt_random_range(talk->random, 150, 600));
    mt_truth_anomaly(talk->truth, "line_too_long");
    mt_truth_may_have(talk->truth, "reply_missing");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_plan_close(talk->plan, MT_PLAN_SERVER);
    talk->truth->ends = MT_END_FIN;
}

static void with_dots(struct mt_talk *talk)
{
    talk->truth->story = "dots, cut everywhere";
    talk->plan->cut = MT_PLAN_CUT_RANDOM;
    begin(talk);
    talk->is_pipelined = mt_talk_server_pipelines(talk) && mt_random_permille(talk->random, 500);
    send_mail(talk, mt_random_range(talk->random, 500, 6000), MT_RING_DOTS);
    mt_talk_quit(talk);
    mt_disturb_reorder(talk, 10);
}

static void again_after_fin(struct mt_talk *talk)
{
    talk->truth->story = "a five-tuple that is used again at once";
    plain(talk);
    talk->reuses_tuple = true;
}

static void again_without_fin(struct mt_talk *talk)
{
    talk->truth->story = "left open; its five-tuple is used again";
    begin(talk);
    envelope(talk);
    talk->truth->ends = ~0u;
    talk->reuses_tuple = true;
}

static void from_the_middle(struct mt_talk *talk)
{
    talk->truth->story = "a capture that starts in the middle";
    plain(talk);
    mt_disturb_join_late(talk);
}

static void one_way(struct mt_talk *talk)
{
    bool hides_server = mt_random_permille(talk->random, 500);

    talk->truth->story = hides_server ? "only the client is seen" : "only the server is seen";
    /* A SYN whose answer is not seen looks like one of the flood, and a sensor
     * may forget it: the first payload comes before that. */
    talk->plan->rtt = 300000;
    talk->plan->think = 100000;
    plain(talk);
    mt_disturb_hide(talk, hides_server ? MT_PLAN_SERVER : MT_PLAN_CLIENT);
}

static void without_fin(struct mt_talk *talk)
{
    bool says_quit = mt_random_permille(talk->random, 500);

    talk->truth->story = "no FIN";
    begin(talk);
    send_mail(talk, mt_random_range(talk->random, 200, 9000), MT_RING_TEXT);
    talk->truth->ends = MT_END_CAPTURE_END | MT_END_TIMEOUT;
    if (!says_quit)
        return;
    mt_talk_say_text(talk, MT_SAID_QUIT, "QUIT");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 221, "2.0.0", talk->server->quit_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    talk->truth->ends = MT_END_QUIT | MT_END_TIMEOUT;
}

static void cut_by_reset(struct mt_talk *talk)
{
    static const struct mt_mail_choice choice = {.recipients = 1, .body_size = 9000};
    uint32_t stage = mt_random_below(talk->random, 3);
    bool is_client = mt_random_permille(talk->random, 500);
    struct mt_truth_transaction *transaction;

    talk->truth->story = "an early RST";
    mt_plan_open(talk->plan);
    mt_talk_banner(talk);
    if (stage > 0) {
        mt_talk_ehlo(talk);
        transaction = envelope(talk);
        transaction->outcomes = MT_OUTCOME_ABORTED | MT_OUTCOME_UNFINISHED;
        if (stage > 1) {
            ask_data(talk);
            mt_mail_content(talk, transaction, &choice);
            mt_talk_flush(talk, MT_PLAN_CLIENT);
            /* The last line end may be content or the start of its end. */
            transaction->are_bytes_open = true;
            mt_truth_may_have(talk->truth, "reply_missing");
        }
    }
    mt_plan_control(talk->plan, is_client ? MT_PLAN_CLIENT : MT_PLAN_SERVER, MT_PLAN_RST | MT_PLAN_ACK,
                    500000);
    talk->truth->ends = MT_END_RST;
}

static void with_false_reset(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;
    uint32_t place;
    struct mt_plan_frame frame;

    talk->truth->story = "a RST that lies outside the window";
    plain(talk);
    place = mt_random_range(talk->random, 4, plan->frame_count - 5);
    frame = plan->frames[place - 1];
    frame.time = (frame.time + plan->frames[place].time) / 2;
    frame.seq += 0x40000000;
    frame.size = 0;
    frame.flags = MT_PLAN_RST;
    frame.bits = MT_PLAN_STRAY;
    mt_plan_insert(plan, place, &frame);
    mt_truth_anomaly(talk->truth, "bad_rst");
}

static void kept_alive(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;
    uint32_t place;
    struct mt_plan_frame frame;

    talk->truth->story = "keep-alive probes";
    begin(talk);
    place = plan->frame_count;
    send_mail(talk, 2000, MT_RING_TEXT);
    mt_talk_quit(talk);
    /* The last byte of the server's once more, then the client's ACK. */
    frame = plan->frames[place - 1];
    frame.time += 5000000;
    frame.seq += frame.size - 1u;
    frame.size = (uint16_t)mt_random_below(talk->random, 2);
    frame.flags = MT_PLAN_ACK;
    mt_plan_insert(plan, place, &frame);
    frame.time += 1000000;
    frame.ack = frame.seq + 1;
    frame.seq = plan->frames[place - 1].ack;
    frame.size = 0;
    frame.side = MT_PLAN_CLIENT;
    mt_plan_insert(plan, place + 1, &frame);
    mt_plan_delay(plan, place + 2, 10000000);
}

static void with_syn_again(struct mt_talk *talk)
{
    struct mt_plan_frame syn;

    talk->truth->story = "a SYN sent twice";
    plain(talk);
    syn = talk->plan->frames[0];
    /* Soon, so that the flood can't have pushed the first one out. */
    syn.time += 2000000;
    mt_plan_delay(talk->plan, 1, 2000000);
    mt_plan_insert(talk->plan, 1, &syn);
    lossy(talk);
}

static void with_fin_on_quit(struct mt_talk *talk)
{
    talk->truth->story = "QUIT and FIN in one segment";
    begin(talk);
    send_mail(talk, mt_random_range(talk->random, 200, 9000), MT_RING_TEXT);
    mt_talk_say_text(talk, MT_SAID_QUIT, "QUIT");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_plan_fin_on_last(talk->plan, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 221, "2.0.0", talk->server->quit_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_plan_control(talk->plan, MT_PLAN_SERVER, MT_PLAN_FIN | MT_PLAN_ACK, 30000);
    mt_plan_control(talk->plan, MT_PLAN_CLIENT, MT_PLAN_ACK, talk->plan->rtt);
    talk->truth->ends = MT_END_QUIT;
}

static void half_closed(struct mt_talk *talk)
{
    static const struct mt_mail_choice choice = {.recipients = 1, .body_size = 3000};
    struct mt_truth_transaction *transaction;

    talk->truth->story = "the client's FIN comes with the final dot";
    begin(talk);
    transaction = envelope(talk);
    ask_data(talk);
    mt_mail_content(talk, transaction, &choice);
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, ".\r\n", 3);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_plan_fin_on_last(talk->plan, MT_PLAN_CLIENT);
    mt_mail_final_answer(talk, transaction, &choice);
    mt_plan_control(talk->plan, MT_PLAN_SERVER, MT_PLAN_FIN | MT_PLAN_ACK, 30000);
    mt_plan_control(talk->plan, MT_PLAN_CLIENT, MT_PLAN_ACK, talk->plan->rtt);
    talk->truth->ends = MT_END_FIN;
}

static void in_fragments(struct mt_talk *talk)
{
    talk->truth->story = "datagrams in fragments";
    plain(talk);
    mt_disturb_fragment(talk, 300);
}

static void to_many(struct mt_talk *talk)
{
    static const struct mt_mail_choice choice = {.recipients = 1, .body_size = 1000};
    uint32_t count = mt_random_range(talk->random, 130, 250);
    struct mt_truth_transaction *transaction;
    struct mt_line address;

    talk->truth->story = "more recipients than a record lists";
    begin(talk);
    talk->truth->is_truncated = true;
    transaction = mt_mail_from(talk, &choice);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_from_answer(talk, transaction, 250, "2.1.0", talk->server->mail_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    for (uint32_t i = 0; i < count; i++) {
        struct mt_truth_recipient *recipient;

        mt_mail_local_address(talk, &address);
        recipient = mt_mail_rcpt(talk, transaction, &address, true);
        mt_talk_flush(talk, MT_PLAN_CLIENT);
        mt_mail_rcpt_answer(talk, recipient, 250, "2.1.5", talk->server->rcpt_ok);
        mt_talk_flush(talk, MT_PLAN_SERVER);
    }
    ask_data(talk);
    mt_mail_content(talk, transaction, &choice);
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, ".\r\n", 3);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_mail_final_answer(talk, transaction, &choice);
    mt_talk_quit(talk);
}

struct trouble {
    uint32_t permille;
    void (*converse)(struct mt_talk *talk);
};

static void dress(struct mt_talk *talk)
{
    struct mt_plan_link *link = &talk->plan->link;
    uint32_t luck = mt_random_below(talk->random, 100);

    link->is_padded = mt_random_permille(talk->random, 300);
    if (luck < 20)
        link->vlan[0] = (uint16_t)mt_random_range(talk->random, 1, 4094);
    if (luck < 5)
        link->vlan[1] = (uint16_t)mt_random_range(talk->random, 1, 4094);
}

static void converse_hostile(struct mt_talk *talk)
{
    static const struct trouble troubles[] = {
        {330, on_a_bad_line},  {60, with_content_lost}, {30, with_tls_lost},     {30, with_command_lost},
        {50, with_overlaps},   {40, with_conflict},     {50, with_duplicates},   {20, byte_by_byte},
        {50, through_zero},    {20, with_long_line},    {10, with_endless_line}, {50, with_dots},
        {20, again_after_fin}, {20, again_without_fin}, {30, from_the_middle},   {30, one_way},
        {30, without_fin},     {30, cut_by_reset},      {20, with_false_reset},  {20, kept_alive},
        {10, with_syn_again},  {10, with_fin_on_quit},  {10, half_closed},       {20, in_fragments},
        {10, to_many},
    };
    const struct trouble *trouble = troubles;
    uint32_t luck = mt_random_below(talk->random, 1000);

    dress(talk);
    /* A connection on a used five-tuple must be seen from its SYN on. */
    if (talk->has_used_tuple)
        luck = 0;
    while (luck >= trouble->permille) {
        luck -= trouble->permille;
        trouble++;
    }
    trouble->converse(talk);
    /* What was taken away may have come twice. */
    if (mt_plan_missing(talk->plan, MT_PLAN_CLIENT) || mt_plan_missing(talk->plan, MT_PLAN_SERVER))
        mt_truth_anomaly(talk->truth, "gap");
}

const struct mt_profile mt_profile_hostile = {
    .name = "hostile",
    .meaning = "loss, reorder, overlaps, floods and lines without end",
    .converse = converse_hostile,
    .has_flood = true,
    .six = 250,
};
