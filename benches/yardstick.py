"""What both yardsticks share: a stack of their own, the messages, the counting, the figures.

A yardstick is a script against which `rydes bench` is measured: the same messages, the same rows,
the same LocalStack, and the same figures at the end. This file knows nothing of how requests are
grouped; that is what the yardsticks differ in.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import math
import os
import random
import resource
import signal
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

# The longest wait of a receive that SQS allows, in seconds.
LONG_POLL = 20
# Quotes count as lost when none at all has come for this long, twice the visibility timeout.
PATIENCE = 60
# How long a request is open. No provider looks at it here.
DEADLINE = timedelta(seconds=60)
# How long rows are kept.
KEPT = timedelta(days=7)


def options(description: str) -> argparse.ArgumentParser:
    """The options that all yardsticks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--endpoint", type=loopback, default="http://127.0.0.1:4566", metavar="URL")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="RFQs to measure")
    parser.add_argument("--providers", type=int, default=10, metavar="M")
    parser.add_argument("--warm-up", type=int, default=20, metavar="K", help="RFQs before that")
    return parser


def loopback(url: str) -> str:
    """Refuses whatever is not on this machine: the load is for LocalStack alone."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return url
    raise argparse.ArgumentTypeError(f"{url} is not a loopback address")


class Meter:
    """Counts the requests that go out by operation, retries included: they are the bill."""

    def __init__(self):
        self._counts = Counter()
        self._lock = threading.Lock()

    def watch(self, client):
        client.meta.events.register("before-send", self._count)

    def _count(self, event_name: str, **_):
        with self._lock:
            self._counts[event_name.removeprefix("before-send.")] += 1

    def read(self) -> Counter:
        with self._lock:
            return Counter(self._counts)


@dataclass
class Stack:
    """The clients, and the resources while they are there."""

    sns: object
    sqs: object
    dynamodb: object
    meter: Meter
    topic: str = ""
    responses: str = ""
    table: str = ""
    queues: dict[str, str] = field(default_factory=dict)  # URLs by provider


def connect(endpoint: str) -> Stack:
    # A shell's leftovers (a profile, a certificate, a proxy) would change what is measured.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # Checking every parameter against the service's model is for development; it costs time.
    config = Config(
        max_pool_connections=100,
        parameter_validation=False,
        tcp_keepalive=True,
        retries={"mode": "standard", "max_attempts": 5},
        proxies={},
    )
    session = boto3.Session("test", "test", region_name="us-east-1")
    meter = Meter()
    clients = [
        session.client(service, endpoint_url=endpoint, config=config)
        for service in ("sns", "sqs", "dynamodb")
    ]
    for client in clients:
        meter.watch(client)
    return Stack(*clients, meter)


@contextlib.contextmanager
def stack(endpoint: str, providers: int):
    """A topic, a queue per provider, a response queue and a table of a random name.

    They are removed at the end, also after an error; deleting the queues ends the polls that are
    under way. The queues have no policy that lets the topic send, since LocalStack asks for none.
    """
    made = connect(endpoint)
    name = f"yardstick-{uuid.uuid4().hex[:12]}"
    with contextlib.ExitStack() as undo:

        def queue(suffix: str) -> str:
            created = made.sqs.create_queue(QueueName=f"{name}-{suffix}")
            undo.callback(made.sqs.delete_queue, QueueUrl=created["QueueUrl"])
            return created["QueueUrl"]

        made.topic = made.sns.create_topic(Name=f"{name}-RequestForQuotesTopic")["TopicArn"]
        undo.callback(made.sns.delete_topic, TopicArn=made.topic)
        made.table = f"{name}-RidesBookingTable"
        keys = {"id": "HASH", "responder": "RANGE"}
        made.dynamodb.create_table(
            TableName=made.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        )
        undo.callback(made.dynamodb.delete_table, TableName=made.table)
        made.dynamodb.get_waiter("table_exists").wait(TableName=made.table)
        made.responses = queue("RequestForQuotesResponseQueue")
        for number in range(1, providers + 1):
            provider = f"UnicornManagementResource{number}"
            url = made.queues[provider] = queue(provider)
            arn = made.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            made.sns.subscribe(
                TopicArn=made.topic,
                Protocol="sqs",
                Endpoint=arn["Attributes"]["QueueArn"],
                Attributes={"RawMessageDelivery": "true"},
            )
        yield made


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> datetime:
    return datetime.now(timezone.utc)


def text_list(texts) -> dict:
    return {"L": [{"S": text} for text in texts]}


def expiry(at: datetime) -> dict:
    return {"N": str(int((at + KEPT).timestamp()))}


def new_request(providers) -> tuple[str, dict, str]:
    """The id, the row and the message of a new RFQ."""
    submitted = now()
    fields = {"from": "Frankfurt", "to": "Las Vegas", "customer": "yardstick"}
    times = {"submitted-at": rfc3339(submitted), "deadline": rfc3339(submitted + DEADLINE)}
    rfq = str(uuid.uuid4())
    row = {
        "id": {"S": rfq},
        "responder": {"S": "-"},
        **{name: {"S": text} for name, text in (fields | times).items()},
        "expected": text_list(providers),
        "until": text_list(["all"]),
        "expires-at": expiry(submitted + DEADLINE),
    }
    return rfq, row, json.dumps({"rfq-id": rfq} | fields | times)


def reply(provider: str, request: str) -> str:
    """The answer of a provider that always quotes, and at once."""
    received = rfc3339(now())
    return json.dumps(
        {
            "responder": provider,
            "rfq-id": json.loads(request)["rfq-id"],
            "quote": random.randint(0, 100),
            "received-at": received,
            "answered-at": rfc3339(now()),
        }
    )


def quote_row(message: dict) -> tuple[tuple[str, str], dict]:
    """The key and the row of a reply that was received."""
    answer = json.loads(message["Body"])
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    gathered = now()
    row = {
        "id": {"S": answer["rfq-id"]},
        "responder": {"S": answer["responder"]},
        "quote": {"N": str(answer["quote"])},
        "received-at": {"S": answer["received-at"]},
        "answered-at": {"S": answer["answered-at"]},
        "sent-at": {"S": rfc3339(datetime.fromtimestamp(sent, timezone.utc))},
        "gathered-at": {"S": rfc3339(gathered)},
        "expires-at": expiry(gathered),
    }
    return (answer["rfq-id"], answer["responder"]), row


class Mark(NamedTuple):
    """A moment, and what processor time the process had used by then, both in seconds."""

    at: float
    cpu: float

    @classmethod
    def now(cls) -> Mark:
        return cls(time.perf_counter(), time.process_time())


class Gathering:
    """What was submitted and what has come: told by the threads, waited for by the submitter."""

    def __init__(self, providers: int, meter: Meter):
        self._providers = providers
        self._meter = meter
        self._changed = threading.Condition()
        self._in_hand = 0
        self._error = None
        self.restart()

    def restart(self):
        """Forgets what was, which is the warm-up, and begins the span that is measured."""
        with self._changed:
            self._begun, self._quotes, self._took = {}, defaultdict(set), {}
            self._requests = self._meter.read()
            self._start = self._last = Mark.now()

    def begin(self, *rfqs: str):
        """To be called just before the request rows are written."""
        with self._changed:
            self._begun.update(dict.fromkeys(rfqs, time.perf_counter()))

    def written(self, *keys: tuple[str, str]):
        """To be called when the write of the quotes with these keys is confirmed."""
        with self._changed:
            self._last = Mark.now()
            for rfq, responder in keys:
                # A reply of the warm-up may be delivered again.
                if rfq in self._begun:
                    self._quotes[rfq].add(responder)
                    if len(self._quotes[rfq]) == self._providers:
                        self._took.setdefault(rfq, self._last.at - self._begun[rfq])
            self._changed.notify_all()

    @contextlib.contextmanager
    def in_hand(self):
        """Keeps `settle` waiting: what is received here is not deleted yet."""
        with self._changed:
            self._in_hand += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def fail(self, error: Exception):
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def wait(self):
        """Waits until every quote of what was submitted is written, or none comes any more."""
        self._wait(lambda: len(self._took) == len(self._begun))

    def settle(self):
        """Waits until the messages are deleted, too."""
        self._wait(lambda: len(self._took) == len(self._begun) and not self._in_hand)

    def _wait(self, is_over):
        with self._changed:
            while not is_over() and time.perf_counter() - self._last.at < PATIENCE:
                if self._error:
                    raise self._error
                self._changed.wait(1)

    def figures(self, name: str) -> dict:
        rfqs, quotes = len(self._begun), sum(map(len, self._quotes.values()))
        seconds = self._last.at - self._start.at
        cpu = self._last.cpu - self._start.cpu
        requests = self._meter.read() - self._requests
        took = sorted(1000 * duration for duration in self._took.values())
        ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "name": name,
            "rfqs": rfqs,
            "providers": self._providers,
            "seconds": round(seconds, 3),
            "rfqs-per-second": round(len(took) / seconds, 2),
            "quotes": quotes,
            "quotes-per-second": round(quotes / seconds, 1),
            "submit-to-gathered-ms": {
                # The nearest rank: a time that was measured, not one between two of them.
                label: round(took[math.ceil(len(took) * rank) - 1], 1) if took else None
                for label, rank in ranks.items()
            },
            "requests-per-rfq": {
                "total": round(requests.total() / rfqs, 2),
                "by-operation": {
                    operation: round(count / rfqs, 3)
                    for operation, count in sorted(requests.items())
                },
            },
            "cpu-ms-per-quote": round(cpu * 1000 / quotes, 3) if quotes else None,
            # Bytes on macOS, KiB elsewhere.
            "peak-memory-mib": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
            "lost": rfqs * self._providers - quotes,
        }


class Crew:
    """The threads of a run. The first error of one of them ends the run."""

    def __init__(self, stack: Stack, gathering: Gathering, hands: int):
        self._stack = stack
        self._gathering = gathering
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(hands)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_):
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def consume(self, queue: str, most: int, handle):
        """Starts a thread that receives up to `most` messages at a time and hands them over."""

        def loop():
            while not self._over.is_set():
                answer = self._stack.sqs.receive_message(
                    QueueUrl=queue,
                    MaxNumberOfMessages=most,
                    WaitTimeSeconds=LONG_POLL,
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
                if messages := answer.get("Messages"):
                    with self._gathering.in_hand():
                        handle(messages)

        threading.Thread(target=self._guarded, args=[loop], daemon=True).start()

    def invoke(self, function, *arguments):
        """Has the function called by the next thread of the pool that is free."""
        self._pool.submit(self._guarded, function, *arguments)

    def _guarded(self, function, *arguments):
        try:
            function(*arguments)
        except Exception as error:
            # At the end the queues are deleted, which fails the polls that are under way.
            if not self._over.is_set():
                self._gathering.fail(error)


def run(name: str, options: argparse.Namespace, prepare, hands: int = 8):
    """Warms up, measures, and prints the figures as one JSON document.

    `prepare` takes the stack, the gathering and the crew, starts the threads that receive, and
    returns what submits a number of RFQs.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with stack(options.endpoint, options.providers) as made:
            gathering = Gathering(options.providers, made.meter)
            with Crew(made, gathering, hands) as crew:
                submit = prepare(made, gathering, crew)
                for count in (options.warm_up, options.count):
                    gathering.restart()
                    submit(count)
                    gathering.settle()
                print(json.dumps(gathering.figures(name), indent=2))
    except KeyboardInterrupt:
        sys.exit(130)
