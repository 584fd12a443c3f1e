#!/usr/bin/env python3
"""The comparison itself: it accepts what the truth allows and nothing else."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402

TRUTH = {
    "number": 0,
    "story": "one",
    "session": {
        "event": {"start": "2024-06-03T08:00:00.000000000Z", "end": "2024-06-03T08:00:01.000000000Z"},
        "source": {"bytes": 100, "ip": "198.18.0.1", "packets": 2, "port": 1024},
        "destination": {"bytes": 80, "ip": "10.25.0.1", "packets": 1, "port": 25},
        "network": {"type": "ipv4"},
        "smtp": {
            "probes": {},
            "anomalies": {"$names": {"must": ["gap"], "may": ["bad_rst"]}},
            "starttls": {"offered": {"$any": [False, "$absent"]}},
            "end": {"$any": ["quit", "fin"]},
            "transactions": [{"bytes": 7}, {"mode": "data"}],
        },
    },
    "open": ["smtp.transactions[1].bytes"],
}
RECORD = {
    "@timestamp": "2024-06-03T08:00:00.000000000Z",
    "ecs": {"version": "8.17.0"},
    "event": {
        "category": ["email", "network"],
        "dataset": "mailtap.session",
        "duration": 1000000000,
        "end": "2024-06-03T08:00:01.000000000Z",
        "id": "x",
        "kind": "event",
        "start": "2024-06-03T08:00:00.000000000Z",
    },
    "observer": {"name": "here", "type": "sensor", "version": "0.1.0"},
    "source": {"bytes": 100, "ip": "198.18.0.1", "packets": 2, "port": 1024},
    "destination": {"bytes": 80, "ip": "10.25.0.1", "packets": 1, "port": 25},
    "network": {
        "bytes": 180,
        "packets": 3,
        "transport": "tcp",
        "type": "ipv4",
    },
    "smtp": {
        "anomalies": ["gap"],
        "end": "quit",
        "transactions": [{"bytes": 7}, {"mode": "data", "bytes": 3}],
    },
}


def differences(change):
    truth, record = copy.deepcopy(TRUTH), copy.deepcopy(RECORD)
    record["network"]["community_id"] = compare.community_id("198.18.0.1", 1024, "10.25.0.1", 25)
    change(record)
    truth["session"] = compare.normal(truth["session"])
    return compare.compare_session(truth, record)


class Comparison(unittest.TestCase):
    def test_a_community_id_is_that_of_the_specification(self):
        # The example of the Community ID specification for TCP.
        self.assertEqual(
            compare.community_id("128.232.110.120", 34855, "66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        )

    def test_a_record_that_says_what_is_true_passes(self):
        self.assertEqual(differences(lambda r: None), [])

    def test_what_is_open_or_possible_may_be_said(self):
        def change(record):
            record["smtp"]["transactions"][1]["bytes"] = 99
            record["smtp"]["anomalies"].append("bad_rst")
            record["smtp"]["starttls"] = {"offered": False}
            record["smtp"]["end"] = "fin"

        self.assertEqual(differences(change), [])

    def test_what_the_truth_does_not_speak_of_fits_together(self):
        def change(record):
            record["smtp"]["latency"] = {"helo": 999_000_000}
            record["smtp"]["fingerprint"] = {"client": "0123456789abcdef"}
            record["smtp"]["transactions"][0]["latency"] = {"data": 1}

        self.assertEqual(differences(change), [])

    def test_every_other_change_is_found(self):
        def put(*steps):
            def change(record):
                for step in steps[:-2]:
                    record = record[step]
                record[steps[-2]] = steps[-1]

            return change

        for change in (
            put("smtp", "anomalies", []),
            put("smtp", "anomalies", ["gap", "line_too_long"]),
            put("smtp", "anomalies", ["gap", "gap"]),
            put("smtp", "starttls", {"offered": True}),
            put("smtp", "end", "rst"),
            put("smtp", "transactions", [{"bytes": 7}]),
            put("smtp", "transactions", 0, "bytes", 8),
            put("smtp", "transactions", 0, "bytes", "7"),
            put("smtp", "transactions", 0, "mode", "data"),
            put("smtp", "probes", {"vrfy": []}),
            put("smtp", "banner", {"code": 220}),
            put("source", "packets", 3),
            put("network", "packets", 4),
            put("event", "duration", 1),
            put("event", "kind", "alert"),
            put("network", "community_id", "1:x"),
            put("smtp", "pickup", None),
            put("source", "bytes", True),
            put("smtp", "latency", {"helo": 1_000_000_001}),
            put("smtp", "latency", {"hello": 1}),
            put("smtp", "silence", 0),
            put("smtp", "pipelined", 1),
            put("smtp", "fingerprint", {"client": "x"}),
            put("smtp", "transactions", 0, "message", {"content_type": "text/html"}),
            put("smtp", "transactions", 0, "message", {"parts": [{"path": "1", "size": 8}]}),
            put("smtp", "transactions", 0, "message", {"parts": [{"path": "2"}]}),
            put("smtp", "transactions", 0, "message", {"received_hops": [{}]}),
            put("smtp", "transactions", 0, "message", {"received_findings": ["local_by"]}),
        ):
            self.assertTrue(differences(change), change)

    def test_a_missing_session_and_a_wrong_alert_count_end_in_1(self):
        with tempfile.TemporaryDirectory() as folder:
            truth, sessions = os.path.join(folder, "truth"), os.path.join(folder, "sessions")
            with open(truth, "w", encoding="utf-8") as out:
                out.write(json.dumps(TRUTH) + "\n" + json.dumps({"alerts": {"smtp_vrfy_probe": [1, 1]}}) + "\n")
            with open(sessions, "w", encoding="utf-8"):
                pass
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compare.py")
            run = subprocess.run(
                [sys.executable, script, "truth", truth, sessions], stdout=subprocess.PIPE, text=True, check=False
            )
            self.assertEqual(run.returncode, 1)
            self.assertIn("missing session #0", run.stdout)
            self.assertIn("alerts smtp_vrfy_probe", run.stdout)


if __name__ == "__main__":
    unittest.main()
