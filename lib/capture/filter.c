#include "capture/filter_priv.h"

#include "capture/linktype_priv.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

struct program {
    uint16_t link_type;
    bool is_usable;
    struct bpf_program bpf;
    char reason[PCAP_ERRBUF_SIZE];
};

struct mt_capture_filter {
    char *expression;
    size_t program_count;
    struct program *last; /* used last: most captures have one link type */
    struct program program[MT_CAPTURE_LINK_TYPES_MAX];
};

int mt_capture_filter_create(const char *expression, struct mt_capture_filter **ret_filter)
{
    struct mt_capture_filter *filter = calloc(1, sizeof(*filter));
    if (filter == NULL)
        return -ENOMEM;
    filter->expression = strdup(expression);
    if (filter->expression == NULL) {
        free(filter);
        return -ENOMEM;
    }
    *ret_filter = filter;
    return 0;
}

void mt_capture_filter_destroy(struct mt_capture_filter *filter)
{
    if (filter == NULL)
        return;
    for (size_t i = 0; i < filter->program_count; i++)
        pcap_freecode(&filter->program[i].bpf);
    free(filter->expression);
    free(filter);
}

static void compile(const struct mt_capture_filter *filter, struct program *program)
{
    enum { SNAPSHOT = 262144 };
    pcap_t *dead = pcap_open_dead(mt_linktype_dlt(program->link_type), SNAPSHOT);
    if (dead == NULL) {
        snprintf(program->reason, sizeof(program->reason), "%s", strerror(ENOMEM));
        return;
    }
    int rc = pcap_compile(dead, &program->bpf, filter->expression, 1, PCAP_NETMASK_UNKNOWN);
    program->is_usable = rc == 0;
    if (rc != 0)
        snprintf(program->reason, sizeof(program->reason), "%s", pcap_geterr(dead));
    pcap_close(dead);
}

static struct program *find_program(struct mt_capture_filter *filter, uint16_t link_type)
{
    if (MT_LIKELY(filter->last != NULL && filter->last->link_type == link_type))
        return filter->last;
    for (size_t i = 0; i < filter->program_count; i++) {
        if (filter->program[i].link_type == link_type)
            return filter->last = &filter->program[i];
    }
    if (filter->program_count == MT_CAPTURE_LINK_TYPES_MAX)
        return NULL;
    struct program *program = &filter->program[filter->program_count++];
    program->link_type = link_type;
    compile(filter, program);
    return filter->last = program;
}

const char *mt_capture_filter_check(struct mt_capture_filter *filter, uint16_t link_type)
{
    struct program *program = find_program(filter, link_type);
    if (program == NULL)
        return "too many link types";
    return program->is_usable ? NULL : program->reason;
}

bool mt_capture_filter_match(struct mt_capture_filter *filter, const struct mt_frame *frame)
{
    struct program *program = find_program(filter, frame->link_type);
    if (program == NULL || !program->is_usable)
        return false;
    return bpf_filter(program->bpf.bf_insns, frame->data, frame->wire_size, frame->size) != 0;
}
