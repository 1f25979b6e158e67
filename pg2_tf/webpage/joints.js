const SVG = "http://www.w3.org/2000/svg";
// Reach of a finger and of the mouse around a joint, in pixels of the screen.
const REACH = { touch: 30, pen: 24, mouse: 18 };
// Highest skeleton, in rem.
const HIGHEST = 26;
const MOST_CHANGES = 100;

let shown = null;
let sent = null;
let dragged = null;
let chosen = null;
// Poses as JSON: all states since the pose came, and the place of the shown one.
let history = [];
let now = 0;

const part = (name) => element.querySelector(`.joints-${name}`);
const canvas = () => element.querySelector("svg");
const clamp = (value, size) => Math.min(Math.max(value, 0), size - 1);
const found = (joint) => shown.pose[joint][2] > 0;
const joints = () => shown.pose.map((_, joint) => joint).filter(found);
const missing = () => shown.pose.map((_, joint) => joint).filter((joint) => !found(joint));

function make(kind, attributes) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function draw() {
  const svg = canvas();
  if (!svg || !shown) return;
  const { width, height, pose, colours } = shown;
  const focused = svg.contains(document.activeElement)
    ? document.activeElement.dataset.joint : null;
  svg.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
  svg.style.aspectRatio = `${width} / ${height}`;
  svg.style.width = `min(100%, ${(HIGHEST * width) / height}rem)`;
  const thick = height / 110;
  const nodes = [make("image", {
    href: shown.image, x: -0.5, y: -0.5, width, height, preserveAspectRatio: "none",
  })];
  for (const [start, end] of shown.limbs) {
    if (!found(start) || !found(end)) continue;
    nodes.push(make("line", {
      x1: pose[start][0], y1: pose[start][1], x2: pose[end][0], y2: pose[end][1],
      stroke: colours[end], "stroke-width": thick,
    }));
  }
  for (const joint of joints()) {
    const at = { cx: pose[joint][0], cy: pose[joint][1] };
    nodes.push(make("circle", {
      ...at, class: "dot", r: thick * 1.15, fill: colours[joint],
      "stroke-width": thick * 0.3,
    }));
    nodes.push(make("circle", {
      ...at, class: joint === chosen ? "hit chosen" : "hit", r: height / 22, tabindex: 0, "stroke-width": thick * 0.3,
      "data-joint": joint, role: "button", "aria-label": shown.names[joint],
    }));
  }
  svg.replaceChildren(...nodes);
  if (focused !== null) svg.querySelector(`[data-joint="${focused}"]`)?.focus();
  drawBar();
}

function drawBar() {
  part("undo").disabled = now === 0;
  part("redo").disabled = now === history.length - 1;
  part("reset").disabled = history[now] === history[0];
  part("remove").disabled = chosen === null || joints().length === 1;
  part("add").disabled = !missing().length;
  const options = missing().map((joint) => new Option(shown.names[joint], joint));
  part("add").replaceChildren(new Option("Add joint", "", true, true), ...options);
}

function name(joint) {
  const named = joint ?? chosen;
  part("name").textContent = named === null ? "" : shown.names[named];
}

function choose(joint) {
  chosen = joint;
  name(joint);
  draw();
}

function place(event) {
  const toImage = canvas().getScreenCTM().inverse();
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(toImage);
  return [clamp(x, shown.width), clamp(y, shown.height)];
}

function nearest(event) {
  const [x, y] = place(event);
  const scale = canvas().getScreenCTM().a;
  let best = null;
  let least = (REACH[event.pointerType] ?? REACH.mouse) / scale;
  for (const joint of joints()) {
    const distance = Math.hypot(shown.pose[joint][0] - x, shown.pose[joint][1] - y);
    if (distance < least) [best, least] = [joint, distance];
  }
  return best;
}

function move(joint, x, y) {
  const round = (value) => Math.round(value * 100) / 100;
  shown.pose[joint] = [
    round(clamp(x, shown.width)), round(clamp(y, shown.height)), shown.pose[joint][2],
  ];
  draw();
}

