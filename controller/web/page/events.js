// Every message of the call, both ways, as a list that can be searched and copied.

import { asJson, clipped, element } from "./text.js";

const MOST = 1000;
const LONGEST = 16_000;
const LONGEST_PREVIEW = 160;
const LONGEST_TYPE = 64;
const ARROWS = { sent: ["↑", "sent"], received: ["↓", "received"] };

export class Events {
  #list;
  #search;
  #note;
  #events = [];
  #count = 0;
  #stopwatch;
  #shown = 0; // the number of the last event on show
  #drawing = 0;

  constructor({ list, search, note, copy, stopwatch }) {
    this.#stopwatch = stopwatch;
    this.#list = list;
    this.#search = search;
    this.#note = note;
    search.addEventListener("input", () => this.#redraw());
    copy.addEventListener("click", () => this.#copy(copy));
  }

  begin() {
    this.#events = [];
    this.#count = this.#shown = 0;
    this.#redraw();
  }

  /** Add a message as it was on the wire; `direction` is sent or received. */
  add(direction, { raw, message }) {
    this.#count += 1;
    const text = clipped(raw, LONGEST) || "(not text)";
    const type = clipped(message?.type, LONGEST_TYPE) || "not RTVI";
    this.#events.push({
      number: this.#count,
      at: this.#stopwatch.seconds,
      direction,
      type,
      text,
      searched: `${type} ${text}`.toLowerCase(),
    });
    if (this.#events.length > MOST) this.#events.shift();
    this.draw();
  }

  /** Show what has come since, with the next frame: a bot may send more than a screen can. */
  draw() {
    if (this.#drawing !== 0) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#append();
    });
  }

  #append() {
    if (this.#list.offsetParent === null) return; // in a tab that is not shown
    const list = this.#list;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const fresh = this.#matching().filter(({ number }) => number > this.#shown);
    list.append(...fresh.map(row));
    const oldest = this.#events[0]?.number ?? 0;
    while (list.firstElementChild && Number(list.firstElementChild.dataset.number) < oldest) {
      list.firstElementChild.remove();
    }
    this.#shown = this.#count;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    this.#describe();
  }

  #redraw() {
    this.#list.replaceChildren();
    this.#shown = 0;
    this.#describe();
    this.draw();
  }

  #describe() {
    const kept = this.#events.length;
    const shown = this.#search.value.trim() === "" ? "" : `${this.#matching().length} match. `;
    if (this.#count === 0) this.#note.textContent = "Every message between page and bot appears here.";
    else this.#note.textContent = `${shown}${this.#count} in this call${this.#count > kept ? `, the last ${kept} kept` : ""}.`;
  }

  #matching() {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return this.#events.filter(({ searched }) => words.every((word) => searched.includes(word)));
  }

  async #copy(button) {
    const lines = this.#matching().map(({ at, direction, text }) => `${at.toFixed(3)} ${direction} ${text}`);
    try {
      await navigator.clipboard.writeText(lines.join("\n"));
      button.textContent = `Copied ${lines.length}`;
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}

function row({ number, at, direction, type, text }) {
  const [arrow, name] = ARROWS[direction];
  const item = element("li", direction);
  item.dataset.number = number;
  const details = element("details");
  const summary = element("summary");
  const mark = element("span", "arrow", arrow);
  mark.title = name;
  summary.append(
    element("span", "at", at.toFixed(2)),
    mark,
    element("code", "type", type),
    element("span", "preview", preview(text)),
  );
  details.append(summary);
  details.addEventListener("toggle", () => details.append(element("pre", "", indented(text))), { once: true });
  item.append(details);
  return item;
}

function indented(text) {
  try {
    return clipped(JSON.stringify(JSON.parse(text), null, 2), LONGEST);
  } catch {
    return text;
  }
}

/** Return the part that differs between messages of a type, or the whole text if it is another. */
function preview(text) {
  try {
    return asJson(JSON.parse(text).data, LONGEST_PREVIEW);
  } catch {
    return clipped(text, LONGEST_PREVIEW);
  }
}
