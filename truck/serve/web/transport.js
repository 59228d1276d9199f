// The bar at the foot: live or replay, where on the time axis, how fast, and the viewer's TV delay.
import { dress, node, put, refill } from "./dom.js";
import { ageOf, timeOf } from "./units.js";

export class Transport {
  constructor(parts, playhead, timeline, onSeek) {
    Object.assign(this, parts, { playhead, timeline, onSeek });
    this.delay.value = String(playhead.delayS);
    this.play.addEventListener("click", () => this.toggle());
    this.back.addEventListener("click", () => this.step(-10));
    this.on.addEventListener("click", () => this.step(10));
    this.live.addEventListener("click", () => this.goLive());
    this.rate.addEventListener("change", () => this.setRate(Number(this.rate.value)));
    this.range.addEventListener("input", () => this.seek(Number(this.range.value) * 1e6));
    this.delay.addEventListener("change", () => {
      playhead.delay(Number(this.delay.value));
      this.delay.value = String(playhead.delayS);
      onSeek();
    });
  }

  toggle() {
    this.playhead.toggle(performance.now());
    this.onSeek();
  }

  step(seconds) {
    this.playhead.step(seconds, performance.now());
    this.onSeek();
  }

  seek(atUs) {
    this.playhead.seek(atUs, performance.now());
    this.onSeek();
  }

  goLive() {
    this.playhead.goLive();
    this.onSeek();
  }

  setRate(rate) {
    this.playhead.rate = rate;
    this.rate.value = String(rate);
  }

  show(instantUs, moments) {
    const { playhead, timeline } = this;
    const [firstS, newestS] = [Math.floor(timeline.firstUs / 1e6), Math.floor(timeline.newestUs / 1e6)];
    const atS = Math.round(Math.min(instantUs, timeline.newestUs) / 1e6);
    Object.assign(this.range, { min: String(firstS), max: String(Math.max(newestS, firstS + 1)) });
    if (document.activeElement !== this.range || playhead.isLive) this.range.value = String(atS);
    this.range.setAttribute("aria-valuetext", playhead.isLive ? "live" : timeOf(instantUs));
    const behindS = Math.max(0, (timeline.newestUs - instantUs) / 1e6);
    put(this.from, timeOf(timeline.firstUs).slice(0, 5));
    put(this.at, playhead.isLive ? (playhead.delayS ? `${playhead.delayS} s TV delay` : "now") : `${ageOf(behindS)} ago`);
    dress(this.play, playhead.isPlaying ? "playing" : "paused");
    this.play.setAttribute("aria-label", playhead.isPlaying ? "Pause" : "Play");
    this.live.setAttribute("aria-pressed", String(playhead.isLive));
    const spanS = Math.max(1, newestS - firstS);
    const marks = moments.filter(({ atUs }) => atUs >= timeline.firstUs).map(({ atUs, kind }) => [kind, Math.round(((atUs / 1e6 - firstS) / spanS) * 500) / 5]);
    refill(this.marks, JSON.stringify(marks), () => marks.map(([kind, share]) => {
      const mark = node("i", { class: kind });
      mark.style.left = `${share}%`;
      return mark;
    }));
  }
}
