/** One call, from the click to the end: microphone, session, room, and the bot's messages. */

import {
  LogLevel,
  PipecatClient,
  type BotOutputData,
  type RTVIEventCallbacks,
  type RTVIMessage,
} from "@pipecat-ai/client-js";

import type { Room } from "@/lib/api/answers";

import { isOver, readSession, requestCall, stopSession, type Found } from "./api";
import { crossOriginFault, NO_PATH, type Fault } from "./faults";
import { Microphone } from "./microphone";
import type { CallEvent, Ending } from "./state";
import { transportFor } from "./transports";

const WATCH_MS = 2000;
const RECORD_MS = 400;
const WORDS_WITHIN_MS = 4000; // after the caller's last sound
const RECORD_TRIES = 40; // longer than a bot waits for a lost caller to come back
const PATIENCE = 10; // attempts after which a caller is told what the page itself saw
const MICROPHONE_GONE = "The microphone was disconnected. Plug it in and call again, or just type.";
const SOMETHING_FAILED = "The assistant had a problem. If it stays silent, call again.";
const OUT_OF_REACH = {
  "service gone": "The shop's voice service has stopped answering. Your call may end.",
  offline: "Your device is not connected to the internet. Your call may end.",
};

export class Call {
  readonly #dispatch: (event: CallEvent) => void;
  #client: PipecatClient | null = null;
  #microphone: Microphone | null = null;
  #sessionId: string | null = null;
  #wordless: ReturnType<typeof setTimeout> | undefined;
  #wasLive = false;
  #isOver = false;

