// The one clock of a call: it runs while the call is live, and every time on the page is counted from its zero.

import { clock } from "./text.js";

const TICK_MS = 250;

export class Stopwatch {
  #face;
  #began = null;
  #stopped = null;
  #ticking = 0;

  /** `face` is the element that shows it. */
  constructor(face) {
    this.#face = face;
  }

  /** Return the seconds since the call went live: 0 before, and what it lasted after. */
  get seconds() {
    if (this.#began === null) return 0;
    return ((this.#stopped ?? performance.now()) - this.#began) / 1000;
  }

  reset() {
    clearInterval(this.#ticking);
    this.#began = this.#stopped = null;
    this.#show();
  }

  start() {
    if (this.#began !== null) return;
    this.#began = performance.now();
    this.#ticking = setInterval(() => this.#show(), TICK_MS);
  }

  stop() {
    clearInterval(this.#ticking);
    if (this.#began !== null) this.#stopped ??= performance.now();
    this.#show();
  }

  #show() {
    this.#face.textContent = clock(this.seconds);
  }
}
