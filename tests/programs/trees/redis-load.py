"""A write load on a redis-server whose every command is known, so that what a fork
of the server saw can be named exactly.

    redis-load.py run SOCKET KEYS COMMAND STATE NOTES   load, fork by COMMAND, load on, check
    redis-load.py check SOCKET STATE fork|end           another server, with what was saved

Three connections write to keys of their own. The n-th command of a connection follows
from n alone, so the contents after n commands are known by replaying them. One of them
sends COMMAND (BGSAVE, BGREWRITEAOF) in the middle of its commands: its part of the
snapshot must be what its commands up to there make. The parts of the others must be what
some number of their commands makes, not less than were answered before COMMAND was
sent and not more than were sent before its answer. INCR and RPUSH show what is replayed
twice. Every value says what it is and is compared in whole.
"""
import json, random, socket, sys, time

STREAMS = 3
BATCH = 60
COUNTERS = 50
BLOCK = random.Random(1).randbytes(1 << 16)


def value(stream, key, n):
    mix = (key * 2654435761 + n * 40503 + stream * 97) & 0xFFFFFFFF
    return b"%d:%d:%d:" % (stream, key, n) + BLOCK[mix % 64000 :][: 400 + (mix >> 8) % 1000]


class Stream:
    """The commands of one connection and the contents that they make: name -> number, which
    is the command that set a value, a counter's value, or a list's length."""

    def __init__(self, number, keys):
        self.number, self.keys, self.count = number, keys, 0
        self.contents, self.pushed = {}, []

    def next(self):
        """Takes one more command into account; returns it and the name it changes."""
        n = self.count
        self.count += 1
        mix = (n * 2246822519 + self.number * 3266489917) & 0xFFFFFFFF
        mix ^= mix >> 15
        kind = mix % 16 if n >= self.keys else 15
        if kind == 0:
            self.pushed.append(b"%d" % n)
            self.contents["log"] = len(self.pushed)
            return "log", (b"RPUSH", b"%d:log" % self.number, b"%d" % n)
        if kind == 1:
            name = "counter%d" % ((mix >> 8) % COUNTERS)
            self.contents[name] = self.contents.get(name, 0) + 1
            return name, (b"INCR", b"%d:%s" % (self.number, name.encode()))
        key = (mix >> 4) * 16807 % self.keys if n >= self.keys else n
        name = b"%d:%d" % (self.number, key)
        if kind == 2:
            self.contents.pop(key, None)
            return key, (b"DEL", name)
        self.contents[key] = n
        return key, (b"SET", name, value(self.number, key, n))

    def replay(self, count):
        while self.count < count:
            self.next()


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.input = self.socket.makefile("rb", 1 << 16)

    def send(self, commands):
        out = []
        for words in commands:
            out.append(b"*%d\r\n" % len(words))
            for word in words:
                out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))

    def reply(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ValueError("the server says " + rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.input.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def ask(self, *words):
        self.send([words])
        return self.reply()

    def info(self, name):
        for line in self.ask(b"INFO").decode().splitlines():
            if line.startswith(name + ":"):
                return line.split(":")[1]
        raise ValueError("INFO has no " + name)


def contents(connection, stream, longest):
    """What the server has of a stream, as Stream.contents. longest.pushed is what may be in its list."""
    found, wrong = {}, []
    for start in range(0, stream.keys, 200):
        keys = range(start, min(start + 200, stream.keys))
        for key, got in zip(keys, connection.ask(b"MGET", *(b"%d:%d" % (stream.number, k) for k in keys))):
            if got is None:
                continue
            try:
                n = int(got.split(b":", 3)[2])
            except (IndexError, ValueError):
                n = -1
            if n < 0 or got != value(stream.number, key, n):
                wrong.append(key)
            found[key] = n
    for i in range(COUNTERS):
        got = connection.ask(b"GET", b"%d:counter%d" % (stream.number, i))
        if got is not None:
            found["counter%d" % i] = int(got)
    pushed = connection.ask(b"LRANGE", b"%d:log" % stream.number, b"0", b"-1")
    if pushed:
        found["log"] = len(pushed)
        if pushed != longest.pushed[: len(pushed)]:
            wrong.append("log")
    if wrong:
        raise SystemExit("stream %d: %d values are damaged, first %s" % (stream.number, len(wrong), wrong[0]))
    return found


def compare(connection, keys, bounds, what):
    """Whether each stream is what its commands make, with their number within the bounds."""
    total = 0
    for number, (least, most) in enumerate(bounds):
        longest = Stream(number, keys)
        longest.replay(most)
        stream = Stream(number, keys)
        stream.replay(least)
        found = contents(connection, stream, longest)
        names = set(found) | set(stream.contents)
        bad = {name for name in names if found.get(name) != stream.contents.get(name)}
        first = sorted(bad, key=str)[:5]
        while bad and stream.count < most:
            name = stream.next()[0]
            (bad.discard if found.get(name) == stream.contents.get(name) else bad.add)(name)
        if bad:
            raise SystemExit("%s: stream %d is not what %d to %d commands make: %s" % (
                what, number, least, most, [(n, found.get(n)) for n in first]))
        total += len(found)
    if connection.ask(b"DBSIZE") != total:
        raise SystemExit("%s: %d keys too many" % (what, connection.ask(b"DBSIZE") - total))
    print("%s: every key and value is as it should be" % what)


class Load:
    def __init__(self, path, keys):
        self.streams = [Stream(i, keys) for i in range(STREAMS)]
        self.connections = [Connection(path) for _ in range(STREAMS)]
        self.control = Connection(path)

    def round(self, count, command=None):
        """count commands on each connection, all under way at once. Returns the bounds at command."""
        before = [s.count for s in self.streams]
        middle = 0
        for s, c in zip(self.streams, self.connections):
            commands = [s.next()[1] for _ in range(count)]
            if command and s.number == 0:
                middle = before[0] + count // 2
                commands.insert(count // 2, (command,))
            c.send(commands)
        for s, c in zip(self.streams, self.connections):
            for i in range(count + (1 if command and s.number == 0 else 0)):
                reply = c.reply()
                if command and s.number == 0 and i == count // 2 and not reply.endswith(b"started"):
                    raise SystemExit("%s: %s" % (command, reply))
        bounds = [[b, s.count] for b, s in zip(before, self.streams)]
        bounds[0] = [middle, middle]
        return bounds


def run(path, keys, command, state, notes):
    keys = int(keys) // STREAMS
    load = Load(path, keys)
    running, outcome = {
        "BGSAVE": ("rdb_bgsave_in_progress", "rdb_last_bgsave_status"),
        "BGREWRITEAOF": ("aof_rewrite_in_progress", "aof_last_bgrewrite_status"),
    }[command]
    started = time.monotonic()
    for _ in range((keys + keys // 4) // BATCH + 1):
        load.round(BATCH)
    forked = time.monotonic()
    fork = load.round(BATCH, command.encode())
    rounds = ended = 0
    while rounds < keys // 8 // BATCH or not ended:
        # All it can at first, then a trickle until the child has come to its end.
        load.round(BATCH if rounds < keys // 8 // BATCH else 4)
        rounds += 1
        if not ended and load.control.info(running) == "0":
            ended, writes = time.monotonic(), sum(x.count for x in load.streams)
    if load.control.info(outcome) != "ok":
        raise SystemExit("%s: %s" % (command, load.control.info(outcome)))
    end = [[s.count, s.count] for s in load.streams]
    with open(notes, "a") as f:
        print("load %.1f s" % (forked - started), file=f)
        print("%s %.1f s with %d writes beside it" % (command, ended - forked, writes - sum(most for _, most in fork)), file=f)
        print("fork %s ms" % (int(load.control.info("latest_fork_usec")) // 1000), file=f)
    with open(state, "w") as f:
        json.dump({"keys": keys, "fork": fork, "end": end}, f)
    started = time.monotonic()
    compare(load.control, keys, end, "the parent after " + command)
    with open(notes, "a") as f:
        print("read back %.1f s" % (time.monotonic() - started), file=f)


def check(path, state, which):
    with open(state) as f:
        s = json.load(f)
    compare(Connection(path), s["keys"], s[which], "what was saved, loaded natively")


{"run": run, "check": check}[sys.argv[1]](*sys.argv[2:])
