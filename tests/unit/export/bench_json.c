/* How long the encoder takes for an ordinary session record and for an alert:
 * ns of CPU time a record, the median of nine rounds, and the bytes made. */
#include "export/community_id.h"
#include "export/json.h"

#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 9
#define REPEATS 200000

static uint8_t storage[1 << 20];

static void put_session(struct mt_buf *b)
{
    mt_json_put_session(b, &sample_session);
}

static void put_alert(struct mt_buf *b)
{
    mt_json_put_alert(b, &sample_alert);
}

static void put_community_id(struct mt_buf *b)
{
    static struct mt_tuple tuple = {
        .src = {.bytes = {128, 232, 110, 120}, .family = 4},
        .dst = {.bytes = {66, 35, 250, 204}, .family = 4},
        .dst_port = 80,
    };
    uint8_t text[MT_COMMUNITY_ID_SIZE];

    tuple.src_port++;
    mt_community_id(&tuple, text);
    mt_buf_put(b, text, sizeof(text));
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(const char *name, void (*put)(struct mt_buf *b))
{
    double ns[ROUNDS];
    size_t size = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        clock_t begin = clock();
        for (unsigned i = 0; i < REPEATS; i++) {
            if (b.cap - b.size < 8192)
                b.size = 0;
            size = b.size;
            put(&b);
            size = b.size - size;
        }
        ns[round] = (double)(clock() - begin) * 1e9 / CLOCKS_PER_SEC / REPEATS;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare);
    printf("%-14s %5zu bytes  %7.1f ns  %7.0f MB/s\n", name, size, ns[ROUNDS / 2],
           (double)size * 1e3 / ns[ROUNDS / 2]);
}

int main(void)
{
    measure("session", put_session);
    measure("alert", put_alert);
    measure("community id", put_community_id);
    return 0;
}
