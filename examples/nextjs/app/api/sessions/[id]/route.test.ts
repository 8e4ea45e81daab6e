import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { POST } from "@/app/api/daily-room/route";
import { FakeController, KEY } from "@/lib/testing/fake-controller";
import { Visitor } from "@/lib/testing/visitor";

import { DELETE, GET } from "./route";

let controller: FakeController;

beforeEach(async () => {
  controller = new FakeController();
  vi.stubEnv("ORCHESTRATOR_URL", await controller.start());
  vi.stubEnv("PODLINE_API_KEY", KEY);
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await controller.stop();
});

async function calling(visitor: Visitor): Promise<string> {
  const response = await POST(visitor.request("/api/daily-room", "POST"));
  visitor.keep(response);
  return (await response.json()).sessionId;
}

async function ask(route: typeof GET, visitor: Visitor, id: string, headers?: Record<string, string>) {
  const request = visitor.request(`/api/sessions/${id}`, route === GET ? "GET" : "DELETE", headers);
  const response = await route(request, { params: Promise.resolve({ id }) });
  return { status: response.status, body: await response.json() };
}

it("tells a user how their call ended, and nothing else of its record", async () => {
  const visitor = new Visitor();
  const id = await calling(visitor);
  controller.end(id, "caller_left", "The caller left.", "You left the call.");
  expect(await ask(GET, visitor, id)).toEqual({
    status: 200,
    body: { phase: "ended", reason: "caller_left", message: "You left the call." },
  });
});

it("stops a user's own call, and stopping again changes nothing", async () => {
  const visitor = new Visitor();
  const id = await calling(visitor);
  for (let time = 0; time < 2; time += 1) {
    expect(await ask(DELETE, visitor, id)).toMatchObject({ status: 200, body: { phase: "stopping" } });
  }
});

it("hides everybody else's calls", async () => {
  const [visitor, stranger] = [new Visitor(), new Visitor()];
  const id = await calling(visitor);
  await calling(stranger);
  for (const route of [GET, DELETE]) expect((await ask(route, stranger, id)).status).toBe(404);
  expect((await ask(DELETE, new Visitor(), id)).status).toBe(404);
  expect(controller.sessions.get(id)!.phase).toBe("live");
});

it("asks the controller nothing for somebody who can't have a call", async () => {
  const id = await calling(new Visitor());
  controller.asked.length = 0;
  for (const route of [GET, DELETE]) expect((await ask(route, new Visitor(), id)).status).toBe(404);
  expect(controller.asked).toEqual([]);
});

it("limits how often a user asks", async () => {
  const visitor = new Visitor();
  const id = await calling(visitor);
  const statuses = [];
  for (let time = 0; time < 121; time += 1) statuses.push((await ask(GET, visitor, id)).status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(120);
  expect(statuses.at(-1)).toBe(429);
});

it.each(["..", ".", "a/b", "", "x".repeat(129), "%2e%2e", `${"0".repeat(36)}~token`, "\u0660".repeat(36)])(
  "asks the controller for no odd id: %j",
  async (id) => {
    const visitor = new Visitor();
    await calling(visitor);
    controller.asked.length = 0;
    expect((await ask(DELETE, visitor, id)).status).toBe(404);
    expect(controller.asked).toEqual([]);
  },
);

it("answers 503 while the controller is down", async () => {
  const visitor = new Visitor();
  const id = await calling(visitor);
  await controller.stop();
  expect((await ask(GET, visitor, id)).status).toBe(503);
  controller = new FakeController();
  await controller.start();
});

it("does nothing for a page of another site", async () => {
  const visitor = new Visitor();
  const id = await calling(visitor);
  expect((await ask(DELETE, visitor, id, { "sec-fetch-site": "cross-site" })).status).toBe(403);
  expect(controller.sessions.get(id)!.phase).toBe("live");
});
