"""Runs a Python program in a process that ends with 97 as soon as it makes a socket, asks for a name, or starts another
program, which could do so. Nothing in the program can catch that.

python tests/no_sockets.py PROGRAM [ARGUMENT …]
"""

import os
import runpy
import sys

FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.")


def refuse(event: str, arguments: object) -> None:
    if event.startswith(FORBIDDEN):
        os.write(2, f"FORBIDDEN: {event} {arguments!r}\n".encode())
        os._exit(97)


if __name__ == "__main__":
    sys.addaudithook(refuse)
    del sys.argv[0]
    sys.path[0] = ""  # as it would be without this file
    runpy.run_path(sys.argv[0], run_name="__main__")
