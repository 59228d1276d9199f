// The operator's key: `s` asks for bib and device and has the truck swap them, from that moment on.
// Only where the address held the operator's token, which the truck checks.
const TOKEN = "operator.token";
const NAME = "operator.name";

/** The token out of the address, which is then cleared of it; kept while this tab is open. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("operator");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN);
}

async function rule(token, wish) {
  const answer = await fetch("/rulings", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Truck-Operator": token },
    body: JSON.stringify(wish),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

export function operate(token, button, dialog, told) {
  const form = dialog.querySelector("form");
  const error = dialog.querySelector("[role=alert]");
  const { bib, device, by } = form.elements;

  function open() {
    form.reset();
    by.value = sessionStorage.getItem(NAME) ?? "";
    error.textContent = "";
    dialog.showModal();
    bib.focus();
  }

  button.hidden = false;
  button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" || dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    // a dialog just closed keeps the focus for a moment
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing && !dialog.contains(typing)) return;
    event.preventDefault();
    open();
  });
  dialog.querySelector("[type=button]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    sessionStorage.setItem(NAME, by.value);
    const wish = { kind: "swap", bib: bib.valueAsNumber, device: device.valueAsNumber, by: by.value };
    try {
      const ruling = await rule(token, wish);
      told.textContent = `Ruling ${ruling.number}: ${ruling.said} (${ruling.by}).`;
      told.hidden = false;
      dialog.close();
    } catch (refused) {
      error.textContent = refused.message;
    }
  });
}
