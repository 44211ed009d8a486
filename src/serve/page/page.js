// The page: a form, and an RFQ as its events tell it. Every text from outside becomes a text node, never
// markup; prices stay the texts that came, since numbers here would lose digits.

const LINGER = "30s";
const AGAIN_MS = 3000;
const AWAY = "The server does not answer";
// Whether the form says so.
let isAway = false;
const AGAIN = "; trying again";
const MOST_NEWS = 3;
const SVG = "http://www.w3.org/2000/svg";
const FIELDS = ["from", "to", "customer", "deadline"];
const INPUTS = [...FIELDS, "details"];

const at = (id) => document.getElementById(id);

// What is followed: the stream, what it told last, and how far the server's clock is ahead.
const followed = { id: null, stream: null, state: null, at: null, ahead: 0, over: false, again: null };
// A request that may or may not be out. Asked again, it keeps its id.
let unknown = null;

// A text without characters that a reader would obey rather than see.
const shown = (name) => name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

const show = (id, text) => {
  at(id).textContent = text ?? "";
  at(id).hidden = !text;
};

// The id in a deep link.
const linked = () => {
  const found = /^(?:\/Prod)?\/rfqs\/([^/]+)\/?$/.exec(location.pathname);
  try {
    return found && decodeURIComponent(found[1]);
  } catch {
    return null;
  }
};

const enter = () => {
  const id = linked();
  if (!id) leave();
  else if (id !== followed.id) follow(id);
};

const leave = () => {
  stop();
  followed.id = null;
  at("rfq").hidden = true;
  at("skip").hidden = true;
  document.title = "rydes";
};

const stop = () => {
  followed.stream?.close();
  followed.stream = null;
  forget();
};

// Whatever was to be done or said later.
const forget = () => {
  clearTimeout(followed.again);
  followed.again = null;
};

const follow = (id) => {
  stop();
  Object.assign(followed, { id, state: null, at: null, over: false });
  at("rfq").hidden = false;
  at("skip").hidden = false;
  at("route").textContent = `RFQ ${shown(id.slice(0, 8))}`;
  at("link").textContent = shown(id);
  at("link").href = `/rfqs/${encodeURIComponent(id)}`;
  for (const part of ["rows", "lanes", "scale", "regret", "asked"]) at(part).replaceChildren();
  show("truth", "Looking for it");
  show("trouble", null);
  at("left").hidden = true;
  at("timeline-title").parentElement.hidden = true;
  at("quotes").hidden = true;
  listen(id);
};

const listen = (id) => {
  stop();
  const stream = new EventSource(`/rfqs/${encodeURIComponent(id)}/events?linger=${LINGER}`);
  followed.stream = stream;
  const hear = (name, take) =>
    stream.addEventListener(name, (event) => {
      if (followed.stream === stream) take(JSON.parse(event.data));
    });
  hear("clock", ({ now }) => {
    followed.ahead = Date.parse(now) - Date.now();
    forget();
    show("trouble", null);
    if (isAway) forgive();
  });
  hear("change", render);
  hear("trouble", ({ error }) => show("trouble", error && trouble(`Cannot be read: ${shown(error)}`)));
  hear("end", (state) => {
    followed.over = true;
    stop();
    render(state);
  });
  stream.addEventListener("error", () => {
    if (followed.stream !== stream) return;
    if (stream.readyState === EventSource.CLOSED) explain(id);
    // One that comes back at once is worth no word.
    else followed.again ??= setTimeout(() => show("trouble", trouble(AWAY + AGAIN)), AGAIN_MS);
  });
};

// What is wrong, and of when the rest of the page is.
const trouble = (said) =>
  followed.at ? `${said}. What stands here is as of ${followed.at.toLocaleTimeString()}` : said;

// Why a stream does not begin: an event source does not tell.
const explain = async (id) => {
  stop();
  let said = AWAY + AGAIN;
  try {
    const answer = await fetch(`/query-instant-ride-rfq/${encodeURIComponent(id)}`);
    if (answer.status === 404) {
      if (followed.id === id) {
        show("truth", "There is no such RFQ here. The whole id is needed; RFQs are kept for 7 days");
        document.title = "No such RFQ - rydes";
        announce(at("truth").textContent);
      }
      return;
    }
    said = answer.ok ? `The server is busy${AGAIN}` : shown((await answer.json()).error);
  } catch {
    // It is tried again all the same.
  }
  if (followed.id !== id || document.hidden) return;
  show("trouble", trouble(said));
  followed.again = setTimeout(() => listen(id), AGAIN_MS);
};

const render = (state) => {
  const before = followed.state;
  followed.state = state;
  followed.at = new Date();
  const { from, to, customer } = state.shown;
  at("route").textContent = `${from} → ${to} for ${customer}`;
  at("asked").textContent = asked(state);
  const [truth, ...others] = state.truth;
  show("truth", truth);
  at("regret").replaceChildren(...others.map((line) => element("p", "", line)));
  show("trouble", null);
  renderRows(state, before);
  renderTimeline(state.timeline);
  tick();
  tell(state, before);
  document.title = `${count(state)} ${from} → ${to} - rydes`;
};

