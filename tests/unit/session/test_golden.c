/* Golden conversations (tests/golden/session): whole, cut at every byte, one
 * byte at a time, and in both one-way forms, which are judged apart. */
#include "script.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER MT_SOURCE_ROOT "/tests/golden/session"

static void outcome(const struct wire *wire, struct text *text)
{
    text_clear(text);
    text_put(text, "%s", wire->observations.ptr != NULL ? wire->observations.ptr : "");
    text_put(text, "%s", wire->dump.ptr != NULL ? wire->dump.ptr : "");
}

static bool holds(const struct text *text, struct mt_span secret)
{
    return text->size > 0 && memmem(text->ptr, text->size, secret.ptr, secret.size) != NULL;
}

static unsigned check_secrets(const struct script *script, const char *name, const struct wire *wire)
{
    unsigned failures = 0;

    for (size_t i = 0; i < script->secret_count; i++) {
        struct mt_span secret = script->secrets[i];
        if (holds(&wire->dump, secret) || holds(&wire->observations, secret) || holds(&wire->shown, secret) ||
            holds(&wire->events, secret)) {
            fprintf(stderr, "%s: \"%s\" came out\n", name, (const char *)secret.ptr);
            failures++;
        }
    }
    return failures;
}

static unsigned compare(const char *name, const char *way, size_t cut, const struct text *actual,
                        struct mt_span expected)
{
    if (expected.ptr != NULL && mt_span_eq(mt_span(actual->ptr, actual->size), expected))
        return 0;
    fprintf(stderr, "%s, %s, cut %zd: expected\n%.*s-- but got\n%s--\n", name, way, (ssize_t)cut,
            (int)expected.size, expected.ptr != NULL ? (const char *)expected.ptr : "", actual->ptr);
    return 1;
}

/* One way, cut in all ways. */
static unsigned check_way(const struct script *script, const char *name, enum script_way way)
{
    size_t longest = script_longest(script);
    struct text actual = {0};
    struct wire wire;
    unsigned failures = 0;

    script_wire(script, &wire);
    for (size_t cut = 0; cut <= longest && failures == 0; cut++) {
        script_run(script, way, cut == longest ? SIZE_MAX : cut, &wire);
        outcome(&wire, &actual);
        failures += wire.records != 1 && script->expected[way].size > 0;
        failures += compare(name, script_way_names[way], cut, &actual, script->expected[way]);
        failures += check_secrets(script, name, &wire);
    }
    wire_fini(&wire);
    text_free(&actual);
    return failures;
}

static unsigned check_file(const char *name)
{
    struct script script;
    char path[4096];
    unsigned failures = 0;

    snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
    script_load(&script, path);
    for (int way = 0; way < SCRIPT_WAYS; way++) {
        if (script.expected[way].ptr == NULL) {
            fprintf(stderr, "%s: has no block \"== %s\"\n", name, script_way_names[way]);
            failures++;
        }
        failures += check_way(&script, name, (enum script_way)way);
    }
    script_free(&script);
    return failures;
}

static void every_golden_conversation_comes_out_as_written_however_it_is_cut(void **state)
{
    (void)state;
    struct dirent **entries;
    int count = scandir(FOLDER, &entries, NULL, alphasort);
    const char *only = getenv("MT_GOLDEN");
    unsigned failures = 0, files = 0;

    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t size = strlen(name);
        bool is_wanted = only == NULL || strcmp(only, name) == 0;
        if (size > 4 && strcmp(name + size - 4, ".txt") == 0 && is_wanted) {
            failures += check_file(name);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(files > 0);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_conversation_comes_out_as_written_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
