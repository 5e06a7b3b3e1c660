"use strict";
// Shows one pair after the other and returns what was chosen. What the answers are is not known here.

const PAUSE = 400; // milliseconds without pictures before each pair
const study = JSON.parse(document.getElementById("study").textContent);
const at = (id) => document.getElementById(id);
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const frame = () => new Promise((done) => requestAnimationFrame(done));
const clicked = (id) => new Promise((done) => at(id).addEventListener("click", done, { once: true }));

// ------------------------------------------------------------------------------------------------ what is remembered

// In this browser, for this study. Where a browser keeps nothing, for as long as the page is open.
const memory = {
  kept: {},
  key: (name) => `zoo-turing-${study.id}-${name}`,
  get(name) {
    try {
      const text = localStorage.getItem(this.key(name));
      if (text !== null) return JSON.parse(text);
    } catch { /* nothing is kept, or something that is no JSON */ }
    return this.kept[name] ?? null;
  },
  set(name, value) {
    this.kept[name] = value;
    try { localStorage.setItem(this.key(name), JSON.stringify(value)); } catch { /* as above */ }
  },
  remove(name) {
    delete this.kept[name];
    try { localStorage.removeItem(this.key(name)); } catch { /* as above */ }
  },
};

function raterToken() {
  let token = memory.get("rater");
  if (typeof token !== "string" || !/^[0-9a-f]{32}$/.test(token)) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    token = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    memory.set("rater", token);
  }
  return token;
}

// ------------------------------------------------------------------------------------------------ where votes go

class Refused extends Error {}

// Tries until there is an answer. The server takes the same vote any number of times.
async function ask(path, said) {
  for (let wait = 300; ; wait = Math.min(2 * wait, 3000)) {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), 15000);
    try {
      const body = JSON.stringify({ rater: raterToken(), ...said });
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(path, { method: "POST", headers, body, signal: control.signal });
      if (response.ok) {
        const answer = await response.json();
        notice("");
        return answer;
      }
      if (response.status < 500) throw new Refused(String(response.status));
    } catch (error) {
      if (error instanceof Refused) throw error;
    } finally {
      clearTimeout(timer);
    }
    notice("The server does not answer. Trying again …");
    await sleep(wait);
  }
}

const server = {
  began: () => memory.get("rater") !== null,
  async begin() {
    const vote = memory.get("vote"); // one that the server may not have
    return vote === null ? ask("begin", {}) : this.deliver(vote);
  },
  async vote(trial, side) {
    memory.set("vote", { trial, side });
    return this.deliver({ trial, side });
  },
  async deliver(vote) {
    let next;
    try {
      next = await ask("vote", vote);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      next = await ask("begin", {}); // the study was begun anew, and knows nothing of that vote
    }
    memory.remove("vote");
    return next;
  },
};

