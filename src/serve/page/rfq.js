// One RFQ as its events tell it. Prices stay the texts that came, since numbers here would lose digits.
import { growBars, renderChart } from "./chart.js";
import { ask, isSilence, kindOf, kindOfLoss, serverTrouble } from "./server.js";
import { open } from "./stream.js";
import { isLocked } from "./token.js";
import { about, announce, at, element, name, show, shown, trouble } from "./words.js";

const LINGER = "30s";
const AGAIN_MS = 3000;
// The server sends an event at least this often, and a stream without one for several of these is silent.
const BEAT_MS = 2000;
const SILENT_MS = 4 * BEAT_MS;
const TICK_MS = 100;
// The longest pause between two ticks that counts: in a longer one the page itself was suspended.
const TICK_MOST_MS = 1000;
const MOST_NEWS = 3;
const UNANSWERED = ["waiting", "missing", "silent", "not-asked"];

// What is followed: the stream, how long it has been quiet, what it told last and when, and how far the server's clock
// is ahead.
const followed = {
  id: null, stream: null, quietMs: 0, state: null, at: null, ahead: 0, over: false, again: null, away: null,
};

export const path = (id) => `/rfqs/${encodeURIComponent(id)}`;

export const isFollowed = (id) => followed.id === id;

export const leave = () => {
  stop();
  followed.id = null;
};

const stop = () => {
  followed.stream?.close();
  followed.stream = null;
  clearTimeout(followed.again);
  followed.again = null;
};

export const follow = (id) => {
  stop();
  Object.assign(followed, { id, state: null, at: null, over: false });
  at("route").textContent = `RFQ ${shown(id.slice(0, 8))}`;
  at("link").textContent = shown(id);
  at("link").href = path(id);
  document.title = "rydes";
  for (const part of ["asked", "answer"]) at(part).replaceChildren();
  for (const part of ["regret", "unread"]) show(part);
  for (const part of ["chart", "legend", "going"]) at(part).hidden = true;
  at("end-error").textContent = "";
  back();
  show("truth", "Looking for it");
  listen();
};

export const listen = () => {
  stop();
  const { id } = followed;
  // Until the first news after each connection, what was wrong before may still be.
  let isNew = true;
  const change = (state) => {
    if (isNew) back();
    render(state);
  };
  const takes = {
    clock: ({ now }) => (followed.ahead = Date.parse(now) - Date.now()),
    change,
    trouble: ({ error, kind }) => (error ? away(kind) : back()),
    end: (state) => {
      followed.over = true;
      stop();
      change(state);
    },
  };
  const hear = (event, data) => {
    if (followed.stream !== stream) return;
    clearTimeout(followed.again);
    followed.again = null;
    followed.quietMs = 0;
    // A beat says no more.
    if (!Object.hasOwn(takes, event)) return;
    takes[event](JSON.parse(data));
    isNew = event === "clock";
  };
  const lost = () => {
    if (followed.stream !== stream) return;
    if (stream.state === "closed") explain(id, stream);
    // One that comes back at once is worth no word.
    else followed.again ??= setTimeout(() => away("server"), AGAIN_MS);
  };
  const stream = open(`${path(id)}/events?linger=${LINGER}`, hear, lost);
  followed.stream = stream;
  followed.quietMs = 0;
};

// A refused stream does not say why; the same question without a stream does.
const explain = async (id, stream) => {
  let kind;
  try {
    const answer = await ask(`/query-instant-ride-rfq/${encodeURIComponent(id)}?view=full`);
    if (answer.status === 404) kind = "unknown";
    else kind = answer.ok ? "busy" : await kindOf(answer);
  } catch (error) {
    kind = kindOfLoss(error);
  }
  if (followed.stream !== stream) return;
  if (kind === "unknown") return unknown();
  away(kind);
  followed.again = setTimeout(listen, AGAIN_MS);
};

