import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { StartAnswer } from "@/lib/api/answers";
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

it("limits how often one user starts calls, and no other user", async () => {
  const visitor = new Visitor();
  const statuses = [];
  for (let start = 0; start < 7; start += 1) statuses.push((await ask(visitor)).response.status);
  // The first came from a newcomer, who counts by address.
  expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429]);
  const { response, answer } = await ask(visitor);
  expect(answer).toMatchObject({
    agentStatus: "rate_limited",
    message: expect.stringContaining("Try again in"),
  });
  expect(Number(response.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect((await ask(new Visitor())).response.status).toBe(200);
});

it("limits those who throw their cookie away by their address", async () => {
  const { address } = new Visitor();
  const statuses = [];
  for (let start = 0; start < 11; start += 1) {
    const newcomer = Object.assign(new Visitor(), { address });
    statuses.push((await ask(newcomer)).response.status);
  }
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
  expect(statuses[10]).toBe(429);
});

it.each(["cross-site", "same-site"])("starts nothing for a page of another site: %s", async (site) => {
  const { response } = await ask(new Visitor(), { "sec-fetch-site": site });
  expect(response.status).toBe(403);
  expect(controller.asked).toEqual([]);
});
