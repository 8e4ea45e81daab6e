/** Ask for a call. The answer is 200 also where there is no assistant to be had: `agentStatus` says so. */

import { NextResponse, type NextRequest } from "next/server";

import type { StartAnswer } from "@/lib/api/answers";
import { secondsToWait } from "@/lib/server/limits";
import { isFromAnotherSite } from "@/lib/server/origin";
import { startSession } from "@/lib/server/start";
import { currentUser, remember } from "@/lib/server/user";

export async function POST(request: NextRequest): Promise<NextResponse<StartAnswer>> {
  if (isFromAnotherSite(request)) {
    return told(
      { agentStatus: "unavailable", message: "Calls start on our own page.", retryAfterSeconds: null },
      403,
    );
  }
  const user = currentUser(request);
  const wait = await secondsToWait(user, request);
  const response = wait > 0 ? told(tooMany(wait), 429) : told(await startSession(user.id), 200);
  remember(user, request, response);
  return response;
}

function tooMany(seconds: number): StartAnswer {
  const message = `Those were many calls in a short time. Try again in ${seconds} s.`;
  return { agentStatus: "rate_limited", message, retryAfterSeconds: seconds };
}

function told(answer: StartAnswer, status: number): NextResponse<StartAnswer> {
  const response = NextResponse.json(answer, { status, headers: { "Cache-Control": "no-store" } });
  if (answer.agentStatus !== "started" && answer.retryAfterSeconds !== null) {
    response.headers.set("Retry-After", String(answer.retryAfterSeconds));
  }
  return response;
}
