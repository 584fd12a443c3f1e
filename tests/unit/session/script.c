#include "script.h"

#include <stdio.h>
#include <stdlib.h>

const char *const script_way_names[SCRIPT_WAYS] = {"both", "client_only", "server_only"};

/* --- reading ---------------------------------------------------------------- */

struct reader {
    struct script *script;
    const char *path;
    unsigned line;
    bool is_new_segment;
};

static void __attribute__((noreturn)) fail(const struct reader *r, const char *why)
{
    fprintf(stderr, "%s:%u: %s\n", r->path, r->line, why);
    abort();
}

static unsigned hex(const struct reader *r, char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != 0 ? strchr(digits, c) : NULL;

    if (at == NULL)
        fail(r, "bad \\x");
    return (unsigned)(at - digits);
}

static void put_escaped(const struct reader *r, struct text *text, const char *s)
{
    bool has_end = true;

    for (; *s != 0; s++) {
        uint8_t byte = (uint8_t)*s;
        if (byte == '\\') {
            s++;
            if (*s == 0) {
                has_end = false;
                break;
            }
            if (*s == 'x') {
                byte = (uint8_t)(hex(r, s[1]) << 4 | hex(r, s[2]));
                s += 2;
            } else {
                const char *names = "rnt\\0";
                const char *at = strchr(names, *s);
                if (at == NULL)
                    fail(r, "unknown escape");
                byte = (uint8_t) "\r\n\t\\\0"[at - names];
            }
        }
        text_put_bytes(text, mt_span(&byte, 1));
    }
    if (has_end)
        text_put_bytes(text, mt_span_cstr("\r\n"));
}

static struct script_step *add_step(struct reader *r)
{
    struct script *script = r->script;

    script->steps = realloc(script->steps, (script->step_count + 1) * sizeof(*script->steps));
    struct script_step *step = &script->steps[script->step_count++];
    *step = (struct script_step){0};
    return step;
}

static void take_line(struct reader *r, enum mt_side side, const char *rest)
{
    struct script *script = r->script;
    struct script_step *last = script->step_count > 0 ? &script->steps[script->step_count - 1] : NULL;

    if (r->is_new_segment || last == NULL || last->kind != STEP_BYTES || last->side != side) {
        last = add_step(r);
        last->kind = STEP_BYTES;
        last->side = side;
    }
    r->is_new_segment = false;
    put_escaped(r, &last->bytes, rest);
}

static void take_address(struct reader *r, char *rest, struct mt_ip *ip, uint16_t *port)
{
    char *blank = strchr(rest, ' ');

    if (blank == NULL)
        fail(r, "an address and a port");
    *blank = 0;
    *ip = wire_ip(rest);
    *port = (uint16_t)atoi(blank + 1);
}

static void take_limit(struct reader *r, char *rest)
{
    struct mt_session_limits *limits = &r->script->limits;
    const struct {
        const char *name;
        uint32_t *value;
    } names[] = {
        {"transactions", &limits->transactions_max},
        {"recipients", &limits->recipients_max},
        {"probes", &limits->probes_max},
        {"auths", &limits->auths_max},
        {"outstanding", &limits->outstanding_max},
        {"text", &limits->text_max},
        {"bytes", &limits->bytes_max},
        {"helo_threshold", &limits->helo_threshold},
        {"message", (uint32_t *)&limits->message_level}, /* 1: headers */
        {"header", &limits->header_max},
        {"content", &limits->content}, /* bits of enum mt_content */
    };
    char *blank = strchr(rest, ' ');

    for (size_t i = 0; blank != NULL && i < MT_ARRAY_COUNT(names); i++) {
        if (strncmp(rest, names[i].name, (size_t)(blank - rest)) == 0) {
            *names[i].value = (uint32_t)atoi(blank + 1);
            return;
        }
    }
    fail(r, "unknown limit");
}

