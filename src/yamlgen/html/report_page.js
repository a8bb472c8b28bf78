"use strict";
/* The rows of a report. Each line of the data is a row: its id and number, title, status, why (rules and details), cost,
   input (lines: depth, name, text, what is left out) and steps; see html/row_data.py. Texts become text nodes. */
(() => {
  const at = (id) => document.getElementById(id);
  const data = at("data");
  if (!data) return;
  const SLICE = 200;
  const lines = [], heads = [], texts = [];  // a row is kept as text, and read when it is shown
  const places = new Map();  // the first row with an id: 1 and "1" look alike
  let shown = [], first = 0, made = 0, current = -1, waiting = 0;

  const el = (tag, name, ...children) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...children);
    return made;
  };
  const row = (index) => JSON.parse(lines[index]);
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

  async function unpack() {
    const text = data.textContent, step = 1 << 18;
    let from = 0;
    const bytes = new ReadableStream({
      pull(controller) {
        if (from >= text.length) return controller.close();
        const part = atob(text.slice(from, from += step));
        controller.enqueue(Uint8Array.from(part, (each) => each.charCodeAt(0)));
      },
    });
    const reader = bytes.pipeThrough(new DecompressionStream("gzip")).pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const parts = (rest + read.value).split("\n");
      rest = parts.pop();
      for (const part of parts) {
        const { id, number, status, why } = JSON.parse(part);
        if (!places.has(id)) places.set(id, lines.length);
        lines.push(part);
        heads.push({ number: String(number), status, rules: new Set(why.map(([rule]) => rule)) });
      }
    }
    data.textContent = "";
  }

  /* The texts of a row, for the search. */
  const lineText = ([, name, text, more]) => [name, text, more].filter(Boolean).join(": ");
  const said = (part) => typeof part === "string" ? part : Array.isArray(part) ? part[0] : part.note || " … ";
  function textOf(row) {
    const steps = row.steps.flatMap((step) => [
      step.name, step.note, ...step.lines.map(lineText), ...step.remarks,
      ...(step.prompts || []).flatMap(([, sent]) => sent.map(([role, parts]) => `${role}: ${parts.map(said).join("")}`)),
      ...(step.attempts || []).flatMap(([about, answer, , errors]) => [about, answer, ...errors]),
    ]);
    const why = row.why.map((each) => each.filter(Boolean).join(": "));
    return [row.title, row.status, row.cost, ...why, ...row.input.map(lineText), ...steps].join("\n");
  }

  /* Cards. */
  const line = ([depth, name, text, more]) => {
    const made = el("p", `line d${depth}`);
    if (name) made.append(el("b", "", name.endsWith(".") ? name : `${name}:`), " ");
    made.append(text);
    if (more) made.append(" ", el("i", "", `… (${more})`));
    return made;
  };
  const sentPart = (part) => {
    if (typeof part === "string") return part;
    if (Array.isArray(part)) return el("mark", "", part[0]);
    return el("i", "", typeof part === "number" ? ` … (${count(part, "more character")}) … ` : `[${part.note}]`);
  };
  const message = ([role, parts]) => {
    const made = el("p", "sent");
    if (role) made.append(el("b", "", role), " ");
    made.append(...parts.map(sentPart));
    return made;
  };
  /* A fold, whose content is made when it is opened first. */
  function fold(name, title, isOpen, content) {
    const made = el("details", name, el("summary", "", title));
    const fill = () => {
      if (made.open && made.children.length === 1) made.append(...content());
    };
    made.open = isOpen;
    made.addEventListener("toggle", fill);
    fill();
    return made;
  }
  const prompts = (step) => () =>
    step.prompts.flatMap(([name, sent]) => [...(name ? [el("p", "quiet", name)] : []), ...sent.map(message)]);
  const attempts = (step) => () => {
    const left = step.count - step.attempts.length;
    return [
      ...step.attempts.map(([about, answer, more, errors], index) => el("div", "",
        el("p", "quiet", `${index + 1}. ${about}`),
        el("p", "sent", answer || "(no text)", ...(more ? [" ", el("i", "", `… (${more})`)] : [])),
        ...errors.map((each) => el("p", "line broken", `- ${each}`)))),
      ...(left ? [el("p", "", el("i", "", `… (${count(left, "more attempt")})`))] : []),
    ];
  };
  const part = (step) => [
    el("h4", "", step.name, ...(step.note ? [" ", el("small", "", `(${step.note})`)] : [])),
    ...step.lines.map(line),
    ...step.remarks.map((each) => el("p", "line", each)),
    ...(step.prompts ? [
      fold("prompt", "Prompt", at("prompts").checked, prompts(step)),
      ...(step.count ? [fold("", count(step.count, "attempt"), false, attempts(step))] : []),
    ] : []),
  ];
  function card(index) {
    const each = row(index);
    const link = el("a", "", each.title);
    link.href = places.get(each.id) === index ? `#row=${encodeURIComponent(each.id)}` : `#row-${each.number}`;
    const title = el("h3", "", link, `: ${each.status}`);
    title.id = `title-${each.number}`;
    const made = el("article", `card ${each.status}`, title);
    made.id = `row-${each.number}`;
    made.tabIndex = -1;
    made.dataset.index = index;
    made.setAttribute("aria-labelledby", title.id);
    const why = each.why.map(([rule, detail]) => detail ? `${rule} (${detail})` : rule).join(", ");
    if (why) made.append(el("p", "quiet", `chosen: ${why}`));
    made.append(el("div", "sides",
      el("div", "", el("h4", "", "Input"), ...each.input.map(line)),
      el("div", "", ...each.steps.flatMap(part))));
    made.append(el("p", "quiet", each.cost));
    return made;
  }

  /* The list of cards: of those that match, from the first to the last that has been made. */
  function start(place) {
    at("cards").replaceChildren();
    first = made = place - place % SLICE;
    at("earlier").hidden = first === 0;
    more();
  }
  function more() {
    const next = shown.slice(made, made + SLICE);
    made += next.length;
    at("cards").append(...next.map(card));
    at("more").hidden = made === shown.length;
    at("more").textContent = `Show ${Math.min(SLICE, shown.length - made)} more of ${count(shown.length, "row")}`;
  }
  function list() {
    const query = at("query").value.toLowerCase(), [kind, only] = at("only").value.split("=");
    shown = [];
    for (let index = 0; index < lines.length; index++) {
      const { status, rules } = heads[index];
      if (kind && !(kind === "status" ? status === only : rules.has(only))) continue;
      if (query) {
        texts[index] ??= textOf(row(index)).toLowerCase();
        if (!texts[index].includes(query)) continue;
      }
      shown.push(index);
    }
    current = -1;
    start(0);
    tell(query || kind ? `${shown.length.toLocaleString("en")} of ${count(lines.length, "row")}` : count(lines.length, "row"));
  }
  const tell = (text) => { at("found").textContent = text; };
  function go(place) {
    if (place < first || place >= made + SLICE) start(place);  // not all rows that are between
    while (made <= place && made < shown.length) more();
    const card = at("cards").children[place - first];
    if (!card) return;
    current = place;
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  }
  function open() {
    const found = /^#row([=-])(.*)$/s.exec(location.hash);
    if (!found) return;
    let wanted = found[2];
    try {
      wanted = decodeURIComponent(wanted);
    } catch { /* it is no encoding, but the id as it is */ }
    let index = found[1] === "=" ? places.get(wanted) ?? -1 : -1;
    if (index < 0) index = heads.findIndex((each) => each.number === wanted);
    if (index < 0) {
      tell(`Row “${wanted}” is not among the ${count(lines.length, "row")} of this page.`);
      at("found").scrollIntoView({ block: "center" });
      return;
    }
    if (!shown.includes(index)) {
      at("query").value = "";
      at("only").value = "";
      list();
    }
    go(shown.indexOf(index));
  }

  /* The controls, which only a page with script has. */
  function option(value, text) {
    const made = el("option", "", text);
    made.value = value;
    return made;
  }
  function box(id, text) {
    const made = el("input");
    made.type = "checkbox";
    made.id = id;
    made.checked = true;
    return el("label", "box", made, text);
  }
  function button(id, text, action) {
    const made = el("button", "", text);
    made.id = id;
    made.type = "button";
    made.hidden = true;
    made.addEventListener("click", action);
    return made;
  }
  function controls() {
    const kinds = new Map();
    const add = (kind) => kinds.set(kind, (kinds.get(kind) || 0) + 1);
    for (const { status, rules } of heads) {
      add(`status=${status}`);
      for (const rule of rules) add(`why=${rule}`);
    }
    const query = el("input");
    query.id = "query";
    query.type = "search";
    query.autocomplete = "off";
    query.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(list, 150);
    });
    query.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      clearTimeout(waiting);
      list();
      go(0);
    });
    const only = el("select", "", option("", "all"), ...[...kinds].sort().map(([kind, number]) =>
      option(kind, `${kind.replace("why=", "chosen=").replace("=", ": ")} (${number.toLocaleString("en")})`)));
    only.id = "only";
    only.addEventListener("change", list);
    at("cards").before(button("earlier", `Show the ${SLICE} rows before`, () => go(first - SLICE)));
    at("cards").after(button("more", "", () => go(made)));
    at("search").setAttribute("role", "search");
    at("search").append(el("label", "", "Search the rows", query), el("label", "", "Show only", only),
      box("prompts", "Show prompts"), box("keys", "Keys j and k go to the next and to the previous row"));
    at("prompts").addEventListener("change", (event) => {
      for (const each of document.querySelectorAll("#cards .prompt")) each.open = event.target.checked;
    });
  }
  document.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (!at("keys")?.checked || event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    const focused = document.activeElement.closest(".card");
    if (focused) current = shown.indexOf(Number(focused.dataset.index));
    const place = Math.max(0, current + step);
    if (place < shown.length) {
      event.preventDefault();
      go(place);
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.hash && link.hash === location.hash) open();
  });
  addEventListener("hashchange", open);

  unpack().then(() => {
    at("unread").remove();
    controls();
    list();
    open();
  }, () => {});
})();
