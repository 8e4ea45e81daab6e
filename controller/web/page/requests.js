// The controller's HTTP calls, as Pipecat's clients make them, with readable errors.

import { CallError, refusal, unanswered } from "./faults.js";
import { authorization } from "./key.js";

const OFFER_TRIES = 3;
const OFFER_PAUSE_MS = 2000;

/** Return what this page may start: {room, agents: [{name, has_panel}], default}. */
export async function readStartable() {
  return request("GET", "/start/agents", {});
}

/** Start a session with an agent, null for the default. The answer says how to continue, by the kind of room. */
export async function startSession(agent, signal) {
  const body = { createDailyRoom: true, enableDefaultIceServers: true, body: {} };
  return request("POST", "/start", { signal, body: agent === null ? body : { ...body, agent } });
}

/** Send the offer to the bot and return its answer {sdp, type, pc_id}. A 4xx is final, a 5xx is retried. */
export async function sendOffer(sessionId, offer, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request("POST", offerPath(sessionId), { signal, body: offer });
    } catch (error) {
      const temporary = error instanceof CallError && error.status >= 500;
      if (!temporary || attempt === OFFER_TRIES) throw error;
      await pause(OFFER_PAUSE_MS, signal);
    }
  }
}

export async function sendCandidates(sessionId, pcId, candidates, signal) {
  return request("PATCH", offerPath(sessionId), {
    signal,
    body: {
      pc_id: pcId,
      candidates: candidates.map((candidate) => ({
        candidate: candidate.candidate,
        sdp_mid: candidate.sdpMid,
        sdp_mline_index: candidate.sdpMLineIndex,
      })),
    },
  });
}

/** Give up a session that nobody talks in. Don't wait for it: the page may be closing. */
export function abandonSession(sessionId) {
  fetch(recordPath(sessionId), { method: "DELETE", keepalive: true, headers: authorization() }).catch(() => {});
}

/** Return the stream of the session's changes, or null if this page may not read them. Throws if nobody answers. */
export async function openRecord(sessionId, signal) {
  const response = await fetch(`${recordPath(sessionId)}/events`, { signal, headers: authorization() });
  if (response.ok) return response.body;
  response.body?.cancel();
  if (response.status >= 500) throw new TypeError(`status ${response.status}`);
  return null;
}

/** Throw unless the controller answers. */
export async function reach(signal) {
  const response = await fetch("/livez", { signal, cache: "no-store" });
  response.body?.cancel();
}

/**
 * Return how a session ended, as the refusal of a message to its bot says it; null if it goes on or nobody answers.
 * A caller's token allows this where the record itself may not be read.
 */
export async function askEnd(sessionId, signal) {
  try {
    await sendCandidates(sessionId, "", [], signal);
    return null;
  } catch (error) {
    return error instanceof CallError && error.code === "session_ended" ? error : null;
  }
}

function offerPath(sessionId) {
  return `/sessions/${encodeURIComponent(sessionId)}/api/offer`;
}

function recordPath(sessionId) {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}

async function request(method, path, { body, signal }) {
  // An offer is authorised by the token in its session's id, which is not for showing.
  const key = path.startsWith("/sessions/") ? {} : authorization();
  const where = `${method} ${path.replace(/(~|%7E)[^/]*/i, "~…")}`;
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? key : { ...key, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unanswered(where, error.message);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer ?? {};
  throw refusal(response.status, answer, where);
}

/** Wait. Throws the signal's reason once it is aborted. */
export async function pause(milliseconds, signal) {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    function abort() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener("abort", abort);
  });
}
