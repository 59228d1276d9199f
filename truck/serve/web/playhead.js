// Which instant of the race is shown: now, now less the viewer's TV delay, or one of before.
export const DELAY_MOST_S = 120;
const DELAY = "delay_s";

export class Playhead {
  constructor(timeline) {
    this.timeline = timeline;
    this.delayS = Math.min(DELAY_MOST_S, Number(localStorage.getItem(DELAY)) || 0);
    this.arrivedMs = 0;
    this.isLive = true;
    this.isPlaying = true;
    this.rate = 1;
    this.atUs = null; // of the replay
    this.turnedMs = 0;
  }

  arrived(nowMs) {
    this.arrivedMs = nowMs;
  }

  /** Seconds since a frame came from anywhere. */
  silentS(nowMs) {
    return (nowMs - this.arrivedMs) / 1000;
  }

  liveUs(nowMs) {
    return this.timeline.newestUs + (nowMs - this.arrivedMs) * 1000 - this.delayS * 1e6;
  }

  /** The instant that is shown, microseconds since 1970; null before the first frame. */
  instantUs(nowMs) {
    if (this.timeline.newestUs === null) return null;
    if (this.isLive) return this.liveUs(nowMs);
    if (this.isPlaying) this.atUs += (nowMs - this.turnedMs) * 1000 * this.rate;
    this.turnedMs = nowMs;
    if (this.atUs >= this.liveUs(nowMs)) this.goLive();
    this.atUs = Math.max(this.atUs, this.timeline.firstUs);
    return this.isLive ? this.liveUs(nowMs) : this.atUs;
  }

  goLive() {
    [this.isLive, this.isPlaying] = [true, true];
  }

  seek(atUs, nowMs) {
    this.atUs = Math.min(Math.max(atUs, this.timeline.firstUs), this.timeline.newestUs);
    this.turnedMs = nowMs;
    this.isLive = false;
  }

  step(seconds, nowMs) {
    const atUs = this.instantUs(nowMs);
    if (atUs !== null) this.seek(atUs + seconds * 1e6, nowMs);
  }

  /** Stop where we are, or go on from there. */
  toggle(nowMs) {
    const atUs = this.instantUs(nowMs);
    if (atUs === null) return;
    const wasPlaying = this.isPlaying;
    if (this.isLive) this.seek(atUs, nowMs);
    this.isPlaying = !wasPlaying;
    this.turnedMs = nowMs;
  }

  delay(seconds) {
    this.delayS = Math.min(DELAY_MOST_S, Math.max(0, Math.round(seconds) || 0));
    localStorage.setItem(DELAY, this.delayS);
  }
}
