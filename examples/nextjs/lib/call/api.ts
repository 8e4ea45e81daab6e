/** This app's own routes, as the page calls them. */

import type { SessionAnswer, StartAnswer } from "@/lib/api/answers";

import { notStarted, OFFLINE, type Fault } from "./faults";

export type Started = Extract<StartAnswer, { agentStatus: "started" }>;

/** What the shop's server knows of a session. `unknown`: it answers, but not about this session. */
export type Found =
  | { kind: "record"; record: SessionAnswer }
  | { kind: "unknown" }
  | { kind: "service gone" }
  | { kind: "offline" };

const UNREACHABLE = "The shop doesn't answer. Please try again in a few minutes.";
const UNEXPECTED = "Something went wrong in the shop. Please try again in a few minutes.";

/** Request a call, and return it or why there is none. Never throws. */
export async function requestCall(): Promise<Started | Fault> {
  let response: Response;
  try {
    response = await fetch("/api/daily-room", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
  } catch (error) {
    return navigator.onLine ? notStarted(UNREACHABLE, `POST /api/daily-room: ${String(error)}`) : OFFLINE;
  }
  const answer = (await response.json().catch(() => null)) as StartAnswer | null;
  if (answer?.agentStatus === undefined) return notStarted(UNEXPECTED, `Status ${response.status}, no JSON.`);
  if (answer.agentStatus === "started") return answer;
  return notStarted(answer.message ?? UNEXPECTED, answer.code ?? answer.agentStatus);
}

/** Return what the shop's server knows of the session. Never throws. */
export async function readSession(id: string): Promise<Found> {
  try {
    const response = await fetch(path(id));
    if (response.ok) return { kind: "record", record: (await response.json()) as SessionAnswer };
    return { kind: response.status >= 500 ? "service gone" : "unknown" };
  } catch {
    return { kind: navigator.onLine ? "service gone" : "offline" };
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
