"""A careful script that batches by hand: about 6.2 requests per RFQ with ten providers, saturated.

Rows are submitted by BatchWriteItem of 25 and messages by PublishBatch of 10. A thread per provider
receives up to 10 requests, sends the answers by one SendMessageBatch and then deletes the requests
by one DeleteMessageBatch; the consumer does the same with one BatchWriteItem. Batches are what a
receive brings: nothing is collected over several receives.

With `--one-by-one` it submits an RFQ (PutItem and Publish), waits until all of its quotes are
written, and goes on with the next. With `--rate` it submits so many RFQs a second, however long
they take.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import yardstick

# The most that one call takes.
MESSAGES = 10
ROWS = 25
# Rows are written before their messages; this is a multiple of both, so that all calls are full.
SUBMITTED_AT_ONCE = 50
# What measured fastest against LocalStack. Saturated, three threads gain a few per cent over one;
# with single RFQs one is faster, since several would share the ten replies in smaller receives.
CONSUMERS = {"saturated": 3, "paced": 1}


def chunks(things, size):
    return (things[start : start + size] for start in range(0, len(things), size))


def entries(field, values):
    return [{"Id": str(number), field: value} for number, value in enumerate(values)]


def checked(answer):
    """A batch call succeeds with failures inside; without this they would be lost messages."""
    if failures := answer.get("Failed") or answer.get("UnprocessedItems"):
        raise RuntimeError(f"part of a batch failed: {failures}")


class Batched:
    def __init__(self, options, stack, gathering, crew):
        self.options = options
        self.stack = stack
        self.gathering = gathering
        for provider, queue in stack.queues.items():
            crew.consume(queue, MESSAGES, partial(self.work, provider, queue))
        pace = "paced" if options.one_by_one or options.rate else "saturated"
        for _ in range(options.consumers or CONSUMERS[pace]):
            crew.consume(stack.responses, MESSAGES, self.gather)

    def work(self, provider, queue, messages):
        bodies = [yardstick.reply(provider, message["Body"]) for message in messages]
        batch = entries("MessageBody", bodies)
        checked(self.stack.sqs.send_message_batch(QueueUrl=self.stack.responses, Entries=batch))
        self.delete(queue, messages)

    def gather(self, messages):
        # The same key twice in a call would be refused, and may come: SQS delivers at least once.
        rows = dict(map(yardstick.quote_row, messages))
        self.write(rows.values())
        self.gathering.written(*rows)
        self.delete(self.stack.responses, messages)

    def delete(self, queue, messages):
        batch = entries("ReceiptHandle", [message["ReceiptHandle"] for message in messages])
        checked(self.stack.sqs.delete_message_batch(QueueUrl=queue, Entries=batch))

    def write(self, rows):
        puts = [{"PutRequest": {"Item": row}} for row in rows]
        checked(self.stack.dynamodb.batch_write_item(RequestItems={self.stack.table: puts}))

    def submit(self, count):
        if self.options.one_by_one:
            for _ in range(count):
                self.submit_one()
                self.gathering.wait()
        elif self.options.rate:
            self.submit_at(self.options.rate, count)
        else:
            for number in chunks(range(count), SUBMITTED_AT_ONCE):
                self.submit_many(len(number))

    def submit_one(self):
        rfq, row, message = yardstick.new_request(self.stack.queues)
        self.gathering.begin(rfq)
        self.stack.dynamodb.put_item(TableName=self.stack.table, Item=row)
        self.stack.sns.publish(TopicArn=self.stack.topic, Message=message)

    def submit_many(self, count):
        requests = [yardstick.new_request(self.stack.queues) for _ in range(count)]
        for chunk in chunks(requests, ROWS):
            self.gathering.begin(*(rfq for rfq, _, _ in chunk))
            self.write(row for _, row, _ in chunk)
        for chunk in chunks(requests, MESSAGES):
            batch = entries("Message", [message for _, _, message in chunk])
            topic = self.stack.topic
            checked(self.stack.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=batch))

    def submit_at(self, rate, count):
        """An open loop: a submission that is slow does not hold up the next."""
        with ThreadPoolExecutor(8) as submitters:
            start, submissions = time.perf_counter(), []
            for number in range(count):
                time.sleep(max(0, start + number / rate - time.perf_counter()))
                submissions.append(submitters.submit(self.submit_one))
        for submission in submissions:
            submission.result()


def main():
    parser = yardstick.options("Batched by hand, as fast as it goes.")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--one-by-one", action="store_true", help="one RFQ at a time")
    pace.add_argument("--rate", type=float, metavar="R", help="submit R RFQs a second")
    parser.add_argument("--consumers", type=int, metavar="N", help="threads")
    options = parser.parse_args()

    def prepare(stack, gathering, crew):
        return Batched(options, stack, gathering, crew).submit

    yardstick.run("batched", options, prepare)


if __name__ == "__main__":
    main()
