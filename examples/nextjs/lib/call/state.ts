/** The state of a call that the page shows: a pure function of its events. */

import {
  botSaid,
  botStopped,
  callerSaid,
  callerStarted,
  callerTyped,
  callerUnclear,
  closed,
  NO_WORDS,
} from "./conversation";
import type { Conversation } from "./conversation";
import type { Found } from "./api";
import type { Fault } from "./faults";
import { EMPTY_SHELF, shelved, type Shelf } from "./shelf";

export type Phase = "idle" | "microphone" | "starting" | "connecting" | "live" | "ended";

/** Who ended the call, and why if the page knows. `failed`: before it began; `lost`: the connection broke. */
export interface Ending {
  by: "caller" | "bot" | "lost" | "failed";
  fault: Fault | null;
  /** What the shop's server says about the end; null until it has been asked. */
  found: Found | null;
}

export type CallEvent =
  | { type: "phase"; phase: Phase }
  | { type: "microphone"; problem: string | null }
  | { type: "bot-track"; track: MediaStreamTrack }
  | { type: "muted"; muted: boolean }
  | { type: "interrupted"; interrupted: boolean }
  | { type: "caller-started" }
  | { type: "caller-unclear" }
  | { type: "caller-said"; text: string; isFinal: boolean }
  | { type: "caller-typed"; text: string }
  | { type: "bot-said"; text: string }
  | { type: "bot-stopped" }
  | { type: "server-message"; data: unknown }
  | { type: "notice"; text: string | null }
  | { type: "ended"; by: Ending["by"]; fault: Fault | null }
  | { type: "found"; found: Found };

export interface CallState {
  phase: Phase;
  /** A sentence about a problem that doesn't end the call. */
  notice: string | null;
  isMuted: boolean;
  /** The connection is temporarily broken. */
  isInterrupted: boolean;
  botTrack: MediaStreamTrack | null;
  conversation: Conversation;
  shelf: Shelf;
  ending: Ending | null;
  /** The bot's own reason for the end: {reason, message}. */
  farewell: { reason: string; message: string } | null;
}

export const NO_CALL: CallState = {
  phase: "idle",
  notice: null,
  isMuted: false,
  isInterrupted: false,
  botTrack: null,
  conversation: NO_WORDS,
  shelf: EMPTY_SHELF,
  ending: null,
  farewell: null,
};

export function after(state: CallState, event: CallEvent): CallState {
  // Ignore events that arrive after the end.
  if (state.phase === "ended" && event.type !== "phase" && event.type !== "found") return state;
  switch (event.type) {
    case "phase":
      return event.phase === "microphone"
        ? { ...NO_CALL, phase: "microphone" }
        : { ...state, phase: event.phase };
    case "microphone":
      return { ...state, notice: event.problem };
    case "bot-track":
      return { ...state, botTrack: event.track };
    case "muted":
      return { ...state, isMuted: event.muted };
    case "interrupted":
      return { ...state, isInterrupted: event.interrupted };
    case "caller-started":
      return { ...state, conversation: callerStarted(state.conversation) };
    case "caller-unclear":
      return { ...state, conversation: callerUnclear(state.conversation) };
    case "caller-said":
      return { ...state, conversation: callerSaid(state.conversation, event.text, event.isFinal) };
    case "caller-typed":
      return { ...state, conversation: callerTyped(state.conversation, event.text) };
    case "bot-said":
      return { ...state, conversation: botSaid(state.conversation, event.text) };
    case "bot-stopped":
      return { ...state, conversation: botStopped(state.conversation) };
    case "server-message":
      return afterServerMessage(state, event.data);
    case "notice":
      return { ...state, notice: event.text };
    case "ended":
      return {
        ...state,
        phase: "ended",
        notice: null,
        botTrack: null,
        isInterrupted: false,
        conversation: closed(state.conversation),
        ending: { by: event.by, fault: event.fault, found: null },
      };
    case "found":
      return state.ending === null ? state : { ...state, ending: { ...state.ending, found: event.found } };
  }
}

function afterServerMessage(state: CallState, data: unknown): CallState {
  if (typeof data !== "object" || data === null) return state;
  const { type, reason, message } = data as Record<string, unknown>;
  if (type === "call_ended")
    return { ...state, farewell: { reason: String(reason), message: String(message) } };
  return { ...state, shelf: shelved(state.shelf, data) };
}
