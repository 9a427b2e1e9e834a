"""Sets each of a list of socket options on each kind of socket, and tells what happened.

options.py FILE: the file holds a JSON array of [name, level, option, value], each a plain int. The
answer is one line of JSON: {"IPv4 connected IP_TTL 42": ["ok", 42], ...}; the connections are used
after that, and must carry data.
"""

import errno
import json
import socket
import sys
import threading

SIZE = 20_000
FAMILIES = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1")}


def ask(sock, level, option, value):
    """What setting and reading back give; the value is -1 where it cannot be read."""
    try:
        sock.setsockopt(level, option, value)
        answer = "ok"
    except OSError as error:
        answer = errno.errorcode[error.errno]
    try:
        return [answer, sock.getsockopt(level, option)]
    except OSError:
        return [answer, -1]


def transfer(source, target):
    """Carries data one way and insists that it arrives."""
    sender = threading.Thread(target=source.sendall, args=(b"x" * SIZE,))
    sender.start()
    left = SIZE
    while left > 0:
        left -= len(target.recv(left)) or sys.exit("the connection has ended early")
    sender.join()


def main():
    """Goes through all of them."""
    answers = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        options = json.load(file)
    for family, (domain, address) in FAMILIES.items():
        for name, level, option, value in options:
            if level == socket.IPPROTO_IPV6 and domain == socket.AF_INET:
                continue
            fresh = socket.socket(domain)
            fresh.settimeout(10)
            listener = socket.socket(domain)
            listener.bind((address, 0))
            listener.listen()
            sockets = {"fresh": fresh, "listening": listener}
            for kind, sock in sockets.items():
                answers[f"{family} {kind} {name} {value}"] = ask(sock, level, option, value)
            fresh.connect(listener.getsockname())
            accepted, _ = listener.accept()
            transfer(fresh, accepted)
            other = socket.create_connection(listener.getsockname()[:2], 10)
            accepted_other, _ = listener.accept()
            sockets = {"connected": other, "accepted": accepted_other}
            for kind, sock in sockets.items():
                answers[f"{family} {kind} {name} {value}"] = ask(sock, level, option, value)
            transfer(other, accepted_other)
            transfer(accepted_other, other)
            for sock in (fresh, listener, accepted, other, accepted_other):
                sock.close()
    print(json.dumps(answers))


main()
