#include "record/record.h"

#define FIELD(group, type, member, path, meaning) \
    {path, meaning, MT_FIELD_TYPE_##type, offsetof(struct mt_record_##group, member)},

static const struct mt_field session_fields[] = {
#define MT_FIELD_SESSION(type, member, path, meaning) FIELD(session, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field outer_fields[] = {
#define MT_FIELD_OUTER(type, member, path, meaning) FIELD(outer, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field auth_fields[] = {
#define MT_FIELD_AUTH(type, member, path, meaning) FIELD(auth, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field probe_fields[] = {
#define MT_FIELD_PROBE(type, member, path, meaning) FIELD(probe, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field parameter_fields[] = {
#define MT_FIELD_PARAMETER(type, member, path, meaning) FIELD(parameter, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field signature_fields[] = {
#define MT_FIELD_SIGNATURE(type, member, path, meaning) FIELD(signature, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field header_fields[] = {
#define MT_FIELD_HEADER(type, member, path, meaning) FIELD(header, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field certificate_fields[] = {
#define MT_FIELD_CERTIFICATE(type, member, path, meaning) FIELD(certificate, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field chunk_fields[] = {
#define MT_FIELD_CHUNK(type, member, path, meaning) FIELD(chunk, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field part_fields[] = {
#define MT_FIELD_PART(type, member, path, meaning) FIELD(part, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field hop_fields[] = {
#define MT_FIELD_HOP(type, member, path, meaning) FIELD(hop, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field recipient_fields[] = {
#define MT_FIELD_RECIPIENT(type, member, path, meaning) FIELD(recipient, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field transaction_fields[] = {
#define MT_FIELD_TRANSACTION(type, member, path, meaning) FIELD(transaction, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field command_fields[] = {
#define MT_FIELD_COMMAND(type, member, path, meaning) FIELD(command, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field reply_fields[] = {
#define MT_FIELD_REPLY(type, member, path, meaning) FIELD(reply, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field finding_fields[] = {
#define MT_FIELD_FINDING(type, member, path, meaning) FIELD(finding, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field groupby_fields[] = {
#define MT_FIELD_GROUPBY(type, member, path, meaning) FIELD(groupby, type, member, path, meaning)
#include "record/fields.def"
};

static const struct mt_field alert_fields[] = {
#define MT_FIELD_ALERT(type, member, path, meaning) FIELD(alert, type, member, path, meaning)
#include "record/fields.def"
};

#define GROUP(group)                                                                                        \
    const struct mt_field_group mt_group_##group = {#group, group##_fields, MT_ARRAY_COUNT(group##_fields), \
                                                    sizeof(struct mt_record_##group)}

GROUP(session);
GROUP(outer);
GROUP(auth);
GROUP(probe);
GROUP(parameter);
GROUP(recipient);
GROUP(hop);
GROUP(part);
GROUP(signature);
GROUP(header);
GROUP(certificate);
GROUP(chunk);
GROUP(transaction);
GROUP(groupby);
GROUP(alert);
GROUP(command);
GROUP(reply);
GROUP(finding);

const struct mt_field_group *mt_field_items(enum mt_field_type type)
{
    switch (type) {
    case MT_FIELD_TYPE_OUTER:
        return &mt_group_outer;
    case MT_FIELD_TYPE_AUTH:
        return &mt_group_auth;
    case MT_FIELD_TYPE_PROBE:
        return &mt_group_probe;
    case MT_FIELD_TYPE_PARAMETERS:
        return &mt_group_parameter;
    case MT_FIELD_TYPE_RECIPIENT:
        return &mt_group_recipient;
    case MT_FIELD_TYPE_HOP:
        return &mt_group_hop;
    case MT_FIELD_TYPE_PART:
        return &mt_group_part;
    case MT_FIELD_TYPE_SIGNATURE:
        return &mt_group_signature;
    case MT_FIELD_TYPE_HEADER:
        return &mt_group_header;
    case MT_FIELD_TYPE_CERTIFICATE:
        return &mt_group_certificate;
    case MT_FIELD_TYPE_CHUNK:
        return &mt_group_chunk;
    case MT_FIELD_TYPE_TRANSACTION:
        return &mt_group_transaction;
    case MT_FIELD_TYPE_GROUPBYS:
        return &mt_group_groupby;
    case MT_FIELD_TYPE_TEXT:
    case MT_FIELD_TYPE_NAME:
    case MT_FIELD_TYPE_U64:
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_CODE:
    case MT_FIELD_TYPE_FLAG:
    case MT_FIELD_TYPE_TIME:
    case MT_FIELD_TYPE_IP:
    case MT_FIELD_TYPE_MAC:
    case MT_FIELD_TYPE_TEXTS:
    case MT_FIELD_TYPE_NAMES:
    case MT_FIELD_TYPE_CODES:
    case MT_FIELD_TYPE_VERBS:
        break;
    }
    return NULL;
}
