// What every graphic shares: the functions that playout calls, the board it asks the truck for, and
// the age of what it shows. Written for the browsers inside playout machines, which are old.
"use strict";

var FRESH_S = 10; // no value older than this is drawn; a row goes once it is past LOST_S
var LOST_S = 90;
var EVERY_MS = 1000;
var PATIENCE_MS = 4000;

// A graphic: { fields: {f0: "board", ...}, board: fn, draw: fn, next: fn }
function tv(graphic) {
  var fields = {}, rows = [], step = 0, answered = null, timer = null, failed = 0;

  function field(name, otherwise) {
    return fields[name] === undefined || fields[name] === "" ? otherwise : fields[name];
  }

  function take(data) {
    var given = parsed(data);
    Object.keys(given).forEach(function (key) {
      fields[graphic.fields[key] || key] = String(given[key]);
    });
  }

  function address() {
    var base = field("truck", location.origin).replace(/\/+$/, "");
    var bib = field("bib", "");
    return base + "/tv/" + encodeURIComponent(graphic.board(field)) + ".json" +
      (bib === "" ? "" : "?bib=" + encodeURIComponent(bib));
  }

  function ask() {
    clearTimeout(timer);
    var patience = new AbortController(), from = address();
    var late = setTimeout(function () { patience.abort(); }, PATIENCE_MS);
    fetch(from, { cache: "no-store", signal: patience.signal })
      .then(function (answer) {
        if (!answer.ok) throw new Error("the truck answers " + answer.status);
        return answer.json();
      })
      .then(function (given) {
        if (from !== address()) return; // it was asked for another board meanwhile
        rows = given;
        answered = performance.now();
        failed = 0;
      })
      .catch(function () { failed += 1; })
      .then(function () {
        clearTimeout(late);
        draw();
        if (document.body.classList.contains("on")) timer = setTimeout(ask, EVERY_MS);
      });
  }

  function linkAge() {
    return answered === null ? Infinity : (performance.now() - answered) / 1000;
  }

  // How old a row's values are; what an operator holds is as old as the link alone.
  function age(row) {
    var late = Math.max(0, linkAge() - 2);
    return late + (row.quality === "frozen" || row.age_s === "" ? 0 : Number(row.age_s));
  }

  // A value to be drawn, or a dash where it is too old to be.
  function value(row, column) {
    var text = row[column];
    if (text === "" || text === undefined) return "";
    return age(row) > FRESH_S || text.charAt(0) === "(" ? "\u2013" : text;
  }

  function draw() {
    var shown = rows.filter(function (row) { return row.at !== "" && age(row) <= LOST_S; });
    document.body.classList.toggle("empty", shown.length === 0);
    document.body.classList.toggle("stale", shown.length === 0 || linkAge() > FRESH_S);
    graphic.draw(shown, { value: value, field: field, step: step });
  }

  window.update = function (data) { take(data); rows = []; answered = null; ask(); };
  window.play = function () {
    document.body.classList.remove("off");
    document.body.classList.add("on");
    ask();
  };
  window.stop = function () {
    clearTimeout(timer);
    document.body.classList.remove("on");
    document.body.classList.add("off");
  };
  window.next = function () { step += 1; draw(); };
  window.remove = window.stop;

  new URLSearchParams(location.search).forEach(function (text, name) {
    fields[graphic.fields[name] || name] = text;
  });
  setInterval(function () { if (document.body.classList.contains("on")) draw(); }, 500);
  if (field("play", "") === "1") window.play(); // for browsers that nobody calls, as vMix's
}

// What playout sends: JSON as SPX does, CasparCG's XML, or an object.
function parsed(data) {
  if (data === null || data === undefined || data === "") return {};
  if (typeof data === "object") return data;
  var text = String(data).trim(), given = {};
  if (text.charAt(0) === "<") {
    var xml = new DOMParser().parseFromString(text, "application/xml");
    xml.querySelectorAll("componentData").forEach(function (part) {
      var one = part.querySelector("data");
      given[part.getAttribute("id")] = one ? one.getAttribute("value") : "";
    });
    return given;
  }
  try {
    given = JSON.parse(text);
  } catch (error) {
    return {};
  }
  return given !== null && typeof given === "object" ? given : {};
}

// Set a text only where it changed, so that nothing flickers.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(parent, name) {
  var element = document.createElement("div");
  element.className = name;
  return parent.appendChild(element);
}
