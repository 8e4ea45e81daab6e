// The page: one call at a time, from the button to the summary.

import { Agents } from "./agents.js";
import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { Devices } from "./devices.js";
import { describeEnding, summarise } from "./ending.js";
import { Events } from "./events.js";
import { Facts } from "./facts.js";
import { takeKey } from "./key.js";
import { Levels } from "./levels.js";
import { Messages } from "./messages.js";
import { Panel } from "./panel.js";
import { Record } from "./record.js";
import { Services } from "./services.js";
import { Stopwatch } from "./stopwatch.js";
import { Tabs } from "./tabs.js";
import { clipped, figure } from "./text.js";
import { ToolCalls } from "./tools.js";

const STATUS = {
  idle: "Not connected",
  microphone: "Asking for the microphone…",
  starting: "Starting the bot…",
  connecting: "Connecting…",
  live: "Connected",
  elsewhere: "On another page",
  ended: "Call ended",
};
const CAN_CHOOSE = ["idle", "ended"];
const LONGEST_NOTICE = 1000;
const LONGEST_DETAIL = 4000;
const OUT_OF_REACH = {
  online: "The voice service has stopped answering. Your call may end.",
  offline: "Your device is not connected to the internet. Your call may end.",
};

const $ = (id) => document.getElementById(id);

takeKey();
const stopwatch = new Stopwatch($("clock"));
const conversation = new Conversation($("turns"));
const levels = new Levels($("line"), { you: $("you-level"), bot: $("bot-level") });
const devices = new Devices({
  microphones: $("microphones"), speakers: $("speakers"), voice: $("voice"), note: $("devices-note"),
});
const tabs = new Tabs($("tabs"));
const panel = new Panel($("panel"), say);
const services = new Services({
  answers: $("answers"), rows: $("services"), tokens: $("tokens"), note: $("services-note"),
});
const tools = new ToolCalls({ list: $("tools"), note: $("tools-note"), count: $("tools-count"), stopwatch });
const events = new Events({
  list: $("events"), search: $("events-search"), note: $("events-note"), copy: $("events-copy"), stopwatch,
});
const facts = new Facts({
  session: $("session"), models: $("models"), timeline: $("timeline"), note: $("record-note"), copy: $("session-copy"),
});
const messages = new Messages({ conversation, services, tools, panel, showNotice });
const agents = new Agents($("agent"));
let call = null;
let record = null;
let state = "idle";
let isShaky = false;
let audioContext = null;

$("connect").addEventListener("click", connect);
$("again").addEventListener("click", connect);
$("disconnect").addEventListener("click", () => call.hangUp());
$("mute").addEventListener("click", () => setMuted($("mute").getAttribute("aria-pressed") !== "true"));
$("notice-retry").addEventListener("click", () => useMicrophone(devices.microphone));
devices.addEventListener("microphone", ({ detail }) => useMicrophone(detail));
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  say($("words").value.trim());
  $("words").value = "";
});
tabs.addEventListener("shown", () => events.draw());
agents.addEventListener("chosen", ({ detail }) => showAgent(detail));
agents.load();
addEventListener("offline", () => showReach(false));
addEventListener("online", () => showReach(record?.isInReach !== false));
// Ends the call at once when the tab closes; otherwise the bot would notice after half a minute.
addEventListener("pagehide", () => {
  if (state !== "elsewhere") call?.hangUp();
});

function connect() {
  // Browsers let a page play sound only after a click.
  audioContext ??= new AudioContext();
  audioContext.resume();
  const agent = agents.chosen;
  clearLastCall(agent);

  call = new Call(audioContext, agent.name, devices.microphone);
  call.addEventListener("state", ({ detail }) => showState(detail));
  call.addEventListener("session", ({ detail }) => follow(detail));
  call.addEventListener("track", ({ detail: { side, track } }) => useTrack(side, track));
  call.addEventListener("microphone", ({ detail }) => showMicrophone(detail));
  call.addEventListener("shaky", ({ detail }) => showShaky(detail));
  call.addEventListener("sent", ({ detail }) => events.add("sent", detail));
  call.addEventListener("received", ({ detail }) => {
    events.add("received", detail);
    if (detail.message !== null) messages.handle(detail.message);
  });
  call.addEventListener("elsewhere", ({ detail }) => showRoomLink(detail));
  call.addEventListener("wordless", () => {
    showNotice("You can hear this assistant, but the page can’t show what it says.", [
      ["Detail", "The bot sends no RTVI messages; add Pipecat’s RTVIProcessor to its pipeline."],
    ]);
  });
  call.addEventListener("ended", ({ detail }) => finish(detail));
  call.start();
  // The button is gone, and with it the keyboard's place.
  $("turns").focus();
}

