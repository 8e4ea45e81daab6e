import { useState, type FormEvent } from "react";

interface Props {
  isLive: boolean;
  isMuted: boolean;
  onSay: (text: string) => void;
  onMute: () => void;
  onHangUp: () => void;
}

/** The controls of a call: typing, mute, hang up. */
export function Composer({ isLive, isMuted, onSay, onMute, onHangUp }: Props) {
  const [words, setWords] = useState("");

  function send(event: FormEvent) {
    event.preventDefault();
    if (words.trim() !== "") onSay(words.trim());
    setWords("");
  }

  return (
    <div className="dock">
      <form onSubmit={send} autoComplete="off">
        <label className="unseen" htmlFor="words">
          Type to the assistant
        </label>
        <input
          id="words"
          type="text"
          maxLength={1000}
          placeholder="…or type it"
          enterKeyHint="send"
          value={words}
          disabled={!isLive}
          onChange={(event) => setWords(event.target.value)}
        />
        <button type="submit" disabled={!isLive}>
          Send
        </button>
      </form>
      <div className="controls">
        <button type="button" aria-pressed={isMuted} disabled={!isLive} onClick={onMute}>
          {isMuted ? "Unmute" : "Mute"}
        </button>
        <button type="button" className="hang-up" onClick={onHangUp}>
          Hang up
        </button>
      </div>
    </div>
  );
}
