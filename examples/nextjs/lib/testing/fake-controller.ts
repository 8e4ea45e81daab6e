/** A controller as this app's server sees it: sessions over HTTP, a key to be shown, and faults on demand. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const KEY = "the-shop's-own-key";

/** What to do with the next POST instead: a problem to answer with, or no answer at all. */
export type Fault = { status: number; code: string; retryAfter?: number } | "hang" | "hang up" | "no json";

interface Session {
  id: string;
  user_id: string;
  phase: string;
  reason: string | null;
  message: string | null;
  caller_message: string | null;
  room: { provider: string; url: string | null; token: string | null; ice_servers?: object[] };
}

export class FakeController {
  readonly sessions = new Map<string, Session>();
  readonly asked: string[] = [];
  faults: Fault[] = [];
  room: Session["room"] = { provider: "webrtc", url: "http://controller.test/offer", token: "caller-token" };
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  /** Serve on loopback, and return the address. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `message` is the operator's. */
  end(id: string, reason: string, message: string, callerMessage: string): void {
    const end = { phase: "ended", reason, message, caller_message: callerMessage };
    Object.assign(this.sessions.get(id)!, end);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = "" } = request;
    this.asked.push(`${method} ${url}`);
    if (request.headers.authorization !== `Bearer ${KEY}`) return problem(response, 401, "unauthorized");
    if (method === "POST") {
      const body = JSON.parse(await text(request)) as { user_id: string; session_id: string };
      return this.#start(body, response);
    }
    const session = this.sessions.get(decodeURIComponent(url.replace("/v1/sessions/", "")));
    if (session === undefined) return problem(response, 404, "session_not_found");
    if (method === "DELETE" && session.phase === "live") session.phase = "stopping";
    json(response, 200, { ...session, room: { ...session.room, token: null } });
  }

  #start(body: { user_id: string; session_id: string }, response: ServerResponse): void {
    const fault = this.faults.shift();
    if (fault === "hang") return;
    if (fault === "hang up") return void response.destroy();
    if (fault === "no json") return void response.writeHead(502).end("<html>Bad gateway</html>");
    if (fault !== undefined) return problem(response, fault.status, fault.code, fault.retryAfter);
    const { session_id: id, user_id } = body;
    const isNew = !this.sessions.has(id);
    if (isNew) {
      const none = { reason: null, message: null, caller_message: null };
      this.sessions.set(id, { id, user_id, phase: "live", ...none, room: this.room });
    }
    json(response, isNew ? 201 : 200, this.sessions.get(id)!);
  }
}

function problem(response: ServerResponse, status: number, code: string, retryAfter?: number): void {
  if (retryAfter !== undefined) response.setHeader("Retry-After", retryAfter);
  json(response, status, {
    type: "about:blank",
    title: code,
    status,
    code,
    detail: `Inside: ${KEY}`,
    caller_message: "Please call later.",
  });
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

async function text(request: IncomingMessage): Promise<string> {
  let whole = "";
  for await (const chunk of request) whole += chunk;
  return whole;
}
