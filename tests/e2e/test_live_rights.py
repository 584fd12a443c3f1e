#!/usr/bin/env python3
"""Outputs of a mailtap live that root starts and that becomes another user: nothing of
them is done with root's rights, and what they need is that user's. On virtual devices.

    test_live_rights.py MAILTAP SOURCE-ROOT
"""

import os
import re
import sys

from harness import Run, Tap, crash_reasons, scratch, skip_all
from test_bad_input import can_nobody_run

NOBODY = 65534


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap
        self.pcaps = os.path.join(root, "pcaps")

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(self.path(name), 0o755)
        return self.path(name)

    def live(self, *arguments):
        capture = os.path.join(self.pcaps, "relay-suspected.pcap")  # of two sessions
        return Run(self.mailtap, ["live", "--quiet", "--port", f"net_pcap0,rx_pcap={capture}", "--poll", "adaptive",
                                  "--duration", "2s", "--user", "nobody", *arguments])

    def a_program_is_run_by_the_user_alone(self):
        """Also for what waits in a spool when root starts."""
        spool, ids = self.path("told"), self.path("ids")
        with open(ids, "w", encoding="ascii"):
            os.chmod(ids, 0o666)
        later = self.program("later", "exit 75\n")
        Run(self.mailtap, ["read", "--quiet", "--notify", f"text:exec:{later}?spool={spool}",
                           os.path.join(self.pcaps, "helo-own-name.pcap")])
        run = self.live("--notify", f"text:exec:{self.program('tell', f'id -u >>{ids}')}?spool={spool}")
        reasons = list(crash_reasons(run))
        with open(ids, encoding="ascii") as file:
            users = file.read().split()
        if users != [str(NOBODY)]:
            reasons.append(f"it was run by {users}: {run.errors()}")
        self.tap.check("a program that is told of alerts is never run by root", reasons)

    def a_spool_is_the_users(self):
        spool = self.path("spool")
        run = self.live("--output", f"ecs:http://127.0.0.1:1/x?spool={spool}")
        reasons = list(crash_reasons(run))
        if not re.search(rb"2 documents wait in the spool", run.stderr):
            reasons.append(f"said: {run.errors()}")
        owners = {name: os.stat(os.path.join(spool, name)).st_uid for name in [".", *os.listdir(spool)]}
        if set(owners.values()) != {NOBODY} or not any(name.endswith(".segment") for name in owners):
            reasons.append(f"owners: {owners}")
        run = self.live("--output", f"ecs:http://127.0.0.1:1/x?spool={spool}")
        if not re.search(rb"4 documents wait in the spool", run.stderr):
            reasons.append(f"the next run said: {run.errors()}")
        self.tap.check("a spool of root's is handed to the user that mailtap becomes", reasons)

    def a_folder_with_files_of_others_is_not_given_away(self):
        spool = self.path("shared")
        os.mkdir(spool)
        with open(os.path.join(spool, "precious"), "w", encoding="ascii"):
            pass
        run = self.live("--output", f"ecs:http://127.0.0.1:1/x?spool={spool}")
        reasons = list(crash_reasons(run))
        owners = {name: os.stat(os.path.join(spool, name)).st_uid for name in [".", *os.listdir(spool)]}
        if set(owners.values()) != {0}:
            reasons.append(f"owners: {owners}")
        if not any("can't be written: Permission denied" in line for line in run.errors()):
            reasons.append(f"said: {run.errors()}")
        self.tap.check("a folder that is no spool alone is left to root, and that is said", reasons)

    def a_file_that_may_not_be_made_is_told(self):
        run = self.live("--output", f"ecs:file:{self.path('records')}")
        reasons = list(crash_reasons(run))
        if not any("records can't be written: Permission denied" in line for line in run.errors()):
            reasons.append(f"said: {run.errors()}")
        self.tap.check("a file that the user may not make is told as that", reasons)


    def asking_a_file_leaves_it_to_the_user(self):
        """--require-outputs opens it while the process still is root."""
        folder = self.path("open")
        os.mkdir(folder)
        os.chown(folder, NOBODY, -1)
        path = os.path.join(folder, "records")
        run = self.live("--require-outputs", "--output", f"ecs:file:{path}")
        reasons = list(crash_reasons(run, (0,)))
        if not os.path.exists(path) or os.stat(path).st_uid != NOBODY or os.path.getsize(path) == 0:
            reasons.append(f"{os.listdir(folder)}: {run.errors()}")
        run = self.live("--require-outputs", "--output", f"ecs:file:{self.path('rootly')}")
        if run.code != 3 or os.path.exists(self.path("rootly")) or b"Permission denied" not in run.stderr:
            reasons.append(f"a file in root's folder: exit code {run.code}: {run.errors()}")
        self.tap.check("--require-outputs asks with the user's rights", reasons)


def main():
    mailtap, root = os.path.abspath(sys.argv[1]), sys.argv[2]
    if os.geteuid() != 0 or not can_nobody_run(mailtap):
        skip_all("giving up root needs root, and a path nobody can walk")
    tap = Tap()
    with scratch() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(mailtap, root, folder, tap)
        bench.a_program_is_run_by_the_user_alone()
        bench.a_spool_is_the_users()
        bench.a_folder_with_files_of_others_is_not_given_away()
        bench.a_file_that_may_not_be_made_is_told()
        bench.asking_a_file_leaves_it_to_the_user()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
