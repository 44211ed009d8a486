"""Starts LocalStack from its Python packages, reachable at RYDES_HOST alone: by default from this machine.

It writes down which process it is before anything else. Then it changes LocalStack 4.14.0 in eight
places. LocalStack binds every interface, also where GATEWAY_LISTEN names one host: the endpoint it
binds is replaced by one that keeps to RYDES_HOST, 127.0.0.1 or 0.0.0.0; and where it lets 50 connections
wait, so that the next ones are tried again after a second, this one lets 1,024. LocalStack
downloads parts of itself that are missing, from elsewhere and without a hash: here it refuses to,
and the service fails. Its web server parses every request as the submission of a form, which takes a
sixth of the processor time of a small request and which nothing asks for: here it does not. It also
writes a line about every request to a log that nothing reads: here it does not. And a thread with an
answer waits until the web server has taken each part of it, which takes a fifteenth of the processor
time of a small request: here it does not wait. LocalStack reads the descriptions of all 400 services at
its first request, to make an index of them: here the first start makes it in a process of its own
meanwhile, and keeps it for later ones, which saves those half of their processor time and half of their
memory. Its log warns six times of each subscription that a list names, about fields that SNS leaves
out of the list: here it does not. And of its many threads only one can run at a time: on Linux all of them
stay on one core once it is ready, since to pass from core to core takes a sixth of its processor time.

What a start leaves in memory mostly stays there for good. So Python does not search it for garbage:
not while LocalStack starts, which saves a fifth of the processor time, nor later.
"""

import functools
import gc
import logging
import os
import runpy
import shutil
import subprocess
import sys
import threading


gc.disable()


def identity():
    """Process id, start time and command line, as src/tools/localstack/identity.rs reads them."""
    try:
        with open("/proc/self/stat", "rb") as file:
            started = file.read().rpartition(b") ")[2].split()[19]
        with open("/proc/self/cmdline", "rb") as file:
            command = file.read()
    except FileNotFoundError:
        started, command = ps("lstart="), ps("command=")
    return b"%d %s\n%s" % (os.getpid(), started, command)


def ps(what):
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"}
    line = ["ps", "-ww", "-o", what, "-p", str(os.getpid())]
    return subprocess.check_output(line, env=environment).strip()


def write_identity(path):
    """Makes the file; ends where there is one, or where the folder has gone."""
    try:
        with open(path, "xb") as file:
            file.write(identity())
    except OSError as error:
        sys.exit(f"cannot write {path}: {error}")


write_identity(os.path.join(os.environ["RYDES_RUN"], "main"))

from localstack.aws import spec  # noqa: E402
from localstack.logging import setup  # noqa: E402
from localstack.packages import api  # noqa: E402
from localstack.runtime import runtime  # noqa: E402
from twisted.internet import endpoints  # noqa: E402
from twisted.web import http, server, wsgi  # noqa: E402


class ChosenEndpoint(endpoints.TCP4ServerEndpoint):
    def __init__(self, reactor, port, backlog=1024, interface=os.environ["RYDES_HOST"]):
        super().__init__(reactor, port, backlog, interface)


def install(self, target=None):
    if not self.is_installed():
        raise api.PackageException(f"{self.name} {self.version} is missing and is not downloaded")


def kept_index():
    """Beside what Python compiled: both are thrown away where a start fails."""
    return os.path.join(sys.pycache_prefix, spec._get_catalog_filename())


def index_of_services(path, build=spec.build_service_index_cache):
    kept = kept_index()
    try:
        return spec.load_service_index_cache(kept)
    except Exception:  # It is not there, or damaged.
        index = build(path)
    partial = f"{kept}.{os.getpid()}"
    try:
        # Another LocalStack may start now and read it: it appears whole.
        shutil.copyfile(path, partial)
        os.replace(partial, kept)
    except OSError:
        pass  # The next start makes it again.
    return index


def index_ahead():
    """Makes the index in another process, while this one compiles what it imports. Where that fails,
    it is made when it is wanted."""
    helper = os.fork()
    if helper:
        threading.Thread(target=os.waitpid, args=(helper, 0), daemon=True).start()
        return
    try:
        index_of_services(os.path.join(os.environ["RYDES_RUN"], "index"))
    finally:
        os._exit(0)


def stay_on_one_core():
    """The process id chooses which, so that several LocalStacks are spread. Threads have the core of the one that
    starts them; the Java of DynamoDB Local runs already, on all cores."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    core = cores[os.getpid() % len(cores)]
    for _ in range(2):  # A thread may have started another before it was its turn.
        for thread in os.listdir("/proc/self/task"):
            try:
                os.sched_setaffinity(int(thread), {core})
            except OSError:
                pass  # It has ended, or may not choose.


def ready(self, on_ready=runtime.LocalstackRuntime._on_ready):
    gc.freeze()
    gc.enable()
    stay_on_one_core()
    on_ready(self)


def hand_on(reactor, write, *arguments):
    """The end of the answer, which is handed on in the same way, comes after it. What goes wrong with a
    part is logged, and no longer cuts the connection."""
    reactor.callFromThread(write, *arguments)


endpoints.TCP4ServerEndpoint = ChosenEndpoint
api.PackageInstaller.install = install
http.HTTPFactory.log = lambda self, request: None
wsgi.blockingCallFromThread = hand_on
server.Site.__init__ = functools.partialmethod(server.Site.__init__, parsePOSTFormSubmission=False)
setup.default_log_levels["localstack.aws.protocol.serializer"] = logging.ERROR
runtime.LocalstackRuntime._on_ready = ready
spec.build_service_index_cache = index_of_services
if not os.path.exists(kept_index()):
    index_ahead()
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
