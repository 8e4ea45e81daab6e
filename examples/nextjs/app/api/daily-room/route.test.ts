import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { StartAnswer } from "@/lib/api/answers";
import { header } from "@/lib/server/address";
import { FakeController, KEY, type Fault } from "@/lib/testing/fake-controller";
import { Visitor } from "@/lib/testing/visitor";

import { POST } from "./route";

let controller: FakeController;
let logged: unknown[];

beforeEach(async () => {
  controller = new FakeController();
  logged = [];
  vi.stubEnv("ORCHESTRATOR_URL", await controller.start());
  vi.stubEnv("PODLINE_API_KEY", KEY);
  vi.stubEnv("SESSION_SECRET", "a secret");
  vi.spyOn(console, "error").mockImplementation((...said: unknown[]) => void logged.push(...said));
});

afterEach(async () => {
  expect(JSON.stringify(logged)).not.toContain(KEY);
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await controller.stop();
});

async function ask(visitor: Visitor, headers?: Record<string, string>) {
  const response = await POST(visitor.request("/api/daily-room", "POST", headers));
  visitor.keep(response);
  const body = await response.text();
  expect(body).not.toContain(KEY);
  return { response, answer: JSON.parse(body) as StartAnswer };
}

it("answers with the session and the caller's way into its room", async () => {
  const { response, answer } = await ask(new Visitor());
  expect(response.status).toBe(200);
  expect(answer).toEqual({
    agentStatus: "started",
    sessionId: [...controller.sessions.keys()][0],
    room: {
      provider: "webrtc",
      url: "http://controller.test/offer",
      token: "caller-token",
      iceServers: [],
    },
  });
  expect(response.headers.get("Cache-Control")).toBe("no-store");
});

it("hands on the servers by which caller and bot find each other", async () => {
  const relay = { urls: "turn:turn.test", username: "1:session", credential: "for-this-call" };
  controller.room = { ...controller.room, ice_servers: [{ urls: "stun:stun.test" }, relay] };
  const { answer } = await ask(new Visitor());
  expect(answer).toMatchObject({ room: { iceServers: [{ urls: "stun:stun.test" }, relay] } });
});

it("knows a visitor again by a cookie that no script can read", async () => {
  const visitor = new Visitor();
  const { response } = await ask(visitor);
  expect(response.headers.get("Set-Cookie")).toMatch(/HttpOnly; SameSite=lax$/i);
  await ask(visitor);
  const users = [...controller.sessions.values()].map(({ user_id }) => user_id);
  expect(users).toHaveLength(2);
  expect(new Set(users).size).toBe(1);
});

it("keeps the cookie to https where the page is on https", async () => {
  const { response } = await ask(new Visitor(), { "x-forwarded-proto": "https" });
  expect(response.headers.get("Set-Cookie")).toContain("Secure");
});

it.each(["ana", "ana.", "ana.c2lnbmVk", "", "."])(
  "takes nobody for a user of their own choice: %j",
  async (cookie) => {
    const visitor = new Visitor();
    visitor.cookie = `podline_user=${cookie}`;
    await ask(visitor);
    expect([...controller.sessions.values()][0]!.user_id).toMatch(/^[0-9a-f-]{36}$/);
  },
);

it.each<[Fault, string, number | null]>([
  [{ status: 429, code: "capacity_reached", retryAfter: 7 }, "busy", 7],
  [{ status: 429, code: "user_limit_reached", retryAfter: 5 }, "busy", 5],
  [{ status: 409, code: "session_conflict" }, "unavailable", null],
  [{ status: 422, code: "invalid_request" }, "unavailable", null],
  [{ status: 403, code: "forbidden" }, "unavailable", null],
])(
  "says so when the controller refuses, and asks no second time: %j",
  async (fault, agentStatus, seconds) => {
    controller.faults = [fault];
    const { response, answer } = await ask(new Visitor());
    expect(response.status).toBe(200);
    expect(answer).toEqual({
      agentStatus,
      code: typeof fault === "string" ? null : fault.code,
      message: expect.stringMatching(/\.$/),
      retryAfterSeconds: seconds,
    });
    expect(response.headers.get("Retry-After")).toBe(seconds === null ? null : String(seconds));
    expect(controller.asked).toEqual(["POST /v1/sessions"]);
  },
);

