// The rider who is followed, large: what is known of him and how old it is.
import { dress, figures, put } from "./dom.js";
import { colourOf } from "./naming.js";
import { statusOf } from "./riders.js";
import { ageOf, ageTone, figure, gapOf, kmhOf, kmOf, NONE, powerOf, rangeOf } from "./units.js";

export class RiderCard {
  constructor(parts) {
    Object.assign(this, parts);
  }

  update({ riders }, bib, sinceS) {
    const i = bib === null ? -1 : riders.bib.indexOf(bib);
    this.box.hidden = i < 0;
    if (i < 0) return;
    const { text, tone } = statusOf(riders, i, sinceS);
    const ageS = riders.age_s[i] === null ? null : riders.age_s[i] + sinceS;
    put(this.bib, String(bib));
    put(this.name, riders.name[i] || `Rider ${bib}`);
    put(this.team, [riders.team[i], text].filter(Boolean).join(" · "));
    dress(this.team, tone);
    dress(this.box, `rider-card ${colourOf(riders.group_id[i])} ${ageTone(ageS)}`);
    const measured = riders.gap_measured_s[i];
    const meter = riders.power_w[i] !== null;
    figures(this.list, [
      ["gap", i === 0 ? "front" : gapOf(riders.gap_s[i]), "", measured === null ? "" : `measured ${gapOf(measured)} at km ${(riders.gap_at_m[i] / 1000).toFixed(1)}`],
      ["to go", kmOf(riders.to_go_m[i])],
      ["speed", kmhOf(riders.speed_mps[i], 1)],
      [meter ? "power, by meter" : "power, worked out", powerOf(riders, i), "", `worked out from road, wind and shelter: ${rangeOf(riders.effort_low_w[i], riders.effort_high_w[i])}`],
      ["heart", figure(riders.heart_rate_bpm[i], 0, " bpm")],
      ["reserve left", riders.w_balance[i] === null ? NONE : figure(riders.w_balance[i] * 100, 0, " %"), "", "W′ balance, a relative index"],
      ["drag felt", riders.shelter[i] === null ? NONE : figure(riders.shelter[i] * 100, 0, " %"), "", "share of a lone rider's drag, by place in the group"],
      ["last fix", ageS === null ? NONE : `${ageOf(ageS)} ago`, ageTone(ageS) ? "is-warn" : ""],
    ]);
  }
}
