/** How a call ended, for a person. */

import type { CallState } from "./state";

const BY_REASON: Record<string, string> = {
  caller_left: "You hung up",
  completed: "Goodbye",
  stopped: "The call was stopped",
  no_caller: "Nobody joined in time",
  idle: "It went quiet",
  max_duration: "Time is up",
  budget_spent: "The call's budget is used up",
};

const BY_WHOM = {
  caller: ["You hung up", "The call is over."],
  bot: ["Call ended", "The assistant left the call."],
  lost: ["Connection lost", "The connection to the assistant was lost. Check your network and call again."],
  failed: ["The call did not start", "Something went wrong before the call began. Try again in a moment."],
} as const;

export interface Description {
  title: string;
  text: string;
  reason: string | null;
  isFailure: boolean;
}

/** Describe the ending from the controller's record, otherwise the bot's farewell, otherwise what the page saw. */
export function describe({ ending, farewell }: Pick<CallState, "ending" | "farewell">): Description | null {
  if (ending === null) return null;
  const { by, sentence, record } = ending;
  // A terminated bot doesn't know why.
  const known = record?.reason ? record : farewell?.reason === "terminated" ? null : farewell;
  const isFailure = by === "failed" || record?.phase === "failed" || (by === "lost" && known === null);
  const [title, text] = BY_WHOM[by];
  return {
    title:
      (known?.reason ? BY_REASON[known.reason] : undefined) ??
      (isFailure && by !== "failed" && known ? "The call failed" : title),
    text: sentence ?? known?.message ?? text,
    reason: known?.reason ?? null,
    isFailure,
  };
}
