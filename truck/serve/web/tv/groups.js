// The groups on the road and the gaps between them; next() lights the next group.
"use strict";

var SHOWN = 4;
var bar = document.querySelector(".bar"), togo = document.querySelector(".togo"), drawn = [];
for (var k = 0; k < SHOWN; k += 1) {
  var between = k ? make(bar, "between") : null, gap = null;
  if (between) {
    make(between, "line");
    gap = make(between, "gap").appendChild(document.createElement("span"));
  }
  var group = make(bar, "group");
  drawn.push({ between: between, gap: gap, group: group, name: make(group, "name"), size: make(group, "size") });
}

function riders(row, size) {
  return size === "1" ? row.first_name : size + (size === "\u2013" ? "" : " riders");
}

tv({
  fields: { f0: "title", f2: "truck" },
  board: function () { return "groups"; },
  draw: function (rows, show) {
    var count = Math.min(rows.length, SHOWN), lit = show.step % (count + 1) - 1;
    var way = rows.length ? show.value(rows[0], "to_go_km") : "";
    put(togo, way && way !== "\u2013" ? way + " km to go" : "");
    drawn.forEach(function (at, k) {
      var row = rows[k];
      at.group.style.display = row ? "" : "none";
      if (at.between) at.between.style.display = row ? "" : "none";
      if (!row) return;
      put(at.name, row.group.replace(/^\(|\)$/g, ""));
      put(at.size, riders(row, show.value(row, "size")));
      if (at.gap) put(at.gap, show.value(row, "gap"));
      at.group.classList.toggle("lit", k === lit);
    });
  }
});