function clearLastCall(agent) {
  record?.stop();
  record = null;
  for (const part of [messages, services, tools, events, facts]) part.begin();
  conversation.begin(agent.name ?? "Bot");
  facts.know({ Agent: agent.name });
  showPanel(agent);
  stopwatch.reset();
  isShaky = false;
  $("notice").hidden = true;
}

function say(text) {
  if (state !== "live" || text === "") return;
  conversation.typed(text);
  call.sendText(text);
}

function follow(sessionId) {
  // The part after ~ is the caller's token, which is not for showing.
  facts.know({ Session: sessionId.split("~")[0] });
  record = new Record(sessionId);
  const current = call;
  record.addEventListener("change", ({ detail, target }) => {
    if (call !== current) return;
    facts.read(detail);
    if (target.hasEnded) current.recordEnded();
  });
  record.addEventListener("reach", ({ detail }) => {
    if (call === current) showReach(detail && navigator.onLine);
  });
}

function useTrack(side, track) {
  levels.listen(side, track, audioContext);
  if (side === "bot") $("voice").srcObject = new MediaStream([track]);
  else devices.refresh(); // now that the browser names them
}

function useMicrophone(deviceId) {
  if (state === "live" || state === "connecting") call.useMicrophone(deviceId);
}

async function finish(outcome) {
  const followed = record;
  levels.stop();
  stopwatch.stop();
  conversation.close();
  tools.close();
  $("voice").srcObject = null;
  $("notice").hidden = true;
  showEnding(describeEnding(outcome, messages.farewell, null), []);
  $("ending-title").focus();
  const { session, refusal } = (await followed?.ended()) ?? { session: null, refusal: null };
  if (record !== followed) return;
  const known = { session, refusal, isInReach: followed?.isInReach ?? true };
  if (session !== null) facts.read(session);
  showEnding(
    describeEnding(outcome, messages.farewell, known),
    session !== null && stopwatch.seconds > 0 ? summarise(stopwatch.seconds, session) : [],
  );
}

function showState(now) {
  state = now;
  document.body.dataset.state = now;
  $("status").textContent = STATUS[now];
  $("welcome").hidden = now !== "idle";
  $("elsewhere").hidden = now !== "elsewhere";
  $("ending").hidden = now !== "ended";
  for (const id of ["words", "send", "mute"]) $(id).disabled = now !== "live";
  agents.disabled = !CAN_CHOOSE.includes(now);
  panel.send({ type: "call", state: now });
  if (now === "microphone") showMuted(false);
  if (now === "live") stopwatch.start();
}

function setMuted(muted) {
  call.mute(muted);
  showMuted(muted);
}

function showMuted(muted) {
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").textContent = muted ? "Unmute" : "Mute";
}

function showAgent(agent) {
  for (const place of document.querySelectorAll("[data-agent]")) place.textContent = agent.name ?? "the bot";
  if (CAN_CHOOSE.includes(state)) showPanel(agent);
}

function showPanel({ name, has_panel: hasPanel }) {
  panel.show(hasPanel ? name : null);
  tabs.offer($("tab-panel"), hasPanel);
  tabs.choose(hasPanel ? $("tab-panel") : $("tab-services"));
}

function showMicrophone(problem) {
  if (problem === null) $("notice").hidden = true;
  else showNotice(problem, []);
  $("notice-retry").hidden = problem === null;
}

/** Show a sentence for the caller, and what a developer wants to know as pairs of a label and a text. */
function showNotice(text, details) {
  $("notice-text").textContent = clipped(text, LONGEST_NOTICE);
  $("notice-retry").hidden = true;
  showDetails($("notice-more"), details);
  $("notice").hidden = false;
}

function showDetails(place, details, isOpen = false) {
  place.hidden = details.length === 0;
  place.open = isOpen;
  const shown = details.map(([label, text]) => figure(label, clipped(text, LONGEST_DETAIL)));
  place.querySelector("dl").replaceChildren(...shown);
}

function showReach(isInReach) {
  if (state === "ended" || state === "idle") return;
  if (isInReach) {
    $("notice").hidden = true;
    return;
  }
  showNotice(navigator.onLine ? OUT_OF_REACH.online : OUT_OF_REACH.offline, [
    ["Detail", `No answer from ${location.origin}. A bot in a cluster continues without its controller; a local bot ends.`],
  ]);
  if (isShaky) call.breakOff();
}

function showRoomLink(address) {
  $("room-link").href = address;
}

function showShaky(shaky) {
  isShaky = shaky;
  if (state === "live") $("status").textContent = shaky ? "Connection interrupted…" : STATUS.live;
  if (shaky && record?.isInReach === false) call.breakOff();
}

function showEnding({ title, text, failed, details, isForDeveloper = false }, summary) {
  $("ending").classList.toggle("failed", failed);
  $("ending-title").textContent = title;
  $("ending-text").textContent = text;
  $("ending-summary").replaceChildren(...summary.map(([label, value]) => figure(label, value)));
  showDetails($("ending-more"), details, isForDeveloper);
}
