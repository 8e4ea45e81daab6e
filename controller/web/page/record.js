// The controller's record of the session, followed while the call lasts, and whether the controller answers at all.

import { askEnd, openRecord, pause, reach } from "./requests.js";

const END_WITHIN_MS = 6000; // after the call; a bot's process takes its time to go
const LOOK_MS = 1000;
const ASK_MS = 300;

/** Events: `change` with the session in `detail`; `reach` with true or false when the controller begins or stops to answer. */
export class Record extends EventTarget {
  latest = null;
  isInReach = true;
  #sessionId;
  #isReadable = true;
  #abort = new AbortController();

  /** `sessionId` is as /start returned it, with the caller's token. */
  constructor(sessionId) {
    super();
    this.#sessionId = sessionId;
    this.#follow(this.#abort.signal);
  }

  get hasEnded() {
    return this.latest?.phase === "ended" || this.latest?.phase === "failed";
  }

  /**
   * Return how the session ended as {session, refusal}, both null if that can't be known within seconds. `refusal` is
   * what the controller tells a caller who may not read the record.
   */
  async ended() {
    const enough = AbortSignal.any([AbortSignal.timeout(END_WITHIN_MS), this.#abort.signal]);
    let refusal = null;
    try {
      while (!this.hasEnded && this.isInReach && refusal === null) {
        if (!this.#isReadable) refusal = await askEnd(this.#sessionId, enough);
        await pause(ASK_MS, enough);
      }
    } catch (error) {
      if (!enough.aborted) throw error;
    }
    this.stop();
    return { session: this.hasEnded ? this.latest : null, refusal };
  }

  stop() {
    this.#abort.abort();
  }

  async #follow(signal) {
    while (!this.hasEnded && !signal.aborted) {
      try {
        await (this.#isReadable ? this.#read(signal) : reach(signal));
        this.#reached(true);
      } catch {
        // Nobody answered, or the stream broke: the next attempt shows which.
        if (!signal.aborted) this.#reached(await answers(signal));
      }
      await pause(LOOK_MS, signal).catch(() => {});
    }
  }

  async #read(signal) {
    const stream = await openRecord(this.#sessionId, signal);
    this.#isReadable = stream !== null;
    if (stream === null) return;
    this.#reached(true);
    let buffer = "";
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    while (!this.hasEnded) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (buffer + value).split("\n");
      buffer = lines.pop();
      for (const line of lines) this.#take(line);
    }
  }

  #take(line) {
    if (!line.startsWith("data: ")) return;
    this.latest = JSON.parse(line.slice("data: ".length));
    this.dispatchEvent(new CustomEvent("change", { detail: this.latest }));
  }

  #reached(isInReach) {
    if (isInReach === this.isInReach) return;
    this.isInReach = isInReach;
    this.dispatchEvent(new CustomEvent("reach", { detail: isInReach }));
  }
}

async function answers(signal) {
  return reach(signal).then(
    () => true,
    () => false,
  );
}
