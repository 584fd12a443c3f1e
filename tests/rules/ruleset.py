"""The documents of app/share/rules."""

import os

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "app", "share", "rules")


class Rule:
    def __init__(self, file, document):
        self.file, self.document = file, document
        self.name = document.get("name", "?")
        self.is_silent = "filter" in document  # or a correlation counts it: it makes no alerts itself


def read_rules(folder=RULES):
    rules = []
    for file in sorted(os.listdir(folder)):
        if file.endswith((".yml", ".yaml")):
            with open(os.path.join(folder, file), encoding="utf-8") as text:
                rules += [Rule(file, document) for document in yaml.safe_load_all(text)]
    by_name = {rule.name: rule for rule in rules}
    for rule in rules:
        correlation = rule.document.get("correlation", {})
        for name in correlation.get("rules", []):
            if name in by_name and not correlation.get("generate", False):
                by_name[name].is_silent = True
    return rules


def alerting(rules):
    return [rule for rule in rules if not rule.is_silent]


def rate_line(name, rates):
    """What a rule file says of a rule's rate: {kind of captures: alerts}."""
    told = ", ".join(f"{rates[kind]} in {kind}" for kind in sorted(rates)) or "no alert"
    return f"# {name} on ordinary mail: {told}."
