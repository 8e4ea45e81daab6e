import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  products: defineTable({
    number: v.number(), // what a caller says: "save product two"
    name: v.string(),
    category: v.string(),
    price: v.number(),
    currency: v.string(),
    description: v.string(),
    words: v.string(), // what a search reads; see words.ts
  })
    .index("by_number", ["number"])
    .searchIndex("by_words", { searchField: "words" }),

  saves: defineTable({
    userId: v.string(),
    productNumber: v.number(),
  }).index("by_user_and_product", ["userId", "productNumber"]),

  turns: defineTable({
    sessionId: v.string(),
    userId: v.string(),
    index: v.number(),
    role: v.union(v.literal("user"), v.literal("assistant")),
    text: v.string(),
    at: v.string(), // RFC 3339
  })
    .index("by_session_and_index", ["sessionId", "index"])
    .index("by_user", ["userId"]),
});
