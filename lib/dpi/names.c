/* Numbers of TLS to the names that records hold. */
#include "dpi/tls.h"

const char *mt_tls_version_name(uint16_t version)
{
    switch (version) {
    case 0x0304:
        return "1.3";
    case 0x0303:
        return "1.2";
    case 0x0302:
        return "1.1";
    case 0x0301:
        return "1.0";
    case 0x0300:
        return "3.0";
    case 0x0002:
        return "2.0";
    default:
        return NULL;
    }
}

const char *mt_tls_version_protocol(uint16_t version)
{
    if (mt_tls_version_name(version) == NULL)
        return NULL;
    return version > 0x0300 ? "tls" : "ssl";
}

const char *mt_tls_cipher_name(uint16_t cipher)
{
    switch (cipher) {
#define MT_CIPHER(code, name) \
    case code:                \
        return #name;
#include "dpi/ciphers.def"
    default:
        return NULL;
    }
}

const char *mt_tls_alert_name(uint8_t description)
{
    switch (description) {
#define MT_TLS_ALERT(number, name) \
    case number:                   \
        return #name;
#include "dpi/alerts.def"
    default:
        return NULL;
    }
}
