/* librdkafka's mock cluster as a program. Says its brokers on standard output,
 * then does what standard input says, a command a line, each answered by a line:
 *
 *   down BROKER · up BROKER · leader PARTITION BROKER · refuse ERROR COUNT
 *   forget ERROR COUNT: what was committed can't be had so often
 *   put PARTITION HEX: writes a message
 *   dump SECONDS: partition, key, id and value of each message, then "."
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKERS 3
#define PARTITIONS 4
#define TOPIC "mail"
#define PRODUCE 0 /* numbers of requests in the protocol */
#define OFFSET_FETCH 9

static rd_kafka_t *make_client(rd_kafka_type_t type, const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    if (brokers != NULL) {
        rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
        rd_kafka_conf_set(conf, "group.id", "test", why, sizeof(why));
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
        rd_kafka_conf_set(conf, "isolation.level", "read_uncommitted", why, sizeof(why));
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof(why));
    if (client == NULL) {
        fprintf(stderr, "%s\n", why);
        exit(3);
    }
    return client;
}

static void print_message(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const void *id = "";
    size_t id_size = 0;

    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)rd_kafka_header_get_last(headers, "id", &id, &id_size);
    printf("%d\t%.*s\t%.*s\t%.*s\n", message->partition, (int)message->key_len, (const char *)message->key,
           (int)id_size, (const char *)id, (int)message->len, (const char *)message->payload);
}

static void dump(const char *brokers)
{
    rd_kafka_t *consumer = make_client(RD_KAFKA_CONSUMER, brokers);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

    for (int i = 0; i < PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(list, TOPIC, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_assign(consumer, list);
    for (int ended = 0, idle = 0; ended < PARTITIONS && idle < 100;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message == NULL) {
            idle++;
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ended++;
        else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            print_message(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    printf(".\n");
}

static rd_kafka_resp_err_t put(const char *brokers, int partition, const char *hex)
{
    rd_kafka_t *producer = make_client(RD_KAFKA_PRODUCER, brokers);
    unsigned char bytes[4096];
    size_t size = 0;

    for (unsigned byte; size < sizeof(bytes) && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (unsigned char)byte;
    rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(bytes, size),
                      RD_KAFKA_V_END);
    rd_kafka_resp_err_t error = rd_kafka_flush(producer, 5000);
    rd_kafka_destroy(producer);
    return error;
}

static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    char what[16] = "";
    int first = 0;
    int second = 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

    (void)sscanf(line, "%15s %d %d", what, &first, &second);
    if (strcmp(what, "dump") == 0) {
        dump(rd_kafka_mock_cluster_bootstraps(cluster));
        return;
    }
    if (strcmp(what, "put") == 0) {
        const char *hex = strrchr(line, ' ');
        error = put(rd_kafka_mock_cluster_bootstraps(cluster), first, hex + 1);
    }
    if (strcmp(what, "down") == 0)
        error = rd_kafka_mock_broker_set_down(cluster, first);
    else if (strcmp(what, "up") == 0)
        error = rd_kafka_mock_broker_set_up(cluster, first);
    else if (strcmp(what, "leader") == 0)
        error = rd_kafka_mock_partition_set_leader(cluster, TOPIC, first, second);
    for (int i = 0; strcmp(what, "refuse") == 0 && i < second; i++)
        rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, (rd_kafka_resp_err_t)first);
    for (int i = 0; strcmp(what, "forget") == 0 && i < second; i++)
        rd_kafka_mock_push_request_errors(cluster, OFFSET_FETCH, 1, (rd_kafka_resp_err_t)first);
    printf("%s\n", rd_kafka_err2name(error));
}

int main(void)
{
    char line[8300];
    rd_kafka_t *client = make_client(RD_KAFKA_PRODUCER, NULL);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(client, BROKERS);

    if (cluster == NULL ||
        rd_kafka_mock_topic_create(cluster, TOPIC, PARTITIONS, BROKERS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 3;
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(cluster, line);
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(client);
    return 0;
}
