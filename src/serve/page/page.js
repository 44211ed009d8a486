// The page: a form to ask, a form to open an RFQ, and the RFQ that the address names.
import { follow, isFollowed, leave, path } from "./rfq.js";
import { ask, kindOf, kindOfLoss } from "./server.js";
import { about, at, element, show, shown, trouble } from "./words.js";

const FIELDS = ["from", "to", "customer", "deadline", "until", "details"];
const MISSING = { from: "Enter a starting point", to: "Enter a destination" };
// What each field takes, in words.
const WRONG = {
  from: "Enter at most 256 characters, and no control characters",
  to: "Enter at most 256 characters, and no control characters",
  customer: "Enter at most 256 characters, and no control characters",
  deadline: "Enter a time from 10 ms to 24 h, such as 15s or 2m",
  until: "Enter a number of quotes such as 3, or a price such as price:20",
  details: 'Enter JSON, such as {"seats": 4}',
};
const TOO_LONG = "The details are too long: a message may have 262,144 bytes";

// A request that may or may not be out. Asked again, it keeps its id.
let unknown = null;

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
  at("ask").hidden = Boolean(id);
  at("rfq").hidden = !id;
  at("new").hidden = !id;
  if (id && !isFollowed(id)) follow(id);
  if (id) return;
  leave();
  document.title = "rydes";
  look();
};

const go = (address) => {
  history.pushState(null, "", address);
  enter();
  scrollTo(0, 0);
};

// How many providers will be asked, or what is in the way.
const look = async () => {
  let kind;
  try {
    const answer = await ask("/readyz");
    if (answer.ok) {
      const { providers } = await answer.json();
      at("lead").textContent = providers === 1
        ? "1 provider is subscribed; it is asked for a quote."
        : `${providers} providers are subscribed; each is asked for a quote.`;
      at("lead-again").hidden = true;
      return;
    }
    kind = await kindOf(answer);
  } catch (error) {
    kind = kindOfLoss(error);
  }
  const { said, todo } = trouble(kind);
  at("lead").replaceChildren(`${said}. `, ...todo);
  at("lead-again").hidden = false;
};

const complain = (field, ...problem) => {
  at(`${field}-error`).replaceChildren(...problem);
  if (field !== "form") at(field).setAttribute("aria-invalid", "true");
};

const forgive = (fields) => {
  for (const field of fields) {
    at(`${field}-error`).replaceChildren();
    at(field).removeAttribute("aria-invalid");
  }
};

const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

// What is wrong with the fields before they are sent, the first one first.
const wrong = (typed) =>
  FIELDS.flatMap((field) => {
    if (MISSING[field] && !typed[field]) return [[field, MISSING[field]]];
    if (field === "details" && typed.details && !isJson(typed.details)) return [[field, WRONG.details]];
    return [];
  });

// The request as JSON. The details go out as they were typed: numbers here would lose digits.
const written = ({ details, until, deadline, ...request }) => {
  if (until) request.until = until.split(/[\s,]+/).filter((one) => one && one !== "or");
  if (deadline) request.deadline = deadline;
  const json = JSON.stringify(request);
  return details ? `${json.slice(0, -1)},"details":${details}}` : json;
};

const submit = async () => {
  const button = at("submit");
  if (button.getAttribute("aria-disabled") === "true") return;
  forgive(FIELDS);
  complain("form");
  const typed = {};
  for (const field of FIELDS) {
    const text = at(field).value.trim();
    if (text) typed[field] = text;
  }
  const problems = wrong(typed);
  for (const [field, problem] of problems) complain(field, problem);
  if (problems.length > 0) return at(problems[0][0]).focus();
  const same = written(typed);
  if (unknown?.same === same) typed["rfq-id"] = unknown.id;
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Asking";
  try {
    const answer = await ask("/submit-instant-ride-rfq", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: written(typed),
    });
    const said = await answer.json();
    unknown = said["rfq-id"] && !answer.ok ? { same, id: said["rfq-id"] } : null;
    if (!answer.ok) return refused(answer.status, said);
    go(path(said["rfq-id"]));
    at("route").focus();
  } catch {
    const { said } = trouble("server");
    const { status } = about.commands;
    const look = status ? ["; to see: ", element("code", "", status)] : [];
    complain("form", `${said}. The request may or may not have been published`, ...look);
  } finally {
    button.removeAttribute("aria-disabled");
    button.textContent = "Ask all providers";
  }
};

const refused = (status, { error, kind, field, ...more }) => {
  if (status === 413) field = "details";
  if (FIELDS.includes(field)) {
    complain(field, status === 413 ? TOO_LONG : WRONG[field]);
    at(field).focus();
  } else if (more["rfq-id"]) {
    const { said } = trouble(kind);
    complain("form", `${said}; the request may or may not have been sent. Ask again: nothing is doubled`);
  } else if (kind) {
    const { said, todo } = trouble(kind);
    complain("form", `${said}; nothing was sent. `, ...todo);
  } else {
    complain("form", shown(error));
  }
};

const open = async () => {
  forgive(["rfq-id"]);
  const refuse = (...problem) => {
    complain("rfq-id", ...problem);
    at("rfq-id").focus();
  };
  const typed = at("rfq-id").value.trim();
  if (!typed) return refuse("Enter the id of an RFQ");
  try {
    const answer = await ask(`/rfqs?id=${encodeURIComponent(typed)}`);
    if (answer.ok) {
      go(path((await answer.json())["rfq-id"]));
      at("route").focus();
    } else if (answer.status === 404) {
      refuse("No RFQ has this id");
    } else if (answer.status === 400) {
      refuse("Several RFQs begin like this: enter more of the id");
    } else {
      const { said, todo } = trouble(await kindOf(answer));
      refuse(`${said}. `, ...todo);
    }
  } catch (error) {
    const { said, todo } = trouble(kindOfLoss(error));
    refuse(`${said}. `, ...todo);
  }
};

const introduce = async () => {
  try {
    Object.assign(about, await (await ask("/about")).json());
    show("target", about.target);
    at("deadline").placeholder = about.deadline;
  } catch {
    // The form reports a server that is away when it is used.
  }
  at("rfq-id-hint").textContent = about["finds-prefixes"]
    ? "of one submitted from this machine, the first four characters are enough"
    : "the whole id";
};

for (const [form, send] of [["form", submit], ["open", open]]) {
  at(form).addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
}
for (const link of ["home", "new"]) {
  at(link).addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go("/");
    at("from").focus();
  });
}
at("look").addEventListener("click", look);
addEventListener("popstate", enter);
await introduce();
enter();
