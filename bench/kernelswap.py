"""The kernel's own swap as a side of ./dev bench: a memory cgroup and one swap device.

Each run has a cgroup of its own, version 1 or 2, whichever has the memory controller. The
device is the only one with the highest priority, and is in use only while a run lasts; areas
that the machine has are left alone. Nothing is tuned: swappiness, read-ahead and watermarks
are what the machine has.
"""
import contextlib
import itertools
import os
import re

from common import OutOfMemory, TooLong
from leftovers import CONTROL, put, swaps, text_of, tool, undo_cgroup, undo_swap

SWAP_MIB = 2048
MOST_PRIORITY = 32767


class Cgroups:
    """Where memory cgroups can be made. OSError, if nowhere."""

    def __init__(self, journal):
        self.journal = journal
        self.numbers = itertools.count()
        self.root, self.version = self.mounted() or self.mount()
        if self.version == 2:
            self.delegate()

    def mounted(self):
        for line in text_of("/proc/self/mountinfo").splitlines():
            left, right = line.split(" - ")
            path, kind, options = left.split()[4], right.split()[0], right.split()[2].split(",")
            if kind == "cgroup" and "memory" in options:
                return path, 1
            if kind == "cgroup2" and "memory" in text_of(path + "/cgroup.controllers").split():
                return path, 2
        return None

    def mount(self):
        path = os.path.join(self.journal.path, "cgroup")
        os.mkdir(path)
        self.journal.note("mount", path)
        tool("mount", "-t", "cgroup", "-o", "memory", "fl-bench", path)
        return path, 1

    def delegate(self):
        control = self.root + "/cgroup.subtree_control"
        if "memory" not in text_of(control).split():
            put(control, "+memory")
            self.journal.note("controller", control)

    @contextlib.contextmanager
    def limited(self, ram_bytes):
        """A prefix for a command: it runs within the limit. OutOfMemory, if it is killed for that."""
        path = "%s/%s-%d" % (self.root, os.path.basename(self.journal.path), next(self.numbers))
        self.journal.note("cgroup", path)
        os.mkdir(path)
        put(path + ("/memory.limit_in_bytes" if self.version == 1 else "/memory.max"), str(ram_bytes))
        try:
            yield ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', path]
        except (RuntimeError, TooLong):
            self.check(path)
            raise
        else:  # a program may go on without one of its processes
            self.check(path)
        finally:
            undo_cgroup(path)

    def check(self, path):
        text = text_of(path + ("/memory.oom_control" if self.version == 1 else "/memory.events"))
        if re.search(r"^oom_kill [1-9]", text, re.M):
            raise OutOfMemory


def priority():
    return min(max(swaps().values(), default=0) + 1, MOST_PRIORITY)


def make_swap(path):
    tool("mkswap", "-L", "flb.%d" % os.getpid(), path)


class File:
    """A swap file beside the one that Faultline uses. The kernel's swap bypasses the page cache."""

    name = "file"

    def __init__(self, journal):
        self.path = os.path.join(journal.path, "swap")
        journal.note("swap", self.path)
        tool("fallocate", "-l", "%dM" % SWAP_MIB, self.path)
        os.chmod(self.path, 0o600)
        make_swap(self.path)


class Zram:
    """A zram device of our own, with lz4. Its memory is outside the cgroup, as always."""

    name = "zram"

    def __init__(self, journal):
        if not os.path.exists(CONTROL + "/hot_add"):
            raise OSError("no %s: modprobe zram" % CONTROL)
        number = text_of(CONTROL + "/hot_add")
        if not number:
            raise OSError("%s/hot_add: no device" % CONTROL)
        journal.note("zram", number)
        self.path = "/dev/zram" + number
        put("/sys/block/zram%s/comp_algorithm" % number, "lz4")
        put("/sys/block/zram%s/disksize" % number, "%dM" % SWAP_MIB)
        make_swap(self.path)


class KernelSwap:
    """One device, and the cgroups; limited() is a run on it."""

    def __init__(self, journal, cgroups, device):
        self.cgroups = cgroups
        self.path = device(journal).path
        with self.on():  # whether it can be
            pass

    @contextlib.contextmanager
    def on(self):
        try:
            tool("swapon", "-p", str(priority()), self.path)
            yield
        finally:
            undo_swap(self.path)

    @contextlib.contextmanager
    def limited(self, ram_bytes):
        with self.on(), self.cgroups.limited(ram_bytes) as prefix:
            yield prefix
