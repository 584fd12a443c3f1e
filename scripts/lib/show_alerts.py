"""Prints alerts (NDJSON) as a table of lines: severity, time, rule, sentence."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    alerts = [json.loads(line) for line in file]
for alert in sorted(alerts, key=lambda alert: (-alert["event"]["severity"], alert["@timestamp"])):
    print(f"  {alert['rule']['level']:<13} {alert['@timestamp'][:19]}Z  {alert['rule']['name']:<26} {alert['message']}")
if not alerts:
    print("  none")