// Counts how long the stream has been quiet. A stream that was refused, or that waits for a token, does not count.
let looked = performance.now();
const watch = () => {
  const { stream } = followed;
  const now = performance.now();
  const passed = Math.min(now - looked, TICK_MOST_MS);
  looked = now;
  if (!stream || stream.state === "closed" || isLocked()) return;
  followed.quietMs += passed;
  if (followed.quietMs >= SILENT_MS) doubt(stream);
};

// A stream that was quiet for too long: the server is suspended, or the connection is dead.
const doubt = async (stream) => {
  followed.quietMs = 0;
  const { state } = stream;
  let kind = "silent";
  // A stream begins once the RFQ has been read: until then, the backend may be what is slow.
  if (state === "connecting") kind = (await serverTrouble()) ?? "backend";
  if (followed.stream !== stream || stream.state !== state) return;
  away(kind);
  if (kind !== "silent") return;
  stop();
  followed.again = setTimeout(listen, AGAIN_MS);
};

const unknown = () => {
  stop();
  back();
  show("truth", "There is no such RFQ here. By default, RFQs are kept for 7 days after their deadline");
  document.title = "No such RFQ - rydes";
  announce(at("truth").textContent);
};

// What is shown is no longer what is: everything that moves stops.
const away = (kind) => {
  const { said, todo } = trouble(kind);
  const known = followed.at ? ` The page shows what was known at ${followed.at.toLocaleTimeString()}.` : "";
  freeze(kind);
  // Shown again, the same words would be read aloud again.
  const words = `${said}.${known}`;
  if (!at("away").hidden && at("away-said").textContent === words) return;
  show("away-said", words);
  show("away-todo", ...todo);
  at("away").hidden = false;
};

const back = () => {
  freeze(null);
  at("away").hidden = true;
};

const freeze = (kind) => {
  followed.away = kind;
  at("rfq").classList.toggle("stale", kind !== null);
  at("retry").textContent = "Try again";
  at("retry").removeAttribute("aria-disabled");
  if (kind) tick();
};

const retry = () => {
  if (at("retry").getAttribute("aria-disabled") === "true") return;
  at("retry").textContent = "Trying";
  at("retry").setAttribute("aria-disabled", "true");
  listen();
};

const render = (state) => {
  const before = followed.state;
  followed.state = state;
  followed.at = new Date();
  const { from, to } = state.shown;
  at("route").textContent = `${from} → ${to}`;
  at("asked").textContent = asked(state).join(" · ");
  at("answer").replaceChildren(...answer(state));
  const [truth, ...others] = state.truth;
  show("truth", truth);
  show("regret", ...(others.length > 0 ? [others.join(" ")] : []));
  const { unread } = state;
  show("unread", ...(unread ? [unread.said, ...(unread.command ? [" ", element("code", "", unread.command)] : [])] : []));
  renderChart(state, before);
  tick();
  tell(state, before);
  document.title = `${count(state)} ${from} → ${to} - rydes`;
};

const answer = ({ order, answer: { label, quote, by, prefix, name: rest, after } }) => {
  if (quote === undefined) return [element("span", "none", label)];
  const parts = [by && `${order} ${by}`, name(prefix, rest), after && element("span", "", after)].filter(Boolean);
  const said = parts.flatMap((part) => [element("span", "apart", " · "), part]);
  return [element("span", "label", label), " ", element("strong", "", quote), element("span", "rest", ...said)];
};

// For whom, when, and until when.
const asked = (state) => {
  const said = [`for ${state.shown.customer}`];
  if (state["submitted-at"]) {
    const submitted = new Date(state["submitted-at"]);
    const isToday = submitted.toDateString() === new Date().toDateString();
    said.push(`asked ${isToday ? submitted.toLocaleTimeString() : submitted.toLocaleString()}`);
  }
  if (state.axis.deadline !== null) said.push(`deadline ${state.axis.deadline}`);
  const early = state.until.filter((one) => one !== "all").map((one) => {
    if (one.startsWith("price:")) return `at ${one.slice(6)} or less`;
    return one === "1" ? "after 1 quote" : `after ${one} quotes`;
  });
  if (early.length > 0) said.push(`ends early ${early.join(" or ")}`);
  return said;
};

