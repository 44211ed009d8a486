// The token of a server that requires one. The page asks for it once and keeps it for this tab, out of every address.
import { at, trouble } from "./words.js";

const KEY = "rydes-token";
// What a header can carry.
const TOKEN = /^[\x21-\x7e]+$/;
const CHECK_MS = 8000;
const WRONG = "The server does not accept this token";

// If the browser refuses to store anything, the token lasts until the page is loaded again.
const stored = (work) => {
  try {
    return work(sessionStorage);
  } catch {
    return null;
  }
};

let token = stored((store) => store.getItem(KEY));
// The promise of a token while the page asks for one, and the function that resolves it.
let asking = null;
let answered = null;

const headers = (of) => (of ? { Authorization: `Bearer ${of}` } : {});

export const isLocked = () => asking !== null;

// Sends a request with the token. If the server refuses the token, the page asks for another one and sends the request
// again: a refused request did nothing.
export const authorized = async (send) => {
  for (;;) {
    const sent = token;
    const answer = await send(headers(sent));
    if (answer.status !== 401) return answer;
    // Another request may have got a new one meanwhile.
    if (token === sent) await (asking ??= askForToken(sent));
  }
};

const askForToken = async (refused) => {
  const focused = document.activeElement;
  document.body.classList.add("locked");
  at("locked").hidden = false;
  complain(refused ? "The server no longer accepts the token of this tab" : "");
  at("token").focus();
  await new Promise((done) => (answered = done));
  asking = null;
  document.body.classList.remove("locked");
  at("locked").hidden = true;
  at("token").value = "";
  focused?.focus();
};

const complain = (problem) => {
  at("token-error").textContent = problem;
  if (problem) at("token").setAttribute("aria-invalid", "true");
  else at("token").removeAttribute("aria-invalid");
};

// Why the server does not accept a token; null if it does.
const problem = async (typed) => {
  if (!typed) return "Enter the token";
  if (!TOKEN.test(typed)) return WRONG;
  try {
    const signal = AbortSignal.timeout(CHECK_MS);
    const { status } = await fetch("/about", { headers: headers(typed), signal });
    return status === 401 ? WRONG : null;
  } catch {
    return trouble("server").said;
  }
};

const unlock = async () => {
  const button = at("unlock-now");
  if (button.getAttribute("aria-disabled") === "true") return;
  const typed = at("token").value.trim();
  complain("");
  button.setAttribute("aria-disabled", "true");
  const wrong = await problem(typed);
  button.removeAttribute("aria-disabled");
  if (wrong) {
    complain(wrong);
    return at("token").focus();
  }
  token = typed;
  stored((store) => store.setItem(KEY, typed));
  answered?.();
};

at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  unlock();
});
