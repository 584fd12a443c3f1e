#include "talk.h"

#include "calendar.h"

#include <stdio.h>
#include <stdlib.h>

static const struct mt_server servers[] = {
    {
        .banner = "%h ESMTP Postfix",
        .hello = "%h",
        .keywords = {"PIPELINING", "SIZE 52428800", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN",
                     "SMTPUTF8", "CHUNKING"},
        .is_enhanced = true,
        .mail_ok = "Ok",
        .rcpt_ok = "Ok",
        .data_go = "End data with <CR><LF>.<CR><LF>",
        .quit_ok = "Bye",
        .rset_ok = "Ok",
        .queued = MT_QUEUED_POSTFIX,
    },
    {
        .banner = "%h ESMTP Exim 4.96 %d",
        .hello = "%h Hello %c [%i]",
        .keywords = {"SIZE 52428800", "8BITMIME", "PIPELINING", "CHUNKING", "HELP"},
        .mail_ok = "OK",
        .rcpt_ok = "Accepted",
        .data_go = "Enter message, ending with \".\" on a line by itself",
        .quit_ok = "%h closing connection",
        .rset_ok = "Reset OK",
        .queued = MT_QUEUED_EXIM,
    },
    {
        .banner = "%h ESMTP Sendmail 8.17.1/8.17.1; %d",
        .hello = "%h Hello %c [%i], pleased to meet you",
        .keywords = {"ENHANCEDSTATUSCODES", "PIPELINING", "8BITMIME", "SIZE", "DSN", "ETRN", "DELIVERBY",
                     "HELP"},
        .is_enhanced = true,
        .mail_ok = "Sender ok",
        .rcpt_ok = "Recipient ok",
        .data_go = "Enter mail, end with \".\" on a line by itself",
        .quit_ok = "%h closing connection",
        .rset_ok = "Reset state",
        .queued = MT_QUEUED_SENDMAIL,
    },
    {
        .banner = "%h ESMTP OpenSMTPD",
        .hello = "%h Hello %c [%i], pleased to meet you",
        .keywords = {"8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 36700160", "DSN", "HELP"},
        .is_enhanced = true,
        .mail_ok = "Ok",
        .rcpt_ok = "Destination address valid: Recipient ok",
        .data_go = "Enter mail, end with \".\" on a line by itself",
        .quit_ok = "Bye",
        .rset_ok = "Reset state",
        .queued = MT_QUEUED_OPENSMTPD,
    },
    {
        .banner = "%h Microsoft ESMTP MAIL Service ready at %d",
        .hello = "%h Hello [%i]",
        .keywords = {"SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME", "BINARYMIME",
                     "CHUNKING"},
        .is_enhanced = true,
        .mail_ok = "Sender OK",
        .rcpt_ok = "Recipient OK",
        .data_go = "Start mail input; end with <CRLF>.<CRLF>",
        .quit_ok = "Service closing transmission channel",
        .rset_ok = "Resetting",
        .queued = MT_QUEUED_EXCHANGE,
    },
};

void mt_line_put_bytes(struct mt_line *line, const char *bytes, size_t size)
{
    if (size > MT_LINE_MAX - line->size) {
        fputs("mailtap-traffic: a line exceeds the limit of talk.h\n", stderr);
        abort();
    }
    memcpy(line->data + line->size, bytes, size);
    line->size += (uint32_t)size;
}

void mt_line_put(struct mt_line *line, const char *text)
{
    mt_line_put_bytes(line, text, strlen(text));
}

void mt_line_put_number(struct mt_line *line, uint64_t number)
{
    char digits[20];
    unsigned at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    mt_line_put_bytes(line, digits + at, sizeof(digits) - at);
}

void mt_line_put_hex(struct mt_line *line, uint64_t number, unsigned digits)
{
    char text[16];

    for (unsigned i = digits; i-- > 0; number >>= 4)
        text[i] = "0123456789ABCDEF"[number & 15];
    mt_line_put_bytes(line, text, digits);
}

void mt_line_put_name(struct mt_line *line, uint32_t number)
{
    char syllables[8];

    for (size_t i = 0; i < 4; i++) {
        syllables[2 * i] = "bfgjklnrtvz"[number % 11];
        syllables[2 * i + 1] = "aeiou"[number / 11 % 5];
        number /= 55;
    }
    mt_line_put_bytes(line, syllables, sizeof(syllables));
}

void mt_line_put_domain(struct mt_line *line, uint32_t number)
{
    static const char *const endings[] = {".net", ".org", ".com", ".info", ".co.nz"};

    mt_line_put_name(line, number);
    mt_line_put(line, endings[number % 5]);
}

