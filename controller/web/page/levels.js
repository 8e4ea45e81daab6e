// The loudness of either side: two meters, and a line of pods that shows who spoke when.

const POD_MS = 70;
const POD_WIDTH = 6;
const POD_GAP = 5;
const QUIET_DB = -58;
const LOUD_DB = -14;
const SILENCE = { you: 0, bot: 0 };

export class Levels {
  #canvas;
  #sides;
  #history = [];
  #timer = 0;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  /** `meters` is {you, bot}: the two elements with role meter. */
  constructor(canvas, meters) {
    this.#canvas = canvas;
    this.#sides = {
      you: { meter: meters.you, analyser: null, source: null, colour: "--you" },
      bot: { meter: meters.bot, analyser: null, source: null, colour: "--bot" },
    };
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Measure this track from now on, instead of the side's previous one. */
  listen(side, track, audioContext) {
    const listener = this.#sides[side];
    listener.source?.disconnect();
    listener.analyser = audioContext.createAnalyser();
    listener.analyser.fftSize = 2048;
    listener.source = audioContext.createMediaStreamSource(new MediaStream([track]));
    listener.source.connect(listener.analyser);
    if (this.#timer === 0) this.#timer = setInterval(() => this.#measure(), POD_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    for (const side of Object.values(this.#sides)) {
      side.source?.disconnect();
      side.analyser = side.source = null;
      show(side.meter, 0);
    }
    this.#history = [];
    this.#draw();
  }

  #measure() {
    const now = { you: level(this.#sides.you.analyser), bot: level(this.#sides.bot.analyser) };
    show(this.#sides.you.meter, now.you);
    show(this.#sides.bot.meter, now.bot);
    this.#history.push(now);
    this.#draw();
  }

  #draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#canvas.width = width * ratio;
    this.#canvas.height = height * ratio;
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);

    if (this.#timer === 0) {
      drawAtRest(context, width, height, getComputedStyle(this.#canvas).getPropertyValue("--pod"));
      return;
    }
    const count = Math.floor(width / (POD_WIDTH + POD_GAP));
    this.#history = this.#history.slice(-count);
    // With reduced motion the line stands still, and the meters show the levels.
    const shown = this.#calm.matches ? [] : this.#history;
    const style = getComputedStyle(this.#canvas);
    const centre = height / 2;
    for (let index = 0; index < count; index += 1) {
      const pod = shown[shown.length - count + index] ?? SILENCE;
      const left = index * (POD_WIDTH + POD_GAP);
      const reach = centre - POD_GAP;
      const up = pod.bot * reach;
      const down = pod.you * reach;
      if (Math.max(up, down) < 2) {
        fillPod(context, style.getPropertyValue("--pod"), left, centre - POD_WIDTH / 2, POD_WIDTH);
      } else {
        fillPod(context, style.getPropertyValue("--bot"), left, centre - 1 - up, up);
        fillPod(context, style.getPropertyValue("--you"), left, centre + 1, down);
      }
    }
  }
}

/** Draw the line before and after a call: pods that swell gently towards the middle. */
function drawAtRest(context, width, height, colour) {
  for (let left = 0; left + POD_WIDTH <= width; left += POD_WIDTH + POD_GAP) {
    const along = left / width;
    const swell = Math.exp(-(((along - 0.5) / 0.22) ** 2)) * (0.55 + 0.45 * Math.sin(along * 38));
    const tall = Math.max(POD_WIDTH, swell * height * 0.8);
    fillPod(context, colour, left, (height - tall) / 2, tall);
  }
}

function fillPod(context, colour, left, top, height) {
  if (height < 2) return;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, top, POD_WIDTH, height, POD_WIDTH / 2);
  context.fill();
}

/** Return 0 for a quiet room and 1 for a loud voice, in decibels so that steps sound even. */
function level(analyser) {
  if (analyser === null) return 0;
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const decibels = 10 * Math.log10(power + 1e-12);
  return Math.min(1, Math.max(0, (decibels - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

function show(meter, value) {
  meter.setAttribute("aria-valuenow", String(Math.round(value * 100)));
  meter.firstElementChild.style.transform = `scaleX(${value.toFixed(2)})`;
}
