/* DER (X.690) to the fields of a certificate that a record shows. Elements are
 * taken off the front of spans, each bounded by the one around it; nothing is
 * recursive. */
#include "dpi/x509.h"

#include "base/net.h"
#include "dpi/reader_priv.h"

enum tag {
    TAG_INTEGER = 0x02,
    TAG_OCTETS = 0x04,
    TAG_OID = 0x06,
    TAG_BMP = 0x1e,
    TAG_UTC_TIME = 0x17,
    TAG_TIME = 0x18,
    TAG_SEQUENCE = 0x30,
    TAG_SET = 0x31,
    TAG_VERSION = 0xa0,
    TAG_ISSUER_ID = 0xa1, /* and 0x81: constructed or not */
    TAG_SUBJECT_ID = 0xa2,
    TAG_EXTENSIONS = 0xa3,
    TAG_NAME_HOST = 0x82,
    TAG_NAME_ADDRESS = 0x87,
};

/* One element off the front: its tag and what is in it. */
static uint8_t read_element(struct mt_reader *reader, struct mt_span *ret_content)
{
    uint8_t tag = mt_read_u8(reader);
    size_t size = mt_read_u8(reader);

    if (size == 0x81)
        size = mt_read_u8(reader);
    else if (size == 0x82)
        size = mt_read_u16(reader);
    else if (size >= 0x80) /* of unknown size, which DER forbids, or beyond any message */
        reader->is_bad = true;
    *ret_content = reader->is_bad ? mt_span_none() : mt_read(reader, size);
    return reader->is_bad ? 0 : tag;
}

/* The content of an element that has to be one of this tag. */
static struct mt_span expect(struct mt_reader *reader, uint8_t tag)
{
    struct mt_span content;

    if (read_element(reader, &content) == tag)
        return content;
    reader->is_bad = true;
    return mt_span_none();
}

static bool is_next(const struct mt_reader *reader, uint8_t tag)
{
    return !reader->is_bad && reader->rest.size > 0 && reader->rest.ptr[0] == tag;
}

/* --- names ------------------------------------------------------------------------ */

/* Attribute types by OID, with the short names of RFC 4514 §3 and RFC 5280 §4.1.2.4. */
static const struct {
    uint8_t oid[10];
    uint8_t size;
    const char *name;
} attributes[] = {
    {{0x55, 4, 3}, 3, "CN"},
    {{0x55, 4, 4}, 3, "SN"},
    {{0x55, 4, 5}, 3, "serialNumber"},
    {{0x55, 4, 6}, 3, "C"},
    {{0x55, 4, 7}, 3, "L"},
    {{0x55, 4, 8}, 3, "ST"},
    {{0x55, 4, 9}, 3, "street"},
    {{0x55, 4, 10}, 3, "O"},
    {{0x55, 4, 11}, 3, "OU"},
    {{0x55, 4, 12}, 3, "title"},
    {{0x55, 4, 15}, 3, "businessCategory"},
    {{0x55, 4, 17}, 3, "postalCode"},
    {{0x55, 4, 42}, 3, "GN"},
    {{0x55, 4, 97}, 3, "organizationIdentifier"},
    {{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}, 10, "UID"},
    {{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, 10, "DC"},
    {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, "emailAddress"},
};

static void put_type(struct mt_buf *b, struct mt_span oid)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(attributes); i++) {
        if (mt_span_eq(oid, mt_span(attributes[i].oid, attributes[i].size))) {
            mt_buf_put_cstr(b, attributes[i].name);
            return;
        }
    }
    mt_buf_put_cstr(b, "oid.");
    mt_buf_put_hex(b, mt_span_head(oid, 16));
}

static void put_utf8(struct mt_buf *b, uint32_t c)
{
    uint8_t bytes[3] = {(uint8_t)(0xe0 | c >> 12), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
                        (uint8_t)(0x80 | (c & 0x3f))};

    if (c < 0x80) {
        mt_buf_put_byte(b, (uint8_t)c);
    } else if (c < 0x800) {
        bytes[1] = (uint8_t)(0xc0 | c >> 6);
        mt_buf_put(b, bytes + 1, 2);
    } else {
        mt_buf_put(b, bytes, 3);
    }
}

/* RFC 4514 §2.4; what is no text is escaped where it is printed. */
static void put_escaped(struct mt_buf *b, uint32_t c)
{
    if (c < 0x80 && c != 0 && strchr(",+\"\\<>;", (int)c) != NULL)
        mt_buf_put_byte(b, '\\');
    put_utf8(b, c);
}

/* UTF-8, and all string types but BMPString, stand as they are. */
static void put_string(struct mt_buf *b, uint8_t tag, struct mt_span value)
{
    size_t step = tag == TAG_BMP ? 2 : 1;

    for (size_t off = 0; off + step <= value.size && !b->overflow; off += step) {
        uint32_t c = step == 2 ? mt_load_be16(value.ptr + off) : value.ptr[off];
        if (step == 1 && c >= 0x80)
            mt_buf_put_byte(b, (uint8_t)c);
        else
            put_escaped(b, c);
    }
}

