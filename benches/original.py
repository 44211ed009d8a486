"""The original's request pattern: 42 requests per RFQ with ten providers that all quote.

A submission is a PutItem and a Publish. Each provider sends its answer by a SendMessage of its own.
The consumer takes one reply at a time: ReceiveMessage, an unconditional PutItem, DeleteMessage.

In the original (lab 3 of the Wild Rydes asynchronous messaging workshop) the providers are Lambda
functions that SNS invokes, and the delivery costs no request. Here SNS really fans out, to ten
queues that nobody reads, and this process calls the ten functions itself after the publish. That is
generous to the original: no function has to be started, no message is pushed over HTTP, and the
sleep and the silence of its providers are left out. Submissions, functions and consumers have as
many threads as keep LocalStack busy, as Lambda's concurrency would.
"""

from concurrent.futures import ThreadPoolExecutor

import yardstick

SUBMITTERS = 4
FUNCTIONS = 20
CONSUMERS = 20


def prepare(stack, gathering, crew):
    def submit(count):
        with ThreadPoolExecutor(SUBMITTERS) as submitters:
            for _ in submitters.map(submit_one, range(count)):
                pass

    def submit_one(_):
        rfq, row, message = yardstick.new_request(stack.queues)
        gathering.begin(rfq)
        stack.dynamodb.put_item(TableName=stack.table, Item=row)
        stack.sns.publish(TopicArn=stack.topic, Message=message)
        for provider in stack.queues:
            crew.invoke(provide, provider, message)

    def provide(provider, message):
        body = yardstick.reply(provider, message)
        stack.sqs.send_message(QueueUrl=stack.responses, MessageBody=body)

    def gather(messages):
        for message in messages:
            key, row = yardstick.quote_row(message)
            stack.dynamodb.put_item(TableName=stack.table, Item=row)
            gathering.written(key)
            handle = message["ReceiptHandle"]
            stack.sqs.delete_message(QueueUrl=stack.responses, ReceiptHandle=handle)

    for _ in range(CONSUMERS):
        crew.consume(stack.responses, 1, gather)
    return submit


if __name__ == "__main__":
    parser = yardstick.options("The original's request pattern, as fast as it goes.")
    yardstick.run("original", parser.parse_args(), prepare, hands=FUNCTIONS)
