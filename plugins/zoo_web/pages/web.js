"use strict";
// Sends photographs to the server one by one and shows what comes back. They are kept here, in the page, and nowhere else.

const about = JSON.parse(document.getElementById("about").textContent);
const at = (id) => document.getElementById(id);
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const photos = [];
let selected = null;
let models = [];
let giving = false; // whether a click gives a colour

// ------------------------------------------------------------------------------------------------ what the server says

class Refused extends Error {}

// Returns the server's answer; waits where others are first.
async function ask(path, parameters, options = {}) {
  const query = new URLSearchParams(parameters).toString();
  for (;;) {
    let response;
    try {
      response = await fetch(query ? `${path}?${query}` : path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("zoo does not answer. Is it still running in its terminal?");
    }
    if (response.ok) return response;
    if (response.status === 503) {
      await sleep(1500);
      options.signal?.throwIfAborted();
      continue;
    }
    const said = await response.json().catch(() => ({}));
    throw new Refused(said.error ?? `the server answers ${response.status}`);
  }
}

const nameIn = (response) =>
  decodeURIComponent(/filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition"))[1]);

// ------------------------------------------------------------------------------------------------ photographs come and go

// state: waiting → colouring → done, or failed.
function add(files) {
  const before = photos.length;
  let left = 0;
  for (const { file, folder } of files) {
    if (photos.length >= about.photographs) { left++; continue; }
    const photo = {
      file, folder, name: file.name, state: "waiting", error: "", preview: null, result: null, hints: [], control: null,
      saved: false,
    };
    photo.canvas = make("canvas", { width: 1, height: 1 });
    photo.mark = make("span", { className: "mark" });
    photo.button = make("button", { type: "button", title: photo.name, tabIndex: -1 }, photo.canvas, photo.mark);
    photo.button.addEventListener("click", () => select(photo));
    photo.item = make("li", {}, photo.button);
    if (file.size > about.megabytes * 1e6) {
      fail(photo, `${photo.name} has ${Math.round(file.size / 1e6)} MB, and the page takes ${about.megabytes}: colour it with zoo colorize`);
    }
    photos.push(photo);
    at("strip").append(photo.item);
  }
  notice = left ? `${about.photographs} photographs are the most at once; left out: ${left}.` : "";
  if (photos.length > before && selected === null) select(photos[before]);
  refresh();
  pumpPreviews();
  pump();
}

function remove(photo) {
  photo.control?.abort();
  const place = photos.indexOf(photo);
  photos.splice(place, 1);
  photo.item.remove();
  for (const one of [photo.preview, photo.result]) if (one) URL.revokeObjectURL(one.url);
  if (photo === selected) select(photos[Math.min(place, photos.length - 1)] ?? null);
  refresh();
}

function fail(photo, why) {
  photo.state = "failed";
  photo.error = why;
}

// A folder's photographs, all the way down, in the order of their names; a file that was chosen itself is always taken.
async function filesOf(entries) {
  const found = [];
  async function walk(entry, folder) {
    if (entry.isFile) {
      const isPhoto = about.suffixes.some((suffix) => entry.name.toLowerCase().endsWith(suffix));
      if (!folder || (isPhoto && !entry.name.startsWith("."))) {
        const file = await new Promise((done) => entry.file(done, () => done(null)));
        if (file) found.push({ file, folder });
      }
    } else if (!entry.name.startsWith(".")) {
      const reader = entry.createReader(), inside = [];
      for (;;) {
        const some = await new Promise((done) => reader.readEntries(done, () => done([])));
        if (!some.length) break;
        inside.push(...some);
      }
      inside.sort((one, other) => (one.name < other.name ? -1 : 1));
      for (const one of inside) await walk(one, `${folder}${entry.name}/`);
    }
  }
  for (const entry of entries) await walk(entry, "");
  return found;
}

// ------------------------------------------------------------------------------------------------ work

let isPreviewing = false;

async function pumpPreviews() {
  if (isPreviewing) return;
  isPreviewing = true;
  for (let photo; (photo = photos.find((one) => !one.preview && !one.sought && one.state !== "failed")); ) {
    photo.sought = true;
    try {
      const response = await ask("api/preview", { name: photo.name }, { method: "POST", body: photo.file });
      const blob = await response.blob();
      photo.preview = { url: URL.createObjectURL(blob) };
      if (!photo.result) await thumbnail(photo, blob);
    } catch (error) {
      if (photo.state === "waiting") fail(photo, error.message);
    }
    refresh(photo);
  }
  isPreviewing = false;
}

let isColouring = false;

// One after the other, as the model takes them; what somebody looks at comes first.
async function pump() {
  if (isColouring) return;
  isColouring = true;
  for (;;) {
    const photo = selected?.state === "waiting" ? selected : photos.find((one) => one.state === "waiting");
    if (!photo) break;
    photo.state = "colouring";
    photo.control = new AbortController();
    refresh(photo);
    try {
      const options = { method: "POST", body: photo.file, signal: photo.control.signal };
      const response = await ask("api/colorize", wish(photo), options);
      const blob = await response.blob();
      if (photo.result) URL.revokeObjectURL(photo.result.url);
      const seconds = Number(response.headers.get("X-Zoo-Seconds"));
      photo.result = { blob, url: URL.createObjectURL(blob), name: nameIn(response), seconds };
      photo.saved = false;
      if (photo.state === "colouring") photo.state = "done";
      await thumbnail(photo, blob);
    } catch (error) {
      // Aborted: it was removed, or is to be coloured in another way.
      if (error.name !== "AbortError" && photo.state === "colouring") fail(photo, error.message);
    }
    photo.control = null;
    refresh(photo);
  }
  isColouring = false;
}

function wish(photo) {
  const said = [["name", photo.name], ["model", at("model").value], ["saturation", at("saturation").value]];
  if (at("size").value && at("size").checkValidity()) said.push(["size", at("size").value]);
  if (takes("noise") && at("seed").checkValidity()) said.push(["seed", at("seed").value || "0"]);
  if (takes("hints")) for (const { x, y, colour } of photo.hints) said.push(["hint", `${x},${y},${colour}`]);
  return said;
}

function again(these) {
  for (const photo of these) {
    if (photo.file.size > about.megabytes * 1e6) continue;
    photo.state = "waiting";
    photo.error = "";
    photo.sought = photo.preview !== null;
    photo.control?.abort();
  }
  refresh();
  pumpPreviews();
  pump();
}

async function thumbnail(photo, blob) {
  const height = 144;
  const image = await createImageBitmap(blob).catch(() => null);
  if (!image) return;
  photo.canvas.height = height;
  photo.canvas.width = Math.max(height / 2, Math.min(2 * height, Math.round((height * image.width) / image.height)));
  const context = photo.canvas.getContext("2d");
  const scale = Math.max(photo.canvas.width / image.width, height / image.height);
  const width = image.width * scale, tall = image.height * scale;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (photo.canvas.width - width) / 2, (height - tall) / 2, width, tall);
  image.close();
}

// ------------------------------------------------------------------------------------------------ what is seen

const WORDS = { waiting: "waiting", colouring: "being coloured", done: "coloured", failed: "failed" };
let notice = "";

function refresh(photo = null) {
  for (const one of photo ? [photo] : photos) {
    one.item.className = one.state;
    one.button.tabIndex = one === selected ? 0 : -1;
    one.button.setAttribute("aria-current", one === selected);
    one.button.setAttribute("aria-label", `${one.name}, ${WORDS[one.state]}`);
  }
  const count = (state) => photos.filter((one) => one.state === state).length;
  const done = count("done"), failed = count("failed"), all = photos.length;
  const busy = done + failed < all;
  const words = [`${done} of ${all} coloured`];
  if (failed) words.push(`${failed} failed`);
  at("status").textContent = all ? `${words.join(", ")}. ${notice}` : notice;
  at("progress").hidden = !busy;
  at("progress").value = all ? (done + failed) / all : 0;
  document.body.classList.toggle("empty", !all);
  at("strip").hidden = all < 2;
  at("stage").hidden = !all;
  at("add").hidden = !all;
  at("download-all").hidden = photos.filter((one) => one.result).length < 2;
  if (!photo || photo === selected) show();
}

function select(photo) {
  const hadFocus = at("strip").contains(document.activeElement);
  const former = selected;
  selected = photo;
  if (former) refresh(former);
  if (!photo) giving = false;
  refresh(photo);
  if (photo && hadFocus) photo.button.focus();
  photo?.item.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Shows a picture without a flash: the one before stays until it is there.
function source(image, url) {
  if (url === null) image.removeAttribute("src");
  else if (image.src !== url) image.src = url;
}

function show() {
  const photo = selected;
  if (!photo) return;
  const { preview, result } = photo;
  source(at("before"), preview?.url ?? result?.url ?? null);
  source(at("after"), result?.url ?? null);
  at("before").alt = result ? "" : photo.name;
  at("after").alt = result ? `${photo.name}, coloured` : "";
  const canGive = takes("hints") && result !== null;
  giving &&= canGive;
  at("frame").hidden = !preview && !result && photo.state === "failed";
  at("frame").className = [result ? "coloured" : "", giving ? "giving" : "", photo.state].join(" ");
  at("busy").hidden = !["waiting", "colouring"].includes(photo.state);
  at("busy").textContent = photo.state === "waiting" ? "Waiting for its turn …" : "Colouring …";
  at("problem").hidden = photo.state !== "failed";
  at("problem").textContent = photo.error;
  at("name").textContent = photo.folder + photo.name;
  details();
  at("retry").hidden = photo.state !== "failed" || photo.file.size > about.megabytes * 1e6;
  at("download").hidden = !result;
  if (result) {
    at("download").href = result.url;
    at("download").download = namesOf(photos.filter((one) => one.result)).get(photo).split("/").pop();
  }
  at("hint").hidden = !canGive;
  at("hint").setAttribute("aria-pressed", giving);
  at("colour-label").hidden = !giving;
  at("aim").hidden = !giving;
  at("divide").disabled = !result || giving;
  showHints(photo);
}

function details() {
  const image = at("after").naturalWidth ? at("after") : null;
  const result = selected?.result;
  at("details").textContent =
    image && result ? `${image.naturalWidth} × ${image.naturalHeight} · ${result.seconds.toFixed(1)} s` : "";
}

function fit(image) {
  if (!image.naturalWidth) return;
  const style = at("frame").style;
  style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  style.setProperty("--width", `${image.naturalWidth}px`);
}

function divide() {
  at("frame").style.setProperty("--at", `${at("divide").value}%`);
}

// What results are called in an archive: as `zoo colorize` calls them in a folder.
function namesOf(these) {
  const plain = these.map((photo) => photo.folder + photo.result.name);
  const taken = new Map();
  for (const name of plain) taken.set(name.toLowerCase(), (taken.get(name.toLowerCase()) ?? 0) + 1);
  const names = new Map(), used = new Set();
  these.forEach((photo, number) => {
    const suffix = photo.result.name.slice(photo.result.name.lastIndexOf("."));
    let name = taken.get(plain[number].toLowerCase()) === 1 ? plain[number] : photo.folder + photo.name + suffix;
    const stem = name.slice(0, -suffix.length);
    for (let copy = 2; used.has(name.toLowerCase()); copy++) name = `${stem} (${copy})${suffix}`;
    used.add(name.toLowerCase());
    names.set(photo, name);
  });
  return names;
}

async function downloadAll() {
  const button = at("download-all"), these = photos.filter((one) => one.result);
  const names = namesOf(these);
  button.disabled = true;
  try {
    const archive = await zipOf(these.map((photo) => ({ name: names.get(photo), blob: photo.result.blob })));
    const link = make("a", { href: URL.createObjectURL(archive), download: "coloured.zip" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    for (const photo of these) photo.saved = true;
  } catch (error) {
    notice = error.message;
    refresh();
  }
  button.disabled = false;
}

// ------------------------------------------------------------------------------------------------ colours that are given

const cross = { x: 0.5, y: 0.5 };

function placed(element, x, y) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
  return element;
}

function give(x, y) {
  const photo = selected, image = at("after");
  if (!photo?.result || !image.naturalWidth) return;
  if (photo.hints.length >= about.hints) {
    notice = `${about.hints} colours in one photograph are the most.`;
    refresh();
    return;
  }
  const pixel = (share, side) => Math.min(side - 1, Math.max(0, Math.floor(share * side)));
  photo.hints.push({
    x: pixel(x, image.naturalWidth), y: pixel(y, image.naturalHeight), left: x, top: y, colour: at("colour").value,
  });
  again([photo]);
}

function showHints(photo) {
  const hints = takes("hints") ? photo.hints : [];
  at("points").replaceChildren(...hints.map(({ left, top, colour }) => {
    const point = placed(make("span"), left, top);
    point.style.backgroundColor = colour;
    return point;
  }));
  at("hints").hidden = !hints.length;
  at("hints").replaceChildren(...hints.map((hint) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.backgroundColor = hint.colour;
    const label = `Take back ${hint.colour} at ${hint.x}, ${hint.y}`;
    const button = make("button", { type: "button", title: label }, swatch, `${hint.x}, ${hint.y} ×`);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      photo.hints.splice(photo.hints.indexOf(hint), 1);
      again([photo]);
      (at("hints").querySelector("button") ?? at("hint")).focus();
    });
    return make("li", {}, button);
  }));
  placed(at("cross"), cross.x, cross.y);
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

at("aim").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in STEPS) {
    const step = event.shiftKey ? 0.05 : 0.01;
    cross.x = Math.min(1, Math.max(0, cross.x + step * STEPS[event.key][0]));
    cross.y = Math.min(1, Math.max(0, cross.y + step * STEPS[event.key][1]));
    placed(at("cross"), cross.x, cross.y);
  } else if (event.key === "Enter" || event.key === " ") {
    give(cross.x, cross.y);
  } else if (event.key === "Escape") {
    at("hint").click();
    at("hint").focus();
  } else return;
  event.preventDefault();
});
at("aim").addEventListener("click", (event) => {
  const box = at("aim").getBoundingClientRect();
  [cross.x, cross.y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  give(cross.x, cross.y);
});
at("hint").addEventListener("click", () => {
  giving = !giving;
  show();
  if (giving) at("aim").focus({ preventScroll: true });
});

// ------------------------------------------------------------------------------------------------ models

const takes = (what) => models.find((one) => one.name === at("model").value)?.takes?.includes(what) ?? false;

async function describe() {
  const name = at("model").value;
  at("model-note").textContent = "loading …";
  let said = "";
  try {
    const found = await (await ask(`api/models/${encodeURIComponent(name)}`)).json();
    models = models.map((one) => (one.name === name ? found : one));
    const extras = found.takes.filter((one) => !["noise", "hints", "frames"].includes(one));
    said = extras.length ? `takes ${extras.join(", ")} beside photographs: zoo colorize --extra` : found.summary;
  } catch (error) {
    said = error.message;
  }
  if (name !== at("model").value) return; // another one was chosen in the meantime
  at("model-note").textContent = said;
  at("size").placeholder = models.find((one) => one.name === name)?.size ?? "";
  at("seed-field").hidden = !takes("noise");
  if (selected) show();
}

async function begin() {
  try {
    models = (await (await ask("api/models")).json()).models;
  } catch (error) {
    at("model-note").textContent = error.message;
    return;
  }
  // Of a long path, its end says most.
  const short = (name) => (name.length > 28 ? `…/${name.split(/[\\/]/).slice(-2).join("/")}` : name);
  at("model").replaceChildren(...models.map(({ name }) => make("option", { value: name, textContent: short(name), title: name })));
  at("model").value = models.find((one) => one.default).name;
  await describe();
}

// ------------------------------------------------------------------------------------------------ what people do

at("files").accept = `image/*,${about.suffixes.join(",")}`;
for (const id of ["add", "choose"]) at(id).addEventListener("click", () => at("files").click());
at("files").addEventListener("change", () => {
  add(Array.from(at("files").files, (file) => ({ file, folder: "" })));
  at("files").value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = Array.from(event.dataTransfer.files, (file) => ({ file, folder: "" }));
  add(entries.length ? await filesOf(entries) : files);
});
document.addEventListener("paste", (event) => {
  add(Array.from(event.clipboardData.files, (file) => ({ file, folder: "" })));
});

at("divide").addEventListener("input", divide);
at("before").addEventListener("load", () => fit(at("before")));
at("after").addEventListener("load", () => { fit(at("after")); details(); });
at("retry").addEventListener("click", () => again([selected]));
at("remove").addEventListener("click", () => {
  remove(selected);
  (selected ? at("remove") : at("choose")).focus();
});
at("download").addEventListener("click", () => { selected.saved = true; });
at("download-all").addEventListener("click", downloadAll);
at("strip").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const place = { Home: 0, End: photos.length - 1 }[event.key] ?? photos.indexOf(selected) + step;
  if (!photos[place]) return;
  event.preventDefault();
  select(photos[place]);
});

at("settings").addEventListener("submit", (event) => event.preventDefault());
at("saturation").addEventListener("input", () => {
  at("saturation-value").textContent = Number(at("saturation").value).toFixed(1);
});
at("model").addEventListener("change", describe);
at("settings").addEventListener("change", () => { if (at("settings").reportValidity()) again(photos); });
addEventListener("beforeunload", (event) => {
  if (photos.some((one) => one.state !== "failed" && !one.saved)) event.preventDefault();
});

divide();
refresh();
begin();
