const SVG = "http://www.w3.org/2000/svg";
// How near to a joint a finger or the mouse must come, in pixels of the screen.
const REACH = { touch: 30, pen: 24, mouse: 18 };
// In the height of a line of text.
const HIGHEST = 26;

let shown = null;
let first = null;
let sent = null;
let dragged = null;

const canvas = () => element.querySelector("svg");
const clamp = (value, size) => Math.min(Math.max(value, 0), size - 1);
const found = (joint) => shown.pose[joint][2] > 0;
const joints = () => shown.pose.map((_, joint) => joint).filter(found);

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
      ...at, class: "hit", r: height / 22, tabindex: 0, "stroke-width": thick * 0.3,
      "data-joint": joint, role: "button", "aria-label": shown.names[joint],
    }));
  }
  svg.replaceChildren(...nodes);
  if (focused !== null) svg.querySelector(`[data-joint="${focused}"]`)?.focus();
  element.querySelector(".joints-reset").disabled = sameAsFirst();
}

function sameAsFirst() {
  return JSON.stringify(shown.pose) === JSON.stringify(first);
}

function name(joint) {
  element.querySelector(".joints-name").textContent =
    joint === null ? "" : shown.names[joint];
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

function send() {
  sent = JSON.stringify(shown);
  props.value = sent;
  trigger("input");
}

function take() {
  if (!props.value || props.value === sent) return draw();
  shown = JSON.parse(props.value);
  first = structuredClone(shown.pose);
  sent = props.value;
  dragged = null;
  draw();
}

element.addEventListener("pointerdown", (event) => {
  if (!shown || !event.isPrimary || !canvas().contains(event.target)) return;
  dragged = nearest(event);
  if (dragged === null) return;
  event.preventDefault();
  canvas().setPointerCapture(event.pointerId);
  canvas().classList.add("dragging");
  name(dragged);
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
    send();
  });
}

element.addEventListener("keydown", (event) => {
  const joint = event.target.dataset?.joint;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (joint === undefined || !steps[event.key]) return;
  event.preventDefault();
  const [across, down] = steps[event.key];
  const step = shown.height / 128;
  move(+joint, shown.pose[joint][0] + across * step, shown.pose[joint][1] + down * step);
  name(+joint);
  send();
});

element.addEventListener("click", (event) => {
  if (!event.target.closest(".joints-reset") || !first) return;
  shown.pose = structuredClone(first);
  draw();
  send();
});

watch("value", take);
take();
