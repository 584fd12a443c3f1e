/* Bytes as the fields of a session record or an alert: the line is valid JSON
 * without control characters, the one that the walk over the table writes, the same
 * in a buffer that just fits, and gone without a trace in one that is a byte too
 * short. */
#include "fuzz.h"
#include "record_pieces.h"

#include "../unit/export/json_check.h"
#include "base/check.h"
#include "export/json.h"
#include "export/json_table_priv.h"

#include <stdlib.h>

#define LINE_SIZE (1u << 20)

static void check_line(struct mt_span line)
{
    size_t off;
    MT_BUG_ON(line.size < 3 || line.ptr[line.size - 1] != '\n');
    MT_BUG_ON(!json_check(mt_span_head(line, line.size - 1), NULL, NULL, &off));
    for (size_t i = 0; i + 1 < line.size; i++) {
        MT_BUG_ON(line.ptr[i] < 0x20 || line.ptr[i] == 0x7f);
        MT_BUG_ON(line.ptr[i] == 0xc2 && line.ptr[i + 1] < 0xa0);
    }
}

/* The walk over the table writes the same. */
static void check_walk(struct mt_span line, unsigned group, const void *record)
{
    uint8_t *memory = malloc(line.size);
    MT_BUG_ON(memory == NULL);
    struct mt_buf b = mt_buf(memory, line.size);
    mt_json_put_line(&b, mt_json_groups, group, record);
    MT_BUG_ON(b.overflow || !mt_span_eq(mt_buf_span(&b), line));
    free(memory);
}

typedef void put_function(struct mt_buf *b, const void *record);

static void put_session(struct mt_buf *b, const void *record)
{
    mt_json_put_session(b, record);
}

static void put_alert(struct mt_buf *b, const void *record)
{
    mt_json_put_alert(b, record);
}

static void encode(put_function *put, unsigned group, const void *record)
{
    uint8_t *memory = malloc(LINE_SIZE);
    MT_BUG_ON(memory == NULL);
    struct mt_buf line = mt_buf(memory, LINE_SIZE);
    put(&line, record);
    MT_BUG_ON(line.overflow);
    check_line(mt_buf_span(&line));
    check_walk(mt_buf_span(&line), group, record);

    uint8_t *exact = malloc(line.size);
    MT_BUG_ON(exact == NULL);
    struct mt_buf b = mt_buf(exact, line.size);
    put(&b, record);
    MT_BUG_ON(b.overflow || !mt_span_eq(mt_buf_span(&b), mt_buf_span(&line)));
    b = mt_buf(exact, line.size - 1);
    put(&b, record);
    MT_BUG_ON(!b.overflow || b.size != 0);
    free(exact);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_pieces source;
    struct mt_record_session session = {0};
    struct mt_record_alert alert = {0};

    record_pieces_init(&source, data, size);
    if (record_pieces_byte(&source) % 2 == 0) {
        record_pieces_fill(&source, &mt_group_session, &session);
        encode(put_session, MT_JSON_GROUP_SESSION, &session);
    } else {
        record_pieces_fill(&source, &mt_group_alert, &alert);
        encode(put_alert, MT_JSON_GROUP_ALERT, &alert);
    }
    record_pieces_fini(&source);
    return 0;
}
