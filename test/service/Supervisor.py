"""A supervisor of the tests' own, which does what systemd does for Type=notify, Restart=always, WatchdogSec and
KillMode=process, and nothing else. One JSON line per event on stdout. SIGUSR1 kills the main process, SIGTERM stops.

usage: Supervisor.py SOCKET WATCHDOG_USEC PROGRAM [ARGS...]
"""
import array, json, os, signal, socket, subprocess, sys, time

path, watchdog, argv = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind(path)
inbox.settimeout(0.05)
stopping = False
child = None


def say(**event):
    print(json.dumps({"at": time.monotonic(), "pid": child.pid if child else None, **event}), flush=True)


def stop(*_):
    global stopping
    stopping = True
    child.terminate()


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, lambda *_: child.kill())

while True:
    environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(watchdog)}
    child = subprocess.Popen(argv, env=environment, start_new_session=True)
    say(event="started")
    ready = False
    alive = time.monotonic()
    while child.poll() is None:
        try:
            data, descriptors, _, _ = inbox.recvmsg(4096, socket.CMSG_SPACE(4))
        except socket.timeout:
            data, descriptors = b"", []
        # The sender of BARRIER=1 waits until these are closed.
        for _, _, raw in descriptors:
            for one in array.array("i", raw):
                os.close(one)
        for line in data.decode().splitlines():
            if line == "BARRIER=1":
                continue
            if line in ("READY=1", "WATCHDOG=1"):
                ready = ready or line == "READY=1"
                alive = time.monotonic()
            say(event="said", line=line)
        if ready and not stopping and time.monotonic() - alive > watchdog / 1e6:
            say(event="watchdog")
            # Only the main process.
            child.send_signal(signal.SIGABRT)
            ready = False
    say(event="ended", code=child.returncode)
    if stopping:
        sys.exit(0)
    time.sleep(0.2)
