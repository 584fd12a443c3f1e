"""Files, folders, standard output and unix sockets as targets.

    test_output_files.py DRIVER
"""

import glob
import os
import signal
import subprocess
import sys
import time

import receivers
from harness import Tap, scratch
from receivers import differences, document, feed, sums


def lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def check_plain(tap, driver, folder):
    path = os.path.join(folder, "plain.json")
    run = feed(driver, f"ecs:file:{path}", count=1000)
    tap.check("a file has every document, in order", [*sums(run, sent=1000), *differences(lines(path), range(1, 1001))])
    run = feed(driver, f"ecs:file:{path}", count=10, first=1001)
    tap.check("a file that is there is appended to", [*sums(run, sent=10), *differences(lines(path), range(1, 1011))])
    mode = os.stat(path).st_mode & 0o777
    tap.check("others may not read it", [] if mode & 0o007 == 0 else [f"its mode is {mode:o}"])
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"n":1011,"torn')
    run = feed(driver, f"ecs:file:{path}", count=5, first=1011)
    tap.check("the torn last line of a killed process is cut off",
              [*sums(run, sent=5), *differences(lines(path), range(1, 1016))])


def check_filters(tap, driver, folder):
    paths = [os.path.join(folder, name) for name in ("alerts", "sessions", "high", "rules")]
    specs = [f"ecs:file:{paths[0]}?only=alerts", f"ecs:file:{paths[1]}?only=sessions",
             f"ecs:file:{paths[2]}?only=alerts&level=high", f"ecs:file:{paths[3]}?only=alerts&rules=rule_1,rule_2"]
    run = feed(driver, specs, count=1000)
    alerts = list(range(10, 1001, 10))
    wanted = [alerts, [n for n in range(1, 1001) if n % 10], [n for n in alerts if n // 10 % 5 >= 3],
              [n for n in alerts if n // 10 % 3 in (1, 2)]]
    reasons = list(sums(run))
    for path, numbers in zip(paths, wanted):
        reasons += differences(lines(path), numbers)
    tap.check("each of several outputs gets what it asks for", reasons)


def aside(path):
    return sorted(name for name in glob.glob(path + ".2*") if not name.endswith(".part"))


def check_rotation(tap, driver, folder):
    path = os.path.join(folder, "rotated.json")
    run = feed(driver, f"ecs:file:{path}?rotate=20K&batch_max=4K", count=1000)
    files = [*aside(path), path]
    got = [line for name in files for line in lines(name)]
    reasons = [*sums(run, sent=1000), *differences(got, range(1, 1001))]
    if len(files) < 9:
        reasons.append(f"there are only {len(files)} files")
    reasons += [f"{name} has {os.path.getsize(name)} bytes" for name in files if os.path.getsize(name) > 20 << 10]
    tap.check("no file is larger than rotate, and together they have every document", reasons)

    path = os.path.join(folder, "kept.json")
    run = feed(driver, f"ecs:file:{path}?rotate=20K&keep=3", count=1000)
    reasons = [*sums(run, sent=1000), *differences(lines(path)[-3:], range(998, 1001))]
    if len(aside(path)) != 3:
        reasons.append(f"{aside(path)} are kept")
    tap.check("keep deletes the oldest", reasons)

    path = os.path.join(folder, "ordered.json")
    ahead = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() + 20))
    first = f"{path}.{ahead}.999Z"
    with open(first, "w", encoding="utf-8") as file:
        file.write(document(1) + "\n")
    run = feed(driver, f"ecs:file:{path}?rotate=4K&batch_max=1K", count=1000, first=2)
    got = [line for name in [*aside(path), path] for line in lines(name)]
    tap.check("files put aside within a millisecond, or after a name of later, sort as they were written",
              [*sums(run, sent=1000), *differences(got, range(1, 1002))])

    if receivers.missing_program("zstd"):
        tap.skipped("files put aside are compressed whole", "zstd is not installed")
        return
    path = os.path.join(folder, "squeezed.json")
    run = feed(driver, f"ecs:file:{path}?rotate=50K&zstd=1", count=2000)
    squeezed = [name for name in aside(path) if name.endswith(".zst")]
    text = b"".join(unsqueeze(name) for name in squeezed).decode()
    reasons = [*sums(run, sent=2000), *differences(text.split("\n")[:-1] + lines(path), range(1, 2001))]
    if len(squeezed) < 6 or len(squeezed) != len(aside(path)):
        reasons.append(f"put aside are {aside(path)}")
    tap.check("files put aside are compressed whole", reasons)


def unsqueeze(path):
    return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout


def check_time(tap, driver, folder):
    path = os.path.join(folder, "timed.json")
    run = feed(driver, f"ecs:file:{path}?every=1s", count=30, rate=10)
    got = [line for name in [*aside(path), path] for line in lines(name)]
    reasons = [*sums(run, sent=30), *differences(got, range(1, 31))]
    if not 2 <= len(aside(path)) <= 4:
        reasons.append(f"three seconds made {aside(path)}")
    tap.check("a file is put aside when its time has passed", reasons)


def check_signals(tap, driver, folder):
    path = os.path.join(folder, "signalled.json")
    run = receivers.Feed(driver, [f"ecs:file:{path}"], count=100, linger=20000)
    receivers.wait_for(lambda: os.path.exists(path) and len(lines(path)) == 100)
    os.rename(path, path + ".moved")
    run.process.send_signal(signal.SIGHUP)
    is_back = receivers.wait_for(lambda: os.path.exists(path))
    run.process.send_signal(signal.SIGKILL)
    run.process.communicate()
    tap.check("after SIGHUP a file that was moved away is opened anew",
              ([] if is_back else ["it is not there"]) + list(differences(lines(path + ".moved"), range(1, 101))))

    path = os.path.join(folder, "asked.json")
    run = receivers.Feed(driver, [f"ecs:file:{path}"], count=100, linger=20000)
    receivers.wait_for(lambda: os.path.exists(path) and len(lines(path)) == 100)
    run.process.send_signal(signal.SIGUSR1)
    is_aside = receivers.wait_for(lambda: aside(path) and os.path.exists(path))
    run.process.send_signal(signal.SIGKILL)
    run.process.communicate()
    tap.check("a file is put aside when that is asked for", [] if is_aside else ["it is not"])


def check_heads(tap, driver, folder):
    path = os.path.join(folder, "zeek")
    run = feed(driver, f"zeek:dir:{path}?rotate=8K", count=100)
    names = sorted(os.listdir(path))
    reasons = list(sums(run, sent=100))
    firsts = {name: lines(os.path.join(path, name))[:1] for name in names}
    reasons += [f"{name} begins with {first}" for name, first in firsts.items() if not first[0].startswith("#separator")]
    if len(names) < 3:
        reasons.append(f"the folder has {names}")
    tap.check("every file of a folder begins with the head of its stream", reasons)


def check_stdout(tap, driver):
    run = feed(driver, "ecs:-", count=500)
    got = [line for line in run.stdout.decode().split("\n") if line.startswith('{"n"')]
    tap.check("standard output has every document", [*sums(run, sent=500), *differences(got, range(1, 501))])
    process = subprocess.Popen([driver, "--count=200000", "ecs:-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1000)
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    code = process.wait(timeout=30)
    tap.check("a reader of standard output that goes ends the waiting",
              [] if code == 0 and "standard output can't be written" in said else [f"exit code {code}: {said[-300:]}"])


def check_unix(tap, driver, folder):
    path = os.path.join(folder, "socket")
    first = receivers.TcpReceiver(path=path)
    run = feed(driver, f"ecs:unix:{path}", count=2000)
    got = first.bytes().decode().split("\n")[:-1]
    tap.check("a unix socket gets every document", [*sums(run, sent=2000), *differences(got, range(1, 2001))])
    first.close()
    os.unlink(path)
    run = receivers.Feed(driver, [f"ecs:unix:{path}?backoff_max=200ms"], count=2000, until_idle=20000)
    time.sleep(0.3)
    second = receivers.TcpReceiver(path=path)
    run.wait()
    got = second.bytes().decode().split("\n")[:-1]
    tap.check("a reader that comes later gets all of it", [*sums(run, sent=2000), *differences(got, range(1, 2001))])
    second.close()


def check_disk_full(tap, driver, folder):
    mount = os.path.join(folder, "small")
    os.mkdir(mount)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], check=False,
                                           capture_output=True).returncode != 0:
        tap.skipped("a full disk loses nothing", "mounting a small disk needs root")
        return
    try:
        path, ballast = os.path.join(mount, "full.json"), os.path.join(mount, "ballast")
        with open(ballast, "wb") as file:
            file.write(b"x" * (900 << 10))
        run = receivers.Feed(driver, [f"ecs:file:{path}?backoff_max=200ms&batch_max=16K"], count=3000, until_idle=20000)
        receivers.wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
        time.sleep(0.3)
        torn = [line for line in lines(path) if not line.endswith('"}')]
        os.unlink(ballast)
        run.wait()
        reasons = [*sums(run, sent=3000), *differences(lines(path), range(1, 3001))]
        if torn or "No space left" not in run.stderr:
            reasons.append(f"torn {torn[:3]}, said: {run.stderr}")
        tap.check("a full disk loses nothing, and tears no line", reasons)
    finally:
        subprocess.run(["umount", mount], check=False)


def main():
    driver = os.path.abspath(sys.argv[1])
    tap = Tap()
    with scratch() as folder:
        check_plain(tap, driver, folder)
        check_filters(tap, driver, folder)
        check_rotation(tap, driver, folder)
        check_time(tap, driver, folder)
        check_signals(tap, driver, folder)
        check_heads(tap, driver, folder)
        check_stdout(tap, driver)
        check_unix(tap, driver, folder)
        check_disk_full(tap, driver, folder)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
