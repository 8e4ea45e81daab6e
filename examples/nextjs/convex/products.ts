import { v } from "convex/values";

import type { Doc } from "./_generated/dataModel";
import { internalMutation, internalQuery, type QueryCtx } from "./_generated/server";
import catalogue from "./catalogue.json";
import { parsePriceRange } from "./prices";
import { significantWords } from "./words";

const MOST_PRODUCTS = 5; // nobody wants to hear more; `total` has the number of matches
const MOST_CANDIDATES = 250;
const MOST_SEARCH_TERMS = 16; // Convex's own limit
const IN_NAME = 4;
const IN_CATEGORY = 2;

/** Return a product as bot and page see it. */
export function shown(product: Doc<"products">) {
  const { number, name, category, price, currency, description } = product;
  return { number, name, category, price, currency, description };
}

export async function productByNumber(ctx: QueryCtx, number: number): Promise<Doc<"products"> | null> {
  return await ctx.db
    .query("products")
    .withIndex("by_number", (range) => range.eq("number", number))
    .unique();
}

/** Find products with every significant word of the query; if there are none, those with the most words. */
export const search = internalQuery({
  args: {
    query: v.string(),
    category: v.union(v.string(), v.null()),
    priceRange: v.union(v.string(), v.null()),
  },
  handler: async (ctx, { query, category, priceRange }) => {
    const wanted = significantWords(query);
    const range = parsePriceRange(priceRange);
    const offered = (await candidates(ctx, wanted)).filter(
      (product) =>
        product.price >= range.low &&
        product.price <= range.high &&
        (category === null || sharesWord(product.category, category)),
    );
    const ranked = offered.map((product) => ({ product, ...rank(product, wanted) }));
    const most = Math.max(...ranked.map(({ matches }) => matches));
    const best = ranked
      .filter(({ matches }) => matches === most)
      .sort((one, other) => other.score - one.score || one.product.number - other.product.number)
      .map(({ product }) => product);
    return { products: best.slice(0, MOST_PRODUCTS).map(shown), total: best.length };
  },
});

/** Insert or update the example's catalogue in the database: `npx convex run products:seed`. */
export const seed = internalMutation({
  args: {},
  handler: async (ctx) => {
    for (const item of catalogue) {
      const words = significantWords(`${item.name} ${item.category} ${item.description}`).join(" ");
      const known = await productByNumber(ctx, item.number);
      if (known === null) await ctx.db.insert("products", { ...item, words });
      else await ctx.db.replace(known._id, { ...item, words });
    }
    return catalogue.length;
  },
});

/** Return products with any of the words, from the search index; without a significant word, all. */
async function candidates(ctx: QueryCtx, wanted: string[]): Promise<Doc<"products">[]> {
  if (wanted.length === 0) return await ctx.db.query("products").withIndex("by_number").take(MOST_CANDIDATES);
  const terms = wanted.slice(0, MOST_SEARCH_TERMS).join(" ");
  return await ctx.db
    .query("products")
    .withSearchIndex("by_words", (index) => index.search("words", terms))
    .take(MOST_CANDIDATES);
}

/** Count the wanted words in a product, and score them by the field they are in. */
function rank(product: Doc<"products">, wanted: string[]): { matches: number; score: number } {
  const inName = significantWords(product.name);
  const inCategory = significantWords(product.category);
  const inDescription = significantWords(product.description);
  const found = (words: string[]) => wanted.filter((word) => words.includes(word)).length;
  return {
    matches: found([...inName, ...inCategory, ...inDescription]),
    score: IN_NAME * found(inName) + IN_CATEGORY * found(inCategory) + found(inDescription),
  };
}

/** Return whether a category matches the wanted one, however it is worded: `audio` is `Headphones and audio`. */
function sharesWord(category: string, wanted: string): boolean {
  const words = new Set(significantWords(category));
  return significantWords(wanted).some((word) => words.has(word));
}
