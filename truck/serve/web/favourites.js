// The viewer's favourites, by bib, kept in this browser.
const KEY = "favourites";

export class Favourites {
  constructor() {
    try {
      this.bibs = new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
    } catch {
      this.bibs = new Set(); // another page's words under our name
    }
  }

  has(bib) {
    return this.bibs.has(bib);
  }

  toggle(bib) {
    if (!this.bibs.delete(bib)) this.bibs.add(bib);
    localStorage.setItem(KEY, JSON.stringify([...this.bibs]));
  }
}
