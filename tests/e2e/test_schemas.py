#!/usr/bin/env python3
"""What app/share/ and docs/integrations/ give people to paste: schemas hold
every field of the records (that those stored are what the program prints is a
unit test's business), Splunk's files name only fields that there are, and every
--output and --notify line of the documents is one that the program understands.

    test_schemas.py MAILTAP SOURCE-ROOT
"""

import configparser
import glob
import json
import os
import re
import shlex
import stat
import sys

from harness import Run, Tap, scratch

# what a value of the record may be, by the type that the index gives it
ELASTIC = {
    "long": int, "short": int, "boolean": bool, "date": str, "ip": str, "keyword": str,
    "flattened": dict, "flat_object": dict, "object": dict,
}


def properties(tree, path=""):
    """path -> type of every property."""
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        if "properties" in value:
            yield from properties(value["properties"], here)
        else:
            yield here, value["type"]


def leaves(value, known, path=""):
    """path, value of everything in a record, down to what the index knows as one."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(item, known, path)
    elif isinstance(value, dict) and path not in known:
        for name, item in value.items():
            yield from leaves(item, known, f"{path}.{name}" if path else name)
    else:
        yield path, value


def columns(sql):
    """path -> type of every column and member of the table."""
    found, path, is_table = {}, [], False
    for line in sql.splitlines():
        is_table = is_table or line == "("
        if line == ")":
            return found
        name = re.match(r"\s+`([^`]+)` (.*?),?$", line)
        if name and name[2].endswith("Tuple("):
            path.append(name[1])
        elif name and is_table:
            found[".".join([*path, name[1]])] = name[2]
        elif re.match(r"\s+\)\)?,?$", line):
            path.pop()
    return found


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.root, self.folder, self.tap = mailtap, root, folder, tap
        fields = json.loads(self.output("fields", "--json"))
        self.fields = [field for field in fields if field["record"] in ("session", "alert")]
        run = Run(mailtap, ["read", "--json", os.path.join(root, "pcaps")])
        self.records = [json.loads(line) for line in run.stdout.splitlines()]
        # the paths as receivers know them
        self.paths = {re.sub(r"\[\]|\.<.*>", "", f["path"]) for f in self.fields if f["type"] != "list"}

    def output(self, *arguments):
        return Run(self.mailtap, arguments).stdout.decode()

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def an_unknown_receiver_is_refused(self):
        run = Run(self.mailtap, ["fields", "--format", "oracle"])
        self.tap.check("another receiver's name is a usage error", [] if run.code == 2 else [run.code])

    def an_index_knows_every_field(self):
        for name in ("elasticsearch", "opensearch"):
            template = json.loads(self.output("fields", "--format", name))
            known = dict(properties(template["template"]["mappings"]["properties"]))
            reasons = [f"{path} is not in the template" for path in sorted(self.paths - set(known))]
            reasons += [f"{path} is no field" for path in sorted(set(known) - self.paths)]
            reasons += [f"{kind} of {path} is unknown" for path, kind in known.items() if kind not in ELASTIC]
            for record in self.records:
                for path, value in leaves(record, known):
                    wanted = ELASTIC.get(known.get(path), type(None))
                    if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
                        reasons.append(f"{path} is {known.get(path)}, and there is a {value!r}")
            self.tap.check(f"{name}: every field has a type that its values are of", reasons[:10])

    def a_table_knows_every_field(self):
        known = columns(self.output("fields", "--format", "clickhouse"))
        reasons = [f"{path} is not in the table" for path in sorted(self.paths - set(known))]
        reasons += [f"{path} is no field" for path in sorted(set(known) - self.paths)]
        kinds = {int: r"UInt(64|16)$", bool: r"Nullable\(Bool\)$", dict: r"Map\(String, ",
                 str: r"(LowCardinality\()?String|DateTime64\(9, 'UTC'\)$|Nullable\(IPv6\)$"}
        for record in self.records:
            for path, value in leaves(record, known):
                kind = re.sub(r"^Array\((.*)\)$", r"\1", known.get(path, ""))
                if not re.match(kinds[type(value)], kind):
                    reasons.append(f"{path} is {kind}, and there is a {value!r}")
                elif kind == "UInt16" and value > 65535:
                    reasons.append(f"{path} is {kind}, and there is {value}")
        self.tap.check("clickhouse: every field has a column that its values fit into", reasons[:10])

    def splunk_names_fields_that_there_are(self):
        reasons = []
        folder = os.path.join(self.root, "app/share/splunk")
        files = {}
        for name in sorted(os.listdir(folder)):
            files[name] = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",))
            files[name].optionxform = str
            files[name].read(os.path.join(folder, name), encoding="utf-8")
        for key, value in files["props.conf"]["mailtap:ecs"].items():
            named = []
            if key.startswith("FIELDALIAS-"):
                named = re.findall(r'"([^"]+)" ASNEW', value)
                if not re.fullmatch(r'("[^"]+" ASNEW \w+ ?)+', value):
                    reasons.append(f"{key} is no list of aliases")
            elif key.startswith("EVAL-"):
                named = re.findall(r"'([^']+)'", value)
                if value.count("(") != value.count(")"):
                    reasons.append(f"{key}: parentheses don't match")
            reasons += [f"{key}: {path} is no field" for path in named if path.replace("{}", "") not in self.paths]
        stanzas = set(files["transforms.conf"].sections())
        for section in files["props.conf"].sections():
            for key, value in files["props.conf"][section].items():
                if key.startswith(("REPORT-", "TRANSFORMS-")):
                    reasons += [f"{section}: there is no {name}" for name in re.split(r",\s*", value) if name not in stanzas]
        reasons += [f"tags.conf: there is no {name}" for name in files["tags.conf"].sections()
                    if name.removeprefix("eventtype=") not in files["eventtypes.conf"].sections()]
        self.tap.check("Splunk's files name only fields and stanzas that there are", reasons)
        self.splunk_reads_cef(files["transforms.conf"])

    def splunk_reads_cef(self, transforms):
        """The expressions for CEF, on what the program writes."""
        lines = self.output("read", "--quiet", "--output", "cef:-", os.path.join(self.root, "pcaps")).splitlines()
        reasons = []
        for line in lines:
            head = re.search(transforms["mailtap_cef_header"]["REGEX"], line)
            if not head or head[1] != "mailtap":
                reasons.append(f"no header is found in {line[:100]}")
                continue
            keys = re.findall(transforms["mailtap_cef_keys"]["REGEX"], line[head.end():])
            if "".join(f" {key}={value}" for key, value in keys).strip() != line[head.end():].strip():
                reasons.append(f"the keys of {line[:100]} are found as {keys[:4]}")
        self.tap.check(f"Splunk's expressions take apart every line of CEF ({len(lines)})",
                       reasons[:5] if lines else ["there is none"])

    def lines(self):
        """(page, option, spec) of every --output and --notify in the documents."""
        pages = glob.glob(os.path.join(self.root, "docs/integrations/*.md")) + [
            os.path.join(self.root, "docs/outputs.md"), os.path.join(self.root, "README.md")]
        for page in sorted(pages):
            with open(page, encoding="utf-8") as file:
                text = file.read().replace("\\\n", " ")
            for option, spec in re.findall(r"^ .*?(--(?:output|notify)) ('[^'\n]+'|[^\s`]+)", text, re.M):
                if ":" in spec and "FORMAT:" not in spec and "FORM:" not in spec:
                    yield page, option, shlex.split(spec)[0]

    def make_there(self, spec):
        """The line with files that exist here in place of those it names."""
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("secret\n" if "url_file" not in spec else "https://127.0.0.1:9/hook\n")
        program = os.path.join(self.folder, "program")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(program, stat.S_IRWXU)
        spec = re.sub(r"\b(\w+(?:\.\w+)*_file)=[^&]+", rf"\1={secret}", spec)
        spec = re.sub(r":exec:[^?]+", f":exec:{program}", spec)
        return spec

    def every_line_of_the_documents_is_understood(self):
        lines = list(self.lines())
        for page, option, spec in lines:
            # a file is read before anything is opened, and has the same rules
            run = Run(self.mailtap, ["read", "--config", self.as_yaml(option, spec), "/nowhere.pcap"])
            where = os.path.relpath(page, self.root)
            reasons = [] if run.code == 3 and all("nowhere" in line for line in run.errors()) else [
                f"{run.code}: {run.errors()}"]
            self.tap.check(f"{where}: {option} {spec[:70]}", reasons)
        self.tap.check("there are lines in the documents", [] if len(lines) > 15 else [f"only {len(lines)}"])

    def as_yaml(self, option, spec):
        path = os.path.join(self.folder, "mailtap.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{'outputs' if option == '--output' else 'notify'}:\n  - {json.dumps(self.make_there(spec))}\n")
        return path

    def every_configuration_of_the_documents_is_understood(self):
        count = 0
        for page in sorted(glob.glob(os.path.join(self.root, "docs/integrations/*.md"))) + [
                os.path.join(self.root, "docs/outputs.md")]:
            text = self.read(page)
            for block in re.findall(r"(?:^    (?:outputs|notify):\n(?:    .*\n)+)", text, re.M):
                count += 1
                path = os.path.join(self.folder, "mailtap.yaml")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(self.files_that_are_there(re.sub(r"^    ", "", block, flags=re.M)))
                run = Run(self.mailtap, ["read", "--config", path, "/nowhere.pcap"])
                reasons = [] if run.code == 3 and all("nowhere" in line for line in run.errors()) else [
                    f"{run.code}: {run.errors()}"]
                self.tap.check(f"{os.path.relpath(page, self.root)}: configuration {count}", reasons)
        self.tap.check("there are configurations in the documents", [] if count > 2 else [f"only {count}"])

    def files_that_are_there(self, text):
        self.make_there("url_file" if "url_file" in text else "")
        text = re.sub(r"(_file:) \S+", rf"\1 {os.path.join(self.folder, 'secret')}", text)
        return re.sub(r"exec:\S+", f"exec:{os.path.join(self.folder, 'program')}", text)


def main():
    mailtap, root = sys.argv[1:3]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, root, folder, tap)
        bench.an_unknown_receiver_is_refused()
        bench.an_index_knows_every_field()
        bench.a_table_knows_every_field()
        bench.splunk_names_fields_that_there_are()
        bench.every_line_of_the_documents_is_understood()
        bench.every_configuration_of_the_documents_is_understood()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