  constructor(dispatch: (event: CallEvent) => void) {
    this.#dispatch = dispatch;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Get a session and join its room. Any error ends the call; none is thrown. */
  async start(): Promise<void> {
    this.#dispatch({ type: "phase", phase: "microphone" });
    this.#microphone = await Microphone.open();
    if (this.#isOver) return this.#microphone.close();
    this.#dispatch({ type: "microphone", problem: this.#microphone.problem });
    this.#microphone.onEnded(() => this.#dispatch({ type: "microphone", problem: MICROPHONE_GONE }));

    this.#dispatch({ type: "phase", phase: "starting" });
    const answer = await requestCall();
    if (!("agentStatus" in answer)) return this.#end("failed", answer);
    if (this.#isOver) return stopSession(answer.sessionId);
    this.#sessionId = answer.sessionId;

    this.#dispatch({ type: "phase", phase: "connecting" });
    void this.#watch(answer.sessionId, WATCH_MS);
    if (answer.room.provider === "webrtc") void this.#checkOrigin(answer.room.url);
    await this.#join(answer.room, this.#microphone);
  }

  say(text: string): void {
    if (!this.#wasLive || this.#isOver) return;
    this.#dispatch({ type: "caller-typed", text });
    void this.#client?.sendText(text, { run_immediately: true, audio_response: true });
  }

  mute(muted: boolean): void {
    this.#microphone?.mute(muted);
    this.#dispatch({ type: "muted", muted });
  }

  /** End the call without waiting for anything: the page may be closing. */
  hangUp(): void {
    this.#end("caller", null);
  }

  async #join(room: Room, microphone: Microphone): Promise<void> {
    try {
      const { transport, params } = await transportFor(room, microphone);
      if (this.#isOver) return;
      this.#client = new PipecatClient({ transport, callbacks: this.#callbacks() });
      // At its default level the client writes everything said into the console.
      this.#client.setLogLevel(LogLevel.WARN);
      await this.#client.initDevices();
      await this.#client.connect(params);
    } catch (error) {
      if (this.#isOver) return;
      console.error("could not join the room", error);
      this.#end("failed", NO_PATH);
    }
  }

  /** The transport would try again for seconds, and then know only that its request failed. */
  async #checkOrigin(endpoint: string): Promise<void> {
    const fault = await crossOriginFault(endpoint);
    if (fault !== null) this.#end("failed", fault);
  }

  #callbacks(): RTVIEventCallbacks {
    return {
      onBotReady: () => {
        this.#wasLive = true;
        this.#dispatch({ type: "phase", phase: "live" });
      },
      onTrackStarted: (track, participant) => {
        if (participant?.local !== true && track.kind === "audio")
          this.#dispatch({ type: "bot-track", track });
      },
      onTransportStateChanged: (state) => {
        if (this.#wasLive && !this.#isOver)
          this.#dispatch({ type: "interrupted", interrupted: state === "connecting" });
      },
      onUserStartedSpeaking: () => {
        clearTimeout(this.#wordless);
        this.#dispatch({ type: "caller-started" });
      },
      onUserStoppedSpeaking: () => {
        this.#wordless = setTimeout(() => this.#dispatch({ type: "caller-unclear" }), WORDS_WITHIN_MS);
      },
      onUserTranscript: ({ text, final }) => this.#dispatch({ type: "caller-said", text, isFinal: final }),
      onBotOutput: (output) => {
        if (isLastOfSegment(output)) this.#dispatch({ type: "bot-said", text: output.text });
      },
      onBotStoppedSpeaking: () => this.#dispatch({ type: "bot-stopped" }),
      onServerMessage: (data: unknown) => this.#receive(data),
      onError: (message) => this.#dispatch({ type: "notice", text: sentenceOf(message) }),
      onBotDisconnected: () => this.#end("bot", null),
      onDisconnected: () => this.#end(this.#wasLive ? "lost" : "failed", this.#wasLive ? null : NO_PATH),
    };
  }

  #receive(data: unknown): void {
    this.#dispatch({ type: "server-message", data });
    const isFarewell = (data as { type?: unknown } | null)?.type === "call_ended";
    if (isFarewell && this.#sessionId !== null) void this.#watch(this.#sessionId, RECORD_MS);
  }

  /** Watch the session: the room doesn't show a bot that never joins, or at once one that has left. */
  async #watch(sessionId: string, everyMs: number): Promise<void> {
    let wasInReach = true;
    while (!this.#isOver) {
      const found = await readSession(sessionId);
      if (found.kind === "record" && isOver(found.record))
        return this.#end(this.#wasLive ? "bot" : "failed", null);
      const isInReach = found.kind === "record" || found.kind === "unknown";
      if (!isInReach) this.#dispatch({ type: "notice", text: OUT_OF_REACH[found.kind] });
      else if (!wasInReach) this.#dispatch({ type: "notice", text: null });
      wasInReach = isInReach;
      await pause(everyMs);
    }
  }

  #end(by: Ending["by"], fault: Fault | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#client?.disconnect();
    this.#microphone?.close();
    this.#dispatch({ type: "ended", by, fault });
    if (this.#sessionId === null) return;
    // A bot notices when its caller leaves. A bot whose caller never joined would wait. One that may be failing by
    // itself is not stopped: its record would say that it was stopped, not why it failed.
    const isKnown = by === "caller" || fault?.isGuess === false;
    if (!this.#wasLive && isKnown) stopSession(this.#sessionId);
    void this.#findOut(this.#sessionId);
  }

  /** Report what the controller's record says about the end, and stop a session that doesn't end. */
  async #findOut(sessionId: string): Promise<void> {
    let found: Found = { kind: "unknown" };
    for (let attempt = 0; attempt < RECORD_TRIES; attempt += 1) {
      found = await readSession(sessionId);
      if (found.kind !== "record" || isOver(found.record)) return this.#dispatch({ type: "found", found });
      if (attempt === PATIENCE) {
        // Meanwhile the page says what it saw, rather than nothing.
        this.#dispatch({ type: "found", found: { kind: "unknown" } });
        if (!this.#wasLive) stopSession(sessionId);
      }
      await pause(RECORD_MS);
    }
    stopSession(sessionId);
  }
}

/** Text that will be spoken is sent again while it is spoken; other text is sent once. */
function isLastOfSegment({ will_be_spoken: follows, spoken_status: status }: BotOutputData): boolean {
  return follows ? status === "completed" : status === "new";
}

/** Return the bot's own sentence, such as that a typed message is too long; Pipecat's client has other errors. */
function sentenceOf({ data }: RTVIMessage): string {
  const error = (data as { error?: unknown } | null)?.error;
  return typeof error === "string" ? error : SOMETHING_FAILED;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
