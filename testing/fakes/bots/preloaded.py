"""Programs that fork bots as a preloaded process does, or only say so: their code, for `python -c`."""

BEGINNING = """
import os, select, signal, socket, struct, sys, time
control = socket.socket(fileno=int(os.environ["PODLINE_FORKS"]))
print("imported", flush=True)

def say(text):
    control.send(text.encode())

def asked():
    packet, descriptors, _, _ = socket.recv_fds(control, 100, 2)
    if not packet:
        sys.exit()
    return descriptors

def bot(log, stream, own_session=True):
    begun, begins = os.pipe()
    pid = os.fork()
    if pid == 0:
        if own_session:
            os.setsid()
        os.write(stream, b"up")
        os.write(log, os.read(stream, 1000))
        os.write(begins, b".")
        time.sleep(600)
    for descriptor in (log, stream, begins):
        os.close(descriptor)
    os.read(begun, 1)
    os.close(begun)
    return pid
"""
_READY = """
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
say('{"problem": null}')
"""
HONEST = f"""{BEGINNING}{_READY}
forked = set()
while True:
    if select.select([control], [], [], 0.01)[0]:
        forked.add(bot(*asked()))
    for pid in list(forked):
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            forked.remove(pid)
            say('{{"pid": %d, "status": %d}}' % (pid, os.waitstatus_to_exitcode(status)))
"""
"""It keeps to what is agreed."""


def after_ready(code: str) -> str:
    """A program that has nothing to hide at first, and then runs this code."""
    return f"{BEGINNING}{_READY}{code}\ntime.sleep(600)\n"
