import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { FakeController, KEY } from "@/lib/testing/fake-controller";

import { startSession } from "./start";

// Long enough for a busy machine to answer in.
const IMPATIENT = { attempt: 1500, stop: 1500 };

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

it("asks a slow controller again, for the same session", async () => {
  controller.faults = ["hang"];
  expect((await startSession("ana", IMPATIENT)).agentStatus).toBe("started");
  expect(controller.sessions.size).toBe(1);
});

it("gives a silent controller up, and stops what it may have started unheard", async () => {
  controller.faults = ["hang", "hang"];
  expect((await startSession("ana", IMPATIENT)).agentStatus).toBe("unavailable");
  expect(controller.asked.map((line) => line.replace(/[0-9a-f-]{36}/, "ID"))).toEqual([
    "POST /v1/sessions",
    "POST /v1/sessions",
    "DELETE /v1/sessions/ID",
  ]);
});
