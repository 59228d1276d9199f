// Wind and weather as the stage's weather sheet has them, turned to the road under the groups.
import { dress, figures, node, put, refill } from "./dom.js";
import { figure, kmhOf, NONE } from "./units.js";

const CALM_MPS = 0.5;
const LIKELY = 0.5;
const POINTS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

const pointOf = (degrees) => POINTS[Math.round((((degrees % 360) + 360) % 360) / 45) % 8];

export class Weather {
  constructor({ arrow, word, list, note }, map) {
    Object.assign(this, { arrow, word, list, note, map });
  }

  update(frame, groups) {
    const { riders } = frame;
    const [front, field] = [groups[0], [...groups].sort((a, b) => b.size - a.size)[0]];
    const rows = [...new Set([front, field])].filter(Boolean).map((group) => {
      const i = riders.group_id.findIndex((id, k) => id === group.id && riders.headwind_mps[k] !== null);
      return i < 0 ? null : { group, i, head: riders.headwind_mps[i], cross: riders.crosswind_mps[i], risk: mean(riders, group.id) };
    }).filter(Boolean);
    this.arrow.toggleAttribute("hidden", !rows.length);
    put(this.note, rows.length ? "" : groups.length ? "This stage has no weather sheet, so no wind is known." : "The wind shows once groups are on the road.");
    if (rows.length) this.point(rows[0]);
    else put(this.word, "");
    figures(this.list, rows.flatMap(({ group, head, cross, risk }) => [
      [`${group.name}: ${head >= 0 ? "headwind" : "tailwind"}`, kmhOf(Math.abs(head))],
      [`cross, from ${cross >= 0 ? "left" : "right"}`, kmhOf(Math.abs(cross))],
      ["echelon risk", risk === null ? NONE : figure(risk * 100, 0, " %"), risk >= LIKELY ? "is-warn" : ""],
    ]));
    this.sheet(frame.weather);
  }

  /** Where the wind comes from: the road's bearing, turned by the wind on the rider. */
  point({ group, head, cross }) {
    const mps = Math.hypot(head, cross);
    const from = this.map.bearing(group.distanceM) + (Math.atan2(-cross, head) * 180) / Math.PI;
    this.arrow.style.transform = `rotate(${Math.round(from + 180)}deg)`;
    dress(this.arrow, mps < CALM_MPS ? "calm" : "");
    put(this.word, mps < CALM_MPS ? "calm" : `${kmhOf(mps)} from the ${pointOf(from)}`);
  }

  /** Temperature and rain where the frame brings them. */
  sheet(weather) {
    if (!weather?.temperature_degc?.length) return;
    refill(this.note, JSON.stringify(weather), () => [node("span", {},
      `${figure(weather.temperature_degc[0], 0, " °C")} at the front${weather.rain?.[0] ? ", rain" : ""}`)]);
  }
}

function mean(riders, id) {
  const risks = riders.echelon_risk.filter((risk, k) => riders.group_id[k] === id && risk !== null);
  return risks.length ? risks.reduce((a, b) => a + b) / risks.length : null;
}