it.each<[Fault]>([[{ status: 503, code: "runtime_unavailable" }], ["hang up"], ["no json"]])(
  "asks again with the same id after what may pass: %j",
  async (fault) => {
    controller.faults = [fault];
    const { answer } = await ask(new Visitor());
    expect(answer.agentStatus).toBe("started");
    expect(controller.sessions.size).toBe(1);
  },
);

it("tells what lasts, with the controller's own time to wait", async () => {
  controller.faults = [503, 503].map((status) => ({ status, code: "rooms_unavailable", retryAfter: 3 }));
  const { answer } = await ask(new Visitor());
  expect(answer).toMatchObject({ agentStatus: "unavailable", retryAfterSeconds: 3 });
});

it("says so when the controller is down", async () => {
  await controller.stop();
  const { response, answer } = await ask(new Visitor());
  expect(response.status).toBe(200);
  expect(answer.agentStatus).toBe("unavailable");
  controller = new FakeController();
  await controller.start();
});

it("says so when the key is wrong, and to the operator what is wrong", async () => {
  vi.stubEnv("PODLINE_API_KEY", "another");
  expect((await ask(new Visitor())).answer.agentStatus).toBe("unavailable");
  expect(logged).toContainEqual({ status: 401, code: "unauthorized" });
});

it("says so when the room has no way in for the caller", async () => {
  controller.room = { provider: "daily", url: "https://shop.daily.test/room", token: null };
  expect((await ask(new Visitor())).answer.agentStatus).toBe("unavailable");
});

