// What the page says and how it is put there. Every text from outside becomes a text node, never markup.

// The server's own account of itself.
export const about = { backend: "The backend", commands: {}, "finds-prefixes": false };

export const at = (id) => document.getElementById(id);

// A text without characters that a reader would obey rather than see.
export const shown = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

export const element = (name, className, ...content) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
};

// Shows these parts in an element, or hides it where there are none.
export const show = (id, ...parts) => {
  at(id).replaceChildren(...parts);
  at(id).hidden = parts.length === 0;
};

export const announce = (text) => {
  at("news").textContent = text;
};

// The name of a responder. What all simulated providers begin with is there for those who listen or copy.
export const name = (prefix, rest) => {
  const made = element("span", "name", rest);
  if (!prefix) return made;
  made.prepend(element("span", "prefix", prefix));
  made.title = prefix + rest;
  return made;
};

// What is wrong, what to do about it, the command that does it, and the words where there is no command: beyond the
// server's machine.
const TROUBLES = {
  server: () => ["The rydes server does not respond", "Start it", about.commands.serve],
  // It may be suspended, or the network may be down.
  silent: () => ["The rydes server does not respond", "If it has ended, start it", about.commands.serve],
  unreachable: () => {
    const said = `${about.backend} does not respond`;
    const command = about.commands["start-backend"];
    if (about.backend === "AWS") return [said, "See what is wrong", command];
    return [said, "Start it", command, "It must be started on the machine that runs it"];
  },
  "not-set-up": () => ["The stack is not set up", "Set it up", about.commands["set-up"]],
  "no-provider": () => ["No provider is subscribed", "Add the simulated ones", about.commands["set-up"]],
  backend: () => [`${about.backend} did not answer as it should`, "See what is wrong", about.commands.status],
  busy: () => ["The server has too much to do"],
  gone: () => ["This RFQ no longer exists. By default, RFQs are kept for 7 days after their deadline"],
};

export const trouble = (kind) => {
  const [said, todo, command, elsewhere = todo && `${todo} on the server's machine`] = (TROUBLES[kind] ?? TROUBLES.backend)();
  if (!command) return { said, todo: elsewhere ? [elsewhere] : [] };
  return { said, todo: [`${todo}: `, element("code", "", command)] };
};
