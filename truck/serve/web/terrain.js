// The road's heights: coloured by steepness for the profile, and looked up for what rides on it.
import { shape } from "./dom.js";

const STEEP_PCT = [3, 6, 9]; // the classes of the colours: easier than 3 %, 3 to 6, 6 to 9, steeper
const OVER_M = 150; // steepness is that of so much road, as the truck's own
const DEEP_M = 20_000; // the bands reach below whatever is shown

export class Terrain {
  constructor(course) {
    const { distance_m: along, altitude_m: heights } = course.profile;
    this.along = along;
    this.isFlat = heights.every((one) => one === null);
    this.heights = this.isFlat ? heights.map(() => 0) : heights;
    this.stepM = (along[along.length - 1] - along[0]) / (along.length - 1);
    [this.lowM, this.highM] = this.range(along[0], along[along.length - 1]);
  }

  /** Lowest and highest altitude between two places. */
  range(fromM, toM) {
    const part = this.heights.slice(this.index(fromM), this.index(toM) + 1);
    return [Math.min(...part), Math.max(...part)];
  }

  index(distanceM) {
    return Math.max(0, Math.min(this.along.length - 1, Math.round((distanceM - this.along[0]) / this.stepM)));
  }

  /** Altitude at a place, between the two samples around it. */
  at(distanceM) {
    const x = Math.max(0, Math.min(this.along.length - 1, (distanceM - this.along[0]) / this.stepM));
    const i = Math.min(this.along.length - 2, Math.floor(x));
    return this.heights[i] + (this.heights[i + 1] - this.heights[i]) * (x - i);
  }

  steepness(i, overM) {
    const reach = Math.max(1, Math.round(overM / this.stepM / 2));
    const [a, b] = [Math.max(0, i - reach), Math.min(this.along.length - 1, i + reach)];
    return ((this.heights[b] - this.heights[a]) / (this.along[b] - this.along[a])) * 100;
  }

  /** One path a class and the skyline, in metres along and (negative) metres up: scaled by a transform. */
  draw(group, fromM = this.along[0], toM = this.along.at(-1), overM = OVER_M) {
    const bands = STEEP_PCT.concat(Infinity).map(() => []);
    const [first, last] = [Math.max(0, this.index(fromM) - 1), Math.min(this.along.length - 1, this.index(toM) + 1)];
    for (let i = first; i < last; i++) {
      const steep = this.isFlat ? 0 : this.steepness(i, overM);
      const band = bands[STEEP_PCT.concat(Infinity).findIndex((most) => steep < most)];
      const [x0, x1, y0, y1] = [this.along[i], this.along[i + 1] + this.stepM * 0.02, -this.heights[i], -this.heights[i + 1]];
      band.push(`M${x0} ${DEEP_M}V${y0}L${x1} ${y1}V${DEEP_M}Z`);
    }
    const line = this.along.slice(first, last + 1).map((x, i) => `${x} ${-this.heights[first + i]}`).join("L");
    group.replaceChildren(...bands.map((parts, k) => shape("path", { d: parts.join("") || "M0 0", class: `steep-${k}` })),
      shape("path", { d: `M${line}`, class: "skyline" }));
  }
}

/** Round figures for an axis: the least step that leaves at most `most` of them. */
export const stepFor = (span, most) =>
  [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 2000, 5000].find((step) => span / step <= most) ?? 10_000;
