// One glider a rider and a group, shared by profile, strip and map, so that all of them agree.
import { Glider } from "./glider.js";
import { colourOf } from "./naming.js";

const MOVING = new Set(["racing", "signal_lost"]);
const FADED = new Set(["not_seen", "abandoned", "in_car"]);
const OLD_S = 8;

export class Gliders {
  constructor() {
    [this.riders, this.groups] = [new Map(), new Map()];
    [this.firstM, this.lastM] = [0, 0];
  }

  aim(frame, leaps) {
    const { riders, groups } = frame;
    riders.bib.forEach((bib, i) => {
      if (riders.distance_m[i] === null) this.riders.delete(bib);
      else aimed(this.riders, bib, riders.distance_m[i], MOVING.has(riders.status[i]) ? riders.speed_mps[i] : 0, leaps);
    });
    const ids = new Set(groups.group_id);
    for (const id of this.groups.keys()) if (!ids.has(id)) this.groups.delete(id);
    groups.group_id.forEach((id, i) => aimed(this.groups, id, groups.distance_m[i], groups.speed_mps[i], leaps));
  }

  /** Bring all to this instant. */
  turn(sinceS, passedMs) {
    for (const glider of this.riders.values()) glider.at(sinceS, passedMs);
    let [first, last] = [-Infinity, Infinity];
    for (const glider of this.groups.values()) {
      const distanceM = glider.at(sinceS, passedMs);
      first = Math.max(first, distanceM);
      last = Math.min(last, distanceM);
    }
    if (first === -Infinity) for (const { shownM } of this.riders.values()) first = Math.max(first, shownM);
    [this.firstM, this.lastM] = [first, Math.min(first, last)];
  }

  rider(bib) {
    return this.riders.get(bib)?.shownM ?? 0;
  }

  group(id) {
    return this.groups.get(id)?.shownM ?? 0;
  }

  /** The classes of a rider's dot. */
  look({ riders }, i, followed) {
    const old = riders.age_s[i] === null || riders.age_s[i] > OLD_S || FADED.has(riders.status[i]);
    return `rider ${colourOf(riders.group_id[i])}${old ? " old" : ""}${riders.bib[i] === followed ? " followed" : ""}`;
  }
}

function aimed(all, key, distanceM, speedMps, leaps) {
  if (leaps || !all.has(key)) all.set(key, new Glider(distanceM));
  all.get(key).aim(distanceM, speedMps);
}
