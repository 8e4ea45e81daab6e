/** Start a session, and return the outcome as an answer for the page. */

import "server-only";

import { randomUUID } from "node:crypto";

import type { StartAnswer } from "@/lib/api/answers";

import { orchestrator, type IceServer, type Session } from "./orchestrator";

const ATTEMPTS = 2;

/** Timeouts for the controller, in milliseconds. */
interface Timeouts {
  attempt: number;
  stop: number;
}
const TIMEOUTS: Timeouts = { attempt: 8000, stop: 2000 };

const UNAVAILABLE = "The assistant can't start right now. Try again in a moment.";

type Outcome =
  | { kind: "session"; session: Session }
  | {
      kind: "refused";
      status: number;
      code: string;
      callerMessage: string | undefined;
      retryAfterSeconds: number | null;
    }
  | { kind: "no answer" };

/** Start a session. Never throws: the page works without an assistant. */
export async function startSession(userId: string, timeouts = TIMEOUTS): Promise<StartAnswer> {
  // The id makes a retry safe: a session that did start is found, not started twice.
  const sessionId = randomUUID();
  let outcome = await ask(userId, sessionId, timeouts.attempt);
  for (let attempt = 1; attempt < ATTEMPTS && isTemporary(outcome); attempt += 1) {
    outcome = await ask(userId, sessionId, timeouts.attempt);
  }
  if (outcome.kind === "no answer") await stopUnanswered(sessionId, timeouts.stop);
  return answerOf(outcome);
}

async function ask(userId: string, sessionId: string, withinMs: number): Promise<Outcome> {
  try {
    const { data, error, response } = await orchestrator().POST("/v1/sessions", {
      body: { user_id: userId, session_id: sessionId },
      signal: AbortSignal.timeout(withinMs),
    });
    if (data !== undefined) return { kind: "session", session: data };
    const problem = error as { code?: string; caller_message?: string } | undefined;
    return {
      kind: "refused",
      status: response.status,
      code: problem?.code ?? "unknown",
      callerMessage: problem?.caller_message,
      retryAfterSeconds: Number(response.headers.get("Retry-After")) || null,
    };
  } catch (error) {
    console.error("the controller did not answer", {
      cause: error instanceof Error ? error.name : "unknown",
    });
    return { kind: "no answer" };
  }
}

function isTemporary(outcome: Outcome): boolean {
  return outcome.kind === "no answer" || (outcome.kind === "refused" && outcome.status >= 500);
}

/** Stop a session whose start got no answer: its bot would wait a minute for its caller. */
async function stopUnanswered(sessionId: string, withinMs: number): Promise<void> {
  try {
    await orchestrator().DELETE("/v1/sessions/{session_id}", {
      params: { path: { session_id: sessionId } },
      signal: AbortSignal.timeout(withinMs),
    });
  } catch {
    // The controller is still silent; the bot ends by itself when no caller joins.
  }
}

/** STUN servers come without a password, which browsers want omitted rather than null. */
function asServer({ urls, username, credential }: IceServer): RTCIceServer {
  return username && credential ? { urls, username, credential } : { urls };
}

function answerOf(outcome: Outcome): StartAnswer {
  if (outcome.kind === "session") {
    const { id, room } = outcome.session;
    if (room.url !== null && room.token !== null) {
      return {
        agentStatus: "started",
        sessionId: id,
        room: {
          provider: room.provider,
          url: room.url,
          token: room.token,
          iceServers: (room.ice_servers ?? []).map(asServer),
        },
      };
    }
    console.error("the controller's room has no url or no token", { provider: room.provider });
  }
  if (outcome.kind !== "refused") {
    return { agentStatus: "unavailable", message: UNAVAILABLE, code: null, retryAfterSeconds: null };
  }
  const { code, callerMessage, retryAfterSeconds } = outcome;
  if (code === "capacity_reached" || code === "user_limit_reached") {
    return { agentStatus: "busy", message: callerMessage ?? UNAVAILABLE, code, retryAfterSeconds };
  }
  // 401, 403, 409, 422: this app is misconfigured. Its operator must know, not the shop's visitors.
  console.error("the controller refused", { status: outcome.status, code });
  return { agentStatus: "unavailable", message: UNAVAILABLE, code, retryAfterSeconds };
}
