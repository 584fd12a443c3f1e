/* Answers on the driver library's telemetry socket. */
#include "capture/ports_priv.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <rte_lcore.h>
#include <rte_telemetry.h>
#include <rte_version.h>
#include <stdio.h>
#include <string.h>

#define COMMANDS_MAX 16u
#define COMMAND_SIZE 56u /* the library's limit */

/* The library has one table of commands a process and gives its callbacks
 * nothing but the command's name, so what belongs to a name has to be static. */
static struct {
    pthread_mutex_t lock;
    size_t count;
    struct {
        char name[COMMAND_SIZE];
        mt_ports_telemetry_fill *fill;
        void *ctx;
    } command[COMMANDS_MAX];
} commands = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Names may have letters, digits, '_' and '/' only. */
static void put(void *object, const char *name, uint64_t value)
{
    char text[RTE_TEL_MAX_STRING_LEN];
    size_t i = 0;
    for (; name[i] != '\0' && i < sizeof(text) - 1; i++)
        text[i] = (char)(isalnum((unsigned char)name[i]) ? name[i] : '_');
    text[i] = '\0';
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
    (void)rte_tel_data_add_dict_uint(object, text, value);
#else
    (void)rte_tel_data_add_dict_u64(object, text, value);
#endif
}

static int answer(const char *name, const char *parameters, struct rte_tel_data *data)
{
    int rc = -ENOENT;
    (void)parameters;
    (void)rte_tel_data_start_dict(data);
    pthread_mutex_lock(&commands.lock);
    for (size_t i = 0; i < commands.count; i++) {
        if (strcmp(commands.command[i].name, name) != 0 || commands.command[i].fill == NULL)
            continue;
        commands.command[i].fill(commands.command[i].ctx, data, put);
        rc = 0;
        break;
    }
    pthread_mutex_unlock(&commands.lock);
    return rc;
}

/* The place of a name: the one it has, or a new one. */
static int find_place(const char *name, size_t *ret_place)
{
    for (size_t i = 0; i < commands.count; i++) {
        if (strcmp(commands.command[i].name, name) == 0) {
            *ret_place = i;
            return 0;
        }
    }
    if (commands.count == COMMANDS_MAX)
        return -ENOSPC;
    *ret_place = commands.count;
    return 1;
}

int mt_ports_telemetry(const char *name, const char *help, mt_ports_telemetry_fill *fill, void *ctx)
{
    char path[COMMAND_SIZE];
    size_t place;
    if (rte_lcore_count() == 0)
        return -ENOTSUP; /* the library was not started */
    if (snprintf(path, sizeof(path), "/mailtap/%s", name) >= (int)sizeof(path))
        return -EINVAL;
    pthread_mutex_lock(&commands.lock);
    int rc = find_place(path, &place);
    if (rc >= 0) {
        snprintf(commands.command[place].name, COMMAND_SIZE, "%s", path);
        commands.command[place].fill = fill;
        commands.command[place].ctx = ctx;
        commands.count += rc == 1;
    }
    pthread_mutex_unlock(&commands.lock);
    if (rc <= 0)
        return rc;
    rc = rte_telemetry_register_cmd(path, answer, help);
    return rc == 0 ? 0 : -ENOTSUP;
}

void mt_port_telemetry_end(void)
{
    pthread_mutex_lock(&commands.lock);
    for (size_t i = 0; i < commands.count; i++)
        commands.command[i].fill = NULL;
    pthread_mutex_unlock(&commands.lock);
}
