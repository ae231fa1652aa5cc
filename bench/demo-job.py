"""Sessions of a web server's log: the job of ./dev demo.

Makes the events itself (nothing random, the same every time), keeps every one
of them in memory, and reports at the end, as scripts do that outgrow a small
machine. Standard output is the result, progress goes to standard error.
"""
import gc
import hashlib
import sys

# Everything is kept, so the collector would find nothing, and would read all of
# memory again and again to find it.
gc.disable()

EVENTS = int(sys.argv[1])
PAGES = ["/", "/search", "/cart", "/item/%d", "/help", "/login", "/pay"]


def events(n):
    x = 1
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        r = x >> 33
        session = i // 12 + r % 200  # most sessions of now, some a little older
        page = PAGES[r % 7]
        yield session, i * 37, (page % (r % 5000) if "%" in page else page), r % 900


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


sessions = {}
for i, (session, when, page, ms) in enumerate(events(EVENTS)):
    sessions.setdefault(session, []).append((when, page, ms))
    if i % (EVENTS // 4) == 0 and i:
        say("%d events in %d sessions" % (i, len(sessions)))
say("%d events in %d sessions" % (EVENTS, len(sessions)))

paid = 0
spent = {}
for number, visits in sessions.items():
    visits.sort()
    paid += any(page == "/pay" for _, page, _ in visits)
    for _, page, ms in visits:
        total = spent.setdefault(page, [0, 0])
        total[0] += 1
        total[1] += ms
say("sessions read again, %d kinds of page" % len(spent))

digest = hashlib.sha256()
for number, visits in sessions.items():
    digest.update(repr((number, visits)).encode())
print("sessions %d, with payment %d" % (len(sessions), paid))
for page, (count, ms) in sorted(spent.items(), key=lambda e: (-e[1][0], e[0]))[:5]:
    print("%-12s %8d visits, %6.1f ms" % (page, count, ms / count))
print("sha256 of everything", digest.hexdigest())
