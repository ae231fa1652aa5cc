"""What ./dev bench sets up on the machine, and how it goes again.

A Journal is a directory of its own with a list of what was made: cgroups, mounts, swap
areas, zram devices. Each is written down before it is made, or at once after where the
kernel chooses its name, and undone in the opposite order. Undoing looks at what is there,
not at how far one had come, so it may be interrupted and done again. A bench that was
killed leaves its directory, and the next one does this for it: the lock on it tells the
dead from the living.
"""
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "fl-bench."  # and the process's id, so that who looks at a leftover knows whose it is
CONTROL = "/sys/class/zram-control"
UNDO_S = 60


def text_of(path, default=""):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return default


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def tool(*args):
    """Runs a command of the system; what it complains of is the error. A Ctrl-C is ours, not its."""
    r = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, check=False, start_new_session=True)
    if r.returncode:
        raise OSError("%s: %s" % (args[0], r.stdout.strip() or "exit status %d" % r.returncode))


def swaps():
    """The swap areas in use and their priorities."""
    lines = text_of("/proc/swaps").splitlines()[1:]
    return {line.split()[0]: int(line.split()[-1]) for line in lines}


def repeat(condition):
    """Looks until it is so: a process that was killed takes its time to go."""
    end = time.monotonic() + UNDO_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def undo_cgroup(path):
    """Whoever is still in it was started by us."""
    def gone():
        for pid in text_of(os.path.join(path, "cgroup.procs")).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True

    if not repeat(gone):
        raise OSError("%s: still in use" % path)


def undo_swap(path):
    if path in swaps():
        tool("swapoff", path)


def undo_zram(number):
    if not os.path.exists("/sys/block/zram" + number):
        return
    undo_swap("/dev/zram" + number)

    def gone():
        try:
            put("/sys/block/zram%s/reset" % number, "1")
            put(CONTROL + "/hot_remove", number)
        except OSError:  # who looks at new devices may have it open for a moment
            return not os.path.exists("/sys/block/zram" + number)
        return True

    if not repeat(gone):
        raise OSError("/dev/zram%s: still in use" % number)


def undo_mount(path):
    if os.path.ismount(path):
        tool("umount", path)


def undo_controller(path):
    """The memory controller was not given to the root's children before."""
    put(path, "-memory")


UNDO = {"cgroup": undo_cgroup, "swap": undo_swap, "zram": undo_zram, "mount": undo_mount,
        "controller": undo_controller}


class Journal:
    def __init__(self, path=None):
        self.path = path or tempfile.mkdtemp(prefix="%s%d." % (PREFIX, os.getpid()))
        self.list = os.path.join(self.path, "made")
        self.lock = open(os.path.join(self.path, "lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def note(self, kind, what):
        with open(self.list, "a") as f:
            f.write("%s %s\n" % (kind, what))

    def undo(self):
        """Takes everything back; a list of what could not be, whose directory stays then."""
        bad = []
        for line in reversed(text_of(self.list).splitlines()):
            kind, what = line.split(" ", 1)
            try:
                UNDO[kind](what)
            except OSError as e:
                bad.append("%s %s: %s" % (kind, what, e))
        if not bad:
            shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()
        return bad


def clear_dead(say):
    """What benches left that were killed."""
    for lock in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*", "lock")):
        path = os.path.dirname(lock)
        try:
            journal = Journal(path)
        except OSError:  # it lives, or is another user's
            continue
        bad = journal.undo()
        say("bench: left by one that was killed: %s: %s" % (path, "; ".join(bad) or "removed"))