it("limits how often one user starts calls, from wherever, and no other user", async () => {
  const visitor = new Visitor();
  const statuses = [];
  for (let start = 0; start < 6; start += 1) {
    visitor.address = new Visitor().address;
    statuses.push((await ask(visitor)).response.status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  const { response, answer } = await ask(visitor);
  expect(answer).toMatchObject({
    agentStatus: "rate_limited",
    message: expect.stringContaining("Try again in"),
  });
  expect(Number(response.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect((await ask(new Visitor())).response.status).toBe(200);
});

describe("starting more calls than one address may", () => {
  const statusesOf = async (visitors: Visitor[], headers?: (count: number) => Record<string, string>) => {
    const statuses = [];
    for (const [count, visitor] of visitors.entries()) {
      statuses.push((await ask(visitor, headers?.(count))).response.status);
    }
    return statuses;
  };
  const newcomersOf = (address: string, many: number) =>
    Array.from({ length: many }, () => Object.assign(new Visitor(), { address }));

  it("fails for newcomers who keep the cookie of each answer", async () => {
    const newcomers = newcomersOf(new Visitor().address, 40);
    const statuses = [];
    for (let round = 0; round < 5; round += 1) statuses.push(...(await statusesOf(newcomers)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(controller.sessions.size).toBe(10);
  });

  it("fails for known users as well", async () => {
    const { address } = new Visitor();
    const known = Array.from({ length: 12 }, () => new Visitor());
    await statusesOf(known);
    for (const visitor of known) visitor.address = address;
    expect((await statusesOf(known)).filter((status) => status === 200)).toHaveLength(10);
  });

  it.each(["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip", "x-address"])(
    "fails with a fresh %s on each request",
    async (name) => {
      const newcomers = newcomersOf(new Visitor().address, 30);
      const statuses = await statusesOf(newcomers, (count) => ({ [name]: `198.51.100.${count}` }));
      expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    },
  );

  it("fails for all together whose address nobody has noted", async () => {
    const newcomers = Array.from({ length: 30 }, () => new Visitor());
    const statuses = await statusesOf(newcomers, (count) => ({
      [header()]: "",
      "x-forwarded-for": `198.51.100.${count}`,
    }));
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  });
});

describe("a refusal makes nobody a known user", () => {
  const setCookie = async (visitor: Visitor, headers?: Record<string, string>) =>
    (await ask(visitor, headers)).response.headers.getSetCookie();

  it("when too many ask", async () => {
    const { address } = new Visitor();
    for (let start = 0; start < 10; start += 1) await ask(Object.assign(new Visitor(), { address }));
    expect(await setCookie(Object.assign(new Visitor(), { address }))).toEqual([]);
  });

  it.each<[string, Record<string, string>]>([
    ["another site", { "sec-fetch-site": "cross-site" }],
    ["another type", { "content-type": "text/plain" }],
    ["a large body", { "content-length": "1000000" }],
  ])("when the request is refused: %s", async (_, headers) => {
    expect(await setCookie(new Visitor(), headers)).toEqual([]);
  });

  it.each<[Fault[]]>([
    [[{ status: 429, code: "capacity_reached", retryAfter: 7 }]],
    [[{ status: 403, code: "forbidden" }]],
    [["no json", "no json"]],
    [["hang up", "hang up"]],
  ])("when the controller fails: %j", async (faults) => {
    controller.faults = faults;
    expect(await setCookie(new Visitor())).toEqual([]);
  });
});

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";

it.each([
  ["characters of two bytes", `${UUID}.${"é".repeat(43)}`],
  ["characters of four bytes", `${UUID}.${"\u{1f6d2}".repeat(21)}a`],
  ["an id of many bytes", `${"\u0646".repeat(36)}.${"a".repeat(43)}`],
  ["half a character", `${UUID}.%C3${"a".repeat(42)}`],
  ["escapes that are none", `${UUID}.%zz${"a".repeat(40)}`],
  ["a NUL", `${UUID}.%00${"a".repeat(42)}`],
  ["no base64", `${UUID}.${"!".repeat(43)}`],
  ["nothing", ""],
  ["no signature", `${UUID}.`],
  ["dots", ".".repeat(4000)],
  ["100,000 characters", `${UUID}.${"a".repeat(100_000)}`],
])("a forged cookie with %s makes a newcomer, and no error", async (_, cookie) => {
  const visitor = new Visitor();
  visitor.cookie = `podline_user=${encodeURIComponent(cookie).replaceAll("%25", "%")}`;
  const { response, answer } = await ask(visitor);
  expect([response.status, answer.agentStatus]).toEqual([200, "started"]);
  expect([...controller.sessions.values()][0]!.user_id).not.toBe(UUID);
  expect(response.headers.getSetCookie()).toHaveLength(1);
});

it("refuses a signed cookie with anything behind it", async () => {
  const visitor = new Visitor();
  await ask(visitor);
  visitor.cookie += ".more";
  await ask(visitor);
  expect(new Set([...controller.sessions.values()].map(({ user_id }) => user_id)).size).toBe(2);
});

it("knows users through a change of the secret, as long as the old one is listed", async () => {
  const visitor = new Visitor();
  await ask(visitor);
  const users = () => [...controller.sessions.values()].map(({ user_id }) => user_id);
  vi.stubEnv("SESSION_SECRET", "another secret, a secret");
  await ask(visitor);
  expect(new Set(users()).size).toBe(1);
  vi.stubEnv("SESSION_SECRET", "another secret");
  await ask(visitor);
  expect(new Set(users()).size).toBe(2);
});

it.each<[Record<string, string>]>([
  [{ "sec-fetch-site": "cross-site" }],
  [{ "sec-fetch-site": "same-site" }],
  [{ "sec-fetch-site": "", origin: "https://elsewhere.test" }],
  [{ "sec-fetch-site": "", origin: "null" }],
  [{ "sec-fetch-site": "", origin: "http://localhost:3000.elsewhere.test" }],
  [{ origin: "http://localhost:3001" }],
])("starts nothing for a page of another site: %j", async (headers) => {
  const { response } = await ask(new Visitor(), headers);
  expect(response.status).toBe(403);
  expect(controller.asked).toEqual([]);
});

it.each<[Record<string, string>]>([
  [{ origin: "http://localhost:3000" }],
  [{ origin: "https://shop.test", host: "10.0.0.1:3000", "x-forwarded-host": "shop.test" }],
])("starts a call for a page of ours: %j", async (headers) => {
  expect((await ask(new Visitor(), { "sec-fetch-site": "", ...headers })).response.status).toBe(200);
});

it.each(["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"])(
  "starts nothing for what a form can send: %j",
  async (type) => {
    expect((await ask(new Visitor(), { "content-type": type })).response.status).toBe(415);
    expect(controller.asked).toEqual([]);
  },
);

it.each<[Record<string, string>]>([[{ "content-length": "1025" }], [{ "transfer-encoding": "chunked" }]])(
  "reads no body to its end: %j",
  async (headers) => {
    expect((await ask(new Visitor(), headers)).response.status).toBe(413);
    expect(controller.asked).toEqual([]);
  },
);
