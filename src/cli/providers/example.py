"""Provider @PROVIDER@ of stack @STACK@. Needs: pip install boto3"""
import json
import signal
import sys
import boto3

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback.
REQUESTS = "@REQUESTS@"
REPLIES = "@REPLIES@"
sqs = boto3.client(
    "sqs", region_name="@REGION@",
    endpoint_url="@ENDPOINT@",
    aws_access_key_id="@ACCESS_KEY@",
    aws_secret_access_key="@SECRET_KEY@",
)

def price(request):
    return 20 + len(request["from"]) + len(request["to"])

while True:
    for message in sqs.receive_message(QueueUrl=REQUESTS, WaitTimeSeconds=20).get("Messages", []):
        try:
            request = json.loads(message["Body"])
            reply = {"responder": "@PROVIDER@", "rfq-id": request["rfq-id"], "quote": price(request)}
            sqs.send_message(QueueUrl=REPLIES, MessageBody=json.dumps(reply))
            # Only now: what is deleted before its reply was sent is lost if this program dies.
            sqs.delete_message(QueueUrl=REQUESTS, ReceiptHandle=message["ReceiptHandle"])
        except Exception as error:
            # The request is delivered again after 30 s; after 10 times it is a dead letter.
            print("no reply:", repr(error), file=sys.stderr)
