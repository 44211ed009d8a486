// The table of providers and the bars beside it, which share one scale and one line for the deadline.
import { at, element, name } from "./words.js";

// How much of the width is before the break, and where a deadline behind it stands.
const BREAK = 86;
const BEHIND = 96;
const FINISHED = ["missing", "silent", "not-asked"];

let axis = null;

export const renderChart = (state, before) => {
  axis = state.axis;
  at("quotes").classList.toggle("with-order", state.order !== null);
  at("chart").classList.toggle("with-order", state.order !== null);
  at("by").textContent = state.order ?? "";
  const known = new Map((before?.table ?? []).map((row) => [row.responder, row.state]));
  const isFresh = (row) => before && row.state !== "waiting" && known.get(row.responder) !== row.state;
  at("rows").replaceChildren(...state.table.map((row) => renderRow(state, row, isFresh(row))));
  renderScale();
  at("chart").hidden = false;
  at("legend").hidden = false;
  at("silence").hidden = state.table.every((row) => row.state !== "silent");
};

const renderRow = (state, row, isFresh) => {
  const made = element("tr", [row.state, row.tone, isFresh && "fresh"].filter(Boolean).join(" "));
  made.setAttribute("role", "row");
  const cell = (className, ...content) => {
    const one = element("td", className, ...content);
    one.classList.toggle("nothing", content[0] === "-");
    one.setAttribute("role", "cell");
    made.append(one);
    return one;
  };
  cell("place", row.place);
  cell("who", name(row.prefix, row.name));
  cell("quote", row.quote);
  cell("by", row.by ?? "").dataset.title = state.order ?? "";
  cell("after", row.after);
  cell("note", ...(row.note ? [element("span", "said", row.note)] : []), ...renderDetails(state, row));
  cell("bar", renderBar(row));
  return made;
};

// The details of a reply, but for the one that has a column.
const renderDetails = ({ fields, order }, row) => {
  const parts = fields.flatMap((title, position) => {
    const text = row.fields[position];
    return text && title !== order ? [" · ", element("i", "", title), ` ${text}`] : [];
  });
  return parts.length > 0 ? [element("span", "details", ...parts.slice(1))] : [];
};

// Where a moment stands, in percent of the width.
const place = (ms) => {
  const part = (from, to) => Math.min(Math.max((ms - from) / Math.max(to - from, 1), 0), 1);
  const { "span-ms": span, "deadline-ms": deadline } = axis;
  if (!axis["is-broken"]) return 100 * part(0, span);
  return ms <= span ? BREAK * part(0, span) : BREAK + (BEHIND - BREAK) * part(span, deadline);
};

const stretch = (part, from, to) => {
  part.style.left = `${place(from)}%`;
  part.style.width = `${Math.max(place(to) - place(from), 0)}%`;
  return part;
};

const renderBar = ({ state, bar }) => {
  const made = element("div", "times");
  if (!bar || !axis["is-timed"]) return made;
  made.append(element("span", "unseen", bar.story));
  made.title = bar.story;
  const { "received-ms": received, "answered-ms": answered, "end-ms": end } = bar;
  const draw = (className, from, to) => {
    if (from !== null && to !== null) made.append(stretch(element("i", className), from, to));
  };
  if (state === "waiting") draw("waits now", 0, 0);
  else if (FINISHED.includes(state)) draw("waits", 0, state === "not-asked" ? null : axis["ended-ms"]);
  else {
    draw("queue", 0, received);
    draw("work", received ?? 0, answered);
    draw("queue", answered, end);
  }
  for (const ms of bar["tries-ms"]) draw("try", ms, ms);
  return made;
};

const renderScale = () => {
  const label = (className, ms, text) => {
    const made = element("span", className, text);
    made.style.left = `${place(ms)}%`;
    // It stays inside, wherever its line is.
    made.style.transform = `translateX(-${place(ms)}%)`;
    return made;
  };
  const ticks = axis["is-timed"] ? axis.ticks.map(({ ms, label: text }) => label("tick", ms, text)) : [];
  const lines = [];
  const labels = [];
  for (const [className, what] of [["closed", "ended"], ["deadline", "deadline"]]) {
    const ms = axis[`${className}-ms`];
    if (ms === null) continue;
    const line = element("i", `limit ${className}`);
    line.style.setProperty("--at", place(ms) / 100);
    lines.push(line);
    labels.push(label(`limit-label ${className}`, ms, `${what} ${axis[className]}`));
  }
  if (axis["is-broken"]) {
    const gap = element("i", "gap");
    gap.style.setProperty("--at", (BREAK + 1) / 100);
    lines.push(gap);
  }
  at("scale").replaceChildren(...labels, ...ticks);
  at("lines").replaceChildren(...lines);
};

// Bars of providers that are waited for grow with time.
export const growBars = (sinceMs) => {
  for (const bar of document.querySelectorAll("#rows .waits.now")) stretch(bar, 0, sinceMs);
};
