/** This app's own routes, as the page calls them. */

import type { SessionAnswer, StartAnswer } from "@/lib/api/answers";

const UNREACHABLE: StartAnswer = {
  agentStatus: "unavailable",
  message: "The shop can't be reached. Check your internet connection.",
  retryAfterSeconds: null,
};
const UNEXPECTED: StartAnswer = {
  agentStatus: "unavailable",
  message: "Something went wrong in the shop. Try again in a moment.",
  retryAfterSeconds: null,
};

/** Request a call. Never throws. */
export async function requestCall(): Promise<StartAnswer> {
  let response: Response;
  try {
    response = await fetch("/api/daily-room", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
  } catch {
    return UNREACHABLE;
  }
  const answer = (await response.json().catch(() => null)) as Partial<StartAnswer> | null;
  return answer?.agentStatus === undefined ? UNEXPECTED : (answer as StartAnswer);
}

/** Return the session's state, or null if it can't be read. */
export async function readSession(id: string): Promise<SessionAnswer | null> {
  try {
    const response = await fetch(path(id));
    return response.ok ? ((await response.json()) as SessionAnswer) : null;
  } catch {
    return null;
  }
}

/** End the session. Don't wait for it: the page may be closing. */
export function stopSession(id: string): void {
  fetch(path(id), { method: "DELETE", keepalive: true }).catch(() => {});
}

export function isOver(session: SessionAnswer): boolean {
  return session.phase === "ended" || session.phase === "failed";
}

function path(id: string): string {
  return `/api/sessions/${encodeURIComponent(id)}`;
}