const site = {
  began: () => memory.get("votes") !== null,
  async begin() {
    raterToken();
    if (memory.get("sequence") === null) {
      memory.set("sequence", Math.floor(Math.random() * study.site.sequences.length));
    }
    if (memory.get("votes") === null) memory.set("votes", []);
    return this.state();
  },
  async vote(trial, side) {
    memory.set("votes", [...memory.get("votes"), { picture: trial, side }]);
    return this.state();
  },
  state() {
    const names = study.site.sequences[memory.get("sequence")];
    const { practice } = study.site;
    const given = memory.get("votes").length;
    if (given >= names.length) return { done: true, answered: given };
    const isPractice = given < practice;
    return {
      done: false,
      trial: names[given],
      ahead: names[given + 1] ?? null,
      practice: isPractice,
      number: given + 1 - (isPractice ? 0 : practice),
      total: isPractice ? practice : names.length - practice,
    };
  },
  save() {
    const content = { study: study.id, rater: raterToken(), votes: memory.get("votes") };
    const file = new Blob([JSON.stringify(content)], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `votes-${content.rater.slice(0, 8)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  },
};

const backend = study.site ? site : server;

// ------------------------------------------------------------------------------------------------ what is seen

const sides = Array.from(document.querySelectorAll(".side"));

function notice(text) {
  if (at("notice").textContent !== text) at("notice").textContent = text;
}

function show(id) {
  for (const screen of document.querySelectorAll("main")) screen.hidden = screen.id !== id;
  // Not a picture: a frame around one of the two would be a hint.
  (at(id).querySelector("button.main:not([hidden])") ?? at(id)).focus({ preventScroll: true });
}

async function load(name) {
  for (let wait = 300; ; wait = Math.min(2 * wait, 3000)) {
    const image = new Image();
    image.src = `pictures/${name}.jpg`;
    try {
      await image.decode();
      notice("");
      return image;
    } catch {
      notice("A picture cannot be loaded. Trying again …");
      await sleep(wait);
    }
  }
}

// Side by side or one below the other, whichever makes them larger.
function layOut(image) {
  const width = image.naturalWidth / 2, height = image.naturalHeight;
  const room = at("pair").getBoundingClientRect(), gap = 12;
  const beside = Math.min((room.width - gap) / 2 / width, room.height / height);
  const below = Math.min(room.width / width, (room.height - gap) / 2 / height);
  at("pair").classList.toggle("stacked", below > beside);
  const scale = Math.min(Math.max(beside, below), 1.5);
  for (const side of sides) {
    side.style.width = `${Math.floor(width * scale)}px`;
    side.style.height = `${Math.floor(height * scale)}px`;
  }
}

function draw(image) {
  const width = image.naturalWidth / 2, height = image.naturalHeight;
  sides.forEach((side, number) => {
    const canvas = side.querySelector("canvas");
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").drawImage(image, number * width, 0, width, height, 0, 0, width, height);
  });
}

function mask() {
  at("trial").classList.add("masked");
  for (const side of sides) side.querySelector("canvas").width = 1;
}

// ------------------------------------------------------------------------------------------------ what is answered

let answer = null; // takes a side, while one may be chosen

const KEYS = { ArrowLeft: 0, ArrowUp: 0, ArrowRight: 1, ArrowDown: 1 };

document.addEventListener("keydown", (event) => {
  if (at("trial").hidden || !(event.key in KEYS)) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!event.repeat) answer?.(KEYS[event.key]); // a key held down is one answer
});
sides.forEach((side, number) => side.addEventListener("click", () => answer?.(number)));

async function trial(state) {
  const all = at("trial");
  mask();
  for (const side of sides) side.classList.remove("chosen");
  at("number").textContent = `${state.practice ? "Practice " : ""}${state.number} of ${state.total}`;
  at("progress").value = (state.number - 1) / state.total;
  const [image] = await Promise.all([load(state.trial), sleep(PAUSE)]);
  if (state.ahead) new Image().src = `pictures/${state.ahead}.jpg`;
  const fit = () => layOut(image);
  fit();
  addEventListener("resize", fit);
  draw(image);
  all.classList.remove("masked");
  await frame();
  await frame(); // the pictures are seen
  all.dataset.trial = state.trial;
  all.classList.add("open");
  const timer = setTimeout(mask, 1000 * study.seconds);
  const side = await new Promise((done) => { answer = done; });
  answer = null;
  clearTimeout(timer);
  removeEventListener("resize", fit);
  mask();
  all.classList.remove("open");
  delete all.dataset.trial;
  sides[side].classList.add("chosen");
  return backend.vote(state.trial, side);
}

async function main() {
  const seconds = Number(study.seconds);
  at("seconds").textContent = seconds === 1 ? "about a second" : `about ${seconds} seconds`;
  at("save").addEventListener("click", () => site.save());
  at("save-early").addEventListener("click", () => site.save());
  if (backend.began()) {
    at("begin").textContent = "Go on";
    at("practice-note").hidden = true;
    at("save-early").hidden = !study.site;
  }
  show("welcome");
  await clicked("begin");
  let state = await backend.begin();
  let wasPractice = false;
  while (!state.done) {
    if (wasPractice && !state.practice) {
      show("ready");
      await clicked("go-on");
    }
    if (at("trial").hidden) show("trial");
    wasPractice = state.practice;
    state = await trial(state);
  }
  at("kept").hidden = Boolean(study.site);
  at("return").hidden = !study.site;
  show("end");
}

main();
