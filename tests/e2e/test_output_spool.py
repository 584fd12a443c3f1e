"""What waits in the spool: for receivers that are away, across processes that
are killed, behind damage, and beyond its size.

    MAILTAP_KILLS=N test_output_spool.py DRIVER     other than a hundred
"""

import glob
import os
import random
import subprocess
import sys
import time

import receivers
from harness import Tap, scratch
from receivers import differences, feed, sums

KILLS = 100


def unix_lines(receiver):
    return [line for part in receiver.data for line in bytes(part).decode().split("\n")[:-1]]


def check_away(tap, driver, folder):
    path, spool = os.path.join(folder, "away"), os.path.join(folder, "away.spool")
    spec = f"ecs:unix:{path}?spool={spool}&backoff_max=100ms"
    run = feed(driver, spec, count=5000, grace=300)
    reasons = list(sums(run, sent=0, spooled=5000, shed=0))
    if "No such file" not in run.stderr:
        reasons.append(f"it says {run.stderr}")
    tap.check("a receiver that is away for the whole run costs nothing: all of it is in the spool", reasons)
    receiver = receivers.TcpReceiver(path=path)
    run = feed(driver, spec, count=100, first=5001, until_idle=20000)
    tap.check("the next process sends what it finds first, then its own",
              [*sums(run, found=5000, sent=5100, spooled=0), *differences(unix_lines(receiver), range(1, 5101))])
    receiver.close()
    left = glob.glob(os.path.join(spool, "*.segment"))
    tap.check("a spool that is empty has no segments", [f"{left} are there"] if left else [])
    run = feed(driver, [spec, spec], count=1)
    tap.check("two outputs can't have one spool",
              [] if run.code == 3 and "in use by another output" in run.stderr else [f"{run.code}: {run.stderr}"])


def numbers_of(lines):
    return [int(line[5:line.index(",")]) for line in lines]


def check_kills(tap, driver, folder, kills):
    """Killed at random points, with a receiver and without, then drained: what had left the memory has come."""
    path, spool, mark = (os.path.join(folder, name) for name in ("killed", "killed.spool", "mark"))
    spec = f"ecs:file:{path}?spool={spool}&spool_max=8G&memory_max=2G&flush=2ms"
    chance = random.Random(4711)
    first, owed, reasons = 1, set(), []
    for _ in range(kills):
        run = receivers.Feed(driver, [spec], count=1000000, first=first, rate=chance.choice([20000, 100000, 300000]),
                             mark=mark, grace=0, size=chance.choice([100, 1000]))
        time.sleep(chance.uniform(0.01, 0.25))
        run.kill()
        if os.path.exists(mark):
            put, settled, shed = receivers.read_marks(mark)
            if shed:
                reasons.append(f"{shed} documents were shed, so nothing can be said of the others")
            os.unlink(mark)
            owed.update(range(first, first + settled))
            first += put + 1000
    run = feed(driver, spec, until_idle=30000)
    reasons += sums(run, shed=0, rejected=0, damaged=0, spooled=0)
    with open(path, encoding="utf-8") as file:
        came = file.read().split("\n")[:-1]
    torn = [line for line in came if not line.endswith('"}')]
    numbers = numbers_of(came)
    missing = sorted(owed - set(numbers))
    if missing:
        reasons.append(f"{len(missing)} documents that had reached the spool are lost: {missing[:5]}...")
    if torn:
        reasons.append(f"{len(torn)} torn lines: {torn[:3]}")
    if not owed:
        reasons.append("nothing was ever put")
    twice = len(numbers) - len(set(numbers))
    ordered = list(dict.fromkeys(numbers))
    if ordered != sorted(ordered):
        reasons.append("they are out of order")
    print(f"# {kills} kills, {len(owed)} documents owed, {len(set(numbers))} came, {twice} of them twice")
    tap.check(f"killed -9 {kills} times, no document is lost that had reached the spool", reasons)


def segments(spool):
    return sorted(glob.glob(os.path.join(spool, "*.segment")))


