/** One call, from the click to the end: microphone, session, room, and what the bot says of itself. */

import {
  LogLevel,
  PipecatClient,
  type BotOutputData,
  type RTVIEventCallbacks,
  type RTVIMessage,
} from "@pipecat-ai/client-js";

import type { Room } from "@/lib/api/answers";

import { isOver, readSession, requestCall, stopSession } from "./api";
import { Microphone } from "./microphone";
import type { CallEvent, Ending } from "./state";
import { wayInto } from "./transports";

const WATCH_MS = 3000;
const RECORD_MS = 400;
const RECORD_TRIES = 40; // longer than a bot waits for a lost caller to come back
const NO_WAY_IN =
  "The assistant is there, but no connection to it could be made. A network in between may block it.";
const MICROPHONE_GONE = "The microphone went away. Plug it in and call again, or just type.";
const SOMETHING_FAILED = "Something went wrong at the assistant's end. If it stays silent, call again.";

export class Call {
  readonly #tell: (event: CallEvent) => void;
  #client: PipecatClient | null = null;
  #microphone: Microphone | null = null;
  #sessionId: string | null = null;
  #wasLive = false;
  #isOver = false;

  constructor(tell: (event: CallEvent) => void) {
    this.#tell = tell;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Get a session and join its room. Whatever goes wrong ends the call; nothing is thrown. */
  async start(): Promise<void> {
    this.#tell({ type: "phase", phase: "microphone" });
    this.#microphone = await Microphone.open();
    if (this.#isOver) return this.#microphone.close();
    this.#tell({ type: "microphone", problem: this.#microphone.problem });
    this.#microphone.onEnded(() => this.#tell({ type: "microphone", problem: MICROPHONE_GONE }));

    this.#tell({ type: "phase", phase: "starting" });
    const answer = await requestCall();
    if (answer.agentStatus !== "started") return this.#end("failed", answer.message);
    if (this.#isOver) return stopSession(answer.sessionId);
    this.#sessionId = answer.sessionId;

    this.#tell({ type: "phase", phase: "connecting" });
    void this.#watch(answer.sessionId, WATCH_MS);
    await this.#join(answer.room, this.#microphone);
  }

  say(text: string): void {
    if (!this.#wasLive || this.#isOver) return;
    this.#tell({ type: "caller-typed", text });
    void this.#client?.sendText(text, { run_immediately: true, audio_response: true });
  }

  mute(muted: boolean): void {
    this.#microphone?.mute(muted);
    this.#tell({ type: "muted", muted });
  }

  /** End the call without waiting for anything: the page may be going away. */
  hangUp(): void {
    this.#end("caller", null);
  }

  async #join(room: Room, microphone: Microphone): Promise<void> {
    try {
      const { transport, params } = await wayInto(room, microphone);
      if (this.#isOver) return;
      this.#client = new PipecatClient({ transport, callbacks: this.#callbacks() });
      // At its own level it writes all that is said into the console.
      this.#client.setLogLevel(LogLevel.WARN);
      await this.#client.initDevices();
      await this.#client.connect(params);
    } catch (error) {
      if (this.#isOver || this.#sessionId === null) return;
      console.error("could not join the room", error);
      // A bot that failed is the better reason: its session says why.
      const session = await readSession(this.#sessionId);
      const told = session?.phase === "failed" ? session.message : NO_WAY_IN;
      this.#end("failed", told);
    }
  }

  #callbacks(): RTVIEventCallbacks {
    return {
      onBotReady: () => {
        this.#wasLive = true;
        this.#tell({ type: "phase", phase: "live" });
      },
      onTrackStarted: (track, participant) => {
        if (participant?.local !== true && track.kind === "audio") this.#tell({ type: "bot-track", track });
      },
      onTransportStateChanged: (state) => {
        if (this.#wasLive && !this.#isOver)
          this.#tell({ type: "interrupted", interrupted: state === "connecting" });
      },
      onUserStartedSpeaking: () => this.#tell({ type: "caller-started" }),
      onUserTranscript: ({ text, final }) => this.#tell({ type: "caller-said", text, isFinal: final }),
      onBotOutput: (output) => {
        if (isLastOfSegment(output)) this.#tell({ type: "bot-said", text: output.text });
      },
      onBotStoppedSpeaking: () => this.#tell({ type: "bot-stopped" }),
      onServerMessage: (data: unknown) => this.#receive(data),
      onError: (message) => this.#tell({ type: "error", text: sentenceOf(message) }),
      onBotDisconnected: () => this.#end("bot", null),
      onDisconnected: () => this.#end(this.#wasLive ? "lost" : "failed", this.#wasLive ? null : NO_WAY_IN),
    };
  }

  #receive(data: unknown): void {
    this.#tell({ type: "server-message", data });
    const isFarewell = (data as { type?: unknown } | null)?.type === "call_ended";
    if (isFarewell && this.#sessionId !== null) void this.#watch(this.#sessionId, RECORD_MS);
  }

  /** A bot that never comes can't be seen from its room, and one that has gone not for long. */
  async #watch(sessionId: string, everyMs: number): Promise<void> {
    while (!this.#isOver) {
      const session = await readSession(sessionId);
      if (session !== null && isOver(session)) {
        return this.#wasLive ? this.#end("bot", null) : this.#end("failed", session.message);
      }
      await pause(everyMs);
    }
  }

  #end(by: Ending["by"], told: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#client?.disconnect();
    this.#microphone?.close();
    this.#tell({ type: "ended", by, told });
    if (this.#sessionId === null) return;
    // A bot that has met its caller sees them leave. One that has not would wait.
    if (!this.#wasLive) stopSession(this.#sessionId);
    void this.#tellRecord(this.#sessionId);
  }

  /** Tell how the controller has recorded the end, and stop a session that doesn't come to its end. */
  async #tellRecord(sessionId: string): Promise<void> {
    for (let attempt = 0; attempt < RECORD_TRIES; attempt += 1) {
      const session = await readSession(sessionId);
      if (session === null) break;
      if (isOver(session)) return this.#tell({ type: "record", record: session });
      await pause(RECORD_MS);
    }
    stopSession(sessionId);
  }
}

/** Text that a voice still has to speak is told again while it is spoken; other text is told once. */
function isLastOfSegment({ will_be_spoken: follows, spoken_status: status }: BotOutputData): boolean {
  return follows ? status === "completed" : status === "new";
}

/** The bot's own sentence, such as that a typed message is too long; Pipecat's client has errors of its own. */
function sentenceOf({ data }: RTVIMessage): string {
  const error = (data as { error?: unknown } | null)?.error;
  return typeof error === "string" ? error : SOMETHING_FAILED;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
