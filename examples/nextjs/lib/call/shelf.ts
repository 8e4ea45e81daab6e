/** Products that the assistant found, and those saved in this call, from the bot's server messages. */

export interface Product {
  number: number;
  name: string;
  category?: string | null;
  price?: number | null;
  currency?: string | null;
  description?: string | null;
}

export interface Shelf {
  /** The last search; null before the first. */
  found: { query: string; products: Product[]; total: number } | null;
  saved: Product[];
  /** All products found so far, to name a saved product that a message doesn't describe. */
  known: Record<number, Product>;
}

export const EMPTY_SHELF: Shelf = { found: null, saved: [], known: {} };

/** Return the shelf after a server message. Other messages don't change it. */
export function shelved(shelf: Shelf, message: unknown): Shelf {
  const { type, ...data } = message as { type?: unknown } & Record<string, unknown>;
  switch (type) {
    case "products_found": {
      const found = data as unknown as { query: string; products: Product[]; total: number };
      const known = Object.fromEntries(found.products.map((product) => [product.number, product]));
      return { ...shelf, found, known: { ...shelf.known, ...known } };
    }
    case "product_saved": {
      const { number, product } = data as unknown as { number: number; product: Product | null };
      const saved = product ?? shelf.known[number] ?? { number, name: `Product ${number}` };
      return { ...shelf, saved: [...shelf.saved.filter((one) => one.number !== number), saved] };
    }
    case "product_removed":
      return { ...shelf, saved: shelf.saved.filter((one) => one.number !== data.number) };
    default:
      return shelf;
  }
}

export function price({ price: amount, currency }: Product): string {
  if (typeof amount !== "number") return "";
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency: currency ?? "USD" }).format(amount);
  } catch {
    return `${amount} ${currency}`; // a currency that the browser doesn't know
  }
}
