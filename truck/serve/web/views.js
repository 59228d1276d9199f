// Parts of the page: tabs on a phone, places to go to by key on a desk.
const TITLES = { race: "road-title", riders: "riders-title", standings: "standings-title", route: "map-title" };

/** Returns what goes to a part by its name, with the focus if wished. */
export function setUpViews() {
  const tabs = [...document.querySelectorAll(".tabs button")];
  const goTo = (view, focuses = false) => {
    document.body.dataset.view = view;
    for (const tab of tabs) {
      if (tab.dataset.view === view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (focuses) document.getElementById(TITLES[view]).focus();
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      goTo(tab.dataset.view);
      scrollTo({ top: 0 });
    });
  }
  return goTo;
}
