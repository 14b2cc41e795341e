// The page's address holds what is sought, so that every result has a link, and the browser's back and forward work.
import { ask, element } from "./api.js";
import * as grid from "./grid.js";
import * as dialog from "./moment.js";

const find = id => document.getElementById(id);
const form = find("query"), results = find("results"), status = find("status"), problem = find("problem"), more = find("more");
const fields = ["text", "folder", "atLeast", "atMost", "rerank"];
const page = 24;
let about = null, searching = null, searched = null, left = null;

/** The address of the page with changes; what is null or empty leaves it. */
function address(changes, from = location.search) {
  const query = new URLSearchParams(from);
  for (const [name, value] of Object.entries(changes))
    if (value === null || value === "") query.delete(name); else query.set(name, value);
  const text = query.toString();
  return text ? `?${text}` : "./";
}

/** Goes to another state of the page, once the browser is back from a moment that was closed. */
async function go(changes, from) {
  await left;
  const next = address(changes, from);
  if (new URL(next, location).href !== location.href) history.pushState({ ours: true }, "", next);
  await render();
}

/** Brings the page to what its address says. */
async function render() {
  const query = new URLSearchParams(location.search);
  for (const name of fields) {
    const field = form.elements[name];
    if (field.type === "checkbox") field.checked = query.has(name); else field.value = query.get(name) ?? "";
  }
  const opened = query.get("open");
  if (opened !== null) {
    const moment = await resolve(opened, Number(query.get("second")));
    if (moment && new URLSearchParams(location.search).get("open") === opened) dialog.open(moment, location.href);
  } else dialog.close();
  await search(query);
}

/** The moment of a video at a second: one that is shown, or else as the server knows it. */
async function resolve(video, start) {
  const shown = [...results.children].find(item => item.moment.video === video && item.moment.start === start);
  if (shown) return shown.moment;
  try {
    return await ask(`moment?${new URLSearchParams({ video, start })}`);
  } catch (error) {
    fail(error);
    return null;
  }
}

async function search(query) {
  const number = name => query.get(name) ? Number(query.get(name)) : null, text = query.get("text"), video = query.get("like");
  const asked = {
    text, video, start: number("at"), folder: query.get("folder"), atLeast: number("atLeast"), atMost: number("atMost"),
    top: Math.min(number("top") ?? page, about.limits.top), rerank: query.has("rerank") && text !== null ? about.limits.rerank : 0,
  };
  const key = JSON.stringify(asked);
  if (key === searched) return;                                     // only what is open has changed
  searching?.abort();
  const { signal } = searching = new AbortController();
  results.setAttribute("aria-busy", "true");
  try {
    const found = await ask("search", asked, signal);
    searched = key;
    problem.hidden = true;
    find("found").textContent = text ? `Moments for “${text}”` : video === null ? "Moments"
      : asked.start === null ? `Moments like the video ${video}` : `Moments like ${video} at ${asked.start} s`;
    document.title = `${text ?? (video === null ? "Search" : `Like ${video}`)} · alpro`;
    status.textContent = sentence(found, asked);
    grid.show(results, found.moments, open, like);
    more.hidden = found.moments.length < asked.top || asked.top >= about.limits.top || found.moments.length >= found.among;
  } catch (error) {
    if (error.name === "AbortError") return;
    searched = null;
    fail(error);
  }
  results.removeAttribute("aria-busy");
}

function sentence({ moments, among, matched, unknownWords, problems, milliseconds }, { text, video }) {
  if (among === 0) return "Nothing passes the filters.";
  const count = among === 1 ? "1 moment" : `${among.toLocaleString("en")} moments`;
  if (text === null && video === null) return `${moments.length} of ${among.toLocaleString("en")} videos. Say above what to look for.`;
  const how = matched > 0 ? ", the most similar ranked by match" : "";
  const known = unknownWords.length > 0 ? ` ${dialog.unknown(unknownWords)}` : "";
  const time = milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds);
  return `These are the best ${moments.length} of ${count}${how}, fitting or not, in ${time} ms.${known}${
    [...new Set(problems)].map(told => ` Not matched: ${told}.`).join("")}`;
}

function fail(error) {
  problem.textContent = error.message;
  problem.hidden = false;
}

const open = moment => go({ open: moment.video, second: moment.start });
const like = moment => go({ text: null, top: null, open: null, second: null, like: moment.video, at: moment.start });
const likeVideo = moment => go({ text: null, top: null, open: null, second: null, like: moment.video, at: null });

form.addEventListener("submit", event => { event.preventDefault(); submit({ like: null, at: null }); });
form.addEventListener("change", event => event.target.name !== "text" && submit({}));

/** Goes to what the form says; a text takes the place of what moments should be like. */
function submit(changes) {
  const { folder, atLeast, atMost, rerank } = form.elements, text = form.elements.text.value.trim();
  go({ text, folder: folder.value, atLeast: atLeast.value, atMost: atMost.value, rerank: rerank.checked ? "1" : null, top: null,
    ...(text ? { like: null, at: null } : {}), ...changes });
}

find("home").addEventListener("click", event => { event.preventDefault(); go({}, ""); });
more.addEventListener("click", () => go({ top: Math.min(2 * results.children.length, about.limits.top) }));
addEventListener("popstate", render);
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("moment").open) return;
  const text = form.elements.text, typing = event.target.matches("input, select, textarea"), item = event.target.closest("#results li");
  if (event.key === "/" && !typing) text.focus(), text.select();
  else if (event.key === "ArrowDown" && event.target === text) results.querySelector(".open")?.focus();
  else if (event.key.startsWith("Arrow") && item) grid.move(results, event.key) && text.focus();
  else if (event.key === "m" && item) like(item.moment);
  else if (event.key === "Escape" && item) text.focus();
  else return;
  event.preventDefault();
});

try {
  history.replaceState(history.state, "", address({ token: null }));      // the browser remembers it; a link need not show it
  about = await ask("about");
  find("index").textContent = about.summary;
  for (const folder of about.folders) form.elements.folder.append(Object.assign(element("option", "", folder), { value: folder }));
  find("folders").hidden = about.folders.length === 0;
  find("reranks").hidden = about.limits.rerank === 0;
  form.elements.text.maxLength = about.limits.text;
  for (const [name, words] of Object.entries(about.meanings))
    find("about").querySelector("dl").append(element("dt", "", name), element("dd", "", words));
  dialog.prepare(about, { leave: () => new URLSearchParams(location.search).has("open") && leave(), like, likeVideo });
  await render();
} catch (error) {
  fail(error);
}

/** Closing goes back to where the moment was opened; a page that was opened by a link to a moment has no such place. */
function leave() {
  if (!history.state?.ours) return go({ open: null, second: null });
  left = new Promise(done => addEventListener("popstate", done, { once: true }));
  history.back();
}
