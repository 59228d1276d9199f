// What the operator can do: a form an act, asked for by button or key, and asked again where the truck wants it.
import { $, node } from "/dom.js";

const BIB = ["bib", "Bib", "number"];
const NOTE = ["note", "Why", "text"];
const FORMS = {
  swap: { key: "s", word: "Bike swap", title: "A rider has changed bikes", fields: [BIB, ["device", "Rides device", "number"]], go: "Swap from now on" },
  gap: { key: "g", word: "Override a gap", title: "Show this gap, whatever is measured", fields: [["bibs", "Bibs, with commas", "bibs"], ["gap_s", "Seconds behind", "number"], ["minutes", "For minutes (empty: until taken back)", "number?"]], go: "Show it" },
  hide: { key: "h", word: "Hide a rider", title: "Take a rider out of all public outputs", fields: [BIB, NOTE], go: "Hide" },
  abandon: { key: "a", word: "Abandon", title: "A rider is out of the race", fields: [BIB, NOTE], go: "He is out" },
  reinstate: { key: "r", word: "Reinstate", title: "A rider is in the race after all", fields: [BIB], go: "He is in" },
  freeze: { key: "f", word: "Freeze TV", title: "Hold what a TV board shows", fields: [["board", "Board (empty: all)", "text"]], go: "Freeze" },
  release: { key: "u", word: "Release TV", title: "Let a TV board go on", fields: [["board", "Board (empty: all)", "text"]], go: "Release" },
  pause: { key: "p", word: "Pause cloud", title: "Send nothing more to the cloud", fields: [], go: "Pause" },
  resume: { key: "c", word: "Resume cloud", title: "Send to the cloud again", fields: [], go: "Resume" },
  activate: { key: "k", word: "Activate pack", title: "Put a staged pack in force", fields: [["version", "Version", "number"], NOTE], go: "Activate" },
};

/** One act, sure or not: what was done, the effect to be sure of, or a refusal as an error. */
async function ask(act, wish, sure) {
  const answer = await fetch("/api/acts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ act, wish, sure }),
  });
  const said = await answer.json();
  if (answer.status === 428) return { effect: said.detail };
  if (!answer.ok) throw new Error(said.detail);
  return { done: said.said ?? "done" };
}

function read(form, fields) {
  const wish = {};
  for (const [name, , kind] of fields) {
    const given = form.elements[name].value.trim();
    if (kind === "bibs") wish[name] = given.split(/[\s,]+/).filter(Boolean).map(Number);
    else if (kind.startsWith("number")) { if (given) wish[name] = Number(given); }
    else if (given) wish[name] = given;
  }
  return wish;
}

export class Acts {
  /** `told` is given what was done, in words. */
  constructor(told) {
    this.told = told;
    this.dialog = $("act");
    this.form = this.dialog.querySelector("form");
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.go(); });
    $("act-back").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => {
      if (this.sure && event.key === "y") this.go();
      if (this.sure && event.key === "n") this.dialog.close();
    });
    $("acts").append(...Object.entries(FORMS).map(([act, form]) => {
      const button = node("button", { type: "button" }, form.word, node("kbd", { "aria-hidden": "true" }, form.key));
      button.addEventListener("click", () => this.open(act));
      return button;
    }));
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  pressed(event) {
    if (this.dialog.open || $("office").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const found = Object.entries(FORMS).find(([, form]) => form.key === event.key);
    if (!found) return;
    event.preventDefault();
    this.open(found[0]);
  }

  /** Ask for what an act needs. */
  open(act) {
    const { title, fields, go } = FORMS[act];
    this.begin(act, title, go, () => read(this.form, fields));
    $("act-fields").replaceChildren(...fields.map(([name, word, kind]) => {
      const type = kind.startsWith("number") ? "number" : "text";
      const needed = kind === "number" || kind === "bibs" ? { required: "" } : {};
      const bounds = type === "number" ? { min: "0", step: name === "gap_s" || name === "minutes" ? "any" : "1" } : { maxlength: "200" };
      return node("label", {}, word, node("input", { name, type, ...needed, ...bounds }));
    }));
    this.dialog.showModal();
    (this.form.querySelector("input") ?? $("act-go")).focus();
  }

  /** An act whose wish is known already: done at once, or asked again. */
  async does(act, wish) {
    this.begin(act, "Are you sure?", "Do it", () => wish);
    $("act-fields").replaceChildren();
    await this.go();
    if ((!$("act-effect").hidden || $("act-error").textContent) && !this.dialog.open) {
      this.dialog.showModal();
      $("act-back").focus();
    }
  }

  begin(act, title, go, wish) {
    Object.assign(this, { act, wish, sure: false, word: go });
    $("act-title").textContent = title;
    $("act-error").textContent = "";
    this.ask(null);
  }

  ask(effect) {
    $("act-effect").hidden = effect === null;
    $("act-effect").textContent = effect ?? "";
    $("act-fields").hidden = effect !== null;
    $("act-go").replaceChildren(effect === null ? this.word : "Yes, do it ", ...(effect === null ? [] : [node("kbd", { "aria-hidden": "true" }, "y")]));
    $("act-go").className = effect === null ? "" : "grave";
    $("act-back").textContent = effect === null ? "Cancel" : "No";
    this.sure = effect !== null;
    // Enter twice is soon pressed: to be sure takes another key
    if (this.sure && this.dialog.open) $("act-back").focus();
  }

  async go() {
    try {
      const answer = await ask(this.act, this.wish(), this.sure);
      if (answer.effect) return this.ask(answer.effect);
      if (this.dialog.open) this.dialog.close();
      this.told(answer.done);
    } catch (refused) {
      $("act-error").textContent = refused.message;
    }
    return undefined;
  }
}