// When it was asked, and how long answers are waited for.
const asked = (state) => {
  if (!state["submitted-at"] || !state.deadline) return "";
  const submitted = new Date(state["submitted-at"]);
  const wanted = (Date.parse(state.deadline) - submitted.getTime()) / 1000;
  return `submitted ${submitted.toLocaleTimeString()}, answers wanted within ${wanted} s`;
};

const count = (state) => {
  const { answered, expected, table } = state;
  if (!state["completed-by"]) return expected === null ? `${answered}` : `${answered}/${expected}`;
  return state.best ? `over, best ${table[0].quote}:` : "over, no quote:";
};

const renderRows = (state, before) => {
  const known = new Map((before?.table ?? []).map((row) => [row.responder, row.state]));
  const rows = state.table.map((row) => {
    const isBest = row.note === "best" || row.note === "best so far";
    const isFresh = before && known.get(row.responder) !== row.state && row.state !== "waiting";
    const made = element("tr", [row.state, isBest && "best", isFresh && "fresh"].filter(Boolean).join(" "));
    made.setAttribute("role", "row");
    const note = row.note || row.state;
    const fields = row.fields.map((text, position) => ["field", text, state.fields[position]]);
    for (const [name, text, title] of [["place", row.place], ["who", row.responder], ["quote", row.quote], ...fields, ["after", row.after], ["note", note]]) {
      const cell = element("td", name, text);
      cell.setAttribute("role", "cell");
      if (title) cell.dataset.title = title;
      made.append(cell);
    }
    return made;
  });
  at("rows").replaceChildren(...rows);
  renderTitles(state.fields);
  at("quotes").hidden = false;
};

// The titles of the columns that show details.
const renderTitles = (titles) => {
  for (const old of at("titles").querySelectorAll(".field")) old.remove();
  const made = titles.map((title) => {
    const cell = element("th", "field", title);
    cell.setAttribute("role", "columnheader");
    cell.setAttribute("scope", "col");
    return cell;
  });
  at("titles").querySelector(".quote").after(...made);
};

// What a listener hears: who answered, and what, and at last how it ended.
const tell = (state, before) => {
  const known = new Map((before?.table ?? []).map((row) => [row.responder, row.state]));
  const news = state.table.filter(
    (row) => !["waiting", "missing", "silent", "not-asked"].includes(row.state) && known.get(row.responder) !== row.state,
  );
  const ended = state["completed-by"] && !before?.["completed-by"];
  const said = news.slice(0, MOST_NEWS).map((row) => {
    const price = row.quote === "-" ? "" : ` ${row.quote}`;
    return `${row.responder} ${row.state === "quoted" || row.state === "late" ? row.state : row.note}${price}`;
  });
  if (news.length > MOST_NEWS) said.push(`and ${news.length - MOST_NEWS} more`);
  const regrets = state.regret && !before?.regret;
  if (ended) said.push(state.truth.join(" "));
  else if (regrets) said.push(state.truth.slice(1).join(" "));
  if (said.length > 0) announce(said.join(". "));
};

const announce = (text) => {
  at("news").textContent = text;
};

// The countdown, by the server's clock.
const tick = () => {
  const state = followed.state;
  const counts = state && state.status === "gathering" && state.deadline && !followed.over;
  if (state?.["submitted-at"]) {
    const since = Date.now() + followed.ahead - Date.parse(state["submitted-at"]);
    const part = Math.min(Math.max(since / state.timeline["span-ms"], 0), 1);
    for (const bar of document.querySelectorAll("#lanes rect.waits")) bar.setAttribute("width", 1000 * part);
  }
  const left = counts ? Date.parse(state.deadline) - Date.now() - followed.ahead : 0;
  at("left").hidden = left <= 0;
  if (left <= 0) return;
  at("seconds").textContent = `${(left / 1000).toFixed(1)} s left`;
  const whole = Date.parse(state.deadline) - Date.parse(state["submitted-at"] ?? state.deadline);
  at("progress").max = Math.max(whole, 1);
  at("progress").value = Math.min(left, at("progress").max);
};