static void take_end(struct reader *r, const char *rest)
{
    static const char *const names[] = {"quit", "fin", "rst", "timeout", "evicted", "capture_end"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (strcmp(rest, names[i]) == 0) {
            r->script->end = (enum mt_session_end)i;
            return;
        }
    }
    fail(r, "unknown end");
}

static enum mt_side side_of(const struct reader *r, char letter)
{
    if (letter != 'C' && letter != 'S')
        fail(r, "C or S");
    return letter == 'C' ? MT_CLIENT : MT_SERVER;
}

static void take_directive(struct reader *r, char *line)
{
    struct script *script = r->script;
    char *blank = strchr(line, ' ');
    char *rest = blank != NULL ? blank + 1 : line + strlen(line);
    size_t size = blank != NULL ? (size_t)(blank - line) : strlen(line);
    struct mt_span word = mt_span(line, size);

    if (mt_span_ieq_cstr(word, "client")) {
        take_address(r, rest, &script->open.tuple.src, &script->open.tuple.src_port);
    } else if (mt_span_ieq_cstr(word, "server")) {
        take_address(r, rest, &script->open.tuple.dst, &script->open.tuple.dst_port);
    } else if (mt_span_ieq_cstr(word, "midstream")) {
        script->open.is_midstream = true;
    } else if (mt_span_ieq_cstr(word, "home")) {
        script->has_site = true;
        wire_site_home(&script->site, rest);
    } else if (mt_span_ieq_cstr(word, "relay")) {
        wire_site_relay(&script->site, rest);
    } else if (mt_span_ieq_cstr(word, "domain")) {
        wire_site_domain(&script->site, rest);
    } else if (mt_span_ieq_cstr(word, "person")) {
        wire_site_person(&script->site, rest);
    } else if (mt_span_ieq_cstr(word, "limit")) {
        take_limit(r, rest);
    } else if (mt_span_ieq_cstr(word, "history")) {
        if (sscanf(rest, "%u %u", &script->answers, &script->offered) != 2)
            fail(r, "two numbers");
    } else if (mt_span_ieq_cstr(word, "secret")) {
        if (script->secret_count == MT_ARRAY_COUNT(script->secrets))
            fail(r, "too many secrets");
        script->secrets[script->secret_count++] = mt_span_cstr(rest);
    } else if (mt_span_ieq_cstr(word, "--")) {
        r->is_new_segment = true;
    } else if (mt_span_ieq_cstr(word, "gap")) {
        struct script_step *step = add_step(r);
        step->kind = STEP_GAP;
        step->side = side_of(r, rest[0]);
        step->size = strtoull(rest + 1, NULL, 10);
    } else if (mt_span_ieq_cstr(word, "frame")) {
        struct script_step *step = add_step(r);
        step->kind = STEP_FRAME;
        step->side = side_of(r, rest[0]);
    } else if (mt_span_ieq_cstr(word, "close")) {
        take_end(r, rest);
    } else {
        fail(r, "unknown directive");
    }
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct text text = {0};
    char block[4096];
    size_t size;

    if (file == NULL) {
        perror(path);
        abort();
    }
    while ((size = fread(block, 1, sizeof(block), file)) > 0)
        text_put_bytes(&text, mt_span(block, size));
    fclose(file);
    text_put(&text, "%s", "");
    return text.ptr;
}

static void take_block(struct reader *r, const char *name, char *start, char *end)
{
    for (int way = 0; way < SCRIPT_WAYS; way++) {
        if (strcmp(name, script_way_names[way]) == 0) {
            r->script->expected[way] = mt_span(start, (size_t)(end - start));
            return;
        }
    }
    fail(r, "unknown block");
}

static char *next_line(char *at)
{
    char *end = strchr(at, '\n');

    if (end == NULL)
        return at + strlen(at);
    *end = 0;
    return end + 1;
}

