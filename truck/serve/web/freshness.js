// How fresh the picture is: bike to screen by hop against the budget, and how many riders are how old.
import { figures, node, put, refill } from "./dom.js";
import { secondsOf } from "./units.js";

const HOPS = [["radio", "Radio"], ["uplink", "Uplink"], ["journal", "Journal"], ["frame", "Frame"], ["commit", "Commit"]];
const AGES = [[3, "within 3 s"], [10, "3 to 10 s"], [60, "10 to 60 s"], [Infinity, "older"]];

export class Freshness {
  constructor({ list, hops, ages, note }) {
    Object.assign(this, { list, hops, ages, note });
  }

  update(frame, sinceS) {
    const { latency = {}, riders } = frame;
    const budgetS = latency.budget_s ?? 3;
    const tone = (value) => (value == null ? "" : value > budgetS ? "is-bad" : value > budgetS * 0.8 ? "is-warn" : "");
    put(this.note, `bike to screen, budget ${budgetS} s`);
    figures(this.list, [["p50_s", "half within"], ["p99_s", "99 %"], ["p99_9_s", "99.9 %"]].map(
      ([key, name]) => [name, secondsOf(latency[key]), tone(latency[key])]));
    const known = HOPS.filter(([name]) => latency.by_hop?.[name]).map(([name, word]) => [word, latency.by_hop[name]]);
    refill(this.hops, JSON.stringify(known), () => known.flatMap(([word, { p50_s: p50, p99_s: p99 }]) => [
      node("span", {}, word), bar([["p99", p99 / budgetS], ["p50", p50 / budgetS]]),
      node("span", { class: "number" }, `${secondsOf(p50)} / ${secondsOf(p99)}`)]));
    this.showAges(riders, sinceS);
  }

  showAges(riders, sinceS) {
    const on = riders.age_s.filter((ageS, i) => ageS !== null && riders.status[i] !== "finished").map((ageS) => ageS + sinceS);
    let leastS = 0;
    const counts = AGES.map(([mostS, word]) => {
      const count = on.filter((ageS) => ageS >= leastS && ageS < mostS).length;
      leastS = mostS;
      return [word, count];
    });
    refill(this.ages, JSON.stringify(counts), () => counts.flatMap(([word, count]) => [
      node("span", {}, word), bar([["p50", count / Math.max(1, on.length)]]), node("span", { class: "number" }, `${count}`)]));
  }
}

function bar(parts) {
  const track = node("div", { class: "track" });
  for (const [name, share] of parts) {
    const part = node("div", { class: name });
    part.style.width = `${Math.min(100, (share || 0) * 100).toFixed(1)}%`;
    track.append(part);
  }
  return track;
}