struct attribute {
    struct mt_span oid;
    struct mt_span value;
    uint8_t tag;
    bool is_joined; /* of the same relative name as the one before it */
};
#define ATTRIBUTES_MAX 24u

static size_t read_attributes(struct mt_span name, struct attribute ret_attributes[ATTRIBUTES_MAX],
                              bool *is_bad, bool *is_cut)
{
    struct mt_reader sets = {.rest = name};
    size_t count = 0;

    while (sets.rest.size > 0 && !sets.is_bad) {
        struct mt_reader set = {.rest = expect(&sets, TAG_SET)};
        bool is_joined = false;
        while (set.rest.size > 0 && !set.is_bad) {
            struct mt_reader pair = {.rest = expect(&set, TAG_SEQUENCE)};
            struct attribute *attribute =
                &ret_attributes[count < ATTRIBUTES_MAX ? count : ATTRIBUTES_MAX - 1];
            attribute->oid = expect(&pair, TAG_OID);
            attribute->tag = read_element(&pair, &attribute->value);
            attribute->is_joined = is_joined;
            is_joined = true;
            *is_cut |= count == ATTRIBUTES_MAX;
            count += count < ATTRIBUTES_MAX;
            sets.is_bad |= set.is_bad || pair.is_bad;
        }
    }
    *is_bad |= sets.is_bad;
    return count;
}

/* The last attribute first, as RFC 4514 §2.1 wants it; returns the size. */
static uint16_t put_name(struct mt_span der, uint8_t ret_text[MT_X509_NAME_MAX], bool *is_bad, bool *is_cut)
{
    struct attribute list[ATTRIBUTES_MAX];
    size_t count = read_attributes(der, list, is_bad, is_cut);
    struct mt_buf b = mt_buf(ret_text, MT_X509_NAME_MAX);

    for (size_t i = *is_bad ? 0 : count; i-- > 0 && !b.overflow;) {
        if (i + 1 < count)
            mt_buf_put_byte(&b, list[i + 1].is_joined ? '+' : ',');
        put_type(&b, list[i].oid);
        mt_buf_put_byte(&b, '=');
        put_string(&b, list[i].tag, list[i].value);
    }
    *is_cut |= b.overflow;
    return (uint16_t)b.size;
}

/* --- times ------------------------------------------------------------------------- */

/* Days since 1970 of a date in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* RFC 5280 §4.1.2.5: YYMMDDHHMMSSZ up to 2049, YYYYMMDDHHMMSSZ from there on. */
static uint64_t read_time(struct mt_reader *reader)
{
    struct mt_span text;
    uint8_t tag = read_element(reader, &text);
    size_t digits = tag == TAG_UTC_TIME ? 12 : 14;
    int64_t part[7] = {0}; /* century and what follows, two digits each */

    if ((tag != TAG_UTC_TIME && tag != TAG_TIME) || text.size != digits + 1 || text.ptr[digits] != 'Z') {
        reader->is_bad = true;
        return 0;
    }
    for (size_t i = 0; i < digits; i++) {
        if (!mt_ascii_is_digit(text.ptr[i])) {
            reader->is_bad = true;
            return 0;
        }
        size_t at = i / 2 + (tag == TAG_UTC_TIME ? 1 : 0);
        part[at] = part[at] * 10 + (text.ptr[i] - '0');
    }
    if (tag == TAG_UTC_TIME)
        part[0] = part[1] < 50 ? 20 : 19;
    int64_t days = days_of(part[0] * 100 + part[1], part[2], part[3]);
    int64_t seconds = days * 86400 + part[4] * 3600 + part[5] * 60 + part[6];
    if (part[2] < 1 || part[2] > 12 || part[3] < 1 || part[3] > 31 || part[4] > 23 || part[5] > 59 ||
        part[6] > 60) {
        reader->is_bad = true;
        return 0;
    }
    if (seconds <= 0)
        return 0;
    bool is_far = (uint64_t)seconds > UINT64_MAX / UINT64_C(1000000000);
    return is_far ? UINT64_MAX : (uint64_t)seconds * UINT64_C(1000000000);
}

/* --- alternative names --------------------------------------------------------------- */

static const uint8_t alternative_names[] = {0x55, 0x1d, 0x11};

static void put_alternative(struct mt_buf *b, struct mt_span text, bool *is_cut)
{
    if (text.size > UINT8_MAX || b->cap - b->size < text.size + 1) {
        *is_cut = true;
        return;
    }
    mt_buf_put_byte(b, (uint8_t)text.size);
    mt_buf_put_span(b, text);
}

