/** The transport into a room, by the room's provider. Other providers' code is not loaded. */

import type { Transport } from "@pipecat-ai/client-js";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";

/** A transport for Pipecat's client, and the parameters for its `connect`. */
export interface RoomTransport {
  transport: Transport;
  params: unknown;
}

/** Throws if the provider is unknown. */
export async function transportFor(room: Room, microphone: Microphone): Promise<RoomTransport> {
  switch (room.provider) {
    case "webrtc":
      return (await import("./small-webrtc")).transportFor(room, microphone);
    case "daily":
      return (await import("./daily")).transportFor(room, microphone);
    case "livekit":
      return (await import("./livekit")).transportFor(room, microphone);
    default:
      throw new Error(`This page does not support rooms at ${room.provider}.`);
  }
}
