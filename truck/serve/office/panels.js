// What each panel says of the picture; a word beside every colour.
import { $, clockAt, node, refill, seconds, size, span, whole } from "/dom.js";

const HOPS = [["radio", "Radio"], ["uplink", "Uplink"], ["journal", "Journal"], ["frame", "Frame"]];
const KINDS = {
  crash: "Crash", mechanical: "Mechanical", comfort_stop: "Comfort stop", feed_zone: "Feed zone",
  level_crossing: "Held up", signal_lost: "Signal lost", abandoned: "Abandoned",
};
const SILENT_S = 10;

export function showState(picture) {
  const alarms = picture.alarms.length;
  const p99 = picture.latency.p99_s;
  const late = p99 != null && p99 > picture.latency.budget_s;
  const [tone, mark, word] = alarms ? ["is-bad", "▲", alarms === 1 ? "1 alarm" : `${alarms} alarms`]
    : late ? ["is-warn", "◆", "Slower than the budget"] : ["is-good", "●", "All well"];
  $("state").className = `state ${tone}`;
  $("state-mark").textContent = mark;
  if ($("state-word").textContent !== word) $("state-word").textContent = word;
  $("race-time").textContent = clockAt(picture.at_s);
  $("behind").textContent = seconds(p99);
  $("stored").textContent = whole(picture.packets.stored);
  $("lag").textContent = picture.cloud.state === "off" ? "off" : span(picture.cloud.lag_s);
  $("free").textContent = size(picture.machine.disk.free_bytes);
  refill($("alarms"), picture.alarms, () => picture.alarms.map((alarm) =>
    node("li", {}, node("strong", {}, alarm.what), node("span", { class: "cure" }, alarm.cure))));
}

export function showBudget(latency) {
  const budget = latency.budget_s;
  const scale = Math.max(budget * 1.15, latency.p99_s ?? 0);
  const rows = HOPS.map(([key, name]) => [name, latency.by_hop[key] ?? {}]);
  rows.push(["Bike to frame", latency]);
  $("budget-word").textContent = latency.p99_s == null ? "nothing measured yet"
    : `${seconds(latency.p99_s)} of ${budget} s, 99 of 100`;
  refill($("budget"), rows.map(([, hop]) => [hop.p50_s, hop.p99_s]), () => rows.flatMap(([name, hop], i) => {
    const over = hop.p99_s != null && hop.p99_s > budget;
    const bar = (key) => {
      const drawn = node("i", { class: key });
      drawn.style.width = `${Math.min(100, (100 * (hop[`${key}_s`] ?? 0)) / scale)}%`;
      return drawn;
    };
    const limit = node("span", { class: "limit" });
    limit.style.left = `${(100 * budget) / scale}%`;
    const total = i === rows.length - 1 ? " total" : "";
    return [node("b", { class: total }, name),
      node("div", { class: `track${over ? " over" : ""}`, role: "img", "aria-label": `${name}: median ${seconds(hop.p50_s)}, 99 of 100 ${seconds(hop.p99_s)}` }, bar("p99"), bar("p50"), limit),
      node("span", { class: `figure${total}` }, seconds(hop.p50_s)),
      node("span", { class: `figure${over ? " is-bad" : ""}${total}` }, seconds(hop.p99_s))];
  }));
}

export function showIncidents(race, judge) {
  const said = race.incidents;
  $("incidents-word").textContent = said.length ? `${said.length} open` : "none open";
  if (!said.length) return refill($("incidents"), said, () => [node("li", { class: "none" }, "Nothing to judge.")]);
  return refill($("incidents"), said, () => said.map((one) => {
    const who = one.riders.slice(0, 6).map((r) => `${r.bib} ${r.name}`.trim()).join(", ");
    const more = one.riders.length > 6 ? ` and ${one.riders.length - 6} more` : "";
    const button = (act, word) => {
      const made = node("button", { type: "button", "aria-label": `${word} incident ${one.incident}` }, word);
      made.addEventListener("click", () => judge(act, { incident: one.incident }));
      return made;
    };
    const where = one.distance_m == null ? "" : ` · km ${(one.distance_m / 1000).toFixed(1)}`;
    return node("li", { class: one.kind === "crash" ? "crash" : "" },
      node("div", { class: "who" }, node("strong", {}, `${KINDS[one.kind] ?? one.kind}, ${Math.round(one.probability * 100)} %`),
        node("div", {}, who + more), node("div", { class: "quiet" }, `No. ${one.incident} · since ${clockAt(one.started_us / 1e6)}${where}`)),
      node("div", { class: "buttons" }, button("confirm", "Confirm"), button("dismiss", "Dismiss")));
  }));
}

