// RTVI, the messages between Pipecat's bots and their clients: https://docs.pipecat.ai/client/rtvi-standard

import { isObject, isTooDeep } from "./text.js";

const LABEL = "rtvi-ai";
const VERSION = "2.2.0";
const LONGEST_MESSAGE = 256 * 1024;
const LONGEST_TYPE = 64;

let sent = 0;

export function clientReady() {
  return message("client-ready", { version: VERSION, about: { library: "podline-page", platform: "web" } });
}

export function sendText(text) {
  return message("send-text", { content: text, options: { run_immediately: true, audio_response: true } });
}

/** Return {type, data} of a message as it was received, or null if it is none that this page can use. */
export function parse(raw) {
  if (typeof raw !== "string" || raw.length > LONGEST_MESSAGE) return null;
  let message;
  try {
    message = JSON.parse(raw);
  } catch {
    return null;
  }
  if (!isObject(message) || message.label !== LABEL || isTooDeep(message)) return null;
  const { type, data } = message;
  if (typeof type !== "string" || type.length > LONGEST_TYPE) return null;
  return { type, data: isObject(data) ? data : {} };
}

function message(type, data) {
  sent += 1;
  return { label: LABEL, type, id: `${type}-${sent}`, data };
}
