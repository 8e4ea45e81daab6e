/** The answers of this app's own routes, for route and page alike. */

export interface Room {
  provider: string;
  url: string;
  token: string;
  /** STUN and TURN servers with passwords for this call, if any, over SmallWebRTC. */
  iceServers: RTCIceServer[];
}

/** The answer of `POST /api/daily-room`. The page works without an agent too; `agentStatus` says whether there is one. */
export type StartAnswer =
  | { agentStatus: "started"; sessionId: string; room: Room }
  | {
      agentStatus: "busy" | "rate_limited" | "unavailable";
      /** A sentence for the caller. */
      message: string;
      /** The controller's stable name for the problem, for developers; null if there is none. */
      code: string | null;
      retryAfterSeconds: number | null;
    };

/** The answer of `GET` and `DELETE /api/sessions/{id}`. `message` is a sentence for the caller once it has ended. */
export interface SessionAnswer {
  phase: "starting" | "live" | "stopping" | "ended" | "failed";
  reason: string | null;
  message: string | null;
}