const seconds = (ms) => (Math.abs(ms) < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

const renderTimeline = (timeline) => {
  const lanes = timeline.providers.map((provider, position) => lane(timeline, provider, timeline.shown[position]));
  at("lanes").replaceChildren(...lanes);
  at("timeline-title").parentElement.hidden = lanes.length === 0;
  for (const name of ["queued", "thinking", "reply", "try", "deadline", "closed"]) {
    at(`legend-${name}`).hidden = !at("lanes").querySelector(`rect.${name}`);
  }
  renderScale(timeline);
};

const lane = (timeline, provider, { name, quote, unsaid }) => {
  const span = timeline["span-ms"];
  const made = element("li");
  made.append(element("span", "name-of", name));
  if (quote !== null) made.firstChild.append(element("b", provider.best ? "best" : "", provider.best ? `${quote} best` : quote));
  const bar = element("div", "lane");
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 1000 20");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", story(provider, name, unsaid));
  const place = (ms) => Math.min(Math.max((ms / span) * 1000, 0), 1000);
  const part = (name, from, to, top, height, least) => {
    if (from === null || to === null) return;
    const rect = document.createElementNS(SVG, "rect");
    const width = Math.max(place(to) - place(from), least);
    rect.setAttribute("class", name);
    rect.setAttribute("x", Math.min(place(from), 1000 - width));
    rect.setAttribute("y", top);
    rect.setAttribute("width", width);
    rect.setAttribute("height", height);
    picture.append(rect);
  };
  const { "received-ms": received, "answered-ms": answered, "sent-ms": sent, "gathered-ms": gathered } = provider;
  part("queued", timeline["submitted-at"] ? 0 : null, received, 8, 4, 0);
  part("thinking", received, answered, 4, 12, 2);
  part("reply", answered ?? sent, gathered ?? sent, 6, 8, 4);
  for (const ms of provider["attempted-ms"]) part("try", ms, ms, 0, 20, 4);
  for (const [name, ms] of [["deadline", timeline["deadline-ms"]], ["closed", timeline["closed-ms"]]]) {
    if (ms !== null && ms <= span) part(name, ms, ms, 0, 20, 3);
  }
  if (provider.state === "waiting" && timeline["submitted-at"]) {
    // Grows with time.
    part("waits", 0, 0, 8, 4, 0);
  } else if (unsaid) {
    bar.append(element("span", "said", provider.state === "missing" ? provider.reason || "missing" : unsaid));
  }
  bar.prepend(picture);
  made.append(bar);
  return made;
};

const story = (provider, name, unsaid) => {
  const moments = [
    ["had the request", provider["received-ms"]],
    ["answered", provider["answered-ms"]],
    ["was gathered", provider["gathered-ms"]],
  ];
  const said = moments.filter(([, ms]) => ms !== null).map(([what, ms]) => `${what} after ${seconds(ms)}`);
  return `${name}: ${said.length > 0 ? said.join(", ") : unsaid || "no times"}`;
};

const renderScale = ({ ticks, "span-ms": span }) => {
  const labels = ticks.map(({ ms, label: text }) => {
    const label = element("span", "", text);
    label.style.left = `${(ms / span) * 100}%`;
    return label;
  });
  const scale = element("div");
  scale.append(...labels);
  at("scale").replaceChildren(scale);
};

const complain = (field, problem) => {
  const named = problem.replace(/`(from|to|customer|deadline|details)`/g, (_, name) => name[0].toUpperCase() + name.slice(1));
  at(`${field}-error`).textContent = shown(named.replaceAll("`", ""));
  if (field === "form") return;
  at(field).setAttribute("aria-invalid", "true");
  at(field).focus();
};

const forgive = () => {
  isAway = false;
  for (const field of INPUTS) {
    at(`${field}-error`).textContent = "";
    at(field).removeAttribute("aria-invalid");
  }
  at("form-error").textContent = "";
};

const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

// The details go out as they were typed: numbers here would lose digits.
const withDetails = (json, details) => (details ? `${json.slice(0, -1)},"details":${details}}` : json);

const submit = async () => {
  const button = at("submit");
  if (button.getAttribute("aria-disabled") === "true") return;
  forgive();
  const request = {};
  for (const field of FIELDS) {
    const text = at(field).value.trim();
    if (text) request[field] = text;
  }
  // A number alone is one of seconds.
  if (/^\d+$/.test(request.deadline ?? "")) request.deadline += "s";
  const missing = ["to", "from"].filter((field) => !request[field]);
  for (const field of missing) complain(field, `\`${field}\` wants a city`);
  if (missing.length > 0) return;
  const details = at("details").value.trim();
  if (details && !isJson(details)) return complain("details", "`details` is not JSON");
  const same = JSON.stringify(request) + details;
  if (unknown?.same === same) request["rfq-id"] = unknown.id;
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch("/submit-instant-ride-rfq", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: withDetails(JSON.stringify(request), details),
    });
    const said = await answer.json();
    unknown = null;
    if (answer.ok) {
      history.pushState(null, "", `/rfqs/${encodeURIComponent(said["rfq-id"])}`);
      enter();
      at("route").focus();
      return;
    }
    if (said["rfq-id"]) unknown = { same, id: said["rfq-id"] };
    if (INPUTS.includes(said.field)) complain(said.field, said.error);
    else complain("form", said["rfq-id"] ? `${said.error}. Ask again: nothing is doubled` : said.error);
  } catch {
    isAway = true;
    complain("form", AWAY);
  } finally {
    button.removeAttribute("aria-disabled");
  }
};

const introduce = async () => {
  try {
    const about = await (await fetch("/about")).json();
    at("target").textContent = about.target;
    at("deadline").placeholder = about.deadline;
  } catch {
    // Whatever is wrong is told where something is asked for.
  }
};

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
addEventListener("popstate", enter);
// A browser has few connections for one server: a hidden tab closes its own.
document.addEventListener("visibilitychange", () => {
  if (!followed.id || followed.over) return;
  if (document.hidden) stop();
  else listen(followed.id);
});
setInterval(tick, 100);
introduce();
enter();
