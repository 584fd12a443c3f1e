/* Field names to places in the record, all from the one list of fields. */
#include "base/text.h"
#include "sigma/events.h"
#include "sigma/rule_priv.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const category_names[] = {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) [MT_SIGMA_##NAME] = name,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
};

const char *mt_sigma_category_name(enum mt_sigma_category category)
{
    return category_names[category];
}

/* --- finding ----------------------------------------------------------------- */

static enum mt_sigma_value_kind kind_of(enum mt_field_type type)
{
    switch (type) {
    case MT_FIELD_TYPE_TEXT:
    case MT_FIELD_TYPE_NAME:
    case MT_FIELD_TYPE_TEXTS:
    case MT_FIELD_TYPE_NAMES:
    case MT_FIELD_TYPE_PARAMETERS:
        return MT_SIGMA_TEXT;
    case MT_FIELD_TYPE_U64:
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_CODE:
    case MT_FIELD_TYPE_CODES:
    case MT_FIELD_TYPE_VERBS:
        return MT_SIGMA_NUMBER;
    case MT_FIELD_TYPE_FLAG:
        return MT_SIGMA_FLAG;
    case MT_FIELD_TYPE_TIME:
        return MT_SIGMA_TIME;
    case MT_FIELD_TYPE_IP:
        return MT_SIGMA_IP;
    case MT_FIELD_TYPE_MAC:
        return MT_SIGMA_MAC;
    case MT_FIELD_TYPE_OUTER:
    case MT_FIELD_TYPE_AUTH:
    case MT_FIELD_TYPE_PROBE:
    case MT_FIELD_TYPE_RECIPIENT:
    case MT_FIELD_TYPE_TRANSACTION:
    case MT_FIELD_TYPE_HOP:
    case MT_FIELD_TYPE_PART:
    case MT_FIELD_TYPE_SIGNATURE:
    case MT_FIELD_TYPE_CHUNK:
    case MT_FIELD_TYPE_CERTIFICATE:
    case MT_FIELD_TYPE_HEADER:
    case MT_FIELD_TYPE_GROUPBYS:
        break;
    }
    return MT_SIGMA_LIST;
}

/* Types whose members have the traffic's own keys. */
static bool is_keyed(enum mt_field_type type)
{
    return type == MT_FIELD_TYPE_CODES || type == MT_FIELD_TYPE_VERBS || type == MT_FIELD_TYPE_PARAMETERS;
}

static bool take_key(struct mt_sigma_field *field, struct mt_span key)
{
    field->key = key;
    if (field->type != MT_FIELD_TYPE_CODES)
        return key.size > 0;
    if (key.size != 3)
        return false;
    for (size_t i = 0; i < key.size; i++) {
        if (!mt_ascii_is_digit(key.ptr[i]))
            return false;
        field->code = (uint16_t)(field->code * 10 + (key.ptr[i] - '0'));
    }
    return true;
}

/* --- groups ------------------------------------------------------------------ */

static const size_t early[] = {
#define MT_SIGMA_EARLY(member) offsetof(struct mt_record_session, member),
#include "sigma/early.def"
#undef MT_SIGMA_EARLY
};

/* Of the session that a finding was made in. */
static const size_t of_finding[] = {
    offsetof(struct mt_record_session, timestamp),        offsetof(struct mt_record_session, event_id),
    offsetof(struct mt_record_session, observer_name),    offsetof(struct mt_record_session, source_ip),
    offsetof(struct mt_record_session, source_port),      offsetof(struct mt_record_session, destination_ip),
    offsetof(struct mt_record_session, destination_port),
};

static bool is_among(const size_t *offs, size_t count, const struct mt_field *field)
{
    for (size_t i = 0; i < count; i++) {
        if (offs[i] == field->off)
            return true;
    }
    return false;
}

bool mt_sigma_is_early(const struct mt_field *field)
{
    return is_among(early, MT_ARRAY_COUNT(early), field);
}

bool mt_sigma_is_of_finding(const struct mt_field *field)
{
    return is_among(of_finding, MT_ARRAY_COUNT(of_finding), field);
}

