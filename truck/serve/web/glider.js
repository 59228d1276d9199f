// A point on the road that is drawn where it should be soon, never jumping; and labels kept apart.
const GLIDE_MS = 600; // how long a correction takes to be taken up
const CARRY_S = 3; // how far on a point is drawn without a newer frame
const LEAP_M = 2000; // beyond this it is another place, not a correction
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Glider {
  constructor(distanceM) {
    this.shownM = distanceM;
    this.aim(distanceM, 0);
  }

  aim(distanceM, speedMps) {
    this.targetM = distanceM;
    this.speedMps = speedMps ?? 0;
  }

  /** Where it is drawn, `sinceS` after the frame and `passedMs` after it was drawn last. */
  at(sinceS, passedMs) {
    const wantedM = this.targetM + this.speedMps * Math.min(sinceS, CARRY_S);
    const leaps = calm.matches || Math.abs(wantedM - this.shownM) > LEAP_M;
    this.shownM += (wantedM - this.shownM) * (leaps ? 1 : 1 - Math.exp(-passedMs / GLIDE_MS));
    return this.shownM;
  }
}

/**
 * Places at least `pitch` apart within [low, high], as near as can be to those wanted (ascending):
 * isotonic regression by pooling neighbours.
 */
export function spread(wanted, pitch, low, high) {
  const pools = [];
  wanted.forEach((want, i) => {
    let pool = { mean: want - i * pitch, count: 1 };
    while (pools.length && pools.at(-1).mean > pool.mean) {
      const before = pools.pop();
      const count = before.count + pool.count;
      pool = { mean: (before.mean * before.count + pool.mean * pool.count) / count, count };
    }
    pools.push(pool);
  });
  const most = Math.max(low, high - (wanted.length - 1) * pitch);
  return pools.flatMap(({ mean, count }) => Array(count).fill(Math.min(most, Math.max(low, mean))))
    .map((base, i) => base + i * pitch);
}
