/** How to get into a room, by who hosts it. The code for the others is not loaded. */

import type { Transport } from "@pipecat-ai/client-js";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";

/** A transport for Pipecat's client, and what its `connect` is to be given. */
export interface Way {
  transport: Transport;
  params: unknown;
}

/** Throws where rooms of this provider are not known. */
export async function wayInto(room: Room, microphone: Microphone): Promise<Way> {
  switch (room.provider) {
    case "webrtc":
      return (await import("./small-webrtc")).wayInto(room, microphone);
    case "daily":
      return (await import("./daily")).wayInto(room, microphone);
    case "livekit":
      return (await import("./livekit")).wayInto(room, microphone);
    default:
      throw new Error(`This page knows no rooms of ${room.provider}.`);
  }
}
