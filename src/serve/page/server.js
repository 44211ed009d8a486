// Questions to the server. Each has a limit: a suspended server accepts connections and never answers. The time that
// a user takes to enter a token does not count.
import { authorized } from "./token.js";

// After this long without an answer, the page checks whether the server itself still responds.
const SLOW_MS = 8000;
// The server answers this at once.
const ALIVE_MS = 4000;
// The longest wait for an answer, with room for what the server tries again.
const LONGEST_MS = 30_000;

export const ask = (address, options) =>
  authorized((token) => limited(address, { ...options, headers: { ...options?.headers, ...token } }));

// Fetches, and fails with a `TimeoutError` once a check of the server fails or the limit has passed.
const limited = async (address, options) => {
  const silent = new AbortController();
  const look = setTimeout(async () => {
    if (await serverTrouble()) silent.abort(new DOMException("the server is silent", "TimeoutError"));
  }, SLOW_MS);
  try {
    const signal = AbortSignal.any([silent.signal, AbortSignal.timeout(LONGEST_MS)]);
    return await fetch(address, { ...options, signal });
  } finally {
    clearTimeout(look);
  }
};

// The word for what is wrong with the server, or null where it responds.
export const serverTrouble = async () => {
  try {
    await fetch("/healthz", { signal: AbortSignal.timeout(ALIVE_MS) });
    return null;
  } catch (error) {
    return kindOfLoss(error);
  }
};

export const isSilence = (error) => error.name === "TimeoutError";

// The word for a question that stayed without an answer.
export const kindOfLoss = (error) => (isSilence(error) ? "silent" : "server");

// The word for what an answer of the server's lacks.
export const kindOf = async (answer) => {
  try {
    return (await answer.json()).kind ?? "backend";
  } catch {
    return "backend";
  }
};
