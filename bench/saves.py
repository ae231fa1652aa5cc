"""A row of ./dev bench: redis saves its keys from a fork while it is written to.

Extra memory is natively what the tree's anonymous memory grows by from before the
save to its peak, shared pages counted once, as tests/programs/rss-sampler sees it.
Under Faultline it is the same of frames and swap in use, which hold all of it.
"""
import json
import os
import random
import re
import shutil
import socket
import subprocess
import time

from common import LIMIT_S, SAMPLER, TOOL, Figure, Row, TooLong, call, kill, say, under

KEYS = 50000
WRITES = 10000
VALUE_BYTES = 2000
SAMPLE_MS = 50


def commands(path, keys, seed):
    block = random.Random(seed).randbytes(1 << 16)
    with open(path, "wb") as f:
        for n, key in enumerate(keys):
            at = n * 40503 % ((1 << 16) - VALUE_BYTES)
            f.write(b"*3\r\n$3\r\nSET\r\n$9\r\nkey%06d\r\n$%d\r\n%s\r\n" %
                    (key, VALUE_BYTES, block[at:at + VALUE_BYTES]))


class Server:
    """A redis-server that runs by prefix, in a directory of its own."""

    def __init__(self, prefix, directory):
        self.path = os.path.join(directory, "socket")
        self.dump = os.path.join(directory, "dump.rdb")
        self.sample = os.path.join(directory, "sample")
        sampler = [SAMPLER, "-i", str(SAMPLE_MS), "-x", "faultline", "-o", self.sample, "--"]
        self.deadline = time.monotonic() + LIMIT_S
        self.process = subprocess.Popen(
            sampler + prefix + ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
                                "--appendonly", "no", "--dir", directory,
                                "--logfile", os.path.join(directory, "log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            self.connect()
        except BaseException:
            self.kill()
            raise

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            self.check()
            try:
                self.socket.connect(self.path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)
        self.socket.settimeout(LIMIT_S)
        self.input = self.socket.makefile("rb")
        self.pid = int(self.info("server", "process_id"))

    def check(self):
        if time.monotonic() > self.deadline:
            raise TooLong
        if self.process.poll() is not None:
            raise RuntimeError("redis-server ended with status %d" % self.process.returncode)

    def ask(self, command):
        try:
            self.socket.sendall(command.encode() + b"\r\n")
            line = self.input.readline().decode()
            if line[:1] == "$":
                return self.input.read(int(line[1:]) + 2).decode()
        except socket.timeout:
            raise TooLong
        if line[:1] not in ("+", ":"):
            raise RuntimeError("redis-server: %s: %s" % (command, line.strip() or "no answer"))
        return line

    def info(self, section, name):
        return re.search(r"^%s:(.*?)\r?$" % name, self.ask("INFO " + section), re.M).group(1)

    def pipe(self, path):
        with open(path) as f:
            return subprocess.Popen(["redis-cli", "-s", self.path, "--pipe"], stdin=f,
                                    stdout=subprocess.DEVNULL, start_new_session=True)

    def in_use(self):
        """Frames and swap, in bytes. The command itself waits for the time it is given."""
        seconds = str(SAMPLE_MS / 1000)
        ps = json.loads(call([TOOL, "ps", "--json", "--interval", seconds, str(self.pid)]))
        return ps["trees"][0]["ram_used_bytes"] + ps["trees"][0]["swap_used_bytes"]

    def anonymous(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"RssAnon:\s*(\d+)", f.read()).group(1)) * 1024

    def end(self):
        """The peak of its anonymous memory, in bytes."""
        self.socket.sendall(b"SHUTDOWN NOSAVE\r\n")
        if self.process.wait(timeout=LIMIT_S):
            raise RuntimeError("redis-server ended with status %d" % self.process.returncode)
        with open(self.sample) as f:
            return int(re.search(r"^peak_kib (\d+)", f.read(), re.M).group(1)) * 1024

    def kill(self):
        kill(self.process)


class Save(Row):
    def needs(self):
        for program in ("redis-server", "redis-cli"):
            if not shutil.which(program):
                return "%s is not installed" % program
        return None

    def prepare(self, bench):
        self.dir = os.path.join(bench.tmp, "bgsave")
        os.mkdir(self.dir)
        self.keys, self.writes = (os.path.join(self.dir, f) for f in ("keys", "writes"))
        commands(self.keys, range(KEYS), 1)
        commands(self.writes, random.Random(2).choices(range(KEYS), k=WRITES), 3)
        peak = self.save([])[2]
        what = "redis, peak %d MiB, BGSAVE with %d writes" % (peak >> 20, WRITES)
        self.figures = [Figure(what, "s", 2), Figure("memory and swap that it takes in addition", "MiB", 0)]
        self.variants = {"native": [], "no limit": under(),
                         "50% of the peak": under("--ram", "%dK" % (peak // 2048))}

    def run(self, variant):
        return self.save(self.variants[variant])[:2]

    def save(self, prefix):
        """Seconds, MiB in addition, and the peak in bytes if it runs natively."""
        directory = os.path.join(self.dir, "run")
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        server = Server(prefix, directory)
        try:
            self.load(server, self.keys)
            before = server.in_use() if prefix else server.anonymous()
            seconds, peak = self.during(server, bool(prefix))
            native_peak = server.end()
        finally:
            server.kill()
        return seconds, ((peak or native_peak) - before) / 2**20, native_peak

    def load(self, server, path):
        client = server.pipe(path)
        try:
            while client.poll() is None:
                server.check()
                time.sleep(0.01)
        finally:
            kill(client)
        if client.returncode:
            raise RuntimeError("redis-cli --pipe: exit status %d" % client.returncode)

    def during(self, server, managed):
        """Seconds of a save beside the writes, and the most in use; natively the sampler knows."""
        peak = 0
        start = time.time()
        server.ask("BGSAVE")
        client = server.pipe(self.writes)
        try:
            while not self.saved(server, client):
                if managed:
                    peak = max(peak, server.in_use())
                else:
                    time.sleep(SAMPLE_MS / 1000)
            if client.poll() is None:
                say("bgsave: it was over before the writes were: fewer copies than otherwise")
        finally:
            kill(client)
        # The child renames the file when all of it is written, and that changes its ctime.
        return os.stat(server.dump).st_ctime - start, peak

    def saved(self, server, client):
        server.check()
        if client.poll():
            raise RuntimeError("redis-cli --pipe: exit status %d" % client.returncode)
        # As long as there are writes under way no question would be answered.
        if client.returncode == 0 and server.info("persistence", "rdb_bgsave_in_progress") == "0" \
                and not os.path.exists(server.dump):
            raise RuntimeError("redis-server: the save has failed")
        return os.path.exists(server.dump)
