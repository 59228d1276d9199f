// What each group's gap was, by its id: for the chart, and for whether it closes or grows.
const EVERY_US = 5e6;
const MOST = 4000; // samples a group: more than a stage of five hours
const SLOPE_US = 90e6;
const SLOPE_LEAST_US = 30e6;
const STEADY_S_PER_MIN = 2; // less is noise: the aim of a gap is 1 s

export class History {
  constructor() {
    this.clear();
  }

  clear() {
    this.gaps = new Map(); // group id -> [{atUs, gapS, size}], ascending
    this.firstUs = null;
    this.lastUs = -Infinity;
  }

  add({ at_us: atUs, groups }) {
    if (atUs - this.lastUs < EVERY_US) return;
    this.firstUs ??= atUs;
    this.lastUs = atUs;
    groups.group_id.forEach((id, i) => {
      if (groups.gap_s[i] === null) return;
      if (!this.gaps.has(id)) this.gaps.set(id, []);
      const samples = this.gaps.get(id);
      samples.push({ atUs, gapS: groups.gap_s[i], size: groups.size[i] });
      if (samples.length > MOST) samples.shift();
    });
  }

  of(id, fromUs, toUs) {
    return (this.gaps.get(id) ?? []).filter(({ atUs }) => atUs >= fromUs && atUs <= toUs);
  }

  /** Seconds a minute by which a group's gap grows (least squares over 90 s), null where too little is known. */
  slope(id, atUs) {
    const samples = this.of(id, atUs - SLOPE_US, atUs);
    if (!samples.length || samples.at(-1).atUs - samples[0].atUs < SLOPE_LEAST_US) return null;
    const mean = (of) => samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
    const [t, g] = [mean((one) => one.atUs), mean((one) => one.gapS)];
    const over = samples.reduce((sum, one) => sum + (one.atUs - t) * (one.gapS - g), 0);
    const under = samples.reduce((sum, one) => sum + (one.atUs - t) ** 2, 0);
    return (over / under) * 60e6;
  }

  /** The slope {sign, short, text}: in figures for a card and in words for who listens; sign 0 is steady. */
  trend(id, atUs) {
    const slope = this.slope(id, atUs);
    if (slope === null) return null;
    if (Math.abs(slope) < STEADY_S_PER_MIN) return { sign: 0, short: "steady", text: "steady" };
    const rate = `${Math.round(Math.abs(slope))} s/min`;
    return slope < 0 ? { sign: -1, short: `\u2212${rate}`, text: `closing ${rate}` } : { sign: 1, short: `+${rate}`, text: `growing ${rate}` };
  }
}
