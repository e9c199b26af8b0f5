// Listens to the learner's events, tells of an unlock unless the learner wants it quiet, and brings
// the figures up to date.
// The page says the same without it, once it is loaded again.
"use strict";

const REFRESH_AFTER = 1500;
const NEWS_STAY = 15000;

const main = document.querySelector("main[data-events]");
const news = document.querySelector(".news");
let refreshing;
let hiding;

// `values` take the places of their names in the sentence, as in {badge}.
function tell(kind, values) {
  const said = news.dataset[kind].replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
  news.textContent = news.textContent ? `${news.textContent} · ${said}` : said;
  clearTimeout(hiding);
  hiding = setTimeout(() => news.replaceChildren(), NEWS_STAY);
}

// How the page calls a topic. A topic that is new to the page has no name here yet.
function nameOf(topic) {
  const found = document.querySelector(`[data-topic="${CSS.escape(topic)}"] h3`);
  return found === null ? topic : found.textContent;
}

function inUse(part) {
  return part.contains(document.activeElement) || part.querySelector("details[open]") !== null;
}

// Radio buttons keep what the reader has chosen.
function choose(fresh, part) {
  for (const input of part.querySelectorAll(".trend > input:checked")) {
    fresh.querySelector(`#${input.id}`).checked = true;
  }
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // What the learner does not want to see any more.
  for (const part of document.querySelectorAll("main section[id]")) {
    if (page.getElementById(part.id) === null) part.remove();
  }
  for (const fresh of page.querySelectorAll("main section[id]")) {
    const part = document.getElementById(fresh.id);
    if (part === null) return location.reload();
    if (inUse(part)) continue;
    choose(fresh, part);
    part.replaceWith(document.adoptNode(fresh));
  }
}

function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(() => refresh().catch(() => {}), REFRESH_AFTER);
}

function listen(address) {
  const events = new EventSource(address);
  events.addEventListener("achievement", (event) => {
    const { name, quiet } = JSON.parse(event.data);
    if (!quiet) tell("achievement", { badge: name });
    refreshSoon();
  });
  events.addEventListener("level", (event) => {
    const { topic, level, quiet } = JSON.parse(event.data);
    const levels = JSON.parse(news.dataset.levels);
    if (!quiet) tell("level", { topic: nameOf(topic), level: levels[level] ?? level });
    refreshSoon();
  });
  events.addEventListener("progress", refreshSoon);
  events.addEventListener("reset", refreshSoon);
}

if (main !== null && news !== null) listen(main.dataset.events);
