// The lower third of one rider; next() shows his other figures.
"use strict";

var FACTS = [
  [["gap", "Gap", ""], ["speed_kmh", "Speed", "km/h"], ["to_go_km", "To go", "km"], ["gradient_pct", "Gradient", "%"]],
  [["virtual_gap", "Virtual GC", ""], ["virtual_rank", "Virtual place", ""], ["effort_w", "Effort", "W"], ["top_speed_kmh", "Top speed", "km/h"]]
];
var third = document.querySelector(".third"), facts = third.querySelector(".facts"), drawn = [];
for (var k = 0; k < 4; k += 1) {
  var fact = make(facts, "fact");
  drawn.push({ label: make(fact, "label"), figure: make(fact, "figure") });
}

tv({
  fields: { f0: "bib", f1: "name", f2: "truck" },
  board: function () { return "rider-card"; },
  draw: function (rows, show) {
    var row = rows[0];
    if (!row) return;
    put(third.querySelector(".bib"), row.bib);
    put(third.querySelector(".name"), show.field("name", row.name));
    put(third.querySelector(".team"), row.team);
    var rank = show.value(row, "rank");
    put(third.querySelector(".rank"), rank && rank !== "\u2013" ? "#" + rank : rank);
    put(third.querySelector(".group"), show.value(row, "group"));
    FACTS[show.step % FACTS.length].forEach(function (fact, k) {
      var known = show.value(row, fact[0]);
      put(drawn[k].label, fact[1]);
      drawn[k].figure.textContent = known || "\u2013";
      if (known && known !== "\u2013" && fact[2]) {
        drawn[k].figure.appendChild(document.createElement("small")).textContent = fact[2];
      }
    });
  }
});
