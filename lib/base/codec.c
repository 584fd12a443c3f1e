#include "base/codec.h"

/* Value of a base64 character plus one; 0 is "not in the alphabet". */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static bool base64_alphabet_only(struct mt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (base64_values[text.ptr[i]] == 0)
            return false;
    }
    return true;
}

bool mt_base64_decode(struct mt_span text, struct mt_buf *ret_out)
{
    size_t padding = 0;
    while (padding < 2 && text.size > 0 && text.ptr[text.size - 1] == '=') {
        text.size--;
        padding++;
    }
    size_t rest = text.size % 4;
    if (rest == 1 || (padding > 0 && rest + padding > 4) || (padding > 0 && rest == 0))
        return false;

    size_t size = text.size / 4 * 3 + (rest > 0 ? rest - 1 : 0);
    if (size > ret_out->cap - ret_out->size || !base64_alphabet_only(text))
        return false;

    uint8_t *out = ret_out->ptr + ret_out->size;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        bits = bits << 6 | (base64_values[text.ptr[i]] - 1u);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *out++ = (uint8_t)(bits >> bit_count);
        }
    }
    ret_out->size += size;
    return true;
}

/* RFC 3629 §4: the second byte's range depends on the first, which keeps out
 * overlong forms, surrogates and values past U+10FFFF. */
size_t mt_utf8_char(struct mt_span s)
{
    if (s.size == 0)
        return 0;

    uint8_t first = s.ptr[0];
    if (first < 0x80)
        return 1;

    size_t size;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        size = 2;
    } else if ((first & 0xf0) == 0xe0) {
        size = 3;
        if (first == 0xe0)
            low = 0xa0;
        else if (first == 0xed)
            high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        size = 4;
        if (first == 0xf0)
            low = 0x90;
        else if (first == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }

    if (s.size < size || s.ptr[1] < low || s.ptr[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

bool mt_utf8_valid(struct mt_span s)
{
    size_t off = 0;

    while (off < s.size) {
        uint64_t eight;
        if (s.size - off >= sizeof(eight)) {
            memcpy(&eight, s.ptr + off, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                off += sizeof(eight);
                continue;
            }
        }
        size_t size = mt_utf8_char(mt_span_from(s, off));
        if (size == 0)
            return false;
        off += size;
    }
    return true;
}

void mt_utf8_put(struct mt_buf *b, uint32_t code_point)
{
    uint8_t bytes[4];
    size_t size;
    uint32_t c = code_point;

    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    if (c < 0x80) {
        bytes[0] = (uint8_t)c;
        size = 1;
    } else if (c < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | c >> 6);
        bytes[1] = (uint8_t)(0x80 | (c & 0x3f));
        size = 2;
    } else if (c < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | c >> 12);
        bytes[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (c & 0x3f));
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | c >> 18);
        bytes[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[3] = (uint8_t)(0x80 | (c & 0x3f));
        size = 4;
    }
    mt_buf_put(b, bytes, size);
}
