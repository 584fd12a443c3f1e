#!/usr/bin/env python3
"""docs/fields.md is what `mailtap fields --markdown` prints, and the other two
forms list the same fields.

So are the schemas of app/share/ what `mailtap fields --format` prints.

usage: check_fields_page.py PROGRAM SOURCE-ROOT
"""
import difflib
import json
import re
import subprocess
import sys

program, root = sys.argv[1:]
page = f"{root}/docs/fields.md"

SCHEMAS = {
    "elasticsearch": "app/share/elasticsearch/mailtap-template.json",
    "opensearch": "app/share/opensearch/mailtap-template.json",
    "clickhouse": "app/share/clickhouse/mailtap.sql",
}


def output(*arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def main():
    markdown = output("--markdown")
    with open(page, encoding="utf-8") as file:
        stored = file.read()
    if stored != markdown:
        sys.stdout.writelines(difflib.unified_diff(
            stored.splitlines(True), markdown.splitlines(True), "docs/fields.md", "mailtap fields --markdown"))
        return "docs/fields.md is out of date: mailtap fields --markdown > docs/fields.md"

    for name, path in SCHEMAS.items():
        with open(f"{root}/{path}", encoding="utf-8") as file:
            if file.read() != output("--format", name):
                return f"{path} is out of date: mailtap fields --format {name} > {path}"

    fields = json.loads(output("--json"))
    in_json = [field["path"] for field in fields]
    in_table = [line.split()[1] for line in output().splitlines()[1:]]
    in_page = re.findall(r"^\| `([^`]+)` \| [a-z]+ \| ", markdown, re.MULTILINE)
    if not in_json == in_table == in_page:
        return "the table, the page and the JSON list different fields"
    if len(set((field["record"], field["path"]) for field in fields)) != len(fields):
        return "a field is listed twice"
    print(f"{len(fields)} fields, the same in all three forms and in the page")
    return 0


sys.exit(main())