/* What an event of the category is besides a part of a record; NULL: nothing. */
static const struct mt_field_group *own_group(enum mt_sigma_category category, enum mt_sigma_root *ret_root)
{
    switch ((int)category) {
    case MT_SIGMA_COMMAND:
        *ret_root = MT_SIGMA_ROOT_COMMAND;
        return &mt_group_command;
    case MT_SIGMA_REPLY:
        *ret_root = MT_SIGMA_ROOT_REPLY;
        return &mt_group_reply;
    case MT_SIGMA_FINDING:
        *ret_root = MT_SIGMA_ROOT_FINDING;
        return &mt_group_finding;
    case MT_SIGMA_STATISTICS:
        *ret_root = MT_SIGMA_ROOT_STATISTICS;
        return &mt_sigma_group_statistics;
    default:
        return NULL;
    }
}

/* Does an event of the category know this field of the session's record? */
static bool has_session_field(enum mt_sigma_category category, const struct mt_field *field)
{
    if (category == MT_SIGMA_STATISTICS)
        return field->off == offsetof(struct mt_record_session, timestamp) ||
               field->off == offsetof(struct mt_record_session, observer_name);
    if (category == MT_SIGMA_FINDING)
        return mt_sigma_is_of_finding(field);
    return (category != MT_SIGMA_COMMAND && category != MT_SIGMA_REPLY) || mt_sigma_is_early(field);
}

/* --- finding a path ----------------------------------------------------------- */

static bool find_in(const struct mt_field_group *group, struct mt_span path, struct mt_sigma_field *field)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *f = &group->fields[i];
        size_t size = strlen(f->path);
        if (path.size < size || memcmp(path.ptr, f->path, size) != 0)
            continue;
        bool is_whole = path.size == size;
        if (!is_whole && path.ptr[size] != '.')
            continue;
        enum mt_field_type type = (enum mt_field_type)f->type;
        struct mt_span rest = mt_span_from(path, size + 1);
        const struct mt_field_group *items = mt_field_items(type);
        if (is_whole || is_keyed(type)) {
            field->type = type;
            field->kind = is_whole && is_keyed(type) ? MT_SIGMA_LIST : kind_of(type);
            field->off = f->off;
            field->group = group;
            field->listed = f;
            return is_whole || take_key(field, rest);
        }
        if (!items || field->step_count == MT_SIGMA_STEPS_MAX)
            continue;
        field->steps[field->step_count++] =
            (struct mt_sigma_step){.off = f->off, .item_size = items->struct_size};
        return find_in(items, rest, field);
    }
    return false;
}

static bool is_member(const struct mt_sigma_field *field, size_t list)
{
    return field->step_count > 0 && field->steps[0].off == list;
}

static void drop_step(struct mt_sigma_field *field)
{
    field->steps[0] = field->steps[1];
    field->step_count--;
}

/* An event that is a member of a list sees of that list only itself. */
static void set_root(struct mt_sigma_field *field)
{
    enum mt_sigma_category category = field->category;
    bool is_of_transaction = category == MT_SIGMA_TRANSACTION || category == MT_SIGMA_RECIPIENT ||
                             category == MT_SIGMA_MESSAGE || category == MT_SIGMA_RECEIVED;
    if (category == MT_SIGMA_AUTH && is_member(field, offsetof(struct mt_record_session, auth))) {
        field->root = MT_SIGMA_ROOT_AUTH;
        drop_step(field);
        return;
    }
    if (!is_of_transaction || !is_member(field, offsetof(struct mt_record_session, transactions)))
        return;
    field->root = MT_SIGMA_ROOT_TRANSACTION;
    drop_step(field);
    if (category == MT_SIGMA_RECIPIENT &&
        is_member(field, offsetof(struct mt_record_transaction, recipients))) {
        field->root = MT_SIGMA_ROOT_RECIPIENT;
        drop_step(field);
    } else if (category == MT_SIGMA_RECEIVED &&
               is_member(field, offsetof(struct mt_record_transaction, message_hops))) {
        field->root = MT_SIGMA_ROOT_HOP;
        drop_step(field);
    }
}

