// The controller's HTTP calls, as Pipecat's SmallWebRTC client makes them, with readable errors.

const OFFER_TRIES = 3;
const OFFER_PAUSE_MS = 2000;
const RECORD_TRIES = 12;
const RECORD_PAUSE_MS = 400;

/** A request failed; `message` is a sentence for the person at the page. */
export class CallError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Start a session and return {sessionId, iceConfig?}. */
export async function startSession(signal) {
  return request("POST", "/start", {
    signal,
    body: { createDailyRoom: false, enableDefaultIceServers: true, transport: "webrtc", body: {} },
  });
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

/** Give up a session before anybody talked in it. Don't wait for it: the page may be closing. */
export function abandonSession(sessionId) {
  fetch(recordPath(sessionId), { method: "DELETE", keepalive: true }).catch(() => {});
}

/** Return the session's record once it has ended, or null if this page may not read it or it takes too long. */
export async function readEndedSession(sessionId) {
  for (let attempt = 0; attempt < RECORD_TRIES; attempt += 1) {
    let session;
    try {
      session = await request("GET", recordPath(sessionId), {});
    } catch (error) {
      if (error instanceof CallError) return null;
      throw error;
    }
    if (session.phase === "ended" || session.phase === "failed") return session;
    await pause(RECORD_PAUSE_MS);
  }
  return null;
}

function offerPath(sessionId) {
  return `/sessions/${encodeURIComponent(sessionId)}/api/offer`;
}

function recordPath(sessionId) {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}

async function request(method, path, { body, signal }) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
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
