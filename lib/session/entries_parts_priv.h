/* Entries of the parts of messages, and the state of a message while it passes.
 *
 * Ownership: as session/entries_priv.h. Thread: the engine's. Limits: those of
 * message/mime.h and of body.c.
 */
#ifndef MT_SESSION_ENTRIES_PARTS_PRIV_H
#define MT_SESSION_ENTRIES_PARTS_PRIV_H

#include "base/check.h"
#include "message/mime.h"
#include "session/entries_priv.h"

/* Of a message's header; 0: nothing is said. */
struct mt_entry_total {
    struct mt_entry head;
    uint8_t back;      /* as in RCPT */
    uint16_t received; /* when more were there than are kept */
    uint16_t fields;   /* when the list of all is wanted */
} MT_PACKED;

/* A part of a message. Its texts: path, type, charset, name. */
struct mt_entry_part {
    struct mt_entry head;
    uint8_t back;     /* as in RCPT */
    uint8_t encoding; /* enum mt_mime_encoding */
    uint8_t flags;    /* MT_MIME_* */
    uint8_t path_size;
    uint8_t type_size;
    uint8_t charset_size;
    uint64_t encoded; /* 0 until it has ended */
    uint64_t decoded;
    uint8_t text[];
} MT_PACKED;

enum {
    MT_BODY_INCOMPLETE = 1 << 0, /* it was not seen to its end */
    MT_BODY_DIGESTS = 1 << 1,    /* they are there */
    MT_BODY_BROKEN = 1 << 2,     /* octets that its encoding does not have */
    MT_BODY_MARKER = 1 << 3,
    MT_BODY_MISMATCH = 1 << 4, /* told when the record is made */
    MT_BODY_HOST_REPORT = 1 << 5,
    MT_BODY_CREDENTIALS = 1 << 6,
};

/* What the part before it holds, when that is looked at. Its text: those digests
 * that are wanted, MD5 first. */
struct mt_entry_body {
    struct mt_entry head;
    uint8_t flags;
    uint32_t urls;   /* also those that are not kept */
    uint32_t ticket; /* for its kind; 0: none */
    uint8_t text[];
} MT_PACKED;

/* A URL of the part before it. */
struct mt_entry_url {
    struct mt_entry head;
    uint8_t text[];
} MT_PACKED;

/* Of a message whose parts are followed; in one arena block. */
struct mt_tree {
    struct mt_mime mime;
    struct mt_body *body; /* NULL unless what parts hold is looked at */
    uint32_t file;        /* that it is written to; 0: none */
    bool is_cut;          /* what ends now was not seen to its end */
};
MT_STATIC_ASSERT(sizeof(struct mt_tree) <= 1024, "one arena block");

#endif
