/** The routes answer a bot as the sandbox's store does: exchanges.json was recorded there, from the bot's own client. */

import { convexTest } from "convex-test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { internal } from "./_generated/api";
import exchanges from "./exchanges.json";
import schema from "./schema";

const TOKEN = "convex-token";
const modules = import.meta.glob(["./**/*.*s", "!./**/*.test.ts"]);

async function deployment() {
  const convex = convexTest(schema, modules);
  await convex.mutation(internal.products.seed, {});
  return convex;
}

type Deployment = Awaited<ReturnType<typeof deployment>>;

function post(
  convex: Deployment,
  path: string,
  body: unknown,
  authorization: string | null = `Bearer ${TOKEN}`,
) {
  return convex.fetch(path, {
    method: "POST",
    headers: authorization === null ? {} : { Authorization: authorization },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

beforeEach(() => {
  vi.stubEnv("CONVEX_TOKEN", TOKEN);
  vi.stubEnv("PODLINE_STORE_SECRETS", "another secret, a-secret-for-tests-of-thirty-two-bytes");
});
afterEach(() => vi.unstubAllEnvs());

describe("a bot's requests", () => {
  it("are answered as the sandbox's store answers them", async () => {
    const convex = await deployment();
    for (const { path, authorization, body, status, answer } of exchanges) {
      const response = await post(convex, path, body, authorization);
      // Why a body is refused may be said in other words.
      const wanted = status >= 400 && status !== 404 ? { success: false, error: expect.any(String) } : answer;
      expect({ path, body, status: response.status, answer: await response.json() }).toEqual({
        path,
        body,
        status,
        answer: wanted,
      });
    }
  });

  it("leave saves and turns in the database, each once", async () => {
    const convex = await deployment();
    for (const { path, authorization, body } of exchanges) await post(convex, path, body, authorization);

    expect(await convex.query(internal.saves.list, { userId: "ana" })).toEqual([]);
    expect(await convex.query(internal.saves.list, { userId: "\u0623\u0646\u0627 \u{1f6d2}" })).toEqual([3]);
    const turns = await convex.query(internal.transcripts.ofSession, { sessionId: "session-1" });
    expect(turns.map(({ index, role, userId }) => [index, role, userId])).toEqual([
      [0, "assistant", "ana"],
      [1, "user", "ana"],
    ]);
    expect(await convex.query(internal.transcripts.ofSession, { sessionId: "session-2" })).toEqual([]);
  });

  it("touch nobody else's list", async () => {
    const convex = await deployment();
    await post(convex, "/saveProductByNumber", { userId: "ana", productNumber: 2 });
    await post(convex, "/saveProductByNumber", { userId: "bo", productNumber: 2 });
    await post(convex, "/removeProductByNumber", { userId: "bo", productNumber: 2 });
    expect(await convex.query(internal.saves.list, { userId: "ana" })).toEqual([2]);
  });
});

describe("whoever has not the token", () => {
  const save = { userId: "ana", productNumber: 2 };

  it.each([
    ["no bearer", null],
    ["another token", "Bearer convex-tokem"],
    ["a longer token", `Bearer ${TOKEN}s`],
    ["an empty bearer", "Bearer "],
    ["another scheme", `Basic ${TOKEN}`],
  ])("is refused: %s", async (_, authorization) => {
    const convex = await deployment();
    const response = await post(convex, "/saveProductByNumber", save, authorization);
    expect(response.status).toBe(401);
    expect(await convex.query(internal.saves.list, { userId: "ana" })).toEqual([]);
  });

  it("is refused as well where the deployment has no token, and is told what to set", async () => {
    vi.stubEnv("CONVEX_TOKEN", "");
    vi.stubEnv("PODLINE_STORE_SECRETS", "");
    const response = await post(await deployment(), "/saveProductByNumber", save, "Bearer ");
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      success: false,
      error: expect.stringContaining("PODLINE_STORE_SECRETS"),
    });
  });
});

describe("ids", () => {
  const turns = [{ index: 0, role: "user", text: "Hi", at: "2026-01-02T03:04:05Z" }];

  it.each(["..", "a/b", "a b", "x".repeat(129)])("of sessions are refused: %j", async (sessionId) => {
    const response = await post(await deployment(), "/saveTranscript", { sessionId, userId: "ana", turns });
    expect(response.status).toBe(400);
  });

  it.each(["", "a\nb", "a\u2028b", "\u202e", "x".repeat(129)])("of users are refused: %j", async (userId) => {
    const response = await post(await deployment(), "/saveProductByNumber", { userId, productNumber: 2 });
    expect(response.status).toBe(400);
  });

  it("of users may be of any script, 128 characters long", async () => {
    const userId = "\u{1f6d2}".repeat(126) + "\u0646\u200c";
    const response = await post(await deployment(), "/saveProductByNumber", { userId, productNumber: 2 });
    expect(response.status).toBe(200);
  });
});

it.each(["{", "[]", '"text"', "null", ""])("a body that is no object is refused: %j", async (body) => {
  const response = await post(await deployment(), "/searchProductsByVoice", body);
  expect(response.status).toBe(400);
});

it("seeding again changes nothing", async () => {
  const convex = await deployment();
  const search = async () => (await post(convex, "/searchProductsByVoice", { query: "shoes" })).json();
  const before = await search();
  await convex.mutation(internal.products.seed, {});
  expect(before.total).toBeGreaterThan(2);
  expect(await search()).toEqual(before);
});
