"""Starts LocalStack from its Python packages, reachable from this machine alone.

LocalStack 4.14.0 binds every interface whatever the host in GATEWAY_LISTEN says, so the endpoint it
binds is replaced by one that keeps to the loopback interface.
"""

import runpy

from twisted.internet import endpoints


class LoopbackEndpoint(endpoints.TCP4ServerEndpoint):
    def __init__(self, reactor, port, backlog=50, interface="127.0.0.1"):
        super().__init__(reactor, port, backlog, interface)


endpoints.TCP4ServerEndpoint = LoopbackEndpoint
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
