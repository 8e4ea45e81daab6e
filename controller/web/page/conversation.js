// Both sides' words as turns, in the order in which they were spoken, growing as words arrive.

import { clipped, element } from "./text.js";

const NEAR_END_PIXELS = 120;
const MOST_TURNS = 500;
const LONGEST_TURN = 8000;
const WORDS_WITHIN_MS = 4000; // after the caller's last sound; words may still come later
const UNCLEAR = "Not understood. Say it again, or type it.";

export class Conversation {
  #list;
  #yours = null; // the caller's turn that still receives words
  #bots = null; // the assistant's turn that still receives words
  #typed = []; // typed words already shown, which the bot will echo
  #pendingLatency = null;
  #wordless = 0; // the timer of a turn without words
  #atEnd = true; // false while the reader has scrolled up
  #bot = "Assistant";

  constructor(list) {
    this.#list = list;
    list.addEventListener("scroll", () => this.#noteReader());
    new ResizeObserver(() => this.#keepEndInSight()).observe(list);
  }

  /** Begin another conversation, with a bot of this name. */
  begin(bot) {
    this.#bot = bot;
    this.#list.replaceChildren();
    this.#yours = this.#bots = this.#pendingLatency = null;
    this.#typed = [];
    this.#atEnd = true;
  }

  /** Add the turn now, because its words arrive well after speech began. */
  callerStartedSpeaking() {
    if (isWordless(this.#yours)) markUnclear(this.#yours);
    this.#yours = this.#addTurn("you", "You");
    this.#yours.item.classList.add("waiting");
    this.#bots = null;
    this.#keepEndInSight();
  }

  callerStoppedSpeaking() {
    const turn = this.#yours;
    clearTimeout(this.#wordless);
    this.#wordless = setTimeout(() => {
      if (!isWordless(turn)) return;
      markUnclear(turn);
      this.#keepEndInSight();
    }, WORDS_WITHIN_MS);
  }

  typed(text) {
    this.#typed.push(text);
    if (this.#typed.length > MOST_TURNS) this.#typed.shift();
    const turn = this.#addTurn("you", "You, typed");
    turn.text.textContent = text;
    announce(turn);
    this.#yours = null;
    this.#bots = null;
    this.#atEnd = true;
    this.#keepEndInSight();
  }

  /** Show the caller's words. `kind` is transcription or chat; only a final text stays. */
  callerSaid(text, { kind, final }) {
    if (kind === "chat") {
      const known = this.#typed.indexOf(text);
      if (known >= 0) {
        this.#typed.splice(known, 1);
        return;
      }
    }
    this.#yours ??= this.#addTurn("you", "You");
    const turn = this.#yours;
    turn.item.classList.remove("waiting", "unclear");
    turn.item.classList.toggle("interim", !final);
    turn.settled ??= "";
    turn.text.textContent = clipped(joined(turn.settled, text), LONGEST_TURN);
    if (final) {
      turn.settled = turn.text.textContent;
      announce(turn);
    }
    this.#keepEndInSight();
  }

  botSaid(text) {
    if (this.#bots === null) {
      if (text.trim() === "") return;
      this.#bots = this.#addTurn("bot", this.#bot);
      if (this.#pendingLatency !== null) this.answeredAfter(this.#pendingLatency);
    }
    this.#bots.text.textContent = clipped(joined(this.#bots.text.textContent, text), LONGEST_TURN);
    this.#keepEndInSight();
  }

  botStoppedSpeaking() {
    announce(this.#bots);
    this.#bots = null;
  }

  botInterrupted() {
    this.#bots?.item.classList.add("interrupted");
    this.botStoppedSpeaking();
  }

  /** Show an answer's latency, which can arrive before the answer's first words. */
  answeredAfter(seconds) {
    if (this.#bots === null) {
      this.#pendingLatency = seconds;
      return;
    }
    this.#pendingLatency = null;
    this.#bots.who.querySelector(".after")?.remove();
    this.#bots.who.append(element("span", "after", `answered in ${seconds.toFixed(1)} s`));
  }

  /** Mark all turns as complete. */
  close() {
    if (isWordless(this.#yours)) markUnclear(this.#yours);
    announce(this.#yours);
    announce(this.#bots);
    this.#yours = this.#bots = null;
  }

  #addTurn(side, name) {
    const item = element("li", `turn ${side}`);
    item.setAttribute("aria-busy", "true");
    const who = element("p", "who", name);
    const text = element("p", "text");
    item.append(who, text);
    this.#list.append(item);
    if (this.#list.children.length > MOST_TURNS) this.#list.firstElementChild.remove();
    this.#keepEndInSight();
    return { item, who, text };
  }

  #noteReader() {
    const below = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight;
    this.#atEnd = below < NEAR_END_PIXELS;
  }

  #keepEndInSight() {
    if (this.#atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function isWordless(turn) {
  return turn !== null && turn.item.classList.contains("waiting");
}

/** Keep the turn of a caller who was heard and not understood: otherwise they would wait for an answer. */
function markUnclear(turn) {
  turn.item.classList.remove("waiting");
  turn.item.classList.add("unclear");
  turn.text.textContent = UNCLEAR;
  announce(turn);
}

/** Let a screen reader read the turn now that it is complete, rather than word by word. */
function announce(turn) {
  turn?.item.removeAttribute("aria-busy");
}

/** Join pieces of a transcript: some come with their spaces, and whole sentences without. */
function joined(before, piece) {
  const glued = /[\p{L}\p{N}.!?,…]$/u.test(before) && /[.!?…]$/u.test(before) && /^[\p{L}\p{N}]/u.test(piece);
  return (before + (glued ? " " : "") + piece).replace(/^\s+/, "");
}
