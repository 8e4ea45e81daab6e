// How a call ended: a title and a sentence for the caller, details for developers, and the call's figures.

import { costOf } from "./facts.js";
import { cutOff, offline, stopped } from "./faults.js";
import { clock, number } from "./text.js";

const TITLES = new Map([
  ["caller_left", "You hung up"],
  ["completed", "Goodbye"],
  ["stopped", "The call was stopped"],
  ["no_caller", "Nobody joined in time"],
  ["idle", "Nobody spoke for a while"],
  ["max_duration", "Time is up"],
  ["budget_spent", "The call’s budget is used up"],
]);
const FAILED = "The call failed";
const FINDING_OUT = "Finding out why…";

const PLAIN = {
  caller: ["You hung up", "The call is over."],
  bot: ["Call ended", "The assistant left the call."],
  lost: ["Connection lost", FINDING_OUT],
  failed: ["The call did not start", FINDING_OUT],
};

/** What the message of a bot that failed goes on with where bots are developed: the developer is who reads it. */
const TRACEBACK = "The traceback ends with: ";

/** Reasons that the page itself causes when a call breaks, by leaving: they say nothing about why it left. */
const BY_THE_PAGE = { lost: ["caller_left"], failed: ["caller_left", "stopped", "no_caller"] };

/**
 * Return {title, text, failed, details} of an ending; `details` are pairs of a label and a text. With `isForDeveloper`,
 * they are what the person at the page wants to read first.
 *
 * `outcome` is {by, fault} as the call saw it, and `farewell` what the bot said last. `known` is
 * {session, refusal, isInReach} once the controller has been asked, and null before: until then nothing is blamed that
 * its answer may excuse.
 */
export function describeEnding({ by, fault }, farewell, known) {
  const broke = by === "lost" || by === "failed";
  const session = known?.session ?? null;
  if (session !== null && !BY_THE_PAGE[by]?.includes(session.reason)) return fromRecord(by, session);
  if (by === "caller") return plain(by, farewell);
  // A bot that was told to stop doesn't know by whom: its controller, or the end of its controller.
  const isSure = farewell !== null && !["stopped", "terminated"].includes(farewell.reason);
  if (isSure && by !== "failed") return fromFarewell(by, farewell);
  if (known?.refusal) {
    return { ...fromFault(known.refusal, TITLES.get(farewell?.reason) ?? FAILED), failed: farewell === null };
  }
  if (fault !== null && !fault.isGuess) return fromFault(fault, PLAIN[by][0]);
  if (known === null) return { ...plain(by, farewell), failed: broke };
  if (!navigator.onLine) return fromFault(offline("the call"));
  if (!known.isInReach) return fromFault(stopped());
  if (farewell !== null && by !== "failed") return fromFarewell(by, farewell);
  return broke ? fromFault(fault ?? cutOff("The room closed the connection."), PLAIN[by][0]) : plain(by, null);
}

function fromRecord(by, { phase, reason, message, caller_message: sentence }) {
  const failed = phase === "failed";
  // To the bot a caller who was lost and one who hung up are the same.
  const isLost = reason === "caller_left" && by !== "caller";
  return {
    title: isLost ? PLAIN.lost[0] : (TITLES.get(reason) ?? (failed ? FAILED : PLAIN[by][0])),
    text: sentence ?? (failed ? "Something went wrong on our side. Please call again in a few minutes." : "The call is over."),
    failed,
    details: pairs([["Reason", reason], ["Message", message]]),
    isForDeveloper: failed && (message ?? "").includes(TRACEBACK),
  };
}

function fromFarewell(by, { reason, message }) {
  const failed = !TITLES.has(reason);
  const details = pairs([["Reason", reason], ["Source", "The bot’s last message; the record can’t be read."]]);
  return { title: TITLES.get(reason) ?? FAILED, text: message ?? PLAIN[by][1], failed, details };
}

function fromFault({ title, message, details }, otherTitle) {
  return { title: title ?? otherTitle, text: message, failed: true, details };
}

function plain(by, farewell) {
  const [title, text] = PLAIN[by];
  return { title, text, failed: false, details: pairs([["Reason", farewell?.reason]]) };
}

function pairs(all) {
  return all.filter(([, text]) => typeof text === "string" && text !== "");
}

/** Return the figures of a call that lasted so many seconds as pairs of a label and a value. */
export function summarise(seconds, { usage, cost }) {
  const models = Object.values(usage?.models ?? {});
  const tools = Object.values(usage?.tool_calls ?? {});
  return [
    ["Length", clock(seconds)],
    ["Your turns", count(usage?.turns)],
    ["Tool calls", count(tools.reduce((sum, { ok, error }) => sum + (ok ?? 0) + (error ?? 0), 0))],
    ["Tokens in", count(models.reduce((sum, model) => sum + (model.prompt_tokens ?? 0), 0))],
    ["Tokens out", count(models.reduce((sum, model) => sum + (model.completion_tokens ?? 0), 0))],
    ...(costOf(cost) === null ? [] : [["Cost", costOf(cost)]]),
  ];
}

function count(value) {
  return number(value ?? 0);
}
