/** A bot with a token of the controller's, or a forger of one, who wants to be somebody else at the store. */

import { convexTest } from "convex-test";
import { SignJWT, type JWTPayload } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { internal } from "./_generated/api";
import schema from "./schema";

const SECRET = "0123456789abcdef0123456789abcdef";
const FORMER = "fedcba9876543210fedcba9876543210";
const modules = import.meta.glob(["./**/*.*s", "!./**/*.test.ts"]);
const bytes = (text: string) => new TextEncoder().encode(text);
const now = () => Math.floor(Date.now() / 1000);
const CLAIMS = { iss: "podline", aud: "podline-store", sub: "ana", sid: "call-1" };

async function kidOf(secret: string) {
  const digest = await crypto.subtle.digest("SHA-256", bytes(`podline-store:${secret}`));
  return [...new Uint8Array(digest)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .slice(0, 16);
}

async function token(claims: JWTPayload = {}, secret = SECRET, header: { kid?: string } = {}) {
  return await new SignJWT({ ...CLAIMS, iat: now(), exp: now() + 600, ...claims })
    .setProtectedHeader({ alg: "HS256", kid: await kidOf(secret), ...header })
    .sign(bytes(secret));
}

const unsigned = (header: object, claims: object, signature = "") =>
  [header, claims].map((part) => btoa(JSON.stringify(part)).replaceAll("=", "")).join(".") + `.${signature}`;

beforeEach(() => vi.stubEnv("PODLINE_STORE_SECRETS", `${SECRET}, ${FORMER}`));
afterEach(() => vi.unstubAllEnvs());

async function asked(bearer: string, path: string, body: object) {
  const convex = convexTest(schema, modules);
  await convex.mutation(internal.products.seed, {});
  const headers = { Authorization: `Bearer ${bearer}` };
  const response = await convex.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const saved = Object.fromEntries(
    await Promise.all(
      ["ana", "bo"].map(async (userId) => [userId, await convex.query(internal.saves.list, { userId })]),
    ),
  );
  const turns = await convex.query(internal.transcripts.ofSession, { sessionId: "call-2" });
  return { status: response.status, saved, turns };
}

const save = (userId: string) => ({ userId, productNumber: 2 });
const TURN = { index: 0, role: "user", text: "Hi", at: "2026-01-02T03:04:05Z" };

it.each([SECRET, FORMER])("lets a bot act for its own user and session: %s", async (secret) => {
  const bearer = await token({}, secret);
  expect(await asked(bearer, "/saveProductByNumber", save("ana"))).toMatchObject({
    status: 200,
    saved: { ana: [2] },
  });
  const transcript = { sessionId: "call-1", userId: "ana", turns: [TURN] };
  expect((await asked(bearer, "/saveTranscript", transcript)).status).toBe(200);
  expect((await asked(bearer, "/searchProductsByVoice", { query: "shoes" })).status).toBe(200);
});

it.each<[string, string, object]>([
  ["a save of another user", "/saveProductByNumber", save("bo")],
  ["a removal of another user", "/removeProductByNumber", save("bo")],
  ["a transcript of another user", "/saveTranscript", { sessionId: "call-1", userId: "bo", turns: [TURN] }],
  [
    "a transcript of another session",
    "/saveTranscript",
    { sessionId: "call-2", userId: "ana", turns: [TURN] },
  ],
])("refuses a bot %s", async (_, path, body) => {
  expect(await asked(await token(), path, body)).toEqual({
    status: 403,
    saved: { ana: [], bo: [] },
    turns: [],
  });
});

describe("a token is refused that", () => {
  it.each<[string, () => Promise<string> | string]>([
    ["has expired", () => token({ exp: now() - 120 })],
    ["never expires", () => token({ exp: undefined })],
    ["is for another service", () => token({ aud: "podline" })],
    ["is from another issuer", () => token({ iss: "shop" })],
    ["names no user", () => token({ sub: undefined })],
    ["names no session", () => token({ sid: undefined })],
    ["is for many users", () => token({ sub: ["ana"] as unknown as string })],
    ["is signed with another secret", () => token({}, "another secret of thirty-two bytes")],
    [
      "is signed with another secret in a known one's name",
      async () => token({}, "another secret of thirty-two bytes", { kid: await kidOf(SECRET) }),
    ],
    ["names no key", () => token({}, SECRET, { kid: undefined })],
    [
      "is signed by nobody",
      async () => unsigned({ alg: "none", kid: await kidOf(SECRET) }, { ...CLAIMS, exp: now() + 9 }),
    ],
    [
      "says so in capitals",
      async () => unsigned({ alg: "NONE", kid: await kidOf(SECRET) }, { ...CLAIMS, exp: now() + 9 }, "x"),
    ],
    [
      "has the claims of one and the signature of another",
      async () => {
        const [head, , signature] = (await token()).split(".");
        const [, claims] = (await token({ sub: "bo" }, FORMER)).split(".");
        return `${head}.${claims}.${signature}`;
      },
    ],
    ["is a secret itself", () => SECRET],
    ["is the name of a key", () => kidOf(SECRET)],
    ["is none", () => "e30.e30.e30"],
    ["is very long", () => "a".repeat(100_000)],
  ])("%s", async (_, forged) => {
    const { status, saved } = await asked(await forged(), "/saveProductByNumber", save("ana"));
    expect({ status, saved }).toEqual({ status: 401, saved: { ana: [], bo: [] } });
  });
});

it("refuses what was signed with a secret that is no longer listed", async () => {
  vi.stubEnv("PODLINE_STORE_SECRETS", SECRET);
  expect((await asked(await token({}, FORMER), "/saveProductByNumber", save("ana"))).status).toBe(401);
});

it("takes each CONVEX_TOKEN that is listed, and no list of them", async () => {
  vi.stubEnv("CONVEX_TOKEN", "new-token, old-token");
  const statuses = [];
  for (const shown of ["new-token", "old-token", "new-token,", "new-token,old-token", ",", "token"]) {
    statuses.push((await asked(shown, "/saveProductByNumber", save("bo"))).status);
  }
  expect(statuses).toEqual([200, 200, 401, 401, 401, 401]);
});

it("takes an old CONVEX_TOKEN no more where there are secrets and it is not set", async () => {
  expect((await asked("convex-token", "/saveProductByNumber", save("ana"))).status).toBe(401);
});
