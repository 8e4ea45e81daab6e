// Which part of the page takes which of the bot's messages.

import { clipped, quantity } from "./text.js";

const LONGEST_WORDS = 8000;
const LONGEST_REASON = 64;
const LONGEST_SECONDS = 86_400;
const BOT_ERROR = "The assistant has a problem. If it stays silent, say it again or call again.";

export class Messages {
  farewell = null; // what the bot said of the call's end: {reason, message}; both are for the caller
  #conversation;
  #services;
  #tools;
  #panel;
  #showNotice;

  constructor({ conversation, services, tools, panel, showNotice }) {
    this.#conversation = conversation;
    this.#services = services;
    this.#tools = tools;
    this.#panel = panel;
    this.#showNotice = showNotice;
  }

  begin() {
    this.farewell = null;
  }

  /** Handle a message {type, data}. Nothing in `data` is to be trusted. */
  handle({ type, data }) {
    switch (type) {
      case "user-started-speaking":
        return this.#conversation.callerStartedSpeaking();
      case "user-stopped-speaking":
        return this.#conversation.callerStoppedSpeaking();
      case "user-input":
        return this.#conversation.callerSaid(clipped(data.text, LONGEST_WORDS), {
          kind: data.input_type,
          final: data.final === true,
        });
      case "bot-output":
        return isLastOfSegment(data) ? this.#conversation.botSaid(clipped(data.text, LONGEST_WORDS)) : undefined;
      case "bot-stopped-speaking":
        return this.#conversation.botStoppedSpeaking();
      case "bot-interrupted":
        return this.#conversation.botInterrupted();
      case "metrics":
        return this.#services.measured(data);
      case "llm-function-call-in-progress":
        return this.#tools.started(data);
      case "llm-function-call-stopped":
        return this.#tools.stopped(data);
      case "server-message":
        return this.#handleOwn(data);
      case "ui-command":
        return this.#panel.send({ type: "ui-command", data });
      case "error":
      case "error-response":
        return this.#showNotice(BOT_ERROR, [["Detail", clipped(data.error, LONGEST_WORDS)]]);
      default:
        return undefined;
    }
  }

  /** Podline's own messages are for the page; all are for the agent's panel. */
  #handleOwn(data) {
    if (data.type === "response_latency") {
      const seconds = quantity(data.seconds, LONGEST_SECONDS);
      if (seconds !== null) {
        this.#conversation.answeredAfter(seconds);
        this.#services.answeredAfter(seconds);
      }
    } else if (data.type === "call_ended") {
      this.farewell = {
        reason: clipped(data.reason, LONGEST_REASON) || null,
        message: clipped(data.message, LONGEST_WORDS) || null,
      };
    }
    this.#panel.send({ type: "server-message", data });
  }
}

/** Text that will be spoken is sent again while it is spoken; other text is sent once. */
function isLastOfSegment({ will_be_spoken: followed, spoken_status: status }) {
  return followed ? status === "completed" : status === "new";
}
