// The page's line: frames come in, the playhead says which instant is shown, the rooms draw it.
import { RiderCard } from "./card.js";
import { momentsOf } from "./content.js";
import { $, put } from "./dom.js";
import { Favourites } from "./favourites.js";
import { Freshness } from "./freshness.js";
import { Gliders } from "./gliders.js";
import { History } from "./history.js";
import { listenToKeys } from "./keys.js";
import { LinkState } from "./link.js";
import { RouteMap } from "./map.js";
import { Moments } from "./moments.js";
import { groupsOf } from "./naming.js";
import { Playhead } from "./playhead.js";
import { Prediction } from "./prediction.js";
import { Profile } from "./profile.js";
import { Riders } from "./riders.js";
import { Source } from "./source.js";
import { Speaker, summaryOf } from "./speaker.js";
import { Standings } from "./standings.js";
import { Strip } from "./strip.js";
import { Terrain } from "./terrain.js";
import { setUpTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { Trend } from "./trend.js";
import { kmOf, plural, timeOf } from "./units.js";
import { setUpViews } from "./views.js";
import { Weather } from "./weather.js";

const TURN_MS = 40; // 25 pictures a second are smooth enough for dots of a pixel a second
const CLOCK_MS = 250;
const LEAP_US = 5e6; // a step between frames that is shown as a cut, not as a glide
const MEASURES_KEPT = 600;

const timeline = new Timeline();
const playhead = new Playhead(timeline);
const history = new History();
const gliders = new Gliders();
const favourites = new Favourites();
const profile = new Profile($("profile"));
const strip = new Strip($("strip"), $("groups"), (id) => pick(id === picked ? null : id));
const map = new RouteMap($("map"));
const trend = new Trend($("trend"), $("trend-facts"), $("trend-table"));
const moments = new Moments({ list: $("moments"), note: $("moments-note") }, (atUs) => transport.seek(atUs));
const riders = new Riders({ body: $("riders"), search: $("search"), nobody: $("nobody"), only: $("only-favourites"), picked: $("picked") },
  favourites, follow, pick);
const card = new RiderCard({ box: $("rider-card"), bib: $("card-bib"), name: $("card-name"), team: $("card-team"), list: $("card-figures") });
const standings = new Standings({ body: $("standings"), table: $("standings-table"), note: $("standings-note") }, follow);
const weather = new Weather({ arrow: $("wind-arrow"), word: $("wind-word"), list: $("wind"), note: $("wind-note") }, map);
const prediction = new Prediction({ body: $("prediction"), note: $("prediction-note") });
const freshness = new Freshness({ list: $("fresh"), hops: $("fresh-hops"), ages: $("fresh-ages"), note: $("fresh-note") });
const speaker = new Speaker($("spoken"));
const link = new LinkState({ pill: $("link"), lost: $("lost"), replaying: $("replaying") });
const transport = new Transport({ play: $("play"), back: $("back"), on: $("on"), live: $("live"), rate: $("rate"), range: $("range"),
  marks: $("marks"), from: $("kept-from"), at: $("shown-at"), delay: $("delay") }, playhead, timeline, () => tick(performance.now()));

let course = null;
let shown = null; // the frame that is drawn
let groups = [];
let followed = null;
let picked = null;
let turnedMs = 0;
let measures = 0;
let waits = 0;

/** A frame came in: it is kept, and drawn when the playhead comes to it. */
function hear(text, base) {
  const frame = timeline.add(text);
  if (!frame) return; // from the other address, and not newer
  const nowMs = performance.now();
  playhead.arrived(nowMs);
  link.heard(base);
  history.add(frame);
  // many may come at once; only the last of them is worth drawing
  if (!waits) waits = setTimeout(() => { waits = 0; tick(performance.now()); });
}

function learn(next) {
  if (course && (course.name !== next.name || course.start_at !== next.start_at)) {
    timeline.clear();
    history.clear();
    moments.clear();
    [shown, groups] = [null, []];
  }
  course = next;
  const terrain = new Terrain(course);
  put($("stage"), course.name);
  document.title = `${course.name} · race centre`;
  const facts = [course.kind.replace("-", " "), kmOf(course.length_m)];
  if (course.start_at) facts.push(`flag at ${course.start_at.slice(11, 16)} UTC`);
  put($("stage-facts"), facts.join(" · "));
  for (const room of [profile, strip, map]) room.setCourse(course, terrain);
  if (shown) draw(shown, true);
}

/** Bring the page to the instant that is to be shown. */
function tick(nowMs) {
  const instantUs = playhead.instantUs(nowMs);
  if (instantUs === null) return;
  const frame = timeline.at(instantUs);
  if (frame !== shown) draw(frame, shown === null || Math.abs(frame.at_us - shown.at_us) > LEAP_US);
  const sinceS = Math.max(0, (instantUs - frame.at_us) / 1e6);
  put($("race-time"), timeOf(playhead.isLive ? frame.at_us : instantUs));
  riders.age(sinceS);
  card.update(frame, followed, sinceS);
  link.show(playhead, nowMs, frame, instantUs);
  transport.show(instantUs, moments.by(timeline.newestUs));
}

function draw(frame, leaps) {
  const began = performance.now();
  shown = frame;
  groups = groupsOf(frame);
  const trends = new Map(groups.map(({ id }) => [id, history.trend(id, frame.at_us)]));
  if (picked !== null && !groups.some(({ id }) => id === picked)) pick(null);
  gliders.aim(frame, leaps);
  gliders.turn(0, 0);
  if (course) {
    profile.update(frame, groups, gliders);
    strip.update(frame, groups, gliders, trends, picked, followed);
    map.update(groups);
    weather.update(frame, groups);
  }
  riders.update(frame, groups);
  trend.update(frame, groups, history);
  moments.learn(frame.riders);
  moments.show(frame.at_us);
  standings.update(frame);
  prediction.update(frame, groups);
  freshness.update(frame, 0);
  facts(frame);
  if (playhead.isLive) speaker.update(frame, groups, moments.by(frame.at_us), began);
  document.body.getBoundingClientRect(); // the layout belongs to the cost of a frame
  if (++measures % MEASURES_KEPT === 0) performance.clearMeasures("frame");
  performance.measure("frame", { start: began, end: performance.now() });
}

function facts(frame) {
  const { status, to_go_m: toGoM } = frame.riders;
  const count = (name) => status.filter((one) => one === name).length;
  const parts = [`${status.length - count("not_seen")} of ${status.length} seen`];
  for (const [name, word] of [["finished", "finished"], ["off_route", "off the route"], ["signal_lost", "lost"], ["abandoned", "abandoned"]]) {
    if (count(name)) parts.push(`${count(name)} ${word}`);
  }
  put($("riders-facts"), parts.join(" · "));
  const first = toGoM[0];
  put($("to-go"), first === null || first === undefined ? "–" : kmOf(Math.max(0, first)));
  put($("road-facts"), groups.length ? plural(groups.length, "group") : "nobody is placed on the road yet");
  $("no-groups").hidden = groups.length > 0;
  $("profile").setAttribute("aria-label", `Stage profile. ${summaryOf(frame, groups)}`);
}

function follow(bib) {
  followed = bib;
  profile.follow(bib);
  riders.follow(bib);
  if (shown) draw(shown, false);
  tick(performance.now());
}

/** Show only the riders of a group, or of all. */
function pick(id) {
  picked = id;
  riders.pick(id, groups.find((group) => group.id === id)?.name ?? "");
  if (shown && groups.length) strip.write(groups, new Map(groups.map((group) => [group.id, history.trend(group.id, shown.at_us)])), picked);
}

function pickNext(step) {
  if (!groups.length) return;
  const at = groups.findIndex(({ id }) => id === picked);
  pick(groups[at < 0 ? 0 : Math.max(0, Math.min(groups.length - 1, at + step))].id);
}

function turn(nowMs) {
  requestAnimationFrame(turn);
  if (nowMs - turnedMs < TURN_MS || !shown) return;
  const passedMs = nowMs - turnedMs;
  turnedMs = nowMs;
  const instantUs = playhead.instantUs(nowMs);
  gliders.turn(playhead.isPlaying ? Math.max(0, (instantUs - shown.at_us) / 1e6) : 0, passedMs);
  if (!course) return;
  profile.move(gliders);
  strip.move(gliders, passedMs);
  map.move(gliders);
}

function faster(step) {
  const rates = [1, 4, 16, 60];
  transport.setRate(rates[Math.max(0, Math.min(rates.length - 1, rates.indexOf(playhead.rate) + step))]);
}

function clear() {
  $("search").value = "";
  $("search").blur();
  riders.showFavourites(false);
  pick(null);
  follow(null);
}

const switchTheme = setUpTheme($("theme"));
const goTo = setUpViews();
const help = $("help");
$("help-open").addEventListener("click", () => help.showModal());
$("card-close").addEventListener("click", () => follow(null));
listenToKeys({
  "/": () => { goTo("riders"); $("search").focus(); },
  "?": () => help.showModal(),
  ArrowDown: () => follow(riders.next(1)), ArrowUp: () => follow(riders.next(-1)),
  f: () => followed !== null && riders.star(followed),
  v: () => riders.showFavourites(!riders.onlyFavourites),
  "[": () => pickNext(-1), "]": () => pickNext(1),
  " ": () => transport.toggle(),
  ArrowLeft: () => transport.step(-10), ArrowRight: () => transport.step(10),
  "Shift+ArrowLeft": () => transport.step(-60), "Shift+ArrowRight": () => transport.step(60),
  "<": () => faster(-1), ">": () => faster(1),
  l: () => transport.goLive(), t: switchTheme,
  d: () => $("delay").focus(),
  1: () => goTo("race", true), 2: () => goTo("riders", true), 3: () => goTo("standings", true), 4: () => goTo("route", true),
}, () => { if (!help.open) clear(); });
setInterval(() => tick(performance.now()), CLOCK_MS);
requestAnimationFrame(turn);
new Source(hear, learn, (told) => moments.hear(told), (told) => moments.hearContent(momentsOf(told)));
