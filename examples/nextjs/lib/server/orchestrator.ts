/** The controller's API, typed by its own description. Its key never leaves the server. */

import "server-only";

import createClient from "openapi-fetch";

import type { components, paths } from "@/lib/api/openapi";

export type Session = components["schemas"]["SessionOut"];
export type IceServer = components["schemas"]["IceServerOut"];

const DEMO_URL = "http://127.0.0.1:7860"; // scripts/demo

export function orchestrator() {
  const key = process.env.PODLINE_API_KEY;
  return createClient<paths>({
    baseUrl: process.env.ORCHESTRATOR_URL || DEMO_URL,
    headers: key ? { Authorization: `Bearer ${key}` } : {},
    cache: "no-store",
  });
}
