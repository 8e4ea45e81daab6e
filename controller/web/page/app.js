// The page: one call at a time, from the button to the summary.

import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { clock, describeEnding, summarise } from "./ending.js";
import { Levels } from "./levels.js";
import { Shelf } from "./products.js";
import { readEndedSession } from "./signalling.js";

const STATUS = {
  idle: "Not connected",
  microphone: "Asking for the microphone…",
  starting: "Starting the assistant…",
  connecting: "Connecting…",
  live: "Connected",
  ended: "Call ended",
};

const $ = (id) => document.getElementById(id);

const conversation = new Conversation($("turns"));
const shelf = new Shelf(
  { found: $("found"), foundNote: $("found-note"), saved: $("saved"), savedNote: $("saved-note") },
  say,
);
const levels = new Levels($("line"), { you: $("you-level"), bot: $("bot-level") });
let call = null;
let state = "idle";
let audioContext = null;
let lastMessage = null; // the bot's call_ended
let answerTimes = [];
let liveSince = null;
let ticking = 0;

$("connect").addEventListener("click", connect);
$("again").addEventListener("click", connect);
$("disconnect").addEventListener("click", () => call.hangUp());
$("mute").addEventListener("click", toggleMute);
$("notice-retry").addEventListener("click", () => call.retryMicrophone());
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  say($("words").value.trim());
  $("words").value = "";
});
$("hints").addEventListener("click", ({ target }) => {
  if (target.tagName === "BUTTON") say(target.textContent);
});
// Ends the call at once when the tab closes; otherwise the bot would notice after half a minute.
addEventListener("pagehide", () => call?.hangUp());

function connect() {
  // Browsers let a page play sound only after a click.
  audioContext ??= new AudioContext();
  audioContext.resume();
  clearLastCall();

  call = new Call(audioContext);
  call.addEventListener("state", ({ detail }) => showState(detail));
  call.addEventListener("track", ({ detail: { side, track } }) => useTrack(side, track));
  call.addEventListener("microphone", ({ detail }) => showMicrophone(detail));
  call.addEventListener("shaky", ({ detail }) => showShaky(detail));
  call.addEventListener("message", ({ detail }) => handleMessage(detail));
  call.addEventListener("ended", ({ detail }) => finish(call.sessionId, detail));
  call.start();
}

function clearLastCall() {
  conversation.clear();
  shelf.clear();
  lastMessage = null;
  answerTimes = [];
  liveSince = null;
  showAnswerTimes();
  $("clock").textContent = "0:00";
  $("notice").hidden = true;
}

function say(text) {
  if (state !== "live" || text === "") return;
  conversation.typed(text);
  call.sendText(text);
}

function toggleMute() {
  const muted = !$("mute").classList.contains("muted");
  call.mute(muted);
  showMuted(muted);
}

function useTrack(side, track) {
  levels.listen(side, track, audioContext);
  if (side === "bot") $("voice").srcObject = new MediaStream([track]);
}

function handleMessage({ type, data }) {
  switch (type) {
    case "user-started-speaking":
      return conversation.callerStartedSpeaking();
    case "user-input":
      return conversation.callerSaid(data.text, { kind: data.input_type, final: data.final });
    case "bot-output":
      return isLastOfSegment(data) ? conversation.botSaid(data.text) : undefined;
    case "bot-stopped-speaking":
      return conversation.botStoppedSpeaking();
    case "bot-interrupted":
      return conversation.botInterrupted();
    case "server-message":
      return handleServerMessage(data);
    case "error":
      return showNotice(data.error);
    default:
      return undefined;
  }
}

/** Text that will be spoken is sent again while it is spoken; other text is sent once. */
function isLastOfSegment({ will_be_spoken: followed, spoken_status: status }) {
  return followed ? status === "completed" : status === "new";
}

function handleServerMessage(data) {
  switch (data.type) {
    case "products_found":
      return shelf.showFound(data);
    case "product_saved":
      return shelf.keep(data.number, data.product);
    case "product_removed":
      return shelf.forget(data.number);
    case "response_latency":
      answerTimes.push(data.seconds);
      conversation.answeredAfter(data.seconds);
      return showAnswerTimes();
    case "call_ended":
      lastMessage = data;
      return undefined;
    default:
      return undefined;
  }
}

async function finish(sessionId, outcome) {
  levels.stop();
  conversation.close();
  $("voice").srcObject = null;
  $("notice").hidden = true;
  clearInterval(ticking);
  showEnding(describeEnding(outcome, lastMessage, null), []);
  $("ending-title").focus();
  const record = sessionId === null ? null : await readEndedSession(sessionId);
  if (record !== null && state === "ended") {
    showEnding(describeEnding(outcome, lastMessage, record), summarise(record));
  }
}

function showState(now) {
  state = now;
  document.body.dataset.state = now;
  $("status").textContent = STATUS[now];
  $("welcome").hidden = now !== "idle";
  $("ending").hidden = now !== "ended";
  for (const id of ["words", "send", "mute"]) $(id).disabled = now !== "live";
  if (now === "microphone") showMuted(false);
  if (now === "live" && liveSince === null) {
    liveSince = performance.now();
    ticking = setInterval(() => {
      $("clock").textContent = clock((performance.now() - liveSince) / 1000);
    }, 1000);
  }
}

function showMuted(muted) {
  $("mute").classList.toggle("muted", muted);
  $("mute").textContent = muted ? "Unmute" : "Mute";
}

function showMicrophone(problem) {
  $("notice").hidden = problem === null;
  $("notice-retry").hidden = problem === null;
  if (problem !== null) $("notice-text").textContent = problem;
  document.body.classList.toggle("typing-only", problem !== null);
}

function showNotice(text) {
  $("notice-text").textContent = text;
  $("notice-retry").hidden = true;
  $("notice").hidden = false;
}

function showShaky(shaky) {
  if (state === "live") $("status").textContent = shaky ? "Connection interrupted…" : STATUS.live;
}

function showAnswerTimes() {
  const sorted = [...answerTimes].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  $("speed").replaceChildren(
    ...(sorted.length === 0 ? [] : [["Last", answerTimes.at(-1)], ["Median", median]]).map(([label, seconds]) =>
      figure(label, `${seconds.toFixed(2)} s`),
    ),
  );
}

function showEnding({ title, text, reason, failed }, summary) {
  $("ending").classList.toggle("failed", failed);
  $("ending-title").textContent = title;
  $("ending-text").textContent = text;
  $("ending-reason").textContent = reason ?? "";
  $("ending-reason").parentElement.hidden = reason === null;
  $("ending-summary").replaceChildren(...summary.map(([label, value]) => figure(label, value)));
}

function figure(label, value) {
  const pair = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  term.textContent = label;
  description.textContent = value;
  pair.append(term, description);
  return pair;
}
