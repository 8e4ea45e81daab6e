/** This app's own routes, as the page calls them. */

import type { SessionAnswer, StartAnswer } from "@/lib/api/answers";

const UNREACHABLE: StartAnswer = {
  agentStatus: "unavailable",
  message: "The shop can't be reached. Are you online?",
  retryAfterSeconds: null,
};
const NOT_UNDERSTOOD: StartAnswer = {
  agentStatus: "unavailable",
  message: "Something went wrong in the shop. Try again in a moment.",
  retryAfterSeconds: null,
};

/** Ask for a call. Never throws. */
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
  return answer?.agentStatus === undefined ? NOT_UNDERSTOOD : (answer as StartAnswer);
}

/** How the session stands; null where that can't be told. */
export async function readSession(id: string): Promise<SessionAnswer | null> {
  try {
    const response = await fetch(path(id));
    return response.ok ? ((await response.json()) as SessionAnswer) : null;
  } catch {
    return null;
  }
}

/** End the session. The page may be on its way out, so nobody waits for this. */
export function stopSession(id: string): void {
  fetch(path(id), { method: "DELETE", keepalive: true }).catch(() => {});
}

export function isOver(session: SessionAnswer): boolean {
  return session.phase === "ended" || session.phase === "failed";
}

function path(id: string): string {
  return `/api/sessions/${encodeURIComponent(id)}`;
}
