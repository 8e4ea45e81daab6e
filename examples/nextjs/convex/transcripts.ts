import { v } from "convex/values";

import { internalMutation, internalQuery } from "./_generated/server";

const turn = v.object({
  index: v.number(),
  role: v.union(v.literal("user"), v.literal("assistant")),
  text: v.string(),
  at: v.string(),
});

/** Store turns. A turn with the session and index of a stored one is that turn again. */
export const keep = internalMutation({
  args: { sessionId: v.string(), userId: v.string(), turns: v.array(turn) },
  handler: async (ctx, { sessionId, userId, turns }) => {
    for (const turn of turns) {
      const known = await ctx.db
        .query("turns")
        .withIndex("by_session_and_index", (range) =>
          range.eq("sessionId", sessionId).eq("index", turn.index),
        )
        .first();
      if (known === null) await ctx.db.insert("turns", { sessionId, userId, ...turn });
    }
  },
});

/** Return a session's turns in order. */
export const ofSession = internalQuery({
  args: { sessionId: v.string() },
  handler: async (ctx, { sessionId }) =>
    await ctx.db
      .query("turns")
      .withIndex("by_session_and_index", (range) => range.eq("sessionId", sessionId))
      .collect(),
});
