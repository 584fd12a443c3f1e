/* Lets a device drop TCP that is not mail before it costs us anything.
 *
 * Software would look at everything, so nothing may be dropped that it could
 * want. Rules of two priorities: what has a mail port is kept, and of the rest
 * that goes which certainly is a TCP segment between other ports. "Any TCP" can't
 * be asked for so: for some devices it means the protocol number alone, which
 * fragments bear too, and these may be the rest of mail. A rule that looks at
 * one bit of a port can only match where there is a TCP header; two of them are
 * all ports. Tunnels, VLAN tags that the device does not look behind, fragments
 * and IPv6 with extension headers match no rule and come to us.
 *
 * Either all rules are taken or none: some devices know no priorities, or no bits
 * of ports, and then software does it all. */
#include "capture/ports_priv.h"

#include "base/log.h"

#include <rte_flow.h>
#include <string.h>

enum { KEEP, DROP };

struct rule {
    bool is_ipv6;
    uint32_t priority;
    uint16_t source;
    uint16_t source_mask;
    uint16_t target;
    uint16_t target_mask;
};

struct keep_action {
    bool is_spread;
    uint8_t key[MT_PORT_HASH_KEY_MAX];
    uint16_t queues[MT_PORT_QUEUES_MAX];
    struct rte_flow_action_rss rss;
    struct rte_flow_action_queue queue;
};

static void make_keep(const struct mt_port *port, struct keep_action *keep)
{
    struct rte_eth_dev_info info;
    *keep = (struct keep_action){.queue = {.index = 0}};
    if (port->queue_count < 2 || rte_eth_dev_info_get(port->id, &info) != 0)
        return;
    keep->is_spread = true;
    mt_port_hash_key(keep->key);
    for (uint16_t i = 0; i < port->queue_count; i++)
        keep->queues[i] = i;
    keep->rss = (struct rte_flow_action_rss){
        .func = RTE_ETH_HASH_FUNCTION_DEFAULT,
        .types = mt_port_hash_fields(&info),
        .key_len = info.hash_key_size,
        .queue_num = port->queue_count,
        .key = keep->key,
        .queue = keep->queues,
    };
}

/* Hands one rule to the device, or asks only whether it would take it. */
static bool apply(const struct mt_port *port, const struct rule *rule, const struct keep_action *keep,
                  bool is_trial)
{
    const struct rte_flow_item_tcp spec = {
        .hdr = {.src_port = rte_cpu_to_be_16(rule->source), .dst_port = rte_cpu_to_be_16(rule->target)},
    };
    const struct rte_flow_item_tcp mask = {
        .hdr = {.src_port = rte_cpu_to_be_16(rule->source_mask),
                .dst_port = rte_cpu_to_be_16(rule->target_mask)},
    };
    const struct rte_flow_item pattern[] = {
        {.type = RTE_FLOW_ITEM_TYPE_ETH},
        {.type = rule->is_ipv6 ? RTE_FLOW_ITEM_TYPE_IPV6 : RTE_FLOW_ITEM_TYPE_IPV4},
        {.type = RTE_FLOW_ITEM_TYPE_TCP, .spec = &spec, .mask = &mask},
        {.type = RTE_FLOW_ITEM_TYPE_END},
    };
    struct rte_flow_action actions[] = {
        {.type = RTE_FLOW_ACTION_TYPE_DROP},
        {.type = RTE_FLOW_ACTION_TYPE_END},
    };
    if (rule->priority == KEEP && keep->is_spread)
        actions[0] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &keep->rss};
    else if (rule->priority == KEEP)
        actions[0] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &keep->queue};
    const struct rte_flow_attr attr = {.ingress = 1, .priority = rule->priority};
    struct rte_flow_error error = {0};
    bool is_taken = is_trial ? rte_flow_validate(port->id, &attr, pattern, actions, &error) == 0
                             : rte_flow_create(port->id, &attr, pattern, actions, &error) != NULL;
    if (!is_taken && port->ports->is_verbose)
        mt_log(MT_LOG_DEBUG, "%s does not filter by itself: %s", port->name,
               error.message != NULL ? error.message : "no reason given");
    return is_taken;
}

/* All rules, those that keep first, so that no moment drops mail. */
static bool apply_all(const struct mt_port *port, const struct keep_action *keep, bool is_trial)
{
    const struct mt_ports *ports = port->ports;
    bool is_good = true;
    for (uint32_t i = 0; i < ports->mail_port_count && is_good; i++) {
        uint16_t mail = ports->mail_ports[i];
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            const struct rule from = {
                .is_ipv6 = ipv6, .priority = KEEP, .source = mail, .source_mask = UINT16_MAX};
            const struct rule to = {
                .is_ipv6 = ipv6, .priority = KEEP, .target = mail, .target_mask = UINT16_MAX};
            is_good = is_good && apply(port, &from, keep, is_trial) && apply(port, &to, keep, is_trial);
        }
    }
    for (int i = 0; i < 4 && is_good; i++) {
        const struct rule rest = {
            .is_ipv6 = i & 1,
            .priority = DROP,
            .target = i & 2 ? 0x8000 : 0,
            .target_mask = 0x8000,
        };
        is_good = apply(port, &rest, keep, is_trial);
    }
    return is_good;
}

void mt_port_flow_install(struct mt_port *port)
{
    struct keep_action keep;
    struct rte_flow_error error;
    port->is_filtering = false;
    if (port->ports->mail_port_count == 0)
        return;
    make_keep(port, &keep);
    if (!apply_all(port, &keep, true))
        return;
    port->is_filtering = apply_all(port, &keep, false);
    if (!port->is_filtering)
        (void)rte_flow_flush(port->id, &error);
}