bool mt_sigma_field_find(enum mt_sigma_category category, struct mt_span path,
                         struct mt_sigma_field *ret_field)
{
    struct mt_sigma_field field = {.category = category};
    const struct mt_field_group *own = own_group(category, &field.root);
    if (own && find_in(own, path, &field)) {
        *ret_field = field;
        return true;
    }
    field = (struct mt_sigma_field){.category = category};
    if (!find_in(&mt_group_session, path, &field))
        return false;
    if (own && (field.step_count > 0 || !has_session_field(category, field.listed)))
        return false;
    set_root(&field);
    *ret_field = field;
    return true;
}

bool mt_sigma_field_is_late(enum mt_sigma_category category, struct mt_span path)
{
    struct mt_sigma_field field;
    return (category == MT_SIGMA_COMMAND || category == MT_SIGMA_REPLY || category == MT_SIGMA_FINDING) &&
           mt_sigma_field_find(MT_SIGMA_SESSION, path, &field);
}

struct nearest {
    struct mt_span found;
    size_t distance;
    char *storage;
    size_t size;
    enum mt_sigma_category category;
    char path[256];
};

static void look_at(struct nearest *nearest)
{
    const char *one = nearest->path;
    if (!mt_yaml_nearest(nearest->found, &one, 1))
        return;
    size_t distance = mt_yaml_distance(nearest->found, mt_span_cstr(one));
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    snprintf(nearest->storage, nearest->size, "%s", one);
}

static void look_in(struct nearest *nearest, const struct mt_field_group *group, size_t size)
{
    for (uint32_t i = 0; i < group->count; i++) {
        size_t room = sizeof(nearest->path) - size;
        size_t more = (size_t)snprintf(nearest->path + size, room, "%s", group->fields[i].path);
        if (more + 1 >= room)
            continue;
        if (group == &mt_group_session && !has_session_field(nearest->category, &group->fields[i]))
            continue;
        look_at(nearest);
        enum mt_field_type type = (enum mt_field_type)group->fields[i].type;
        const struct mt_field_group *items = mt_field_items(type);
        if (!items || is_keyed(type))
            continue;
        nearest->path[size + more] = '.';
        look_in(nearest, items, size + more + 1);
    }
}

const char *mt_sigma_field_nearest(enum mt_sigma_category category, struct mt_span path, char *storage,
                                   size_t size)
{
    struct nearest nearest = {
        .found = path, .distance = SIZE_MAX, .storage = storage, .size = size, .category = category};
    enum mt_sigma_root root;
    const struct mt_field_group *own = own_group(category, &root);
    if (own)
        look_in(&nearest, own, 0);
    look_in(&nearest, &mt_group_session, 0);
    return nearest.distance == SIZE_MAX ? NULL : storage;
}

/* --- values ------------------------------------------------------------------ */

struct visit {
    mt_sigma_visit_fn *visit;
    void *ctx;
};

static bool give_text(const struct visit *visit, struct mt_span text)
{
    if (!text.ptr)
        return true;
    struct mt_sigma_value value = {.kind = MT_SIGMA_TEXT, .text = text};
    return visit->visit(visit->ctx, &value);
}

static bool give_number(const struct visit *visit, uint64_t number, bool is_there)
{
    struct mt_sigma_value value = {.kind = MT_SIGMA_NUMBER, .number = number};
    return !is_there || visit->visit(visit->ctx, &value);
}

static bool give_list(const struct visit *visit, uint32_t count)
{
    struct mt_sigma_value value = {.kind = MT_SIGMA_LIST};
    return count == 0 || visit->visit(visit->ctx, &value);
}

static bool give_codes(const struct visit *visit, const struct mt_sigma_field *field,
                       const struct mt_codes *codes)
{
    if (field->kind == MT_SIGMA_LIST)
        return give_list(visit, codes->count);
    for (uint32_t i = 0; i < codes->count; i++) {
        if (codes->items[i].code == field->code)
            return give_number(visit, codes->items[i].count, true);
    }
    return true;
}

static bool give_verbs(const struct visit *visit, const struct mt_sigma_field *field,
                       const struct mt_verbs *verbs)
{
    if (field->kind == MT_SIGMA_LIST)
        return give_list(visit, verbs->count);
    for (uint32_t i = 0; i < verbs->count; i++) {
        if (mt_span_ieq_cstr(field->key, verbs->items[i].verb))
            return give_number(visit, verbs->items[i].count, true);
    }
    return true;
}

