/* YAML text to a tree of our own, with the place of every value. The only user
 * of libfyaml. Anchors, aliases and tags have no meaning in a configuration or a
 * rule and are errors; so nothing in a file can stand for more than itself.
 *
 * Ownership: the tree owns its nodes and texts; free with mt_yaml_free. Thread:
 * one. Limits: struct mt_yaml_limits, at most MT_YAML_DEPTH_MAX levels.
 */
#ifndef MT_YAML_YAML_H
#define MT_YAML_YAML_H

#include "yaml/report.h"

#define MT_YAML_DEPTH_MAX 16u

struct mt_yaml_limits {
    uint32_t depth;     /* levels */
    uint32_t nodes;     /* values */
    bool has_documents; /* several documents may follow each other */
};

/* Of a configuration. */
extern const struct mt_yaml_limits mt_yaml_limits_default;

enum mt_yaml_kind {
    MT_YAML_NOTHING, /* an absent value, ~ or null */
    MT_YAML_TEXT,
    MT_YAML_LIST,
    MT_YAML_MAP,
};

struct mt_yaml {
    enum mt_yaml_kind kind;
    uint32_t line; /* from 1 */
    uint32_t column;
    struct mt_span text; /* TEXT; escapes and folding undone */
    struct mt_yaml
        *child; /* LIST: first item; MAP: first key, whose next is its value, whose next is the next key */
    struct mt_yaml *next;
    struct mt_yaml *older; /* the node made before this one: for mt_yaml_free */
};

/* The newest node of the tree, which frees them all, goes to ret_nodes also on
 * failure; the root, NULL for a text without any value, to ret_root; the roots of
 * further documents are its next ones. -EINVAL (reported) or -ENOMEM. */
int mt_yaml_parse(struct mt_span text, const struct mt_yaml_limits *limits,
                  const struct mt_yaml_report *report, struct mt_yaml **ret_nodes,
                  const struct mt_yaml **ret_root);
void mt_yaml_free(struct mt_yaml *nodes);

/* "nothing", "a list", "a mapping" or the text in quotes. */
struct mt_yaml_quote mt_yaml_describe(const struct mt_yaml *node);

#endif
