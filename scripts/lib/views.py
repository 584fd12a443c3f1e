"""Debian packages in folders of their own, and servers that run from them."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MAILBAG = os.path.join(HERE, "mailbag")
HOSTS = """127.0.0.1 localhost
10.25.0.25 mx.example.org
10.25.0.26 mx2.example.org
10.25.0.27 mx3.example.org
203.0.113.30 mx.example.net
203.0.113.31 mx.example.com
"""


def missing_packages(names):
    """The packages and those of their dependencies that this system lacks."""
    text = subprocess.run(["apt-get", "install", "--simulate", "--no-install-recommends", *names],
                          check=True, capture_output=True, text=True).stdout
    lacking = [line.split()[1] for line in text.splitlines() if line.startswith("Inst ")]
    return sorted(set(lacking) | set(names))


class View:
    """One set of packages. Nothing of it is installed on this system."""

    def __init__(self, work, name, packages):
        self.work, self.name = work, name
        self.debs = os.path.join(work, "packages", name)
        self.output = os.path.join(work, "logs")
        os.makedirs(self.debs, exist_ok=True)
        os.makedirs(self.output, exist_ok=True)
        stamp = os.path.join(self.debs, "complete")
        if not os.path.exists(stamp):
            print(f"make-captures: downloading {' '.join(packages)}", file=sys.stderr)
            subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root",
                            *missing_packages(packages)], cwd=self.debs, check=True)
            open(stamp, "w").close()

    def command(self, hostname, files, argv):
        """argv that runs inside the view, with `files` laid over the packages."""
        laid = os.path.join(self.work, "files", f"{self.name}-{hostname}")
        os.makedirs(os.path.join(laid, "etc"), exist_ok=True)
        if files:
            subprocess.run(["cp", "-r", "--no-preserve=ownership", f"{files}/.", laid], check=True)
        shutil.copytree(MAILBAG, laid, dirs_exist_ok=True)
        with open(os.path.join(laid, "large.eml"), "w") as file:
            file.write("Subject: Too large\n\n" + "0123456789\n" * 3000)
        with open(os.path.join(laid, "etc", "hosts"), "w") as file:
            file.write(HOSTS)
        with open(os.path.join(laid, "etc", "resolv.conf"), "w") as file:
            file.write("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        return ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--",
                os.path.join(HERE, "packages-view.sh"), self.debs, hostname, laid, self.output, *argv]
