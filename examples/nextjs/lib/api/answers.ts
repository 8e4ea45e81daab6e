/** What this app's own routes answer, for route and page alike. */

export interface Room {
  provider: string;
  url: string;
  token: string;
  /** STUN and TURN servers with passwords for this call, where it goes over SmallWebRTC and there are some. */
  iceServers: RTCIceServer[];
}

/** The answer of `POST /api/daily-room`. The page works without an agent too, so only `agentStatus` tells. */
export type StartAnswer =
  | { agentStatus: "started"; sessionId: string; room: Room }
  | {
      agentStatus: "busy" | "rate_limited" | "unavailable";
      message: string;
      retryAfterSeconds: number | null;
    };

/** The answer of `GET` and `DELETE /api/sessions/{id}`. `message` is a sentence once the session has ended. */
export interface SessionAnswer {
  phase: "starting" | "live" | "stopping" | "ended" | "failed";
  reason: string | null;
  message: string | null;
}