static bool give_parameters(const struct visit *visit, const struct mt_sigma_field *field,
                            const struct mt_parameters *parameters)
{
    if (field->kind == MT_SIGMA_LIST)
        return give_list(visit, parameters->count);
    for (uint32_t i = 0; i < parameters->count; i++) {
        if (mt_span_ieq(field->key, parameters->items[i].keyword) &&
            !give_text(visit, parameters->items[i].value))
            return false;
    }
    return true;
}

static bool give_texts(const struct visit *visit, const struct mt_texts *texts)
{
    for (uint32_t i = 0; i < texts->count; i++) {
        if (!give_text(visit, texts->items[i]))
            return false;
    }
    return true;
}

static bool give_names(const struct visit *visit, const struct mt_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (!give_text(visit, mt_span_cstr(names->items[i])))
            return false;
    }
    return true;
}

/* The one value, or the list of scalars, at `at`. */
static bool give(const struct visit *visit, const struct mt_sigma_field *field, const uint8_t *at)
{
    const void *p = at;
    if (field->type <= MT_FIELD_TYPE_MAC) {
        struct mt_sigma_value value = {.number = 0};
        return !mt_sigma_get(field, at, &value) || visit->visit(visit->ctx, &value);
    }
    switch (field->type) {
    case MT_FIELD_TYPE_TEXTS:
        return give_texts(visit, p);
    case MT_FIELD_TYPE_NAMES:
        return give_names(visit, p);
    case MT_FIELD_TYPE_CODES:
        return give_codes(visit, field, p);
    case MT_FIELD_TYPE_VERBS:
        return give_verbs(visit, field, p);
    case MT_FIELD_TYPE_PARAMETERS:
        return give_parameters(visit, field, p);
    default:
        return give_list(visit, ((const struct mt_texts *)p)->count);
    }
}

/* Every list of the record is {items, count} (record.h). */
static bool walk(const struct visit *visit, const struct mt_sigma_field *field, unsigned step,
                 const uint8_t *at)
{
    /* the bound is for the compiler, which unrolls this */
    if (step == field->step_count || step >= MT_SIGMA_STEPS_MAX)
        return give(visit, field, at + field->off);
    const struct mt_texts *list = (const void *)(at + field->steps[step].off);
    const uint8_t *item = (const void *)list->items;
    for (uint32_t i = 0; i < list->count; i++, item += field->steps[step].item_size) {
        if (!walk(visit, field, step + 1, item))
            return false;
    }
    return true;
}

/* Texts, names and addresses of a group and of the lists in it. */
static bool walk_group(const struct visit *visit, const struct mt_field_group *group, const uint8_t *at)
{
    for (uint32_t i = 0; i < group->count; i++) {
        enum mt_field_type type = (enum mt_field_type)group->fields[i].type;
        const struct mt_field_group *items = mt_field_items(type);
        struct mt_sigma_field field = {.type = type, .kind = kind_of(type)};
        const uint8_t *member = at + group->fields[i].off;
        if (items) {
            const struct mt_texts *list = (const void *)member;
            const uint8_t *item = (const void *)list->items;
            for (uint32_t k = 0; k < list->count; k++, item += items->struct_size) {
                if (!walk_group(visit, items, item))
                    return false;
            }
        } else if ((field.kind == MT_SIGMA_TEXT || field.kind == MT_SIGMA_IP) &&
                   !give(visit, &field, member)) {
            return false;
        }
    }
    return true;
}

bool mt_sigma_field_get(const struct mt_sigma_field *field, const struct mt_sigma_event *event,
                        struct mt_sigma_value *ret_value)
{
    *ret_value = (struct mt_sigma_value){.number = 0};
    return mt_sigma_get(field, (const uint8_t *)mt_sigma_root_of(field->root, event) + field->off, ret_value);
}

