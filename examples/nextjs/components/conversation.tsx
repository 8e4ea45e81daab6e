import { useEffect, useRef } from "react";

import type { Turn } from "@/lib/call/conversation";

const NEAR_END_PIXELS = 120;

const UNCLEAR = "Not understood. Say it again, or type it.";

/** The conversation. A screen reader reads each turn once it is complete, rather than word by word. */
export function Conversation({ turns }: { turns: Turn[] }) {
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);

  // The button that started the call is gone, and with it the keyboard's place.
  useEffect(() => list.current?.focus(), []);

  useEffect(() => {
    if (isAtEnd.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [turns]);

  return (
    <ol
      ref={list}
      className="turns"
      role="log"
      aria-live="polite"
      aria-label="Conversation"
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PIXELS;
      }}
    >
      {turns.map((turn) => (
        <li key={turn.id} className={`turn ${turn.side}`} aria-busy={turn.isOpen}>
          <p className="who">{turn.side === "bot" ? "Assistant" : turn.isTyped ? "You, typed" : "You"}</p>
          <p className={classOf(turn)}>{turn.isUnclear ? UNCLEAR : turn.text || "…"}</p>
        </li>
      ))}
    </ol>
  );
}

function classOf({ side, isOpen, isUnclear }: Turn): string {
  if (isUnclear) return "words unclear";
  return isOpen && side === "you" ? "words interim" : "words";
}
