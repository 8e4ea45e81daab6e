/** Both sides' words as turns, in the order in which they began, growing as words arrive. */

export interface Turn {
  id: number;
  side: "you" | "bot";
  text: string;
  /** The words before the interim ones. */
  settled: string;
  isTyped: boolean;
  /** More words may come. */
  isOpen: boolean;
  /** The caller was heard, and not understood. */
  isUnclear: boolean;
}

export interface Conversation {
  turns: Turn[];
  /** The caller's and the bot's turn that still receive words. */
  yours: number | null;
  bots: number | null;
}

export const NO_WORDS: Conversation = { turns: [], yours: null, bots: null };

/** Add the turn now, because its words arrive well after speech began. */
export function callerStarted(conversation: Conversation): Conversation {
  return begun({ ...callerUnclear(conversation), bots: null }, "you");
}

/** Keep a turn without words, and say so: otherwise the caller would wait for an answer. Words may still come. */
export function callerUnclear(conversation: Conversation): Conversation {
  return changed(conversation, conversation.yours, (turn) =>
    turn.text === "" ? { ...turn, isOpen: false, isUnclear: true } : turn,
  );
}

/** Add the caller's words; only a final text stays. */
export function callerSaid(conversation: Conversation, text: string, isFinal: boolean): Conversation {
  const now = conversation.yours === null ? begun(conversation, "you") : conversation;
  return changed(now, now.yours, (turn) => {
    const whole = joined(turn.settled, text);
    return {
      ...turn,
      text: whole,
      settled: isFinal ? whole : turn.settled,
      isOpen: !isFinal,
      isUnclear: false,
    };
  });
}

export function callerTyped(conversation: Conversation, text: string): Conversation {
  const now = begun(conversation, "you");
  const typed = changed(now, now.yours, (turn) => ({
    ...turn,
    text,
    settled: text,
    isTyped: true,
    isOpen: false,
  }));
  return { ...typed, yours: null, bots: null };
}

export function botSaid(conversation: Conversation, text: string): Conversation {
  if (conversation.bots === null && text.trim() === "") return conversation;
  const now = conversation.bots === null ? begun(conversation, "bot") : conversation;
  return changed(now, now.bots, (turn) => ({ ...turn, text: joined(turn.text, text) }));
}

export function botStopped(conversation: Conversation): Conversation {
  return { ...changed(conversation, conversation.bots, (turn) => ({ ...turn, isOpen: false })), bots: null };
}

/** Mark all turns as complete. */
export function closed(conversation: Conversation): Conversation {
  const turns = callerUnclear(conversation).turns.map((turn) => ({ ...turn, isOpen: false }));
  return { turns, yours: null, bots: null };
}

function begun(conversation: Conversation, side: Turn["side"]): Conversation {
  const id = (conversation.turns.at(-1)?.id ?? 0) + 1;
  const turn: Turn = { id, side, text: "", settled: "", isTyped: false, isOpen: true, isUnclear: false };
  return { ...conversation, turns: [...conversation.turns, turn], [side === "you" ? "yours" : "bots"]: id };
}

function changed(conversation: Conversation, id: number | null, change: (turn: Turn) => Turn): Conversation {
  return { ...conversation, turns: conversation.turns.map((turn) => (turn.id === id ? change(turn) : turn)) };
}

/** Join pieces of a transcript: some come with their spaces, and whole sentences without. */
function joined(before: string, piece: string): string {
  const needsSpace = /[.!?…]$/.test(before) && /^[\p{L}\p{N}]/u.test(piece);
  return (before + (needsSpace ? " " : "") + piece).trimStart();
}
