// The bot's tool calls: name, arguments, result and times, as far as the bot reports them.

import { asJson, clipped, clock, duration, element } from "./text.js";

const MOST = 200;
const LONGEST_VALUE = 4000;
const LONGEST_NAME = 128;
const WITHHELD =
  "This bot reports that it calls tools, but not which ones. Set RTVIObserverParams(function_call_report_level=…) in bot.py to see them.";

export class ToolCalls {
  #list;
  #note;
  #count;
  #calls = new Map(); // id -> {item, began, state}, oldest first
  #total = 0;
  #stopwatch;
  #withholds = false;

  constructor({ list, note, count, stopwatch }) {
    this.#stopwatch = stopwatch;
    this.#list = list;
    this.#note = note;
    this.#count = count;
  }

  begin() {
    this.#list.replaceChildren();
    this.#calls.clear();
    this.#total = 0;
    this.#withholds = false;
    this.#describe();
  }

  started(data) {
    const call = this.#open(data);
    const given = asJson(data.arguments, LONGEST_VALUE, 2);
    if (given !== "") call.item.append(value("Arguments", given));
  }

  stopped(data) {
    // A call whose beginning was missed is shown all the same.
    const call = this.#calls.get(idOf(data)) ?? this.#open(data);
    if (call.isDone) return;
    call.isDone = true;
    call.item.classList.remove("running");
    const took = duration((performance.now() - call.began) / 1000);
    call.state.textContent = data.cancelled === true ? `cancelled after ${took}` : took;
    const result = asJson(data.result, LONGEST_VALUE, 2);
    if (result !== "") call.item.append(value("Result", result));
  }

  /** Nothing runs on after the call. */
  close() {
    for (const { item, state, isDone } of this.#calls.values()) {
      if (isDone) continue;
      item.classList.remove("running");
      state.textContent = "not finished";
    }
  }

  #open(data) {
    const name = clipped(data.function_name, LONGEST_NAME);
    if (name === "") this.#withholds = true;
    const began = performance.now();
    const item = element("li", "tool running");
    const head = element("p", "head");
    const state = element("span", "took", "running…");
    head.append(
      element("span", "at", clock(this.#stopwatch.seconds)),
      element("code", "name", name || "a tool"),
      state,
    );
    item.append(head);
    const call = { item, began, state, isDone: false };
    this.#keep(idOf(data), call);
    return call;
  }

  #keep(id, call) {
    this.#calls.delete(id);
    this.#calls.set(id, call);
    this.#list.append(call.item);
    this.#total += 1;
    if (this.#calls.size > MOST) this.#calls.delete(this.#calls.keys().next().value);
    while (this.#list.children.length > MOST) this.#list.firstElementChild.remove();
    this.#describe();
  }

  #describe() {
    this.#count.textContent = this.#total === 0 ? "" : String(this.#total);
    this.#note.textContent = this.#withholds ? WITHHELD : "The tools that the bot calls appear here.";
    this.#note.hidden = this.#total > 0 && !this.#withholds;
  }
}

function idOf(data) {
  return clipped(data.tool_call_id, LONGEST_NAME);
}

function value(label, text) {
  const details = element("details");
  details.open = text.length < 400;
  details.append(element("summary", "", label), element("pre", "", text));
  return details;
}
