// Light or dark: what the system says, until the viewer says otherwise; kept in this browser.
const KEY = "theme";

/** Returns what switches from one to the other. */
export function setUpTheme(button) {
  const root = document.documentElement;
  const kept = localStorage.getItem(KEY);
  if (kept) root.dataset.theme = kept;
  const change = () => {
    const next = getComputedStyle(root).colorScheme === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    localStorage.setItem(KEY, next);
  };
  button.addEventListener("click", change);
  return change;
}