static void put_address(struct mt_line *line, const struct mt_plan_ip *ip)
{
    char digits[40];
    int size = 0;

    if (ip->family == 4) {
        for (int i = 0; i < 4; i++) {
            if (i)
                mt_line_put(line, ".");
            mt_line_put_number(line, ip->bytes[i]);
        }
        return;
    }
    for (int i = 0; i < 16; i += 2)
        size += snprintf(digits + size, sizeof(digits) - (size_t)size, i ? ":%x" : "%x",
                         (unsigned)ip->bytes[i] << 8 | ip->bytes[i + 1]);
    mt_line_put_bytes(line, digits, (size_t)size);
}

static void put_expanded(const struct mt_talk *talk, struct mt_line *line, const char *text)
{
    char date[32];

    for (const char *mark; (mark = strchr(text, '%')); text = mark + 2) {
        mt_line_put_bytes(line, text, (size_t)(mark - text));
        switch (mark[1]) {
        case 'h':
            mt_line_put_bytes(line, talk->server_name.data, talk->server_name.size);
            break;
        case 'c':
            mt_line_put_bytes(line, talk->client_name.data, talk->client_name.size);
            break;
        case 'i':
            put_address(line, &talk->plan->link.ip[MT_PLAN_CLIENT]);
            break;
        default:
            mt_calendar_rfc5322(talk->plan->now, date);
            mt_line_put(line, date);
        }
    }
    mt_line_put(line, text);
}

void mt_talk_start(struct mt_talk *talk, uint32_t server_number)
{
    static const char *const hosts[] = {"mail.", "mx.", "relay.", "out.", "smtp.", "mta."};

    talk->server = &servers[server_number % (sizeof(servers) / sizeof(servers[0]))];
    talk->server_name.size = 0;
    mt_line_put(&talk->server_name, "mx.");
    mt_line_put_domain(&talk->server_name, MT_DOMAIN_SERVERS + server_number);
    talk->client_name.size = 0;
    mt_line_put(&talk->client_name, hosts[mt_random_below(talk->random, 6)]);
    mt_line_put_domain(&talk->client_name, MT_DOMAIN_FOREIGN + mt_random_below(talk->random, 4000000));
    talk->offers_starttls = false;
    talk->is_extended = false;
    talk->is_pipelined = false;
    talk->is_chunked = false;
    talk->reuses_tuple = false;
}

static bool lists(const struct mt_talk *talk, const char *keyword)
{
    for (size_t i = 0; talk->server->keywords[i]; i++)
        if (strcmp(talk->server->keywords[i], keyword) == 0)
            return true;
    return false;
}

bool mt_talk_server_pipelines(const struct mt_talk *talk)
{
    return lists(talk, "PIPELINING");
}

bool mt_talk_server_chunks(const struct mt_talk *talk)
{
    return lists(talk, "CHUNKING");
}

bool mt_talk_server_enhances(const struct mt_talk *talk)
{
    return talk->server->is_enhanced;
}

void mt_talk_flush(struct mt_talk *talk, enum mt_plan_side side)
{
    mt_plan_flush(talk->plan, side);
}

static struct mt_moment line_end(struct mt_talk *talk, enum mt_plan_side side)
{
    mt_plan_put(talk->plan, side, "\r\n", 2);
    return (struct mt_moment){.off = talk->plan->stream_size[side], .side = (uint8_t)side};
}

struct mt_moment mt_talk_say(struct mt_talk *talk, enum mt_truth_verb verb, const struct mt_line *line)
{
    talk->truth->said[verb]++;
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, line->data, line->size);
    return line_end(talk, MT_PLAN_CLIENT);
}

struct mt_moment mt_talk_say_text(struct mt_talk *talk, enum mt_truth_verb verb, const char *text)
{
    talk->truth->said[verb]++;
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, text, strlen(text));
    return line_end(talk, MT_PLAN_CLIENT);
}

static struct mt_moment put_reply(struct mt_talk *talk, unsigned code, const char *separator,
                                  const char *enhanced, const char *text)
{
    struct mt_line line;

    line.size = 0;
    mt_line_put_number(&line, code);
    mt_line_put(&line, separator);
    if (enhanced && talk->server->is_enhanced) {
        mt_line_put(&line, enhanced);
        mt_line_put(&line, " ");
    }
    put_expanded(talk, &line, text);
    mt_plan_put(talk->plan, MT_PLAN_SERVER, line.data, line.size);
    return line_end(talk, MT_PLAN_SERVER);
}

