/** The four routes that a bot calls. The bots' `CONVEX_URL` is this deployment's .convex.site address. */

import { httpRouter } from "convex/server";

import { internal } from "./_generated/api";
import { httpAction, type ActionCtx } from "./_generated/server";
import { granted, type Grant } from "./bearer";
import { BadBody, readBody, readChange, readSearch, readTranscript } from "./requests";

const http = httpRouter();

serve("/searchProductsByVoice", readSearch, async (ctx, query) =>
  answer(200, await ctx.runQuery(internal.products.search, query)),
);

serve("/saveProductByNumber", readChange, async (ctx, change) => {
  const saved = await ctx.runMutation(internal.saves.add, change);
  return saved === null ? unknown(change.productNumber) : answer(200, { success: true, ...saved });
});

serve("/removeProductByNumber", readChange, async (ctx, change) => {
  const removed = await ctx.runMutation(internal.saves.remove, change);
  return removed === null ? unknown(change.productNumber) : answer(200, { success: true, ...removed });
});

serve("/saveTranscript", readTranscript, async (ctx, transcript) => {
  await ctx.runMutation(internal.transcripts.keep, transcript);
  return answer(200, { success: true });
});

export default http;

/** Route authorised POSTs. Without either variable none is, because the routes write for users. */
function serve<Body extends object>(
  path: string,
  check: (body: Record<string, unknown>) => Body,
  handle: (ctx: ActionCtx, body: Body) => Promise<Response>,
): void {
  const handler = httpAction(async (ctx, request) => {
    const secrets = process.env.PODLINE_STORE_SECRETS;
    const shared = process.env.CONVEX_TOKEN;
    if (!secrets && !shared)
      return refusal(401, "Set PODLINE_STORE_SECRETS in this deployment: npx convex env set ...");
    const grant = await granted(request, secrets, shared);
    if (grant === null)
      return refusal(401, "The bearer has expired, or no secret of this deployment signed it.");
    try {
      const body = await readBody(request, check);
      if (!covers(grant, body)) return refusal(403, "The bearer is for another user or session.");
      return await handle(ctx, body);
    } catch (error) {
      if (error instanceof BadBody) return refusal(400, error.message);
      throw error;
    }
  });
  http.route({ path, method: "POST", handler });
}

/** Return whether the grant covers the user and session in a body. A search names neither. */
function covers(grant: Grant, body: { userId?: string; sessionId?: string }): boolean {
  const isFor = (granted: string | null, id = granted) => granted === null || id === granted;
  return isFor(grant.userId, body.userId) && isFor(grant.sessionId, body.sessionId);
}

function unknown(number: number): Response {
  return refusal(404, `There is no product number ${number}.`);
}

function refusal(status: number, error: string): Response {
  return answer(status, { success: false, error });
}

function answer(status: number, body: object): Response {
  return Response.json(body, { status });
}