const count = (state) => {
  const { answered, expected } = state;
  if (!state["completed-by"]) return expected === null ? `${answered}` : `${answered}/${expected}`;
  return state.best ? `Best ${state.answer.quote}:` : "No quote:";
};

// What a listener hears: who answered, and what, and at last how it ended.
const tell = (state, before) => {
  const known = new Map((before?.table ?? []).map((row) => [row.responder, row.state]));
  const news = state.table.filter((row) => !UNANSWERED.includes(row.state) && known.get(row.responder) !== row.state);
  const said = news.slice(0, MOST_NEWS).map((row) => {
    const price = row.quote === "-" ? "" : ` ${row.quote}`;
    return `${row.responder} ${row.state === "quoted" || row.state === "late" ? row.state : row.note}${price}`;
  });
  if (news.length > MOST_NEWS) said.push(`and ${news.length - MOST_NEWS} more`);
  if (state["completed-by"] && !before?.["completed-by"]) said.push(at("answer").textContent, ...state.truth);
  else if (state.regret && !before?.regret) said.push(...state.truth.slice(1));
  if (said.length > 0) announce(said.join(". "));
};

const duration = (ms) => {
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

// The countdown, by the server's clock. It stands still while the server or what is behind it is away.
const tick = () => {
  const { state, away } = followed;
  if (!state) return;
  const now = Date.now() + followed.ahead;
  const left = state.deadline ? Date.parse(state.deadline) - now : null;
  const goesOn = state.status === "gathering" && !followed.over && (left === null || left > 0 || away);
  const hadFocus = document.activeElement === at("end");
  at("going").hidden = !goesOn;
  at("end").hidden = Boolean(away);
  if (hadFocus && at("end").checkVisibility() === false) at(away ? "retry" : "answer").focus();
  if (away) {
    const stood = at("seconds").textContent;
    if (stood && !stood.startsWith("paused")) at("seconds").textContent = `paused here with ${stood}`;
    return;
  }
  if (state["submitted-at"]) growBars(now - Date.parse(state["submitted-at"]));
  if (goesOn) at("seconds").textContent = left === null ? "no deadline" : `${duration(left)} left`;
};

// Closes an RFQ; says why it was not closed, if it was not.
const close = async (id) => {
  const refused = (why) => `The RFQ was not ended: ${why}`;
  try {
    const answer = await ask(`${path(id)}/close`, { method: "POST" });
    if (answer.ok) return null;
    if (answer.status === 404) return refused(trouble("gone").said);
    const { error, kind } = await answer.json();
    return refused(kind ? trouble(kind).said : shown(error));
  } catch (error) {
    const { said } = trouble(kindOfLoss(error));
    return isSilence(error) ? `The RFQ may or may not have been ended: ${said}` : refused(said);
  }
};

const endNow = async () => {
  const { id } = followed;
  const button = at("end");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Ending";
  at("end-error").textContent = "";
  const problem = await close(id);
  button.removeAttribute("aria-disabled");
  if (problem && isFollowed(id)) at("end-error").replaceChildren(problem);
  // What ended it comes with the next change.
  setTimeout(() => (button.textContent = "End now"), problem ? 0 : AGAIN_MS);
};

at("retry").addEventListener("click", retry);
at("end").addEventListener("click", endNow);
// A browser has few connections for one server: a hidden tab closes its own.
document.addEventListener("visibilitychange", () => {
  if (!followed.id || followed.over) return;
  if (document.hidden) stop();
  else listen();
});
setInterval(() => {
  watch();
  tick();
}, TICK_MS);
