// The events of an RFQ. An EventSource cannot send a token, so this reads the stream itself and reconnects as one does.
import { authorized } from "./token.js";

// The pause before a stream that broke off is opened again.
const RETRY_MS = 2000;

// Opens a stream: `hear` gets the name and the data of each event, and `lost` is called each time it breaks off. Its
// `state` is "connecting", "open" or, once it was refused or closed, "closed".
export const open = (address, hear, lost) => {
  const halt = new AbortController();
  const stream = {
    state: "connecting",
    close() {
      stream.state = "closed";
      halt.abort();
    },
  };
  const connect = (headers) =>
    fetch(address, { headers: { Accept: "text/event-stream", ...headers }, cache: "no-store", signal: halt.signal });
  const run = async () => {
    while (stream.state !== "closed") {
      // Without an answer, the stream is opened again.
      const answer = await authorized(connect).catch(() => null);
      if (stream.state === "closed") return;
      if (answer?.status === 200) {
        stream.state = "open";
        await read(answer.body, hear);
        if (stream.state === "closed") return;
      }
      stream.state = answer && answer.status !== 200 ? "closed" : "connecting";
      lost();
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  };
  run();
  return stream;
};

// Passes on all events of a body, until it ends or breaks off.
const read = async (body, hear) => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, event, data] = ["", "", []];
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [field, text] = parted(line);
      if (field === "event") event = text;
      else if (field === "data") data.push(text);
      else if (line === "") {
        if (data.length > 0) heard(hear, event, data.join("\n"));
        [event, data] = ["", []];
      }
    }
  }
};

// The name and the value of a line.
const parted = (line) => {
  const at = line.indexOf(":");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
};

// An error in `hear` does not end the stream.
const heard = (hear, event, data) => {
  try {
    hear(event, data);
  } catch (error) {
    reportError(error);
  }
};
