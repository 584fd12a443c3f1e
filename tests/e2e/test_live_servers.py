#!/usr/bin/env python3
"""Real mail: Postfix and Exim send to each other across a bridge in network
namespaces, and mailtap watches a port of it that sees every frame. Each message
that a server logged as accepted must be in the records, with the same envelope,
queue id and code, and no other.

    test_live_servers.py MAILTAP SOURCE-ROOT WORK-FOLDER

The servers are those of scripts/make-captures, unpacked in WORK-FOLDER; nothing
is installed.
"""

import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import time

import live
from harness import Tap, skip_all

MESSAGES = 12  # from each server to the other
MANY = 20      # by smtp-source, in a few sessions
SETTLE_SECONDS = 20

sys.dont_write_bytecode = True


def make_captures(root):
    """scripts/make-captures as a module; its Lab with a bridge for a cable."""
    path = os.path.join(root, "scripts", "make-captures")
    loader = importlib.machinery.SourceFileLoader("make_captures", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_captures", loader))
    loader.exec_module(module)
    return module


def bridge_lab(netlab):
    class BridgeLab(netlab.Lab):
        """outside and home on a bridge that forgets every address, and so sends
        every frame to every port: the sensor's too, as a mirror port would."""

        def join(self):
            tag = self.home.name[:-1]
            self.switch, self.sensor = self.add_namespace(f"{tag}s"), self.add_namespace(f"{tag}w")
            netlab.run("ip", "-n", self.switch.name, "link", "add", "bridge", "type", "bridge", "ageing_time", "0")
            for index, (namespace, device) in enumerate(
                    ((self.home, "wire"), (self.outside, "wire"), (self.sensor, "mirror"))):
                port = f"port{index}"
                netlab.run("ip", "link", "add", device, "netns", namespace.name, "address",
                           f"02:00:00:00:25:0{index + 1}", "type", "veth", "peer", "name", port, "netns",
                           self.switch.name)
                netlab.run("ip", "-n", self.switch.name, "link", "set", port, "master", "bridge", "up")
            netlab.run("ip", "-n", self.switch.name, "link", "set", "bridge", "up")
            netlab.run("ip", "-n", self.sensor.name, "link", "set", "mirror", "up")

    return BridgeLab()


class Accepted:
    """A message as a server's log tells of it."""

    def __init__(self, queue_id, sender):
        self.queue_id, self.sender, self.recipients = queue_id, sender, set()

    def key(self):
        return self.queue_id, self.sender, tuple(sorted(self.recipients))


def of_postfix(log):
    """Messages that came in by SMTP, from the lines of smtpd, qmgr and discard."""
    found = {}
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            client = re.search(r"postfix/smtpd\[\d+\]: ([0-9A-F]+): client=", line)
            sender = re.search(r"postfix/qmgr\[\d+\]: ([0-9A-F]+): from=<([^>]*)>", line)
            recipient = re.search(r"postfix/discard\[\d+\]: ([0-9A-F]+): to=<([^>]*)>(?:, orig_to=<([^>]*)>)?", line)
            if client:
                found[client.group(1)] = Accepted(client.group(1), None)
            elif sender and sender.group(1) in found:
                found[sender.group(1)].sender = sender.group(2)
            elif recipient and recipient.group(1) in found:
                found[recipient.group(1)].recipients.add(recipient.group(3) or recipient.group(2))
    return [message for message in found.values() if message.sender is not None]


def of_exim(log):
    """The lines of arrival: `ID <= sender H=... for recipient ...`."""
    found = []
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            arrival = re.search(r" (\S+) <= (\S+) H=.* for (.+)$", line.rstrip())
            if arrival:
                message = Accepted(arrival.group(1), arrival.group(2) if arrival.group(2) != "<>" else "")
                message.recipients = set(arrival.group(3).split())
                found.append(message)
    return found


def recorded(sessions):
    """The transactions that the server said 250 to, by server, as of a log."""
    found = {}
    for session in sessions:
        for transaction in session["smtp"].get("transactions", []):
            reply = transaction.get("reply", {})
            if transaction["outcome"] != "delivered" or reply.get("code") != 250:
                continue
            message = Accepted(reply.get("queue_id"), transaction["from"]["address"])
            message.recipients = {recipient["address"] for recipient in transaction["recipients"]
                                  if recipient.get("code") == 250}
            found.setdefault(session["destination"]["ip"], []).append(message)
    return found


def differences(logged, seen):
    logged, seen = {message.key() for message in logged}, {message.key() for message in seen}
    for key in sorted(logged - seen, key=str):
        yield f"logged as accepted, not recorded: {key}"
    for key in sorted(seen - logged, key=str):
        yield f"recorded, but not in the log: {key}"


def exchange(maker, module):
    """Both servers at home, and mail to each from the other kind outside."""
    for address in (module.POSTFIX, module.EXIM):
        maker.serve(address)
    several = ("for n in $(seq 1 {}); do {} -f sender$n@{} alice@example.org $([ $((n % 3)) = 0 ] && echo "
               "bob@example.org) </message; done")
    shell = ["sh", "-c", several.format(MESSAGES, "sendmail -i", "example.net")]
    maker.client("postfix-to-exim", ["/start", *shell], view="postfix", hostname="mx.example.net",
                 files=os.path.join(module.SERVERS, "postfix-outside"))
    shell = ["sh", "-c", several.format(MESSAGES, "exim4 -oi -odf", "example.com")]
    maker.client("exim-to-postfix", ["/start", *shell], view="exim", hostname="mx.example.com",
                 files=os.path.join(module.SERVERS, "exim-outside"))
    module.smtp_source(maker, "smtp-source", "-d", "-s", "2", "-m", str(MANY), "-r", "2", "-l", "3000")


def settle(postfix_log, exim_log, expected):
    """Until the logs tell of as many messages as were sent."""
    end = time.monotonic() + SETTLE_SECONDS
    while len(of_postfix(postfix_log)) + len(of_exim(exim_log)) < expected and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(1)  # the last QUIT and FIN


def watch(mailtap, root, module, lab, work, folder):
    """(accepted by Postfix, accepted by Exim, what mailtap recorded, complaints)"""
    maker = module.Maker(lab, work)
    exim_log = os.path.join(work, "logs", "exim-home-mainlog")
    with live.Live(mailtap, folder, ["--site", os.path.join(root, "pcaps", "site.yaml"), "--interface", "mirror"],
                   prefix=lab.sensor.command([])) as run:
        run.wait_until_ready()
        exchange(maker, module)
        postfix_log = os.path.join(work, "logs", "postfix-home.log")
        settle(postfix_log, exim_log, 2 * MESSAGES + MANY)
        run.end()
        stats = run.stats()
        complaints = list(run.crash_reasons())
        complaints += live.balance_reasons(stats["capture.frames"], stats)
        return of_postfix(postfix_log), of_exim(exim_log), recorded(run.sessions()), complaints


def fetch_packages(module, work):
    """Skips the test when Debian's packages can't be had."""
    try:
        for name in ("postfix", "exim"):
            module.View(work, name, module.PACKAGES[name])
    except (OSError, subprocess.CalledProcessError) as error:
        skip_all(f"Debian's packages of Postfix and Exim can't be had: {error}")


def main():
    mailtap, root, work = sys.argv[1:4]
    netlab, lacking = live.netlab_of(root), live.why_no_namespaces()
    if lacking:
        skip_all(lacking)
    module = make_captures(root)
    fetch_packages(module, work)
    for name in ("exim-home-mainlog", "postfix-home.log"):
        path = os.path.join(work, "logs", name)
        if os.path.exists(path):
            os.remove(path)
    tap = Tap()
    with live.scratch_folder() as folder, bridge_lab(netlab) as lab:
        try:
            postfix, exim, seen, complaints = watch(mailtap, root, module, lab, work, folder)
        except (live.Trouble, RuntimeError, subprocess.SubprocessError) as trouble:
            tap.failed_with("the servers exchange mail while mailtap watches", [trouble])
            return tap.finish()
    tap.check("mailtap watches the bridge and accounts for every frame", complaints)
    for name, logged, sent, address in (("Postfix", postfix, MESSAGES + MANY, module.POSTFIX),
                                        ("Exim", exim, MESSAGES, module.EXIM)):
        tap.check(f"{name} logs every message that was sent to it",
                  [] if len(logged) == sent else [f"{len(logged)} instead of {sent}"])
        tap.check(f"every message that {name} accepted is recorded with its envelope, queue id and code",
                  differences(logged, seen.get(address, [])))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
