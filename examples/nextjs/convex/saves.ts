import { v } from "convex/values";

import { internalMutation, internalQuery, type QueryCtx } from "./_generated/server";
import { productByNumber, shown } from "./products";

const change = { userId: v.string(), productNumber: v.number() };

/** Add a product to a user's list. Null if there is no such product; repeating it changes nothing. */
export const add = internalMutation({
  args: change,
  handler: async (ctx, { userId, productNumber }) => {
    const product = await productByNumber(ctx, productNumber);
    if (product === null) return null;
    const known = await entry(ctx, userId, productNumber);
    if (known === null) await ctx.db.insert("saves", { userId, productNumber });
    return { product: shown(product), alreadySaved: known !== null };
  },
});

/** Remove a product from a user's list. Null if there is no such product; repeating it changes nothing. */
export const remove = internalMutation({
  args: change,
  handler: async (ctx, { userId, productNumber }) => {
    const product = await productByNumber(ctx, productNumber);
    if (product === null) return null;
    const known = await entry(ctx, userId, productNumber);
    if (known !== null) await ctx.db.delete(known._id);
    return { product: shown(product), removed: known !== null };
  },
});

/** Return the numbers on a user's list, in the order in which they were saved. */
export const list = internalQuery({
  args: { userId: v.string() },
  handler: async (ctx, { userId }) => {
    const saves = await ctx.db
      .query("saves")
      .withIndex("by_user_and_product", (range) => range.eq("userId", userId))
      .collect();
    return saves
      .sort((one, other) => one._creationTime - other._creationTime)
      .map(({ productNumber }) => productNumber);
  },
});

async function entry(ctx: QueryCtx, userId: string, productNumber: number) {
  return await ctx.db
    .query("saves")
    .withIndex("by_user_and_product", (range) =>
      range.eq("userId", userId).eq("productNumber", productNumber),
    )
    .unique();
}
