// Photos, video links, posts and commentary that somebody let through, as moments of the race.
const SHORT = 80; // letters of a text that stand as a title
const WORDS = { photo: "Photo", video: "Video", post: "Post", comment: "Commentary" };

/** Rows as `Moments` shows them, from the document truck.content/1. */
export function momentsOf({ items }) {
  return items.item_id.map((id, i) => {
    const [kind, text, km] = [items.kind[i], items.text[i], items.km[i]];
    const isShort = text && text.length <= SHORT;
    return {
      id: `content-${id}`, kind, isOpen: false, atUs: Date.parse(items.at[i]) * 1000,
      title: isShort ? text : WORDS[kind],
      text: [isShort ? "" : text, items.author[i], km === null ? "" : `km ${km.toFixed(1)}`].filter(Boolean).join(" · "),
      link: items.link[i], picture: items.media[i],
    };
  });
}
