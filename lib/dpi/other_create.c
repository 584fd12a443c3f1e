#include "dpi/other_priv.h"

#include <errno.h>
#include <stdlib.h>

static void want_protocols(struct mt_other_asker *asker)
{
    NDPI_PROTOCOL_BITMASK wanted;

    NDPI_BITMASK_RESET(wanted);
#define MT_PROTOCOL(id, name) NDPI_ADD_PROTOCOL_TO_BITMASK(wanted, NDPI_PROTOCOL_##id);
#include "dpi/protocols.def"
#undef MT_PROTOCOL
    ndpi_set_protocol_detection_bitmask2(asker->module, &wanted);
    ndpi_finalize_initialization(asker->module);
}

int mt_other_create(struct mt_other_asker **ret_asker)
{
    /* the flow's layout is the header's, the code the library's */
    if (ndpi_get_api_version() != NDPI_API_VERSION)
        return -ENOTSUP;
    struct mt_other_asker *asker = calloc(1, sizeof(*asker));
    if (asker == NULL)
        return -ENOMEM;
    asker->module = ndpi_init_detection_module(ndpi_dont_load_tor_hosts | ndpi_dont_init_libgcrypt);
    asker->flow_size = ndpi_detection_get_sizeof_ndpi_flow_struct();
    asker->flow = calloc(1, asker->flow_size);
    if (asker->module == NULL || asker->flow == NULL) {
        mt_other_destroy(asker);
        return -ENOMEM;
    }
    want_protocols(asker);
    *ret_asker = asker;
    return 0;
}

void mt_other_destroy(struct mt_other_asker *asker)
{
    if (asker == NULL)
        return;
    if (asker->module != NULL)
        ndpi_exit_detection_module(asker->module);
    free(asker->flow);
    free(asker);
}
