// The page's line: course once, a frame a second from the stream, and the age of what is shown.
import { Profile } from "/profile.js";
import { Riders } from "/riders.js";
import { showAlarms, showGroups, showMoments, showOperations } from "/panels.js";
import { operate, takeToken } from "/operator.js";

const LOST_AFTER_S = 3.5;
const RETRY_MS = 1000;
const $ = (id) => document.getElementById(id);

const profile = new Profile($("profile"));
const riders = new Riders($("riders"), $("search"), $("nobody"), (bib) => profile.follow(bib));
let frame = null;
let arrivedMs = 0;

function show(next) {
  frame = next;
  arrivedMs = performance.now();
  $("race-time").textContent = frame.at.slice(11, 19) + " UTC";
  $("race-time").dateTime = frame.at;
  profile.update(frame, arrivedMs);
  riders.update(frame.riders, frame.groups);
  showGroups($("groups"), frame);
  showMoments($("moments"), frame);
  showAlarms($("alarms"), frame.alarms ?? []);
  showOperations(frame);
  const { status } = frame.riders;
  const count = (name) => status.filter((one) => one === name).length;
  const parts = [`${status.length - count("not_seen")} of ${status.length} seen`];
  for (const name of ["finished", "off_route", "signal_lost"]) {
    if (count(name)) parts.push(`${count(name)} ${name.replace("_", " ")}`);
  }
  $("riders-facts").textContent = parts.join(", ");
  const toGo = frame.riders.to_go_m[0];
  $("road-facts").textContent = toGo === null || toGo === undefined
    ? "nobody is placed on the road yet"
    : toGo <= 0 ? "the first rider has finished" : `${(toGo / 1000).toFixed(1)} km to go for the first rider`;
  tell();
}

function tell() {
  const pill = $("link");
  if (!frame) return;
  const ageS = (performance.now() - arrivedMs) / 1000;
  const lost = ageS > LOST_AFTER_S;
  document.body.classList.toggle("is-old", lost);
  $("lost").hidden = !lost;
  pill.className = `pill ${lost ? "pill-lost" : "pill-live"}`;
  if (lost) {
    $("lost").textContent = `Link lost: last known state, ${Math.round(ageS)} s old. Reconnecting by itself.`;
    pill.textContent = "link lost";
  } else {
    const behindS = frame.latency?.p50_s;
    pill.textContent = behindS == null ? "live" : `live, ${behindS.toFixed(1)} s behind the road`;
  }
  riders.age(ageS);
}

function listen() {
  const stream = new EventSource("/api/stream");
  stream.addEventListener("frame", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    // the browser retries a broken stream itself, but gives up on a refused one
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  });
}

async function loadCourse() {
  try {
    const answer = await fetch("/api/course");
    const course = await answer.json();
    $("stage").textContent = course.name;
    document.title = `${course.name} · race centre`;
    const facts = [course.kind.replace("-", " "), `${(course.length_m / 1000).toFixed(1)} km`];
    if (course.start_at) facts.push(`flag at ${course.start_at.slice(11, 16)} UTC`);
    $("stage-facts").textContent = facts.join(" · ");
    profile.setCourse(course);
  } catch {
    setTimeout(loadCourse, RETRY_MS);
  }
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
}

$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const name = dark ? "light" : "dark";
  setTheme(name);
  localStorage.setItem("theme", name);
});

setTheme(localStorage.getItem("theme"));
setInterval(tell, 500);
const token = takeToken();
if (token) operate(token, $("swap-open"), $("swap"), $("ruled"));
loadCourse();
listen();
