-- Session records and alerts of mailtap, as its format ecs writes them. What comes twice
-- becomes one row when parts are merged; FINAL in a query sees it so at once.
CREATE DATABASE IF NOT EXISTS mailtap;
CREATE TABLE IF NOT EXISTS mailtap.events
(
    `@timestamp` DateTime64(9, 'UTC'),
    `destination` Tuple(
      `bytes` UInt64,
      `domain` String,
      `ip` Nullable(IPv6),
      `mac` String,
      `packets` UInt64,
      `port` UInt64
    ),
    `ecs` Tuple(
      `version` LowCardinality(String)
    ),
    `event` Tuple(
      `category` Array(LowCardinality(String)),
      `dataset` LowCardinality(String),
      `duration` UInt64,
      `end` DateTime64(9, 'UTC'),
      `id` String,
      `kind` LowCardinality(String),
      `severity` UInt64,
      `start` DateTime64(9, 'UTC')
    ),
    `mailtap` Tuple(
      `confidence` LowCardinality(String),
      `count` UInt64,
      `evidence` Array(String),
      `group_by` Map(String, String),
      `window` UInt64
    ),
    `message` String,
    `network` Tuple(
      `bytes` UInt64,
      `community_id` String,
      `outer` Array(Tuple(
        `destination` Tuple(
          `ip` Nullable(IPv6)
        ),
        `id` String,
        `source` Tuple(
          `ip` Nullable(IPv6)
        ),
        `type` LowCardinality(String)
      )),
      `packets` UInt64,
      `protocol` LowCardinality(String),
      `transport` LowCardinality(String),
      `type` LowCardinality(String),
      `vlan` Tuple(
        `id` String
      )
    ),
    `observer` Tuple(
      `name` String,
      `type` LowCardinality(String),
      `version` LowCardinality(String)
    ),
    `rule` Tuple(
      `category` LowCardinality(String),
      `description` LowCardinality(String),
      `id` LowCardinality(String),
      `level` LowCardinality(String),
      `name` LowCardinality(String),
      `version` LowCardinality(String)
    ),
    `smtp` Tuple(
      `anomalies` Array(LowCardinality(String)),
      `auth` Array(Tuple(
        `code` UInt16,
        `mechanism` String,
        `network` String,
        `outcome` LowCardinality(String),
        `user` String
      )),
      `banner` Tuple(
        `code` UInt16,
        `text` String
      ),
      `bytes` Tuple(
        `commands` UInt64,
        `greeting` UInt64,
        `opening_commands` UInt64,
        `opening_replies` UInt64,
        `replies` UInt64
      ),
      `codes` Map(String, UInt64),
      `command_size` UInt64,
      `commands` Map(String, UInt64),
      `direction` LowCardinality(String),
      `dns` Tuple(
        `helo` LowCardinality(String),
        `reverse` LowCardinality(String)
      ),
      `end` LowCardinality(String),
      `extensions` Array(String),
      `fingerprint` Tuple(
        `client` String,
        `server` String
      ),
      `helo` Tuple(
        `findings` Array(LowCardinality(String)),
        `kind` LowCardinality(String),
        `name` String,
        `score` UInt64,
        `verb` LowCardinality(String)
      ),
      `incomplete_command` UInt64,
      `latency` Tuple(
        `greeting` UInt64,
        `helo` UInt64,
        `mail` UInt64,
        `rcpt` UInt64
      ),
      `missing_bytes` Tuple(
        `client` UInt64,
        `server` UInt64
      ),
      `phase_timeouts` Array(LowCardinality(String)),
      `pickup` LowCardinality(String),
      `pipelined` UInt64,
      `probes` Tuple(
        `expn` Array(Tuple(
          `argument` String,
          `code` UInt16,
          `enhanced` String,
          `verdict` LowCardinality(String)
        )),
        `vrfy` Array(Tuple(
          `argument` String,
          `code` UInt16,
          `enhanced` String,
          `verdict` LowCardinality(String)
        ))
      ),
      `refusal` Tuple(
        `code` UInt16,
        `text` String
      ),
      `replies` Tuple(
        `2xx` UInt64,
        `3xx` UInt64,
        `4xx` UInt64,
        `5xx` UInt64,
        `other` UInt64
      ),
      `silence` UInt64,
      `starttls` Tuple(
        `code` UInt16,
        `history_answers` UInt64,
        `history_last` DateTime64(9, 'UTC'),
        `history_offered` UInt64,
        `history_share` UInt64,
        `offered` Nullable(Bool),
        `outcome` LowCardinality(String),
        `pair_last` DateTime64(9, 'UTC'),
        `pair_share` UInt64,
        `pair_tls` UInt64,
        `requested` Nullable(Bool)
      ),
      `transactions` Array(Tuple(
        `bytes` UInt64,
        `chunks` Array(Tuple(
          `code` UInt16,
          `last` Nullable(Bool),
          `size` UInt64
        )),
        `content` Tuple(
          `bare_cr` UInt64,
          `bare_lf` UInt64,
          `control` UInt64,
          `crlf` UInt64,
          `eight_bit` UInt64,
          `longest_line` UInt64
        ),
        `end` DateTime64(9, 'UTC'),
        `from` Tuple(
          `address` String,
          `code` UInt16,
          `domain` String,
          `enhanced` String,
          `params` Map(String, String),
          `spf` String
        ),
        `latency` Tuple(
          `content` UInt64,
          `data` UInt64
        ),
        `message` Tuple(
          `arc` Array(Tuple(
            `algorithm` String,
            `domain` String,
            `instance` String,
            `selector` String,
            `validation` String
          )),
          `attachments` Array(Tuple(
            `charset` String,
            `content_type` String,
            `disposition` LowCardinality(String),
            `encoded_size` UInt64,
            `encoding` LowCardinality(String),
            `findings` Array(LowCardinality(String)),
            `hash` Tuple(
              `md5` String,
              `sha256` String
            ),
            `magic_type` LowCardinality(String),
            `name` String,
            `path` String,
            `size` UInt64,
            `urls` Array(String),
            `urls_total` UInt64
          )),
          `auth_results` Array(String),
          `cc` Array(String),
          `content_type` String,
          `date` String,
          `dkim` Array(Tuple(
            `algorithm` String,
            `domain` String,
            `instance` String,
            `selector` String,
            `validation` String
          )),
          `findings` Array(LowCardinality(String)),
          `from` Array(String),
          `header` Array(Tuple(
            `cut` Nullable(Bool),
            `name` String,
            `path` String,
            `raw` String,
            `value` String
          )),
          `header_total` UInt64,
          `in_reply_to` String,
          `list_id` String,
          `message_id` String,
          `originating_ip` String,
          `parts` Array(Tuple(
            `charset` String,
            `content_type` String,
            `disposition` LowCardinality(String),
            `encoded_size` UInt64,
            `encoding` LowCardinality(String),
            `findings` Array(LowCardinality(String)),
            `hash` Tuple(
              `md5` String,
              `sha256` String
            ),
            `magic_type` LowCardinality(String),
            `name` String,
            `path` String,
            `size` UInt64,
            `urls` Array(String),
            `urls_total` UInt64
          )),
          `received` Array(String),
          `received_findings` Array(LowCardinality(String)),
          `received_hops` Array(Tuple(
            `by` String,
            `for` String,
            `from` Tuple(
              `host` String,
              `ip` Nullable(IPv6),
              `name` String
            ),
            `id` String,
            `time` DateTime64(9, 'UTC'),
            `with` String
          )),
          `received_total` UInt64,
          `reply_to` Array(String),
          `return_path` String,
          `sender` String,
          `subject` String,
          `to` Array(String),
          `user_agent` String
        ),
        `mode` LowCardinality(String),
        `outcome` LowCardinality(String),
        `recipients` Array(Tuple(
          `address` String,
          `code` UInt16,
          `domain` String,
          `enhanced` String,
          `foreign` Nullable(Bool),
          `form` LowCardinality(String),
          `local` Nullable(Bool),
          `mx` Nullable(Bool),
          `params` Map(String, String),
          `verdict` LowCardinality(String)
        )),
        `recipients_total` UInt64,
        `reply` Tuple(
          `code` UInt16,
          `enhanced` String,
          `queue_id` String,
          `text` String
        ),
        `smuggling` Tuple(
          `command` LowCardinality(String),
          `follows` String,
          `offset` UInt64,
          `sequence` LowCardinality(String)
        ),
        `start` DateTime64(9, 'UTC')
      )),
      `transactions_total` UInt64,
      `truncated` Array(LowCardinality(String)),
      `xclient` Map(String, String),
      `xforward` Map(String, String)
    ),
    `source` Tuple(
      `bytes` UInt64,
      `domain` String,
      `ip` Nullable(IPv6),
      `mac` String,
      `packets` UInt64,
      `port` UInt64
    ),
    `threat` Tuple(
      `technique` Tuple(
        `id` Array(LowCardinality(String))
      )
    ),
    `tls` Tuple(
      `alert` Tuple(
        `code` UInt16,
        `description` LowCardinality(String),
        `level` LowCardinality(String),
        `sender` LowCardinality(String)
      ),
      `cipher` String,
      `client` Tuple(
        `chain` Array(Tuple(
          `hash` Tuple(
            `sha256` String
          ),
          `issuer` String,
          `not_after` DateTime64(9, 'UTC'),
          `not_before` DateTime64(9, 'UTC'),
          `serial_number` String,
          `subject` String
        )),
        `hash` Tuple(
          `sha256` String
        ),
        `issuer` String,
        `ja3` String,
        `ja4` String,
        `server_name` String,
        `subject` String,
        `supported_ciphers` Array(String),
        `supported_protocols` Array(String),
        `version` LowCardinality(String),
        `x509` Tuple(
          `alternative_names` Array(String),
          `not_after` DateTime64(9, 'UTC'),
          `not_before` DateTime64(9, 'UTC'),
          `serial_number` String
        )
      ),
      `established` Nullable(Bool),
      `next_protocol` String,
      `resumed` Nullable(Bool),
      `server` Tuple(
        `chain` Array(Tuple(
          `hash` Tuple(
            `sha256` String
          ),
          `issuer` String,
          `not_after` DateTime64(9, 'UTC'),
          `not_before` DateTime64(9, 'UTC'),
          `serial_number` String,
          `subject` String
        )),
        `hash` Tuple(
          `sha256` String
        ),
        `issuer` String,
        `ja3s` String,
        `subject` String,
        `x509` Tuple(
          `alternative_names` Array(String),
          `not_after` DateTime64(9, 'UTC'),
          `not_before` DateTime64(9, 'UTC'),
          `serial_number` String
        )
      ),
      `version` LowCardinality(String),
      `version_protocol` LowCardinality(String)
    )
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(`@timestamp`)
ORDER BY (tupleElement(event, 'dataset'), toStartOfHour(`@timestamp`), tupleElement(event, 'id'),
    tupleElement(rule, 'id'), `@timestamp`, toString(tupleElement(mailtap, 'group_by')))
TTL toDateTime(`@timestamp`) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 1000;
