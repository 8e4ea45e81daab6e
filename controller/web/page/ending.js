// How a call ended, in words, and its figures.

import { costOf } from "./facts.js";
import { clock, number } from "./text.js";

const TITLES = new Map([
  ["caller_left", "You hung up"],
  ["completed", "Goodbye"],
  ["stopped", "The call was stopped"],
  ["no_caller", "Nobody joined in time"],
  ["idle", "It went quiet"],
  ["max_duration", "Time is up"],
  ["budget_spent", "The call’s budget is used up"],
]);

const PLAIN = {
  caller: ["You hung up", "The call is over."],
  bot: ["Call ended", "The bot left the call."],
  lost: ["Connection lost", "The connection to the bot was lost. Check your network and call again."],
  failed: ["The call did not start", "Something went wrong before the call began."],
};

/**
 * Return title, sentence and reason to show: from the session's record, otherwise from the bot's last message,
 * otherwise from what the page saw itself.
 */
export function describeEnding({ by, sentence }, lastMessage, record) {
  // A terminated bot doesn't know why; the record does.
  const known = record ?? (lastMessage?.reason === "terminated" ? null : lastMessage);
  const [plainTitle, plainText] = PLAIN[by];
  const reason = known?.reason ?? null;
  const failed = by === "failed" || record?.phase === "failed" || (by === "lost" && reason === null);
  return {
    title: TITLES.get(reason) ?? (reason !== null && failed ? "The call failed" : plainTitle),
    text: sentence ?? known?.message ?? plainText,
    reason,
    failed,
  };
}

/** Return the record's figures of the call as pairs of a label and a value. */
export function summarise({ timeline, usage, cost }) {
  const began = timeline?.caller_joined ?? timeline?.accepted;
  const seconds = began && timeline.ended ? (Date.parse(timeline.ended) - Date.parse(began)) / 1000 : null;
  const models = Object.values(usage?.models ?? {});
  const tools = Object.entries(usage?.tool_calls ?? {});
  return [
    ["Length", seconds === null ? "–" : clock(seconds)],
    ["Your turns", count(usage?.turns)],
    ["Tool calls", count(tools.reduce((sum, [, { ok, error }]) => sum + (ok ?? 0) + (error ?? 0), 0))],
    ["Tokens in", count(models.reduce((sum, model) => sum + (model.prompt_tokens ?? 0), 0))],
    ["Tokens out", count(models.reduce((sum, model) => sum + (model.completion_tokens ?? 0), 0))],
    ...(costOf(cost) === null ? [] : [["Cost", costOf(cost)]]),
  ];
}

function count(value) {
  return number(value ?? 0);
}
