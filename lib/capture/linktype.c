#include "capture/linktype_priv.h"

#include <pcap/pcap.h>

enum mt_link mt_linktype_link(uint16_t link_type)
{
    switch (link_type) {
    case 0:
        return MT_LINK_NULL;
    case 1:
        return MT_LINK_ETHERNET;
    case 9:   /* LINKTYPE_PPP */
    case 50:  /* LINKTYPE_PPP_HDLC */
    case 104: /* LINKTYPE_C_HDLC */
        return MT_LINK_PPP;
    case 51:
        return MT_LINK_PPPOE;
    case 12:  /* DLT_RAW, written by old programs in place of LINKTYPE_RAW */
    case 101: /* LINKTYPE_RAW */
    case 228: /* LINKTYPE_IPV4 */
    case 229: /* LINKTYPE_IPV6 */
        return MT_LINK_RAW;
    case 108:
        return MT_LINK_LOOP;
    case 113:
        return MT_LINK_LINUX_SLL;
    case 117:
        return MT_LINK_PFLOG;
    case 239:
        return MT_LINK_NFLOG;
    case 276:
        return MT_LINK_LINUX_SLL2;
    default:
        return MT_LINK_UNKNOWN;
    }
}

static const struct {
    uint16_t link_type;
    uint16_t dlt;
} renumbered[] = {
    {100, DLT_ATM_RFC1483}, {101, DLT_RAW},    {102, DLT_SLIP_BSDOS}, {103, DLT_PPP_BSDOS}, {104, DLT_C_HDLC},
    {106, DLT_ATM_CLIP},    {107, DLT_FRELAY}, {108, DLT_LOOP},       {109, DLT_ENC},       {246, DLT_PFSYNC},
};

int mt_linktype_dlt(uint16_t link_type)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(renumbered); i++) {
        if (renumbered[i].link_type == link_type)
            return renumbered[i].dlt;
    }
    return link_type;
}

uint16_t mt_linktype_of_dlt(int dlt)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(renumbered); i++) {
        if (renumbered[i].dlt == dlt)
            return renumbered[i].link_type;
    }
    return (uint16_t)dlt;
}

const char *mt_linktype_name(uint16_t link_type)
{
    const char *name = pcap_datalink_val_to_name(mt_linktype_dlt(link_type));
    return name != NULL ? name : "unnamed";
}
