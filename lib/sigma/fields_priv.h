/* Memory of a set of rules, and how the values of a field are reached in a record.
 *
 * Ownership: what is allocated goes with the set. Thread: one while loading; the
 * functions on fields are for any. Limits: MT_SIGMA_STEPS_MAX lists in lists.
 */
#ifndef MT_SIGMA_FIELDS_PRIV_H
#define MT_SIGMA_FIELDS_PRIV_H

#include "sigma/sigma.h"

#define MT_SIGMA_STEPS_MAX 2u

/* --- memory that lives as long as a set -------------------------------------- */

struct mt_sigma_chunk;
struct mt_sigma_memory {
    struct mt_sigma_chunk *newest;
};

/* Zeroed; NULL: out of memory. */
void *mt_sigma_alloc(struct mt_sigma_memory *memory, size_t size);
/* With a zero byte behind it. */
char *mt_sigma_copy(struct mt_sigma_memory *memory, struct mt_span text);
void mt_sigma_memory_free(struct mt_sigma_memory *memory);

/* --- fields ------------------------------------------------------------------ */

enum mt_sigma_root {
    MT_SIGMA_ROOT_SESSION,
    MT_SIGMA_ROOT_TRANSACTION,
    MT_SIGMA_ROOT_RECIPIENT,
    MT_SIGMA_ROOT_AUTH,
    MT_SIGMA_ROOT_HOP,
    MT_SIGMA_ROOT_COMMAND,
    MT_SIGMA_ROOT_REPLY,
    MT_SIGMA_ROOT_STATISTICS,
    MT_SIGMA_ROOT_FINDING,
};

enum mt_sigma_value_kind {
    MT_SIGMA_TEXT,
    MT_SIGMA_NUMBER,
    MT_SIGMA_FLAG, /* as text: true, false */
    MT_SIGMA_IP,
    MT_SIGMA_MAC,
    MT_SIGMA_TIME,
    MT_SIGMA_LIST, /* of structs: can only exist */
};

struct mt_sigma_value {
    enum mt_sigma_value_kind kind;
    uint64_t number;        /* NUMBER, TIME */
    struct mt_span text;    /* TEXT, FLAG */
    const struct mt_ip *ip; /* IP */
    const uint8_t *mac;     /* MAC */
};

struct mt_sigma_step {
    uint16_t off; /* of a list {items, count} */
    uint32_t item_size;
};

/* How a value is reached from an event. path NULL: every text of the event, for
 * keywords. */
struct mt_sigma_field {
    const char *path;
    enum mt_sigma_root root;
    enum mt_sigma_value_kind kind;
    enum mt_field_type type;
    uint16_t off;
    uint16_t code; /* CODES: of which code */
    uint8_t step_count;
    const struct mt_field_group *group; /* what the list of fields calls it; NULL: keywords */
    const struct mt_field *listed;
    struct mt_sigma_step steps[MT_SIGMA_STEPS_MAX];
    struct mt_span key; /* VERBS, PARAMETERS: of which key */
    enum mt_sigma_category category;
    const struct mt_sigma_field *next; /* interned: of the same category */
    uint32_t index;
};

/* False: no such field of this category. The key points into path. */
bool mt_sigma_field_find(enum mt_sigma_category category, struct mt_span path,
                         struct mt_sigma_field *ret_field);
/* Is it a field of another category alone, because it is not known (yet) when events
 * of this one are judged? */
bool mt_sigma_field_is_late(enum mt_sigma_category category, struct mt_span path);
/* The field of the category that is most like path, in storage; NULL: none is. */
const char *mt_sigma_field_nearest(enum mt_sigma_category category, struct mt_span path, char *storage,
                                   size_t size);

/* The struct that the field's first offset is of: the members of an event are pointers,
 * in the order of roots. */
#define MT_SIGMA_ROOT_AT(NAME, name)                                                                 \
    MT_STATIC_ASSERT(offsetof(struct mt_sigma_event, name) == MT_SIGMA_ROOT_##NAME * sizeof(void *), \
                     "members of an event are roots")
MT_SIGMA_ROOT_AT(SESSION, session);
MT_SIGMA_ROOT_AT(TRANSACTION, transaction);
MT_SIGMA_ROOT_AT(RECIPIENT, recipient);
MT_SIGMA_ROOT_AT(AUTH, auth);
MT_SIGMA_ROOT_AT(HOP, hop);
MT_SIGMA_ROOT_AT(COMMAND, command);
MT_SIGMA_ROOT_AT(REPLY, reply);
MT_SIGMA_ROOT_AT(STATISTICS, statistics);
MT_SIGMA_ROOT_AT(FINDING, finding);
#undef MT_SIGMA_ROOT_AT

static inline const void *mt_sigma_root_of(enum mt_sigma_root root, const struct mt_sigma_event *event)
{
    const void *at;
    memcpy(&at, (const uint8_t *)event + root * sizeof(at), sizeof(at));
    return at;
}

/* The one value at `at` of a type that has no more. */
static inline bool mt_sigma_get(const struct mt_sigma_field *field, const uint8_t *at,
                                struct mt_sigma_value *ret_value)
{
    const void *p = at;
    ret_value->kind = field->kind;
    switch (field->type) {
    case MT_FIELD_TYPE_TEXT:
        ret_value->text = *(const struct mt_span *)p;
        return ret_value->text.ptr != NULL;
    case MT_FIELD_TYPE_NAME: {
        const char *name = *(const char *const *)p;
        ret_value->text = name ? mt_span_cstr(name) : mt_span_none();
        return name != NULL;
    }
    case MT_FIELD_TYPE_U64:
        ret_value->number = *(const uint64_t *)p;
        return true;
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_TIME:
        ret_value->number = *(const uint64_t *)p;
        return ret_value->number != 0;
    case MT_FIELD_TYPE_CODE:
        ret_value->number = *(const uint16_t *)p;
        return ret_value->number != 0;
    case MT_FIELD_TYPE_FLAG:
        ret_value->text = *at == MT_FLAG_TRUE ? mt_span("true", 4) : mt_span("false", 5);
        return *at != MT_FLAG_ABSENT;
    case MT_FIELD_TYPE_IP:
        ret_value->ip = p;
        return ret_value->ip->family != 0;
    case MT_FIELD_TYPE_MAC:
        ret_value->mac = *(const uint8_t *const *)p;
        return ret_value->mac != NULL;
    default:
        return false;
    }
}

/* At most one value: no list, and in none. */
static inline bool mt_sigma_field_is_single(const struct mt_sigma_field *field)
{
    return field->step_count == 0 && field->type <= MT_FIELD_TYPE_MAC && field->path;
}
/* It; false: the field is absent. */
bool mt_sigma_field_get(const struct mt_sigma_field *field, const struct mt_sigma_event *event,
                        struct mt_sigma_value *ret_value);
/* Every value that the field has in the event. False ends it. */
typedef bool mt_sigma_visit_fn(void *ctx, const struct mt_sigma_value *value);
void mt_sigma_field_each(const struct mt_sigma_field *field, const struct mt_sigma_event *event,
                         mt_sigma_visit_fn *visit, void *ctx);

/* The value as text, in storage where it isn't one. */
#define MT_SIGMA_TEXT_ROOM 64u
struct mt_span mt_sigma_value_text(const struct mt_sigma_value *value, uint8_t storage[MT_SIGMA_TEXT_ROOM]);

#endif
