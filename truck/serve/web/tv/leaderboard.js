// A board as a tower of ten rows; next() shows the other figure of each row.
"use strict";

var BOARDS = {
  leaders: { title: "Stage", figures: [["gap", ""], ["speed_kmh", "km/h"]], togo: true },
  standings: { title: "Virtual GC", figures: [["virtual_gap", ""], ["gap", ""]] },
  "top-speeds": { title: "Top speed", figures: [["speed_kmh", "km/h"], ["at_km", "km"]] },
  "climb-times": { title: "Climb", figures: [["time", ""], ["behind", ""]], named: "climb" }
};
var tower = document.querySelector(".tower");
var title = tower.querySelector(".title"), note = tower.querySelector(".note");
var lines = [];
for (var k = 0; k < 10; k += 1) {
  var line = make(tower, "row none"), rank = make(line, "rank"), who = make(line, "who");
  lines.push({ row: line, rank: rank, name: make(who, "name"), team: make(who, "team"), value: make(line, "value") });
}

function of(field) { return field("board", "leaders"); }

tv({
  fields: { f0: "board", f1: "title", f2: "truck" },
  board: of,
  draw: function (rows, show) {
    var board = BOARDS[of(show.field)] || BOARDS.leaders;
    var figure = board.figures[show.step % board.figures.length];
    var head = board.named && rows.length ? rows[0][board.named] : board.title;
    put(title, show.field("title", head));
    var togo = board.togo && rows.length ? show.value(rows[0], "to_go_km") : "";
    put(note, togo && togo !== "\u2013" ? togo + " km" : "");
    lines.forEach(function (at, k) {
      var row = rows[k], known = row ? show.value(row, figure[0]) : "";
      at.row.classList.toggle("none", !row);
      at.row.classList.toggle("first", k === 0);
      if (!row) return;
      put(at.rank, String(k + 1));
      put(at.name, row.name);
      put(at.team, row.team);
      var wanted = known + (known && known !== "\u2013" && figure[1] ? " " + figure[1] : "");
      if (at.value.textContent === wanted) return;
      at.value.textContent = known + (wanted === known ? "" : " ");
      if (wanted !== known) at.value.appendChild(document.createElement("small")).textContent = figure[1];
    });
  }
});
