// What went wrong: a sentence for the caller, and what a developer wants to know.

/**
 * A call can't start or go on. `message` is for the caller; `details` are pairs of a label and a text for developers.
 * `isGuess`: it is only what remains if the session's record doesn't know better.
 */
export class CallError extends Error {
  constructor(message, { title = null, status = 0, code = null, isGuess = false, details = [] } = {}) {
    super(message);
    Object.assign(this, { title, status, code, isGuess, details });
  }
}

const TITLES = new Map([
  ["capacity_reached", "All lines are busy"],
  ["user_limit_reached", "You are in a call already"],
  ["rate_limited", "Too many calls"],
  ["unauthorized", "You are not signed in"],
  ["forbidden", "This page may not call"],
  ["origin_not_allowed", "This page may not call"],
  ["session_ended", null],
]);
const OTHERWISE = "The call can’t start at the moment. Please try again in a minute.";

/** Return what a refusal says. Its problem document, if it is one, has a sentence for the caller. */
export function refusal(status, answer, where) {
  const { caller_message: sentence, code, detail, title } = answer ?? {};
  const details = [["Request", where], ["Status", String(status)], ["Code", code], ["Detail", detail ?? title]];
  return new CallError(typeof sentence === "string" ? sentence : OTHERWISE, {
    title: TITLES.get(code) ?? null,
    status,
    code: typeof code === "string" ? code : null,
    isGuess: status >= 500,
    details: details.filter(([, text]) => typeof text === "string"),
  });
}

/** Return why a request got no answer. A browser knows only whether it is in any network. */
export function unanswered(where, why) {
  if (!navigator.onLine) return offline(where);
  return new CallError("The voice service doesn’t answer. Please try again in a few minutes.", {
    title: "The service can’t be reached",
    details: [["Request", where], ["Detail", `No answer (${why}). Is the controller running, and does this address lead to it?`]],
  });
}

export function offline(where) {
  return new CallError("Your device is not connected to the internet. Connect it, then call again.", {
    title: "You are offline",
    details: [["Request", where], ["Detail", "The browser reports that it has no network (navigator.onLine is false)."]],
  });
}

/** The controller answered when the call began, and doesn't any more. */
export function stopped() {
  return new CallError("The voice service stopped during your call; the fault is not with you. Please call again in a few minutes.", {
    title: "The service stopped",
    details: [["Detail", "The controller answered at the start of the call, but has stopped answering. Check whether it runs, and read its log."]],
  });
}

/** Nothing but the way between browser and bot can be at fault. */
export function noPath(why) {
  return new CallError("Your network blocks the connection to the assistant. Try another network, or switch off your VPN.", {
    title: "The assistant can’t be reached",
    isGuess: true,
    details: [["Detail", `${why} The session is running and its controller answers. A TURN server may help.`]],
  });
}

/** Likewise, in the middle of a call. */
export function cutOff(why) {
  return new CallError("Your connection to the assistant was lost. Check your network, then call again.", {
    title: "Connection lost",
    isGuess: true,
    details: [["Detail", `${why} The controller answers, and its record names no other cause.`]],
  });
}
