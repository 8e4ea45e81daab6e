/** Request a call. The answer is 200 even if no assistant is available: `agentStatus` says so. */

import { NextResponse, type NextRequest } from "next/server";

import type { StartAnswer } from "@/lib/api/answers";
import { addressOf } from "@/lib/server/address";
import { secondsToStart } from "@/lib/server/limits";
import { isFromAnotherSite, isJson } from "@/lib/server/origin";
import { startSession } from "@/lib/server/start";
import { currentUser, remember } from "@/lib/server/user";

const LARGEST_BODY_BYTES = 1024; // Nothing in it is read.

export async function POST(request: NextRequest): Promise<NextResponse<StartAnswer>> {
  if (isFromAnotherSite(request))
    return respond(unavailable("Calls can only start from this site's own page."), 403);
  if (!isJson(request)) return respond(unavailable("Send application/json."), 415);
  if (!isSmall(request)) return respond(unavailable("The body is too large: {} is enough."), 413);
  const user = currentUser(request);
  const wait = await secondsToStart(user.id, addressOf(request));
  if (wait > 0) return respond(tooMany(wait), 429);
  const answer = await startSession(user.id);
  const response = respond(answer, 200);
  if (answer.agentStatus === "started") remember(user, request, response);
  return response;
}

/** A body without a stated length could have any length. */
function isSmall(request: NextRequest): boolean {
  return (
    !request.headers.has("transfer-encoding") &&
    Number(request.headers.get("content-length") ?? 0) <= LARGEST_BODY_BYTES
  );
}

function unavailable(message: string): StartAnswer {
  return { agentStatus: "unavailable", message, code: null, retryAfterSeconds: null };
}

function tooMany(seconds: number): StartAnswer {
  const message = `Too many calls in a short time. Try again in ${seconds} s.`;
  return { agentStatus: "rate_limited", message, code: null, retryAfterSeconds: seconds };
}

function respond(answer: StartAnswer, status: number): NextResponse<StartAnswer> {
  const response = NextResponse.json(answer, { status, headers: { "Cache-Control": "no-store" } });
  if (answer.agentStatus !== "started" && answer.retryAfterSeconds !== null) {
    response.headers.set("Retry-After", String(answer.retryAfterSeconds));
  }
  return response;
}
