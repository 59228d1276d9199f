// The keyboard: every thing the page does has a key, and `?` lists them.
const TYPING = "input:not([type=range]), textarea, select, [contenteditable]";

/** `deeds` maps a key to what it does; keys typed into a field or with a modifier are left alone. */
export function listenToKeys(deeds, onEscape) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      onEscape(event);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.(TYPING)) return;
    // a focused button keeps its own space and Enter, a slider its arrows
    if (event.key === " " && event.target.closest?.("button, summary")) return;
    if (event.key.startsWith("Arrow") && event.target.closest?.("input[type=range]")) return;
    const deed = deeds[event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key];
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}
