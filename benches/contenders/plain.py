"""The same protocol as one would plainly write it in Python, with posix_ipc.

plain.py premise|conclusion QUEUE_NAME ITERATIONS
"""

import hashlib
import json
import sys
import time

import posix_ipc


def md5_hex(text):
    return hashlib.md5(text).hexdigest().encode()


def hear(queue, own):
    """The next message of the peer, and how often the own message was sent back."""
    own_messages = 0
    while True:
        heard, _priority = queue.receive()
        if heard != own:
            return heard, own_messages
        own_messages += 1
        queue.send(own)


def premise(queue_name, iterations):
    queue = posix_ipc.MessageQueue(
        queue_name, posix_ipc.O_CREX, mode=0o600, max_messages=10, max_message_size=32
    )
    own = b"Sun Nov 22 23:42:00 2026"
    own_messages = 0
    times = [0] * iterations  # the clock after each reply
    queue.send(own)
    for i in range(iterations):
        heard, handed_back = hear(queue, own)
        own_messages += handed_back
        if heard != md5_hex(own):
            sys.exit(f"corrupted: {heard!r}")
        own = md5_hex(heard)
        queue.send(own)
        times[i] = time.perf_counter_ns()
    queue.unlink()

    round_trips = sorted(after - before for before, after in zip(times, times[1:]))

    def percentile(part):
        """The smallest value that `part` of ten thousand do not exceed."""
        return round_trips[-(-len(round_trips) * part // 10_000) - 1]

    report = {
        "iterations": iterations,
        "seconds": (times[-1] - times[0]) / 1e9,
        "round_trip_ns": {
            "p50": percentile(5000),
            "p90": percentile(9000),
            "p99": percentile(9900),
            "p99_9": percentile(9990),
            "p99_99": percentile(9999),
            "max": round_trips[-1],
        },
        "own_messages": own_messages,
    }
    print(json.dumps(report))


def conclusion(queue_name, iterations):
    while True:
        try:
            queue = posix_ipc.MessageQueue(queue_name)
            break
        except posix_ipc.ExistentialError:
            time.sleep(0.001)
    own = None
    for i in range(iterations):
        heard, _ = hear(queue, own)
        if i > 0 and heard != md5_hex(own):
            sys.exit(f"corrupted: {heard!r}")
        own = md5_hex(heard)
        queue.send(own)


if __name__ == "__main__":
    role, name, iterations = sys.argv[1:4]
    {"premise": premise, "conclusion": conclusion}[role](name, int(iterations))