void mt_sigma_field_each(const struct mt_sigma_field *field, const struct mt_sigma_event *event,
                         mt_sigma_visit_fn *visit, void *ctx)
{
    const struct visit v = {.visit = visit, .ctx = ctx};
    if (field->path) {
        walk(&v, field, 0, mt_sigma_root_of(field->root, event));
        return;
    }
    /* keywords: of the smallest thing that the event is */
    if (event->recipient)
        walk_group(&v, &mt_group_recipient, (const void *)event->recipient);
    else if (event->hop)
        walk_group(&v, &mt_group_hop, (const void *)event->hop);
    else if (event->transaction)
        walk_group(&v, &mt_group_transaction, (const void *)event->transaction);
    else if (event->auth)
        walk_group(&v, &mt_group_auth, (const void *)event->auth);
    else if (event->command)
        walk_group(&v, &mt_group_command, (const void *)event->command);
    else if (event->finding)
        walk_group(&v, &mt_group_finding, (const void *)event->finding);
    else if (event->reply)
        walk_group(&v, &mt_group_reply, (const void *)event->reply);
    else
        walk_group(&v, &mt_group_session, (const void *)event->session);
}

struct mt_span mt_sigma_value_text(const struct mt_sigma_value *value, uint8_t storage[MT_SIGMA_TEXT_ROOM])
{
    static const char digits[] = "0123456789ABCDEF";
    struct mt_buf b = mt_buf(storage, MT_SIGMA_TEXT_ROOM);
    switch (value->kind) {
    case MT_SIGMA_TEXT:
    case MT_SIGMA_FLAG:
        return value->text;
    case MT_SIGMA_NUMBER:
        mt_buf_put_u64(&b, value->number);
        break;
    case MT_SIGMA_IP:
        mt_buf_put_ip(&b, value->ip);
        break;
    case MT_SIGMA_TIME:
        mt_buf_put_time(&b, value->number);
        break;
    case MT_SIGMA_MAC:
        for (unsigned i = 0; i < 6; i++) {
            if (i > 0)
                mt_buf_put_byte(&b, '-');
            mt_buf_put_byte(&b, (uint8_t)digits[value->mac[i] >> 4]);
            mt_buf_put_byte(&b, (uint8_t)digits[value->mac[i] & 15]);
        }
        break;
    case MT_SIGMA_LIST:
        break;
    }
    return mt_buf_span(&b);
}

/* --- parts of times ---------------------------------------------------------- */

struct date {
    uint64_t year;
    uint64_t month;
    uint64_t day;
};

/* Days since the epoch to a date of the Gregorian calendar, counted in eras of
 * 400 years that begin in March. */
static struct date date_of(uint64_t days)
{
    uint64_t z = days + 719468;
    uint64_t era = z / 146097;
    uint64_t of_era = z % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;
    struct date date = {.day = of_year - (153 * month + 2) / 5 + 1,
                        .month = month < 10 ? month + 3 : month - 9};
    date.year = year + era * 400 + (date.month <= 2);
    return date;
}

/* The week of ISO 8601 is that of its Thursday. */
static uint64_t week_of(uint64_t days)
{
    uint64_t weekday = (days + 3) % 7; /* Monday is 0; the epoch was a Thursday */
    uint64_t thursday = days - weekday + 3;
    uint64_t year = date_of(thursday).year;
    uint64_t first = thursday;
    while (first >= 7 && date_of(first - 7).year == year)
        first -= 7;
    return (thursday - first) / 7 + 1;
}

uint64_t mt_sigma_time_part(uint64_t time, enum mt_sigma_part part)
{
    uint64_t seconds = time / UINT64_C(1000000000);
    uint64_t days = seconds / 86400;
    switch (part) {
    case MT_SIGMA_PART_MINUTE:
        return seconds / 60 % 60;
    case MT_SIGMA_PART_HOUR:
        return seconds / 3600 % 24;
    case MT_SIGMA_PART_DAY:
        return date_of(days).day;
    case MT_SIGMA_PART_WEEK:
        return week_of(days);
    case MT_SIGMA_PART_MONTH:
        return date_of(days).month;
    case MT_SIGMA_PART_YEAR:
        return date_of(days).year;
    case MT_SIGMA_PART_WHOLE:
        break;
    }
    return time;
}
