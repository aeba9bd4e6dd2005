#!/usr/bin/python3
"""hang_up.py FILE LINES COMMAND...: runs the command in an interactive shell on a terminal of its own, as over SSH, and
drops the terminal once FILE has that many lines. Ends when no process of the command is left; after 200 s it fails."""
import os, pty, select, shlex, sys, time

path, lines, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
end = time.monotonic() + 200
alive, held = os.pipe()
os.set_inheritable(held, True)  # open in every process of the command
pid, terminal = pty.fork()
if pid == 0:
    os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
os.close(held)
os.write(terminal, (" ".join(map(shlex.quote, command)) + "\n").encode())
while not os.path.exists(path) or open(path).read().count("\n") < lines:
    if select.select([terminal], [], [], 0.01)[0]:
        os.read(terminal, 65536)
    if time.monotonic() > end:
        sys.exit("hang_up.py: %s has not %d lines" % (path, lines))
os.close(terminal)
if not select.select([alive], [], [], max(0, end - time.monotonic()))[0]:
    sys.exit("hang_up.py: the command has not ended")
os.waitpid(pid, 0)
