#include "helo.h"

/* An address none of whose octets is one of the client's, so that the test for
 * the client's octets in the name is out of play. */
static void put_other_address(struct mt_talk *talk, uint8_t first, uint8_t second)
{
    const uint8_t *client = talk->plan->link.ip[MT_PLAN_CLIENT].bytes;

    mt_line_put_number(&talk->client_name, first);
    mt_line_put(&talk->client_name, ".");
    mt_line_put_number(&talk->client_name, second);
    for (int i = 0; i < 2; i++) {
        uint32_t octet;

        do {
            octet = mt_random_range(talk->random, 1, 254);
        } while (octet == client[0] || octet == client[1] || octet == client[2] || octet == client[3]);
        mt_line_put(&talk->client_name, ".");
        mt_line_put_number(&talk->client_name, octet);
    }
}

static void forged(struct mt_talk *talk)
{
    mt_truth_alert(talk->truth, MT_TRUTH_HELO_FORGED, 1, 1);
}

static void literal(struct mt_talk *talk, uint32_t luck)
{
    const uint8_t *client = talk->plan->link.ip[MT_PLAN_CLIENT].bytes;

    talk->truth->helo_kind = "address_literal";
    mt_line_put(&talk->client_name, "[");
    if (luck < 5) {
        put_other_address(talk, 203, 113);
        mt_truth_finding(talk->truth, "literal_mismatch", 4);
    } else if (luck < 9) {
        put_other_address(talk, 192, 168);
        mt_truth_finding(talk->truth, "literal_mismatch", 4);
        mt_truth_finding(talk->truth, "literal_private", 4);
        forged(talk);
    } else {
        /* The truth; whether its octets count as the client's is open. */
        for (int i = 0; i < 4; i++) {
            if (i)
                mt_line_put(&talk->client_name, ".");
            mt_line_put_number(&talk->client_name, client[i]);
        }
        talk->truth->findings_loose = MT_LOOSE_OPEN;
    }
    mt_line_put(&talk->client_name, "]");
}

static void bare(struct mt_talk *talk)
{
    talk->truth->helo_kind = "bare_address";
    put_other_address(talk, 203, 113);
    mt_truth_finding(talk->truth, "bare_ip", 3);
    /* An address is no host name and its last label is digits: said or not. */
    talk->truth->findings_loose = MT_LOOSE_AT_LEAST;
    mt_truth_alert(talk->truth, MT_TRUTH_HELO_FORGED, 0, 1);
}

static void single(struct mt_talk *talk, bool is_localhost)
{
    talk->truth->helo_kind = "single_label";
    mt_truth_finding(talk->truth, "not_fqdn", 2);
    if (is_localhost) {
        mt_line_put(&talk->client_name, "localhost");
        mt_truth_finding(talk->truth, "localhost", 3);
        forged(talk);
        return;
    }
    mt_line_put(&talk->client_name, "WIN-");
    mt_line_put_name(&talk->client_name, mt_random_below(talk->random, 9000000));
}

static void ours(struct mt_talk *talk, bool is_server)
{
    if (is_server) {
        talk->client_name = talk->server_name;
        mt_truth_finding(talk->truth, "own_name", 6);
    } else {
        mt_line_put(&talk->client_name, "mail.");
        mt_line_put_domain(&talk->client_name, mt_random_below(talk->random, talk->local_domains));
        mt_truth_finding(talk->truth, "local_domain", 5);
        /* A local domain may be one of the server's own names, too. */
        talk->truth->findings_loose = MT_LOOSE_AT_LEAST;
    }
    forged(talk);
}

void mt_helo_choose(struct mt_talk *talk)
{
    uint32_t luck = mt_random_below(talk->random, 100);

    if (luck >= 42)
        return;
    talk->truth->helo_kind = "fqdn";
    talk->client_name.size = 0;
    if (luck < 17) {
        literal(talk, luck);
    } else if (luck < 21) {
        bare(talk);
    } else if (luck < 32) {
        single(talk, luck < 24);
    } else if (luck < 38) {
        ours(talk, luck < 35);
    } else if (luck < 40) {
        mt_line_put(&talk->client_name, "dsl.pool.");
        mt_line_put_domain(&talk->client_name, MT_DOMAIN_FOREIGN + mt_random_below(talk->random, 4000000));
        mt_truth_finding(talk->truth, "dynamic", 2);
    } else {
        mt_line_put(&talk->client_name, "out..");
        mt_line_put_domain(&talk->client_name, MT_DOMAIN_FOREIGN + mt_random_below(talk->random, 4000000));
        mt_truth_finding(talk->truth, "invalid_syntax", 3);
        talk->truth->helo_kind = "invalid";
    }
}
