// The panel of an agent: a page of its author's, in a frame that can reach nothing of this one.
//
// The frame is sandboxed with an origin of its own, and its page is served with a policy that lets it load and send
// nothing. It receives the bot's messages by postMessage: {type: "server-message", data}, {type: "ui-command", data},
// {type: "call", state}. It may send {type: "say", text}, which is what the person at the page could type.

import { isObject } from "./text.js";

const MOST_WAITING = 100;
const LONGEST_SAYING = 1000;
const SAYING_PAUSE_MS = 300;

export class Panel {
  #place;
  #say;
  #frame = null;
  #waiting = null; // messages for a frame that is loading
  #saidAt = -Infinity;

  /** `say` receives a text to send as if it had been typed. */
  constructor(place, say) {
    this.#place = place;
    this.#say = say;
    addEventListener("message", (event) => this.#receive(event));
  }

  /** Load an agent's panel afresh, or none for null. */
  show(agent) {
    this.#place.replaceChildren();
    this.#frame = null;
    if (agent === null) return;
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.referrerPolicy = "no-referrer";
    frame.title = `Panel of ${agent}`;
    frame.src = `/panels/${encodeURIComponent(agent)}`;
    this.#waiting = [];
    frame.addEventListener("load", () => this.#flush(frame), { once: true });
    this.#frame = frame;
    this.#place.append(frame);
  }

  send(message) {
    if (this.#frame === null) return;
    if (this.#waiting === null) post(this.#frame, message);
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(message);
  }

  #flush(frame) {
    if (frame !== this.#frame) return;
    for (const message of this.#waiting.splice(0)) post(frame, message);
    this.#waiting = null;
  }

  #receive({ source, data }) {
    if (this.#frame === null || source !== this.#frame.contentWindow || !isObject(data)) return;
    if (data.type !== "say" || typeof data.text !== "string") return;
    const now = performance.now();
    if (now - this.#saidAt < SAYING_PAUSE_MS) return;
    this.#saidAt = now;
    this.#say(data.text.slice(0, LONGEST_SAYING).trim());
  }
}

function post(frame, message) {
  // A sandboxed frame's origin has no name. What goes there is only what its own agent's bot sent.
  frame.contentWindow.postMessage(message, "*");
}