void script_load(struct script *script, const char *path)
{
    struct reader r = {.script = script, .path = path};

    memset(script, 0, sizeof(*script));
    wire_site_init(&script->site);
    script->end = MT_SESSION_END_FIN;
    script->open = (struct mt_session_open){
        .tuple = {.src = wire_ip("203.0.113.5"),
                  .dst = wire_ip("192.0.2.25"),
                  .src_port = 40000,
                  .dst_port = 25},
        .vlan = UINT16_MAX,
    };
    script->file = read_all(path);
    char *at = script->file;
    while (*at != 0) {
        char *line = at;
        at = next_line(at);
        r.line++;
        if (strncmp(line, "== ", 3) == 0) {
            char *end = at;
            while (*end != 0 && strncmp(end, "== ", 3) != 0) {
                char *lf = strchr(end, '\n');
                end = lf != NULL ? lf + 1 : end + strlen(end);
            }
            take_block(&r, line + 3, at, end);
            at = end;
        } else if (strncmp(line, "C: ", 3) == 0 || strcmp(line, "C:") == 0) {
            take_line(&r, MT_CLIENT, line[2] != 0 ? line + 3 : "");
        } else if (strncmp(line, "S: ", 3) == 0 || strcmp(line, "S:") == 0) {
            take_line(&r, MT_SERVER, line[2] != 0 ? line + 3 : "");
        } else if (line[0] != '#' && line[0] != 0) {
            take_directive(&r, line);
        }
    }
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->step_count; i++)
        text_free(&script->steps[i].bytes);
    free(script->steps);
    free(script->file);
}

/* --- running ---------------------------------------------------------------- */

size_t script_longest(const struct script *script)
{
    size_t longest = 0;

    for (size_t i = 0; i < script->step_count; i++) {
        if (script->steps[i].bytes.size > longest)
            longest = script->steps[i].bytes.size;
    }
    return longest;
}

static void send(struct wire *wire, enum mt_side side, struct mt_span bytes, size_t cut)
{
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < bytes.size; i++)
            wire_segment(wire, side, mt_span(bytes.ptr + i, 1));
    } else if (cut == 0 || cut >= bytes.size) {
        wire_segment(wire, side, bytes);
    } else {
        wire_segment(wire, side, mt_span_head(bytes, cut));
        wire_segment(wire, side, mt_span_from(bytes, cut));
    }
}

static bool is_seen(enum script_way way, enum mt_side side)
{
    return way == SCRIPT_BOTH || (way == SCRIPT_CLIENT_ONLY) == (side == MT_CLIENT);
}

static void handshake(const struct script *script, enum script_way way, struct wire *wire)
{
    static const enum mt_side sides[] = {MT_CLIENT, MT_SERVER, MT_CLIENT};

    for (size_t i = 0; !script->open.is_midstream && i < MT_ARRAY_COUNT(sides); i++) {
        if (is_seen(way, sides[i]))
            wire_frame(wire, sides[i]);
    }
}

void script_wire(const struct script *script, struct wire *wire)
{
    wire_init(wire, script->has_site ? &script->site : NULL, &script->limits);
    wire_history(wire, wire_ip("192.0.2.25"), script->answers, script->offered);
    wire_want_events(wire);
}

void script_run(const struct script *script, enum script_way way, size_t cut, struct wire *wire)
{
    wire_clear(wire);
    wire_open(wire, &script->open);
    handshake(script, way, wire);
    for (size_t i = 0; i < script->step_count; i++) {
        const struct script_step *step = &script->steps[i];
        if (!is_seen(way, step->side))
            continue;
        switch (step->kind) {
        case STEP_BYTES:
            send(wire, step->side, mt_span(step->bytes.ptr, step->bytes.size), cut);
            break;
        case STEP_GAP:
            wire_gap(wire, step->side, step->size);
            break;
        case STEP_FRAME:
            wire_frame(wire, step->side);
            break;
        }
    }
    wire_close(wire, script->end);
}
