/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";
import type * as bearer from "../bearer.js";
import type * as http from "../http.js";
import type * as prices from "../prices.js";
import type * as products from "../products.js";
import type * as requests from "../requests.js";
import type * as saves from "../saves.js";
import type * as transcripts from "../transcripts.js";
import type * as words from "../words.js";

/**
 * A utility for referencing Convex functions in your app's API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
declare const fullApi: ApiFromModules<{
  bearer: typeof bearer;
  http: typeof http;
  prices: typeof prices;
  products: typeof products;
  requests: typeof requests;
  saves: typeof saves;
  transcripts: typeof transcripts;
  words: typeof words;
}>;
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;
