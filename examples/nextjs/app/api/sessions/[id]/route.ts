/** A user's own session: read its state, or stop it. */

import { NextResponse, type NextRequest } from "next/server";

import type { SessionAnswer } from "@/lib/api/answers";
import { secondsToAsk } from "@/lib/server/limits";
import { isFromAnotherSite } from "@/lib/server/origin";
import { sessionOf, stopSession } from "@/lib/server/sessions";
import { currentUser } from "@/lib/server/user";

interface Context {
  params: Promise<{ id: string }>;
}

type Answer = NextResponse<SessionAnswer | { message: string }>;

export async function GET(request: NextRequest, { params }: Context): Promise<Answer> {
  return await answered(request, (await params).id, async (session) => session);
}

export async function DELETE(request: NextRequest, { params }: Context): Promise<Answer> {
  const { id } = await params;
  return await answered(request, id, async () => await stopSession(id));
}

async function answered(
  request: NextRequest,
  id: string,
  work: (session: SessionAnswer) => Promise<SessionAnswer>,
): Promise<Answer> {
  if (isFromAnotherSite(request))
    return respond({ message: "Only this site's own page may read or stop a call." }, 403);
  const user = currentUser(request);
  // A new user has no calls, so there is no need to ask the controller.
  if (user.isNew) return respond({ message: "You have no such call." }, 404);
  if ((await secondsToAsk(user.id)) > 0) return respond({ message: "Ask again in a minute." }, 429);
  try {
    const session = await sessionOf(user.id, id);
    if (session === null) return respond({ message: "You have no such call." }, 404);
    return respond(await work(session), 200);
  } catch (error) {
    console.error("the session could not be read or stopped", { cause: String(error) });
    return respond({ message: "The call's state is unknown right now. Try again in a moment." }, 503);
  }
}

function respond(body: SessionAnswer | { message: string }, status: number): Answer {
  return NextResponse.json(body, { status, headers: { "Cache-Control": "no-store" } });
}
