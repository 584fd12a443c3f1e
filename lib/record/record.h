/* The session record and the alert as plain structs, made from one field list
 * (record/fields.def). No behaviour.
 *
 * Ownership: a record borrows everything it points to; it lives for the call
 * that hands it over. Thread: one. Limits: counts are exact where lists are
 * cut (`truncated` says which).
 */
#ifndef MT_RECORD_RECORD_H
#define MT_RECORD_RECORD_H

#include "base/net.h"

/* Raised whenever the meaning of a field changes; encoders and tests assert it. */
#define MT_RECORD_SEQ 1
#define MT_ECS_VERSION "8.17.0"

enum mt_flag {
    MT_FLAG_ABSENT = 0,
    MT_FLAG_FALSE = 1,
    MT_FLAG_TRUE = 2,
};

struct mt_code_count {
    uint16_t code;
    uint32_t count;
};

struct mt_verb_count {
    const char *verb; /* field name: "mail" */
    uint32_t count;
};

struct mt_texts {
    const struct mt_span *items;
    uint32_t count;
};
struct mt_names {
    const char *const *items;
    uint32_t count;
};
struct mt_codes {
    const struct mt_code_count *items;
    uint32_t count;
};
struct mt_verbs {
    const struct mt_verb_count *items;
    uint32_t count;
};
struct mt_outers {
    const struct mt_record_outer *items;
    uint32_t count;
};
struct mt_auths {
    const struct mt_record_auth *items;
    uint32_t count;
};
struct mt_probes {
    const struct mt_record_probe *items;
    uint32_t count;
};
struct mt_parameters {
    const struct mt_record_parameter *items;
    uint32_t count;
};
struct mt_recipients {
    const struct mt_record_recipient *items;
    uint32_t count;
};
struct mt_hops {
    const struct mt_record_hop *items;
    uint32_t count;
};
struct mt_parts {
    const struct mt_record_part *items;
    uint32_t count;
};
struct mt_signatures {
    const struct mt_record_signature *items;
    uint32_t count;
};
struct mt_headers {
    const struct mt_record_header *items;
    uint32_t count;
};
struct mt_certificates {
    const struct mt_record_certificate *items;
    uint32_t count;
};
struct mt_chunks {
    const struct mt_record_chunk *items;
    uint32_t count;
};
struct mt_transactions {
    const struct mt_record_transaction *items;
    uint32_t count;
};
struct mt_groupbys {
    const struct mt_record_groupby *items;
    uint32_t count;
};

#define MT_TYPE_TEXT struct mt_span
#define MT_TYPE_NAME const char *
#define MT_TYPE_U64 uint64_t
#define MT_TYPE_COUNT uint64_t
#define MT_TYPE_CODE uint16_t
#define MT_TYPE_FLAG uint8_t
#define MT_TYPE_TIME uint64_t
#define MT_TYPE_IP struct mt_ip
#define MT_TYPE_MAC const uint8_t *
#define MT_TYPE_TEXTS struct mt_texts
#define MT_TYPE_NAMES struct mt_names
#define MT_TYPE_CODES struct mt_codes
#define MT_TYPE_VERBS struct mt_verbs
#define MT_TYPE_OUTER struct mt_outers
#define MT_TYPE_AUTH struct mt_auths
#define MT_TYPE_PROBE struct mt_probes
#define MT_TYPE_PARAMETERS struct mt_parameters
#define MT_TYPE_RECIPIENT struct mt_recipients
#define MT_TYPE_HOP struct mt_hops
#define MT_TYPE_PART struct mt_parts
#define MT_TYPE_SIGNATURE struct mt_signatures
#define MT_TYPE_CHUNK struct mt_chunks
#define MT_TYPE_CERTIFICATE struct mt_certificates
#define MT_TYPE_HEADER struct mt_headers
#define MT_TYPE_TRANSACTION struct mt_transactions
#define MT_TYPE_GROUPBYS struct mt_groupbys

#define MT_MEMBER(type, member, path, meaning) MT_TYPE_##type member;

struct mt_record_outer {
#define MT_FIELD_OUTER MT_MEMBER
#include "record/fields.def"
};

struct mt_record_auth {
#define MT_FIELD_AUTH MT_MEMBER
#include "record/fields.def"
};

struct mt_record_probe {
#define MT_FIELD_PROBE MT_MEMBER
#include "record/fields.def"
};

struct mt_record_parameter {
#define MT_FIELD_PARAMETER MT_MEMBER
#include "record/fields.def"
};

struct mt_record_signature {
#define MT_FIELD_SIGNATURE MT_MEMBER
#include "record/fields.def"
};