static void read_alternatives(struct mt_span der, struct mt_x509 *certificate, bool *is_bad)
{
    struct mt_reader outer = {.rest = der};
    struct mt_reader names = {.rest = expect(&outer, TAG_SEQUENCE)};
    struct mt_buf b = mt_buf(certificate->alternatives, sizeof(certificate->alternatives));
    uint8_t text[MT_IP_TEXT_MAX];
    size_t count = 0;

    while (names.rest.size > 0 && !names.is_bad) {
        struct mt_span value;
        uint8_t tag = read_element(&names, &value);
        bool is_address = tag == TAG_NAME_ADDRESS && (value.size == 4 || value.size == 16);
        if ((tag != TAG_NAME_HOST && !is_address) || names.is_bad)
            continue;
        if (count++ == MT_X509_NAMES_MAX) {
            certificate->is_cut = true;
            break;
        }
        if (is_address) {
            struct mt_ip ip = {.family = value.size == 4 ? 4 : 6};
            memcpy(ip.bytes, value.ptr, value.size);
            value = mt_span(text, (size_t)(mt_ip_text(text, &ip) - text));
        }
        put_alternative(&b, value, &certificate->is_cut);
    }
    *is_bad |= outer.is_bad || names.is_bad;
    certificate->alternatives_size = (uint16_t)b.size;
}

static void read_extensions(struct mt_reader *tbs, struct mt_x509 *certificate)
{
    struct mt_reader outer = {.rest = expect(tbs, TAG_EXTENSIONS)};
    struct mt_reader list = {.rest = expect(&outer, TAG_SEQUENCE)};

    while (list.rest.size > 0 && !list.is_bad && !outer.is_bad) {
        struct mt_reader extension = {.rest = expect(&list, TAG_SEQUENCE)};
        struct mt_span oid = expect(&extension, TAG_OID);
        struct mt_span value;
        uint8_t tag = read_element(&extension, &value);
        if (tag != TAG_OCTETS && !extension.is_bad) /* critical */
            tag = read_element(&extension, &value);
        list.is_bad |= extension.is_bad;
        if (!list.is_bad && tag == TAG_OCTETS &&
            mt_span_eq(oid, mt_span(alternative_names, sizeof(alternative_names))))
            read_alternatives(value, certificate, &list.is_bad);
    }
    tbs->is_bad |= outer.is_bad || list.is_bad;
}

/* --- the certificate ----------------------------------------------------------------- */

static void read_serial(struct mt_span serial, struct mt_x509 *certificate)
{
    while (serial.size > 1 && serial.ptr[0] == 0)
        serial = mt_span_from(serial, 1);
    certificate->is_cut |= serial.size > sizeof(certificate->serial);
    serial = mt_span_head(serial, sizeof(certificate->serial));
    if (serial.size > 0)
        memcpy(certificate->serial, serial.ptr, serial.size);
    certificate->serial_size = (uint8_t)serial.size;
}

static void read_names(struct mt_reader *tbs, struct mt_x509 *c)
{
    struct mt_span issuer_der = expect(tbs, TAG_SEQUENCE);
    struct mt_reader validity = {.rest = expect(tbs, TAG_SEQUENCE)};
    struct mt_span subject_der = expect(tbs, TAG_SEQUENCE);
    if (tbs->is_bad)
        return;
    c->not_before = read_time(&validity);
    c->not_after = read_time(&validity);
    tbs->is_bad |= validity.is_bad;
    c->issuer_size = put_name(issuer_der, c->issuer, &tbs->is_bad, &c->is_cut);
    c->subject_size = put_name(subject_der, c->subject, &tbs->is_bad, &c->is_cut);
}

bool mt_x509_parse(struct mt_span der, struct mt_x509 *ret_certificate)
{
    struct mt_reader outer = {.rest = der};
    struct mt_reader whole = {.rest = expect(&outer, TAG_SEQUENCE)};
    struct mt_reader tbs = {.rest = expect(&whole, TAG_SEQUENCE)};
    struct mt_x509 *c = ret_certificate;

    memset((uint8_t *)c + offsetof(struct mt_x509, not_before), 0,
           sizeof(*c) - offsetof(struct mt_x509, not_before));
    if (outer.is_bad || whole.is_bad)
        return false;
    if (is_next(&tbs, TAG_VERSION))
        expect(&tbs, TAG_VERSION);
    read_serial(expect(&tbs, TAG_INTEGER), c);
    expect(&tbs, TAG_SEQUENCE); /* signature's algorithm */
    read_names(&tbs, c);
    expect(&tbs, TAG_SEQUENCE); /* key */
    for (unsigned tag = TAG_ISSUER_ID; tag <= TAG_SUBJECT_ID; tag++) {
        if (is_next(&tbs, (uint8_t)tag) || is_next(&tbs, (uint8_t)(tag & ~0x20u)))
            expect(&tbs, tbs.rest.ptr[0]);
    }
    if (is_next(&tbs, TAG_EXTENSIONS))
        read_extensions(&tbs, c);
    return !tbs.is_bad;
}
