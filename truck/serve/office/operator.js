// The operator's page: signed in or not; a picture a second, evidence and completeness now and then.
import { Acts } from "/acts.js";
import { $ } from "/dom.js";
import * as panels from "/panels.js";

const PICTURE_MS = 1000;
const SLOW_MS = 15000;
const OLD_AFTER_S = 3.5;
let shownMs = 0;
let missing = null;
let signedIn = false;

const acts = new Acts((said) => {
  $("said").textContent = `Done: ${said}.`;
  $("said").hidden = false;
  picture();
});

function enter(isIn) {
  if (isIn === signedIn && !($("gate").hidden && $("office").hidden)) return;
  signedIn = isIn;
  $("gate").hidden = isIn;
  $("office").hidden = !isIn;
  if (!isIn) $("token").focus();
}

/** JSON of the truck; undefined where it is out of reach, after saying so; signs out on 401. */
async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (answer.status === 401 || answer.status === 403) {
    enter(false);
    return undefined;
  }
  return answer.ok ? answer.json() : undefined;
}

async function picture() {
  try {
    const found = await get("/api/picture");
    if (!found) return;
    shownMs = performance.now();
    panels.showState(found);
    panels.showBudget(found.latency);
    panels.showIncidents(found.race, (act, wish) => acts.does(act, wish));
    panels.showRelays(found.relays, missing);
    panels.showInForce(found, (act, wish) => acts.does(act, wish));
    panels.showCloud(found.cloud, found.packs);
    panels.showMachine(found);
    panels.showAudit(found.audit);
    document.body.classList.remove("is-old");
  } catch {
    tell();
  }
}

async function slow() {
  try {
    const evidence = await get("/api/evidence");
    if (evidence) panels.showEvidence(evidence);
    const complete = await get("/api/complete");
    if (!complete) return;
    panels.showComplete(complete);
    missing = {};
    for (const { relay, numbers: [lo, hi] } of complete.bundles_missing) missing[relay] = (missing[relay] ?? 0) + hi - lo;
    for (const { relay } of complete.relays) missing[relay] ??= 0;
  } catch {
    tell();
  }
}

/** What is on the screen is old: say so, larger than anything else. */
function tell() {
  const ageS = (performance.now() - shownMs) / 1000;
  if (!signedIn || ageS < OLD_AFTER_S) return;
  document.body.classList.add("is-old");
  $("state").className = "state is-bad";
  $("state-mark").textContent = "✕";
  $("state-word").textContent = shownMs ? `No word from the truck for ${Math.round(ageS)} s` : "The truck does not answer";
}

async function signIn(token) {
  const answer = await fetch("/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const said = await answer.json();
  $("gate-error").textContent = answer.ok ? "" : said.detail;
  $("token").value = "";
  if (answer.ok) await begin();
}

async function begin() {
  const session = await get("/api/session");
  if (!session?.name) return enter(false);
  enter(true);
  $("me").textContent = session.name;
  await picture();
  return slow();
}

$("gate").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn($("token").value.trim());
});
$("leave").addEventListener("click", async () => {
  await fetch("/api/session", { method: "DELETE", headers: { "Content-Type": "application/json" } });
  enter(false);
});
$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
});
const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  history.replaceState(null, "", location.pathname);
  signIn(given);
} else {
  begin().catch(() => enter(false));
}
setInterval(() => signedIn && picture(), PICTURE_MS);
setInterval(() => signedIn && slow(), SLOW_MS);
setInterval(tell, 500);
