// The controller's HTTP calls, as Pipecat's clients make them, with readable errors.

import { authorization } from "./key.js";

const OFFER_TRIES = 3;
const OFFER_PAUSE_MS = 2000;

/** A request failed; `message` is a sentence for the person at the page. */
export class CallError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

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

/** Return the stream of the session's changes, or null if this page may not read them. */
export async function openRecord(sessionId, signal) {
  const response = await fetch(`${recordPath(sessionId)}/events`, { signal, headers: authorization() });
  if (response.ok) return response.body;
  response.body?.cancel();
  return null;
}

function offerPath(sessionId) {
  return `/sessions/${encodeURIComponent(sessionId)}/api/offer`;
}

function recordPath(sessionId) {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}

async function request(method, path, { body, signal }) {
  // An offer is authorised by the token in its session's id.
  const key = path.startsWith("/sessions/") ? {} : authorization();
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
    throw new CallError("The server can’t be reached. Is it still running?");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer ?? {};
  const sentence = answer?.detail ?? answer?.title;
  throw new CallError(
    typeof sentence === "string" ? sentence : `The server answered with status ${response.status}.`,
    response.status,
  );
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
