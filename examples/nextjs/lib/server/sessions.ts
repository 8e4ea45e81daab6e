/** One user's sessions, read and stopped at the controller. */

import "server-only";

import type { SessionAnswer } from "@/lib/api/answers";

import { orchestrator, type Session } from "./orchestrator";

const TIMEOUT_MS = 8000;
const SESSION_ID = /^[0-9a-f-]{36}$/; // as startSession creates them

/** Return the user's session with this id, or null if there is none. Throws if the controller doesn't answer. */
export async function sessionOf(userId: string, id: string): Promise<SessionAnswer | null> {
  if (!SESSION_ID.test(id)) return null;
  const { data, response } = await orchestrator().GET("/v1/sessions/{session_id}", at(id));
  if (data === undefined && response.status !== 404)
    throw new Error(`the controller answered ${response.status}`);
  return data?.user_id === userId ? shown(data) : null;
}

/** Stop the session and return its state. Throws if the controller doesn't answer. */
export async function stopSession(id: string): Promise<SessionAnswer> {
  const { data, response } = await orchestrator().DELETE("/v1/sessions/{session_id}", at(id));
  if (data === undefined) throw new Error(`the controller answered ${response.status}`);
  return shown(data);
}

function at(id: string) {
  return { params: { path: { session_id: id } }, signal: AbortSignal.timeout(TIMEOUT_MS) };
}

/** The record's own `message` is for the operator. */
function shown({ phase, reason, caller_message: message }: Session): SessionAnswer {
  return { phase, reason, message };
}