function keep() {
  const pose = JSON.stringify(shown.pose);
  if (pose === history[now]) return;
  history = [...history.slice(0, now + 1), pose].slice(-MOST_CHANGES);
  now = history.length - 1;
  draw();
  send();
}

function go(place) {
  if (place < 0 || place >= history.length || place === now) return;
  now = place;
  shown.pose = JSON.parse(history[now]);
  if (chosen !== null && !found(chosen)) chosen = null;
  name(null);
  draw();
  send();
}

function remove(joint) {
  if (joint === null || joints().length === 1) return;
  shown.pose[joint] = [0, 0, 0];
  chosen = null;
  name(null);
  keep();
}

function add(joint) {
  const [x, y] = beside(joint);
  shown.pose[joint] = [0, 0, 1];
  move(joint, x, y);
  choose(joint);
  keep();
}

// Next to the nearest joint of a limb, so that both can be grasped; or in the middle.
function beside(joint) {
  const limb = shown.limbs.find(
    ([start, end]) => (end === joint && found(start)) || (start === joint && found(end)),
  );
  if (!limb) return [shown.width / 2, shown.height / 2];
  const other = limb[0] === joint ? limb[1] : limb[0];
  const step = shown.height / 12;
  const [x, y] = shown.pose[other];
  return [x, y + step < shown.height ? y + step : y - step];
}

function save() {
  const people = [{ person_id: [-1], pose_keypoints_2d: shown.pose.flat() }];
  const content = JSON.stringify({ version: 1.3, people });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  link.download = "pose_keypoints.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function send() {
  sent = JSON.stringify(shown);
  props.value = sent;
  trigger("input");
}

function take() {
  if (!props.value || props.value === sent) return draw();
  shown = JSON.parse(props.value);
  history = [JSON.stringify(shown.pose)];
  now = 0;
  sent = props.value;
  dragged = null;
  chosen = null;
  name(null);
  draw();
}

element.addEventListener("pointerdown", (event) => {
  if (!shown || !event.isPrimary || !canvas().contains(event.target)) return;
  dragged = nearest(event);
  if (dragged === null) return;
  event.preventDefault();
  canvas().setPointerCapture(event.pointerId);
  canvas().classList.add("dragging");
  choose(dragged);
});

element.addEventListener("pointermove", (event) => {
  if (!shown || !canvas().contains(event.target)) return;
  if (dragged === null) return name(event.pointerType === "mouse" ? nearest(event) : null);
  move(dragged, ...place(event));
});

for (const kind of ["pointerup", "pointercancel"]) {
  element.addEventListener(kind, () => {
    canvas().classList.remove("dragging");
    if (dragged === null) return;
    dragged = null;
    keep();
  });
}

element.addEventListener("keydown", (event) => {
  if (!shown) return;
  if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(event.key.toLowerCase())) {
    event.preventDefault();
    const forward = event.key.toLowerCase() === "y" || event.shiftKey;
    return go(now + (forward ? 1 : -1));
  }
  const joint = event.target.dataset?.joint;
  if (joint === undefined) return;
  if (["Delete", "Backspace"].includes(event.key)) {
    event.preventDefault();
    return remove(+joint);
  }
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!steps[event.key]) return;
  event.preventDefault();
  const [across, down] = steps[event.key];
  const step = shown.height / 128;
  move(+joint, shown.pose[joint][0] + across * step, shown.pose[joint][1] + down * step);
  name(+joint);
  keep();
});

element.addEventListener("focusin", (event) => {
  const joint = event.target.dataset?.joint;
  if (joint !== undefined && +joint !== chosen) choose(+joint);
});

element.addEventListener("click", (event) => {
  if (!shown) return;
  const clicks = {
    undo: () => go(now - 1),
    redo: () => go(now + 1),
    reset: () => {
      shown.pose = JSON.parse(history[0]);
      keep();
    },
    remove: () => remove(chosen),
    save,
  };
  for (const [button, action] of Object.entries(clicks)) {
    if (event.target.closest(`.joints-${button}`)) action();
  }
});

element.addEventListener("change", (event) => {
  const select = event.target.closest(".joints-add");
  if (shown && select?.value) add(+select.value);
});

watch("value", take);
take();
