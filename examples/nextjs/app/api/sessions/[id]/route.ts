/** A user's own session: how it stands, and its end. */

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
  if (isFromAnotherSite(request)) return told({ message: "Not from this page." }, 403);
  const user = currentUser(request);
  // Somebody new has no calls: the controller need not be asked.
  if (user.isNew) return told({ message: "There is no such call of yours." }, 404);
  if ((await secondsToAsk(user.id)) > 0) return told({ message: "Ask again in a minute." }, 429);
  try {
    const session = await sessionOf(user.id, id);
    if (session === null) return told({ message: "There is no such call of yours." }, 404);
    return told(await work(session), 200);
  } catch (error) {
    console.error("the session could not be read or stopped", { cause: String(error) });
    return told({ message: "The call's state can't be told right now." }, 503);
  }
}

function told(body: SessionAnswer | { message: string }, status: number): Answer {
  return NextResponse.json(body, { status, headers: { "Cache-Control": "no-store" } });
}
