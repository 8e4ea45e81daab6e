import { useEffect, useRef } from "react";

import type { Description } from "@/lib/call/ending";

export function EndingCard({ ending, onAgain }: { ending: Description; onAgain: () => void }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);

  return (
    <section className={ending.isFailure ? "ending failed" : "ending"} aria-labelledby="ending-title">
      <h2 id="ending-title" ref={title} tabIndex={-1}>
        {ending.title}
      </h2>
      <p>{ending.text}</p>
      <button type="button" className="primary" onClick={onAgain}>
        Call again
      </button>
      {ending.details !== null && (
        <details>
          <summary>Details for developers</summary>
          <p>{ending.details}</p>
        </details>
      )}
    </section>
  );
}
