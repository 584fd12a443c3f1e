/* What the encoder walks: the field list with each field's key as it stands in
 * the output. Made at build time by json_table_gen.c from record/fields.def, so
 * that no text is put together per record and nothing has to be kept in step.
 *
 * The text of smtp.helo.name is ,"smtp":{"helo":{"name": and start[n] is where
 * to begin when n of its objects are open already. objects has one byte an
 * object, the outermost lowest, with a number that is unique within the object
 * around it: the first byte in which two fields differ tells how many objects
 * they share.
 *
 * Ownership: constants. Thread: any. Limits: asserted by the generator.
 */
#ifndef MT_EXPORT_JSON_TABLE_PRIV_H
#define MT_EXPORT_JSON_TABLE_PRIV_H

#include "record/record.h"

#define MT_JSON_KEY_MAX 48u
#define MT_JSON_LEAF_MAX 23u /* of ,"name": alone; all of it is copied, whatever is used */
#define MT_JSON_DEPTH_MAX 3u

struct mt_json_field {
    _Alignas(MT_CACHE_LINE) char text[MT_JSON_KEY_MAX];
    uint32_t objects;
    uint16_t off;
    uint8_t type;  /* enum mt_field_type */
    uint8_t items; /* index into mt_json_groups of a list's items, or 0 */
    uint8_t depth; /* objects in the text */
    uint8_t size;  /* of the text */
    uint8_t leaf;  /* start[depth] */
    uint8_t start[MT_JSON_DEPTH_MAX + 1];
};

MT_STATIC_ASSERT(sizeof(struct mt_json_field) == MT_CACHE_LINE, "one line a field");

struct mt_json_group {
    const struct mt_json_field *fields;
    uint32_t count;
    uint32_t struct_size;
};

enum {
    MT_JSON_GROUP_NONE,
    MT_JSON_GROUP_SESSION,
    MT_JSON_GROUP_ALERT,
    MT_JSON_GROUP_OUTER,
    MT_JSON_GROUP_AUTH,
    MT_JSON_GROUP_PROBE,
    MT_JSON_GROUP_RECIPIENT,
    MT_JSON_GROUP_HOP,
    MT_JSON_GROUP_PART,
    MT_JSON_GROUP_SIGNATURE,
    MT_JSON_GROUP_CHUNK,
    MT_JSON_GROUP_CERTIFICATE,
    MT_JSON_GROUP_HEADER,
    MT_JSON_GROUP_TRANSACTION,
    MT_JSON_GROUP_COUNT,
};

extern const struct mt_json_group mt_json_groups[MT_JSON_GROUP_COUNT];

/* A line of the fields that groups has: mt_json_groups, or a selection of it whose
 * fields' items are indexes into it. The whole line or nothing. */
struct mt_buf;
void mt_json_put_line(struct mt_buf *b, const struct mt_json_group *groups, unsigned group,
                      const void *record);

#endif
