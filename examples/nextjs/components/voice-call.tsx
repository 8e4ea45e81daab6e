"use client";

import { useEffect, useReducer, useRef } from "react";

import type { Call } from "@/lib/call/call";
import { describe } from "@/lib/call/ending";
import { NOT_LOADED } from "@/lib/call/faults";
import { after, NO_CALL, type CallState } from "@/lib/call/state";

import { Composer } from "./composer";
import { Conversation } from "./conversation";
import { EndingCard } from "./ending-card";
import { Products } from "./products";

const STATUS: Record<CallState["phase"], string> = {
  idle: "Not connected",
  microphone: "Asking for the microphone…",
  starting: "Starting the assistant…",
  connecting: "Connecting…",
  live: "Connected",
  ended: "Call ended",
};

/** The page: one call at a time, from the button to the ending. */
export function VoiceCall() {
  const [state, dispatch] = useReducer(after, NO_CALL);
  const call = useRef<Call | null>(null);
  const isLoading = useRef(false);
  const isBusy = !["idle", "ended"].includes(state.phase);
  const ending = describe(state);

  useEffect(() => {
    // Ends the call at once when the tab closes; otherwise the bot would notice after half a minute.
    const leave = () => call.current?.hangUp();
    addEventListener("pagehide", leave);
    return () => {
      removeEventListener("pagehide", leave);
      leave();
    };
  }, []);

  async function start() {
    const isSecondClick = isLoading.current || call.current?.isOver === false;
    if (isSecondClick) return;
    isLoading.current = true;
    const { Call } = await import("@/lib/call/call").catch(() => ({ Call: null }));
    isLoading.current = false;
    if (Call === null) return dispatch({ type: "ended", by: "failed", fault: NOT_LOADED });
    const made: Call = new Call((event) => {
      if (call.current === made) dispatch(event);
    });
    call.current = made;
    await made.start();
  }

  return (
    <div className="page" data-phase={state.phase}>
      <header className="bar">
        <p className="brand">Shop by voice</p>
        <p className="status" role="status">
          <span className="lamp" aria-hidden="true" />
          {state.isInterrupted ? "Connection interrupted…" : STATUS[state.phase]}
        </p>
      </header>

      <main className="columns">
        <section className="panel talk" aria-label="Call">
          {state.notice !== null && (
            <p className="notice" role="alert">
              {state.notice}
            </p>
          )}
          {state.phase === "idle" && (
            <div className="welcome">
              <h1>Say what you are looking for.</h1>
              <p>
                Talk to the assistant as you would to a person behind the counter. It finds products, saves
                those you like, and removes those you don’t.
              </p>
              <button type="button" className="primary" onClick={start}>
                Start talking
              </button>
              <p className="fine">Your browser will ask for the microphone. You can also type.</p>
            </div>
          )}
          {ending !== null && <EndingCard ending={ending} onAgain={start} />}
          {state.phase !== "idle" && <Conversation turns={state.conversation.turns} />}
          {isBusy && (
            <Composer
              isLive={state.phase === "live"}
              isMuted={state.isMuted}
              onSay={(text) => call.current?.say(text)}
              onMute={() => call.current?.mute(!state.isMuted)}
              onHangUp={() => call.current?.hangUp()}
            />
          )}
        </section>
        <Products
          shelf={state.shelf}
          isLive={state.phase === "live"}
          onSay={(text) => call.current?.say(text)}
        />
      </main>
      <BotVoice track={state.botTrack} />
    </div>
  );
}

function BotVoice({ track }: { track: MediaStreamTrack | null }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    if (audio.current !== null) audio.current.srcObject = track === null ? null : new MediaStream([track]);
  }, [track]);
  return <audio ref={audio} autoPlay />;
}
