/** How a call ended, for a person. */

import { CUT_OFF, OFFLINE, SERVICE_STOPPED } from "./faults";
import type { CallState, Ending } from "./state";

const BY_REASON: Record<string, string> = {
  caller_left: "You hung up",
  completed: "Goodbye",
  stopped: "The call was stopped",
  no_caller: "Nobody joined in time",
  idle: "Nobody spoke for a while",
  max_duration: "Time is up",
  budget_spent: "The call's budget is used up",
};

const FINDING_OUT = "Finding out why…";
const BY_WHOM = {
  caller: ["You hung up", "The call is over."],
  bot: ["Call ended", "The assistant left the call."],
  lost: ["Connection lost", FINDING_OUT],
  failed: ["The call did not start", FINDING_OUT],
} as const;

/** Reasons that the page itself causes when a call breaks, by leaving: they say nothing about why it left. */
const BY_THE_PAGE: Partial<Record<Ending["by"], string[]>> = {
  lost: ["caller_left"],
  failed: ["caller_left", "stopped", "no_caller"],
};

export interface Description {
  title: string;
  text: string;
  isFailure: boolean;
  /** For developers. */
  details: string | null;
}

/**
 * Describe the ending from the controller's record, otherwise the bot's farewell, otherwise what the page saw.
 *
 * Until the shop's server has been asked for the record, nothing is blamed that its answer may excuse.
 */
export function describe({ ending, farewell }: Pick<CallState, "ending" | "farewell">): Description | null {
  if (ending === null) return null;
  const { by, fault, found } = ending;
  const broke = by === "lost" || by === "failed";
  if (found?.kind === "record" && !BY_THE_PAGE[by]?.includes(found.record.reason ?? "")) {
    const { phase, reason, message } = found.record;
    return told(by, reason, message, phase === "failed");
  }
  const [title, text] = BY_WHOM[by];
  if (by === "caller") return { title, text, isFailure: false, details: null };
  // A bot that was told to stop doesn't know by whom.
  const isSure = farewell !== null && !["stopped", "terminated"].includes(farewell.reason);
  if (isSure && by !== "failed") return told(by, farewell.reason, farewell.message, false);
  if (fault !== null && !fault.isGuess) return { ...fault, isFailure: true };
  if (found === null) return { title, text, isFailure: broke, details: null };
  if (found.kind === "offline") return { ...OFFLINE, isFailure: true };
  if (found.kind === "service gone") return { ...SERVICE_STOPPED, isFailure: true };
  if (farewell !== null && by !== "failed") return told(by, farewell.reason, farewell.message, false);
  if (broke) return { ...(fault ?? CUT_OFF), isFailure: true };
  return { title, text, isFailure: false, details: null };
}

function told(
  by: keyof typeof BY_WHOM,
  reason: string | null,
  message: string | null,
  hasFailed: boolean,
): Description {
  // To the bot a caller who was lost and one who hung up are the same.
  const isLost = reason === "caller_left" && by !== "caller";
  const known = isLost ? BY_WHOM.lost[0] : reason === null ? undefined : BY_REASON[reason];
  const isFailure = hasFailed || (reason !== null && known === undefined);
  return {
    title: known ?? (isFailure ? "The call failed" : BY_WHOM[by][0]),
    text: message ?? "The call is over.",
    isFailure,
    details: reason === null ? null : `Reason on record: ${reason}.`,
  };
}