struct mt_moment mt_talk_answer(struct mt_talk *talk, unsigned code, const char *enhanced, const char *text)
{
    talk->truth->codes[code]++;
    return put_reply(talk, code, " ", enhanced, text);
}

void mt_talk_answer_more(struct mt_talk *talk, unsigned code, const char *enhanced, const char *text)
{
    put_reply(talk, code, "-", enhanced, text);
}

struct mt_truth_answer mt_talk_answered(struct mt_talk *talk, unsigned code, const char *enhanced)
{
    struct mt_truth_answer answer = {.code = (uint16_t)code};

    if (enhanced && talk->server->is_enhanced)
        answer.enhanced = mt_truth_text(talk->truth, enhanced, strlen(enhanced));
    return answer;
}

void mt_talk_banner(struct mt_talk *talk)
{
    struct mt_line text;
    struct mt_line line;

    text.size = 0;
    line.size = 0;
    put_expanded(talk, &text, talk->server->banner);
    if (mt_random_permille(talk->random, 30)) {
        /* A greeting of two lines. */
        mt_line_put(&line, "220-");
        mt_line_put_bytes(&line, text.data, text.size);
        mt_line_put(&line, "\r\n");
        mt_line_put(&text, "\nNo unsolicited mail");
        mt_line_put(&line, "220 No unsolicited mail");
    } else {
        mt_line_put(&line, "220 ");
        mt_line_put_bytes(&line, text.data, text.size);
    }
    mt_plan_put(talk->plan, MT_PLAN_SERVER, line.data, line.size);
    line_end(talk, MT_PLAN_SERVER);
    talk->truth->codes[220]++;
    talk->truth->banner_code = 220;
    talk->truth->banner_text = mt_truth_text(talk->truth, text.data, text.size);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void greet(struct mt_talk *talk, enum mt_truth_verb verb, const char *word)
{
    struct mt_line line;

    line.size = 0;
    mt_line_put(&line, word);
    mt_line_put(&line, " ");
    mt_line_put_bytes(&line, talk->client_name.data, talk->client_name.size);
    mt_talk_say(talk, verb, &line);
    talk->truth->helo_verb = word;
    talk->truth->helo_name = mt_truth_text(talk->truth, talk->client_name.data, talk->client_name.size);
    if (!talk->truth->helo_kind)
        talk->truth->helo_kind = "fqdn";
}

void mt_talk_ehlo_say(struct mt_talk *talk)
{
    greet(talk, MT_SAID_EHLO, "EHLO");
}

static void put_keyword(struct mt_talk *talk, const char *keyword, bool is_last)
{
    struct mt_line line;

    line.size = 0;
    mt_line_put(&line, is_last ? "250 " : "250-");
    mt_line_put(&line, keyword);
    mt_plan_put(talk->plan, MT_PLAN_SERVER, line.data, line.size);
    line_end(talk, MT_PLAN_SERVER);
    talk->truth->extensions[talk->truth->extension_count++] =
        mt_truth_text(talk->truth, keyword, strlen(keyword));
}

void mt_talk_ehlo_answer(struct mt_talk *talk)
{
    const char *const *keywords = talk->server->keywords;
    struct mt_line line;

    line.size = 0;
    mt_line_put(&line, "250-");
    put_expanded(talk, &line, talk->server->hello);
    mt_plan_put(talk->plan, MT_PLAN_SERVER, line.data, line.size);
    line_end(talk, MT_PLAN_SERVER);
    talk->truth->codes[250]++;
    talk->truth->extension_count = 0;
    if (talk->plan->link.port[MT_PLAN_SERVER] == 587)
        put_keyword(talk, "AUTH PLAIN LOGIN", false);
    if (talk->offers_starttls)
        put_keyword(talk, "STARTTLS", false);
    for (size_t i = 0; keywords[i]; i++)
        put_keyword(talk, keywords[i], !keywords[i + 1]);
    talk->truth->is_starttls_offered |= talk->offers_starttls;
    talk->is_extended = true;
}

void mt_talk_ehlo(struct mt_talk *talk)
{
    mt_talk_ehlo_say(talk);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_ehlo_answer(talk);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

void mt_talk_helo(struct mt_talk *talk)
{
    greet(talk, MT_SAID_HELO, "HELO");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 250, NULL, "%h");
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

void mt_talk_quit(struct mt_talk *talk)
{
    mt_talk_say_text(talk, MT_SAID_QUIT, "QUIT");
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_talk_answer(talk, 221, "2.0.0", talk->server->quit_ok);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    mt_plan_close(talk->plan, mt_random_permille(talk->random, 700) ? MT_PLAN_SERVER : MT_PLAN_CLIENT);
    talk->truth->ends = MT_END_QUIT;
}