struct mt_record_header {
#define MT_FIELD_HEADER MT_MEMBER
#include "record/fields.def"
};

struct mt_record_certificate {
#define MT_FIELD_CERTIFICATE MT_MEMBER
#include "record/fields.def"
};

struct mt_record_chunk {
#define MT_FIELD_CHUNK MT_MEMBER
#include "record/fields.def"
};

struct mt_record_part {
#define MT_FIELD_PART MT_MEMBER
#include "record/fields.def"
};

struct mt_record_hop {
#define MT_FIELD_HOP MT_MEMBER
#include "record/fields.def"
};

struct mt_record_recipient {
#define MT_FIELD_RECIPIENT MT_MEMBER
#include "record/fields.def"
};

struct mt_record_transaction {
#define MT_FIELD_TRANSACTION MT_MEMBER
#include "record/fields.def"
};

struct mt_record_groupby {
#define MT_FIELD_GROUPBY MT_MEMBER
#include "record/fields.def"
};

struct mt_record_command {
#define MT_FIELD_COMMAND MT_MEMBER
#include "record/fields.def"
};

struct mt_record_reply {
#define MT_FIELD_REPLY MT_MEMBER
#include "record/fields.def"
};

/* What is counted over sessions (detect/detect.h), as rules see it. */
struct mt_record_finding {
#define MT_FIELD_FINDING MT_MEMBER
#include "record/fields.def"
};

struct mt_record_session {
#define MT_FIELD_SESSION MT_MEMBER
#include "record/fields.def"
};

struct mt_record_alert {
#define MT_FIELD_ALERT MT_MEMBER
#include "record/fields.def"
};

#undef MT_MEMBER

/* The list as data: what a generic encoder or `mailtap fields` walks. */
enum mt_field_type {
    MT_FIELD_TYPE_TEXT,
    MT_FIELD_TYPE_NAME,
    MT_FIELD_TYPE_U64,
    MT_FIELD_TYPE_COUNT,
    MT_FIELD_TYPE_CODE,
    MT_FIELD_TYPE_FLAG,
    MT_FIELD_TYPE_TIME,
    MT_FIELD_TYPE_IP,
    MT_FIELD_TYPE_MAC,
    MT_FIELD_TYPE_TEXTS,
    MT_FIELD_TYPE_NAMES,
    MT_FIELD_TYPE_CODES,
    MT_FIELD_TYPE_VERBS,
    MT_FIELD_TYPE_OUTER,
    MT_FIELD_TYPE_AUTH,
    MT_FIELD_TYPE_PROBE,
    MT_FIELD_TYPE_PARAMETERS,
    MT_FIELD_TYPE_RECIPIENT,
    MT_FIELD_TYPE_HOP,
    MT_FIELD_TYPE_PART,
    MT_FIELD_TYPE_SIGNATURE,
    MT_FIELD_TYPE_CHUNK,
    MT_FIELD_TYPE_CERTIFICATE,
    MT_FIELD_TYPE_HEADER,
    MT_FIELD_TYPE_TRANSACTION,
    MT_FIELD_TYPE_GROUPBYS,
};

struct mt_field {
    const char *path; /* relative to its group */
    const char *meaning;
    uint16_t type; /* enum mt_field_type */
    uint16_t off;  /* of the member in the group's struct */
};

struct mt_field_group {
    const char *name; /* "session", "transaction", ... */
    const struct mt_field *fields;
    uint32_t count;
    uint32_t struct_size;
};

extern const struct mt_field_group mt_group_session;
extern const struct mt_field_group mt_group_outer;
extern const struct mt_field_group mt_group_auth;
extern const struct mt_field_group mt_group_probe;
extern const struct mt_field_group mt_group_parameter;
extern const struct mt_field_group mt_group_recipient;
extern const struct mt_field_group mt_group_hop;
extern const struct mt_field_group mt_group_part;
extern const struct mt_field_group mt_group_signature;
extern const struct mt_field_group mt_group_chunk;
extern const struct mt_field_group mt_group_certificate;
extern const struct mt_field_group mt_group_header;
extern const struct mt_field_group mt_group_transaction;
extern const struct mt_field_group mt_group_groupby;
extern const struct mt_field_group mt_group_alert;
extern const struct mt_field_group mt_group_command; /* of events, with whole paths, as alert */
extern const struct mt_field_group mt_group_reply;
extern const struct mt_field_group mt_group_finding;

/* The group of the items of a list type (also of PARAMETERS and GROUPBYS, which
 * are written as objects); NULL for scalar types and for lists of scalars. */
const struct mt_field_group *mt_field_items(enum mt_field_type type);

#endif