export function showRelays(relays, missing) {
  const live = relays.filter((r) => r.last_heard_age_s != null && r.last_heard_age_s < SILENT_S).length;
  $("relays-word").textContent = `${live} of ${relays.length} heard now`;
  refill($("relays"), [relays, missing], () => relays.map((relay) => {
    const age = relay.last_heard_age_s;
    const [tone, word] = age == null ? ["is-quiet", "never heard"]
      : age < SILENT_S ? ["is-good", "live"] : ["is-bad", "silent"];
    const days = relay.certificate_days;
    const gone = missing?.[relay.name];
    const ahead = relay.clock_ahead_s;
    const cell = (text, bad, number = true) => node("td", { class: `${number ? "number" : ""}${bad ? " is-bad" : ""}` }, text);
    const slot = relay.config_version == null ? "settings file"
      : `${relay.slot ?? ""} v${relay.config_version}${relay.on_trial ? ", on trial" : ""}`;
    return node("tr", {}, node("th", { scope: "row" }, relay.name + (relay.forked ? " · its key is copied" : "")),
      node("td", { class: `dot ${tone}` }, word), cell(span(age), age != null && age >= SILENT_S),
      cell(gone == null ? "–" : whole(gone), gone > 0), cell(whole(relay.backfill)),
      cell(relay.spool_share == null ? "–" : `${(relay.spool_share * 100).toFixed(1)} %`, relay.spool_share > 0.5),
      cell(ahead == null ? "–" : `${ahead > 0 ? "+" : ""}${ahead.toFixed(1)} s`, Math.abs(ahead) > 2),
      cell(days == null ? "–" : `${Math.floor(days)} days`, days != null && days < 7), cell(slot, false, false),
      cell(relay.roster_version == null ? "–" : `${relay.roster_version}`));
  }));
}

export function showInForce(picture, act) {
  const rulings = picture.rulings.slice(-12).reverse();
  const line = (text, word, does) => {
    const button = node("button", { type: "button", "aria-label": `${word}: ${text}` }, word);
    button.addEventListener("click", does);
    return node("li", {}, node("span", {}, text), button);
  };
  refill($("rulings"), rulings, () => (rulings.length ? rulings.map((ruling) =>
    line(`${ruling.number}. ${ruling.said} (${ruling.by})`, "Take back", () => act("withdraw", { withdraws: ruling.number })))
    : [node("li", { class: "quiet" }, "nothing")]));
  const { hidden } = picture.race;
  refill($("hidden"), hidden, () => (hidden.length ? hidden.map((rider) =>
    line(`${rider.bib} ${rider.name}`.trim(), "Show", () => act("show", { bib: rider.bib })))
    : [node("li", { class: "quiet" }, "nobody")]));
}

export function showEvidence(found) {
  const total = found.refused.reduce((sum, row) => sum + row.count, 0);
  $("refused-word").textContent = total ? `${whole(total)} in this stream` : "none";
  refill($("refused"), found.refused, () => found.refused.slice(0, 12).map((row) =>
    node("tr", {}, node("td", {}, row.reason.replaceAll("_", " ")), node("td", {}, row.key || "–"), node("td", { class: "number" }, whole(row.count)))));
  refill($("evidence"), found.samples, () => found.samples.map((row) =>
    node("li", {}, `${row.received_at.slice(11, 19)} ${row.reason} ${row.key} by ${row.relay}, ${row.bytes} bytes: ${row.begins}`)));
}

const figures = (rows) => rows.flatMap(([name, value]) => [node("div", {}, node("dt", {}, name), node("dd", {}, value))]);

export function showCloud(cloud, packs) {
  const off = cloud.state === "off";
  $("cloud-word").textContent = off ? "nobody is named to open it" : cloud.error ?? (cloud.paused ? "paused" : cloud.pusher?.running ? "sending" : "the pusher does not run");
  const rows = off || cloud.error ? [] : [
    ["Sealed", whole(cloud.sealed.batches)], ["Waiting", whole(cloud.pending.batches)],
    ["Lag", span(cloud.lag_s)], ["Pack in force", packs.in_force ?? "none"],
  ];
  refill($("cloud"), rows, () => figures(rows));
}

export function showComplete(found) {
  const { totals } = found;
  const hold = totals.sent ? ((100 * totals.in_cloud) / totals.sent).toFixed(1) : "0.0";
  $("complete").textContent = found.complete ? `Yes: ${whole(totals.in_cloud)} of ${whole(totals.sent)} packets of ${found.stage} are there.`
    : `Not yet: ${hold} % of ${whole(totals.sent)} packets of ${found.stage}; ${whole(totals.waiting)} wait. \`truck complete HOME\` names each hole.`;
}

export function showMachine(picture) {
  const { disk, power } = picture.machine;
  const rows = [
    ["Disk free", size(disk.free_bytes)],
    ["Power", power.on_mains == null && power.battery_pct == null ? "not told" : power.on_mains === false ? "battery" : "mains"],
    ["Battery", power.battery_pct == null ? "–" : `${power.battery_pct} %`],
    ["Broker", picture.broker.running && picture.broker.connected ? "up" : "down"],
    ["Live behind", whole(picture.behind.live_records)], ["Store behind", whole(picture.behind.view_records)],
  ];
  refill($("machine"), rows, () => figures(rows));
  const turned = Object.entries(picture.turned_away).flatMap(([door, reasons]) =>
    Object.entries(reasons).map(([reason, count]) => `${door}: ${reason.replaceAll("_", " ")} ${whole(count)}`));
  $("turned").textContent = turned.length ? turned.join(" · ") : "nobody";
}

export function showAudit(lines) {
  refill($("audit"), lines, () => lines.map((line) => node("tr", {},
    node("td", {}, clockAt(line.at_s)), node("td", {}, line.by || "–"), node("td", {}, line.address || "this truck"),
    node("td", {}, line.action), node("td", { class: line.outcome === "done" ? "is-good" : line.outcome === "asked" ? "" : "is-bad" }, line.outcome),
    node("td", { class: "said" }, line.said || (Object.keys(line.detail).length ? JSON.stringify(line.detail) : "")))));
}
