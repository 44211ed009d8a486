// Provider @PROVIDER@ of stack @STACK@. Needs: npm install @aws-sdk/client-sqs
import { SQS } from "@aws-sdk/client-sqs";

const requests = "@REQUESTS@";
const replies = "@REPLIES@";
const sqs = new SQS({
  region: "@REGION@",
  endpoint: "@ENDPOINT@",
  credentials: { accessKeyId: "@ACCESS_KEY@", secretAccessKey: "@SECRET_KEY@" },
});

const price = ({ from, to }) => 20 + from.length + to.length;

for (;;) {
  const { Messages = [] } = await sqs.receiveMessage({ QueueUrl: requests, WaitTimeSeconds: 20 });
  for (const { Body, ReceiptHandle } of Messages) {
    try {
      const request = JSON.parse(Body);
      const reply = { responder: "@PROVIDER@", "rfq-id": request["rfq-id"], quote: price(request) };
      await sqs.sendMessage({ QueueUrl: replies, MessageBody: JSON.stringify(reply) });
      // Only now: what is deleted before its reply was sent is lost if this program dies.
      await sqs.deleteMessage({ QueueUrl: requests, ReceiptHandle });
    } catch (error) {
      // The request is delivered again after 30 s; after 10 times it is a dead letter.
      console.error("no reply:", String(error));
    }
  }
}
