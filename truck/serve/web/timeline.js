// The frames the page kept: every one of the last minutes, one in ten seconds of the hour before.
const DENSE_US = 600e6;
const THIN_US = 10e6;
const KEPT_US = 3900e6; // about 35 MB with 198 riders

export class Timeline {
  constructor() {
    this.clear();
  }

  clear() {
    this.kept = []; // {atUs, text}, ascending
    this.thinned = 0; // how many of them, from the first, are already thinned
    this.parsed = new Map(); // the last few that were looked at
  }

  get firstUs() {
    return this.kept[0]?.atUs ?? null;
  }

  get newestUs() {
    return this.kept.at(-1)?.atUs ?? null;
  }

  /** Take a frame in; null if it is not newer than what is here, else the frame. */
  add(text) {
    const frame = JSON.parse(text);
    if (this.newestUs !== null && frame.at_us <= this.newestUs) return null;
    this.kept.push({ atUs: frame.at_us, text });
    this.remember(frame);
    this.thin();
    return frame;
  }

  /** Frames of before the page was opened, ascending; those not older than the first are left out. */
  prepend(texts) {
    const older = texts.map((text) => ({ atUs: JSON.parse(text).at_us, text }))
      .filter(({ atUs }) => this.firstUs === null || atUs < this.firstUs);
    this.kept.unshift(...older);
    this.thinned = 0;
  }

  thin() {
    const newestUs = this.newestUs;
    while (this.kept.length && this.kept[0].atUs < newestUs - KEPT_US) {
      this.kept.shift();
      this.thinned = Math.max(0, this.thinned - 1);
    }
    while (this.thinned < this.kept.length && this.kept[this.thinned].atUs < newestUs - DENSE_US) {
      const before = this.kept[this.thinned - 1];
      if (before && this.kept[this.thinned].atUs - before.atUs < THIN_US) this.kept.splice(this.thinned, 1);
      else this.thinned += 1;
    }
  }

  /** The frame that was the newest at an instant; the first one where it is before all. */
  at(instantUs) {
    if (!this.kept.length) return null;
    let [low, high] = [0, this.kept.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.kept[middle].atUs <= instantUs) low = middle;
      else high = middle - 1;
    }
    const { atUs, text } = this.kept[low];
    return this.parsed.get(atUs) ?? this.remember(JSON.parse(text));
  }

  remember(frame) {
    this.parsed.set(frame.at_us, frame);
    if (this.parsed.size > 4) this.parsed.delete(this.parsed.keys().next().value);
    return frame;
  }
}
