/** The four routes that a bot calls with what it hears: `CONVEX_URL` of the bots is this deployment's .convex.site. */

import { httpRouter } from "convex/server";

import { internal } from "./_generated/api";
import { httpAction, type ActionCtx } from "./_generated/server";
import { holdsToken } from "./bearer";
import { BadBody, readBody, readChange, readSearch, readTranscript } from "./requests";

const http = httpRouter();

serve("/searchProductsByVoice", readSearch, async (ctx, wish) =>
  answer(200, await ctx.runQuery(internal.products.search, wish)),
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

/** Route POSTs of whoever holds CONVEX_TOKEN. Without the variable nobody does: the routes write for any user. */
function serve<Body>(
  path: string,
  check: (body: Record<string, unknown>) => Body,
  handle: (ctx: ActionCtx, body: Body) => Promise<Response>,
): void {
  const handler = httpAction(async (ctx, request) => {
    const token = process.env.CONVEX_TOKEN;
    if (!token)
      return refusal(401, "Set CONVEX_TOKEN in this deployment: npx convex env set CONVEX_TOKEN ...");
    if (!(await holdsToken(request, token)))
      return refusal(401, "The bearer is not this deployment's CONVEX_TOKEN.");
    try {
      return await handle(ctx, await readBody(request, check));
    } catch (error) {
      if (error instanceof BadBody) return refusal(400, error.message);
      throw error;
    }
  });
  http.route({ path, method: "POST", handler });
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
