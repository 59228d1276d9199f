// What a screen reader is told, seldom: a sentence a minute, and what is new and grave at once.
import { clockOf, plural } from "./units.js";

const EVERY_MS = 60_000;
const GRAVE = new Set(["crash", "finish"]);

export class Speaker {
  constructor(where) {
    Object.assign(this, { where, spokenMs: -Infinity, told: new Set() });
  }

  update(frame, groups, moments, nowMs) {
    const news = moments.filter((one) => GRAVE.has(one.kind) && !this.told.has(`${one.kind} ${one.atUs}`));
    for (const one of news) this.told.add(`${one.kind} ${one.atUs}`);
    if (news.length) this.say(`${news[0].title}. ${news[0].text}.`, nowMs);
    else if (nowMs - this.spokenMs > EVERY_MS && groups.length) this.say(summaryOf(frame, groups), nowMs);
  }

  say(sentence, nowMs = performance.now()) {
    this.spokenMs = nowMs;
    this.where.textContent = sentence;
  }
}

/** The race in a sentence or two. */
export function summaryOf(frame, groups) {
  const toGoM = frame.riders.to_go_m[0];
  const where = toGoM === null || toGoM === undefined ? "" : toGoM <= 0 ? "The first rider has finished. " : `${(toGoM / 1000).toFixed(1)} kilometres to go. `;
  if (!groups.length) return where || "Nobody is placed on the road yet.";
  const others = groups.slice(1, 4).map((group) => `${group.name}${group.size > 1 ? `, ${group.riding},` : ""} at ${clockOf(group.gapS)}`);
  const more = groups.length > 4 ? ` and ${plural(groups.length - 4, "more group")}` : "";
  return `${where}In front: ${groups[0].name}${groups[0].size > 1 ? `, ${groups[0].riding}` : ""}${others.length ? `; ${others.join("; ")}${more}` : ""}.`;
}
