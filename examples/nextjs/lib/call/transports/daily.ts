/** A room at Daily. Its library fetches the rest of itself from Daily when it joins. */

import { DailyTransport } from "@pipecat-ai/daily-transport";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";
import type { RoomTransport } from "./index";

export function transportFor(room: Room, microphone: Microphone): RoomTransport {
  return {
    transport: new DailyTransport({
      audioSource: microphone.track(),
      videoSource: false,
      startVideoOff: true,
    }),
    params: { url: room.url, token: room.token },
  };
}
