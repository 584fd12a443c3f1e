/* Two people who speak SMTP: each call writes lines into a plan and says in
 * the truth what a sensor should make of them. Names, servers and their
 * answers are invented here.
 *
 * Ownership: the caller owns plan, truth and random. Thread: one. Limits: a
 * line of MT_LINE_MAX bytes.
 */
#ifndef MT_TRAFFIC_TALK_H
#define MT_TRAFFIC_TALK_H

#include "truth.h"

#include <string.h>

#define MT_LINE_MAX 4000

/* A text being put together; what does not fit is a bug of the profile. Set
 * size to 0 before use: clearing the rest would cost more than all else. */
struct mt_line {
    uint32_t size;
    char data[MT_LINE_MAX];
};

void mt_line_put(struct mt_line *line, const char *text);
void mt_line_put_bytes(struct mt_line *line, const char *bytes, size_t size);
void mt_line_put_number(struct mt_line *line, uint64_t number);
void mt_line_put_hex(struct mt_line *line, uint64_t number, unsigned digits);

/* A pronounceable name, another one for each number below 9 million; without
 * letters that spell dsl, dyn, pool, home and what else makes a host name look
 * dynamic, and without digits, which could look like the client's address. */
void mt_line_put_name(struct mt_line *line, uint32_t number);

/* "lagoru.net" */
void mt_line_put_domain(struct mt_line *line, uint32_t number);

/* How one mail server product answers. In texts, %h is its name, %c the
 * client's, %i the client's address, %d the date. */
struct mt_server {
    const char *banner;
    const char *hello; /* first line of the reply to EHLO */
    const char *keywords[12];
    bool is_enhanced;
    const char *mail_ok, *rcpt_ok, *data_go, *quit_ok, *rset_ok;
    enum {
        MT_QUEUED_POSTFIX,
        MT_QUEUED_EXIM,
        MT_QUEUED_SENDMAIL,
        MT_QUEUED_OPENSMTPD,
        MT_QUEUED_EXCHANGE
    } queued;
};

/* How big messages get. */
struct mt_sizes {
    uint32_t cap;      /* of one body */
    uint32_t mean_cap; /* of the mean so far; 0: none */
    uint64_t total;
    uint64_t count;
};

struct mt_talk {
    struct mt_plan *plan;
    struct mt_truth *truth;
    struct mt_random *random;
    const struct mt_corpus *corpus;
    struct mt_sizes *sizes;
    const struct mt_server *server;
    struct mt_line server_name;
    struct mt_line client_name;
    uint32_t local_domains; /* how many there are; the first numbers of domains */
    bool offers_starttls;
    bool is_extended; /* EHLO */
    bool is_pipelined;
    bool is_chunked;
    bool has_used_tuple; /* in: the last connection had the same four-tuple */
    bool reuses_tuple;   /* out: the next connection shall have it, too */
};

/* Domain numbers: local ones from 0, foreign ones from here on. */
#define MT_DOMAIN_FOREIGN 1000000u
#define MT_DOMAIN_SERVERS 7000000u

/* Chooses a server product and the names of both ends. */
void mt_talk_start(struct mt_talk *talk, uint32_t server_number);

bool mt_talk_server_pipelines(const struct mt_talk *talk);
bool mt_talk_server_chunks(const struct mt_talk *talk);
bool mt_talk_server_enhances(const struct mt_talk *talk);

/* Lines. The client's is counted as verb; the server's as its code. */
struct mt_moment mt_talk_say(struct mt_talk *talk, enum mt_truth_verb verb, const struct mt_line *line);
struct mt_moment mt_talk_say_text(struct mt_talk *talk, enum mt_truth_verb verb, const char *line);
/* text is behind the code; enhanced NULL: none. Where the server gives no
 * enhanced codes, none is written. */
struct mt_moment mt_talk_answer(struct mt_talk *talk, unsigned code, const char *enhanced, const char *text);
/* A line of a reply that is not its last. */
void mt_talk_answer_more(struct mt_talk *talk, unsigned code, const char *enhanced, const char *text);
struct mt_truth_answer mt_talk_answered(struct mt_talk *talk, unsigned code, const char *enhanced);

void mt_talk_banner(struct mt_talk *talk);
void mt_talk_ehlo(struct mt_talk *talk);     /* with its reply, flushed */
void mt_talk_ehlo_say(struct mt_talk *talk); /* only the command */
void mt_talk_ehlo_answer(struct mt_talk *talk);
void mt_talk_helo(struct mt_talk *talk);
void mt_talk_quit(struct mt_talk *talk); /* with its reply and the close */
void mt_talk_flush(struct mt_talk *talk, enum mt_plan_side side);

/* --- mail.c ----------------------------------------------------------------- */

struct mt_mail_choice {
    uint32_t body_size;
    uint32_t recipients;    /* at least 1 */
    bool refuses_sender;    /* MAIL is answered 550 */
    bool refuses_all;       /* every RCPT is */
    bool refuses_some;      /* one of several */
    bool defers_recipients; /* 451 to every RCPT */
    bool refuses_content;   /* 554 to the message */
    bool is_null_sender;
    enum mt_ring ring; /* of the body; BASE64 means: text, then base64 */
};

/* A body size by chance, within sizes. */
uint32_t mt_mail_draw_size(struct mt_talk *talk);

/* Everything ordinary, by chance: few refusals. */
struct mt_mail_choice mt_mail_choose(struct mt_talk *talk, uint32_t body_size);

/* A whole transaction: MAIL, RCPT, content, replies. False when nothing was
 * accepted, so that no content went. */
bool mt_mail_send(struct mt_talk *talk, const struct mt_mail_choice *choice);

/* Its steps, for profiles that stop in the middle. */
struct mt_truth_transaction *mt_mail_from(struct mt_talk *talk, const struct mt_mail_choice *choice);
void mt_mail_from_answer(struct mt_talk *talk, struct mt_truth_transaction *transaction, unsigned code,
                         const char *enhanced, const char *text);
struct mt_truth_recipient *mt_mail_rcpt(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                                        const struct mt_line *address, bool is_local);
void mt_mail_rcpt_answer(struct mt_talk *talk, struct mt_truth_recipient *recipient, unsigned code,
                         const char *enhanced, const char *text);
/* A mailbox of a local domain. */
void mt_mail_local_address(struct mt_talk *talk, struct mt_line *ret_address);

/* Header and body, without the final dot: returns where they begin. */
uint32_t mt_mail_content(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                         const struct mt_mail_choice *choice);
void mt_mail_final_answer(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                          const struct mt_mail_choice *choice);

#endif