def check_damage(tap, driver, folder):
    path, spool = os.path.join(folder, "damaged"), os.path.join(folder, "damaged.spool")
    spec = f"ecs:unix:{path}?spool={spool}"
    feed(driver, spec, count=2000, grace=100)
    only = segments(spool)[0]
    size = os.path.getsize(only)
    with open(only, "r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 5000)
        file.seek(size * 3 // 4)
        file.write(b"\0")
    receiver = receivers.TcpReceiver(path=path)
    run = feed(driver, spec, until_idle=20000)
    receiver.close()
    numbers = numbers_of(unix_lines(receiver))
    lost = 2000 - len(numbers)
    reasons = [*sums(run, sent=len(numbers), damaged=lost, damages=2)]
    if not 12 <= lost <= 25 or numbers != sorted(set(numbers)) or {1, 2000} - set(numbers):
        reasons.append(f"{lost} documents are lost")
    tap.check("damage in the middle costs what it covers, and is counted", reasons)

    feed(driver, spec, count=1000, grace=100)
    os.unlink(path)
    with open(segments(spool)[0], "r+b") as file:
        file.truncate(os.path.getsize(segments(spool)[0]) - 100)
    with open(os.path.join(spool, "position"), "r+b") as file:
        file.write(os.urandom(80))
    receiver = receivers.TcpReceiver(path=path)
    run = feed(driver, spec, until_idle=20000)
    receiver.close()
    tap.check("a cut end costs the last document, a lost position none",
              [*sums(run, sent=999, damaged=1), *differences(unix_lines(receiver), range(1, 1000))])


def check_limits(tap, driver, folder):
    path = os.path.join(folder, "limits")
    for what in ("oldest", "newest"):
        spool = os.path.join(folder, what)
        spec = f"ecs:unix:{path}?spool={spool}&spool_max=4M&shed={what}"
        run = feed(driver, spec, count=20000, size=1000, rate=100000, grace=100)
        reasons = list(sums(run, sent=0))
        on_disk = sum(os.path.getsize(name) for name in segments(spool))
        if run.stats and run.stats[0]["shed"] == 0:
            reasons.append("nothing was shed")
        if on_disk > 4 << 20:
            reasons.append(f"the spool has {on_disk} bytes")
        receiver = receivers.TcpReceiver(path=path)
        drained = feed(driver, spec, until_idle=20000)
        receiver.close()
        os.unlink(path)
        numbers = numbers_of(unix_lines(receiver))
        reasons += sums(drained, sent=run.stats[0]["spooled"], found=run.stats[0]["spooled"])
        end, at = (20000, -1) if what == "oldest" else (1, 0)
        if not numbers or numbers[at] != end or len(numbers) != 20000 - run.stats[0]["shed"]:
            reasons.append(f"{len(numbers)} came, from {numbers[:1]} to {numbers[-1:]}")
        tap.check(f"a full spool sheds the {what}, and counts what it sheds", reasons)


def check_memory_only(tap, driver, folder):
    path = os.path.join(folder, "memory")
    for what in ("oldest", "newest"):
        run = receivers.Feed(driver, [f"ecs:unix:{path}?memory_max=4M&shed={what}&backoff_max=100ms"], count=20000,
                             size=1000, linger=600, until_idle=20000)
        time.sleep(0.5)
        receiver = receivers.TcpReceiver(path=path)
        run.wait()
        receiver.close()
        os.unlink(path)
        lines = unix_lines(receiver)
        reasons = list(sums(run, sent=len(lines), shed=20000 - len(lines)))
        numbers = numbers_of(lines)
        if not 2000 < len(numbers) < 5000 or numbers != sorted(set(numbers)):
            reasons.append(f"{len(numbers)} came")
        elif what == "oldest" and numbers[-1] != 20000 or what == "newest" and numbers != list(range(1, len(numbers) + 1)):
            reasons.append(f"they go from {numbers[0]} to {numbers[-1]}")
        tap.check(f"without a spool, memory is bounded and sheds the {what}", reasons)


def fill(path):
    """Until the disk is full."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(file, b"x" * 4096) > 0:
            pass
    except OSError:
        pass
    os.close(file)


def check_spool_disk_full(tap, driver, folder):
    mount, path = os.path.join(folder, "small"), os.path.join(folder, "full")
    os.mkdir(mount)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], check=False,
                                           capture_output=True).returncode != 0:
        tap.skipped("a full disk stops nothing while the receiver is there", "mounting a small disk needs root")
        return
    try:
        spec = f"ecs:unix:{path}?spool={mount}/spool&backoff_max=100ms"
        receiver = receivers.TcpReceiver(path=path)
        os.mkdir(f"{mount}/spool")
        for name in ("lock", "position"):
            with open(f"{mount}/spool/{name}", "wb") as file:
                file.write(b"\0" * (4096 if name == "position" else 0))
        fill(os.path.join(mount, "ballast"))
        run = feed(driver, spec, count=5000, until_idle=20000)
        reasons = [*sums(run, sent=5000, shed=0), *differences(unix_lines(receiver), range(1, 5001))]
        if "can't be written: No space left" not in run.stderr:
            reasons.append(f"it says {run.stderr}")
        tap.check("a full disk stops nothing while the receiver is there", reasons)
        receiver.close()
        os.unlink(path)
        os.unlink(os.path.join(mount, "ballast"))
        run = feed(driver, spec, count=5000, size=1000, grace=200)
        tap.check("what has no room on the disk waits in memory, and what nobody took is counted at the end",
                  [*sums(run, sent=0), *([] if run.stats and run.stats[0]["shed"] > 3000 else [run.stats])])
    finally:
        subprocess.run(["umount", mount], check=False)


def main():
    driver = os.path.abspath(sys.argv[1])
    kills = int(os.environ.get("MAILTAP_KILLS", KILLS))
    tap = Tap()
    with scratch() as folder:
        check_away(tap, driver, folder)
        check_kills(tap, driver, folder, kills)
        check_damage(tap, driver, folder)
        check_limits(tap, driver, folder)
        check_memory_only(tap, driver, folder)
        check_spool_disk_full(tap, driver, folder)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
