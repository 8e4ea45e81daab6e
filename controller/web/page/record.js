// The controller's record of the session: followed while the call lasts, if this page may read it.

import { openRecord } from "./requests.js";

const END_WITHIN_MS = 6000; // after the call; a bot's process takes its time to go

/** Event `change`, with the session in `detail`. */
export class Record extends EventTarget {
  latest = null;
  #abort = new AbortController();
  #over;

  /** `sessionId` is as /start returned it, with the caller's token. */
  constructor(sessionId) {
    super();
    this.#over = this.#follow(sessionId);
  }

  get hasEnded() {
    return this.latest?.phase === "ended" || this.latest?.phase === "failed";
  }

  /** Return the session once it has ended, or null if that can't be known or takes too long. */
  async ended() {
    const giveUp = setTimeout(() => this.stop(), END_WITHIN_MS);
    await this.#over;
    clearTimeout(giveUp);
    return this.hasEnded ? this.latest : null;
  }

  stop() {
    this.#abort.abort();
  }

  async #follow(sessionId) {
    try {
      const stream = await openRecord(sessionId, this.#abort.signal);
      if (stream === null) return;
      let buffer = "";
      const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
      while (!this.hasEnded) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (buffer + value).split("\n");
        buffer = lines.pop();
        for (const line of lines) this.#read(line);
      }
    } catch {
      // The stream broke or was stopped: the page shows what it knows without it.
    } finally {
      this.#abort.abort();
    }
  }

  #read(line) {
    if (!line.startsWith("data: ")) return;
    this.latest = JSON.parse(line.slice("data: ".length));
    this.dispatchEvent(new CustomEvent("change", { detail: this.latest }));
  }
}
