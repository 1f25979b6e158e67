"use strict";

(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const byId = (name) => document.getElementById(name);
  const image = byId("image");
  const choices = [byId("real"), byId("fake")];
  // Milliseconds of the empty stage before each image.
  const GAP = 500;
  const KEYS = { r: "real", arrowleft: "real", f: "fake", arrowright: "fake" };
  const SESSION = `user-study-${study.study}`;
  const LAST_PART = `${SESSION}-last-part`;

  let images = [];
  let session = null;
  let askedAt = 0;
  let confirming = false;

  // === What is kept on this device ===

  const storage = (() => {
    try {
      window.localStorage.setItem(`${SESSION}-probe`, "1");
      window.localStorage.removeItem(`${SESSION}-probe`);
      return window.localStorage;
    } catch {
      return null;
    }
  })();

  function keep(name, value) {
    try {
      if (storage) storage.setItem(name, JSON.stringify(value));
    } catch {
      warnOfStorage();
    }
  }

  function kept(name) {
    try {
      return storage && JSON.parse(storage.getItem(name));
    } catch {
      return null;
    }
  }

  function warnOfStorage() {
    notify("This browser keeps no data: do not reload or close this page before you " +
      "have downloaded your answers.");
  }

  function notify(text) {
    byId("notice").textContent = text;
    byId("notice").hidden = false;
  }

  // === Participants ===

  function newSession(part) {
    const bytes = crypto.getRandomValues(new Uint8Array(6));
    const participant = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
    return { participant, part, answers: [], seen: false, downloaded: false };
  }

  function imagesOf(part) {
    return study.parts.find((one) => one.part === part)?.images;
  }

  function isWhole(found) {
    const shown = found && imagesOf(found.part);
    return Boolean(shown) && Array.isArray(found.answers) &&
      found.answers.length <= shown.length &&
      found.answers.every((answer, i) => answer.image === shown[i].image);
  }

  // The part that the address names, or the one after this device's last; the first
  // time any of them.
  function choosePart() {
    const named = new URLSearchParams(location.hash.slice(1)).get("part");
    if (named !== null) return Number(named);
    const last = kept(LAST_PART) ?? Math.floor(Math.random() * study.parts.length);
    return (last % study.parts.length) + 1;
  }

  function open() {
    const found = kept(SESSION);
    session = isWhole(found) ? found : newSession(choosePart());
    images = imagesOf(session.part);
    if (!images) {
      notify(`The address asks for part ${session.part}; this study has parts 1 to ` +
        `${study.parts.length}.`);
      return;
    }
    const answered = session.answers.length;
    byId("resumed").hidden = answered === 0;
    byId("welcome").hidden = answered > 0;
    byId("begin").textContent = answered ? "Continue" : "Start";
    if (answered === images.length) finish();
    else show("start", byId("begin"));
  }

  // === Showing ===

  function show(state, focused) {
    const section = ["gap", "image", "question"].includes(state) ? "trial" : state;
    for (const one of document.querySelectorAll("section")) one.hidden = one.id !== section;
    document.body.dataset.state = state;
    for (const button of choices) button.setAttribute("aria-disabled", state !== "question");
    byId("sign").textContent = { gap: "+", question: "Real or fake?" }[state] ?? "";
    fill();
    if (focused) focused.focus();
  }

  function fill() {
    const answered = session.answers.length;
    const minutes = Math.ceil((images.length - answered) * (study.seconds + 2) / 60);
    const texts = {
      count: images.length,
      seconds: study.seconds === 1 ? "one second" : `${study.seconds} seconds`,
      practice: study.practice,
      answered,
      number: Math.min(answered + 1, images.length),
      left: images.length - answered,
      minutes: minutes === 1 ? "one minute" : `${minutes} minutes`,
      label: `Study ${study.study}` + (study.parts.length > 1 ? `, part ${session.part}` : ""),
    };
    for (const place of document.querySelectorAll("[data-fill]")) {
      place.textContent = texts[place.dataset.fill];
    }
    byId("practice-line").hidden = study.practice === 0;
    byId("phase").textContent = answered < study.practice ? "Practice" : "";
    byId("progress").max = images.length;
    byId("progress").value = answered;
  }

  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

  // No image passes while the page cannot be seen.
  function visible() {
    if (!document.hidden) return Promise.resolve();
    return new Promise((done) => {
      document.addEventListener("visibilitychange", () => done(visible()), { once: true });
    });
  }

  async function next() {
    if (session.seen) return ask();
    show("gap");
    image.src = `data:image/png;base64,${images[session.answers.length].png}`;
    await Promise.all([image.decode(), wait(GAP)]);
    await visible();
    show("image");
    await nextFrame();
    await wait(1000 * study.seconds);
    session.seen = true;
    keep(SESSION, session);
    ask();
  }

  function ask() {
    show("question");
    image.removeAttribute("src");
    askedAt = performance.now();
  }

  function answer(judged) {
    if (document.body.dataset.state !== "question") return;
    session.answers.push({
      image: images[session.answers.length].image,
      answer: judged,
      milliseconds: Math.round(performance.now() - askedAt),
    });
    session.seen = false;
    keep(SESSION, session);
    const answered = session.answers.length;
    if (answered === images.length) finish();
    else if (answered === study.practice) show("pause", byId("continue"));
    else next();
  }

  function finish() {
    show("end", byId("json"));
    confirming = false;
    byId("saved").textContent = "";
    byId("next").textContent = "Next participant";
  }

  // === Passing answers on ===

  function download(text, type, suffix) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `answers-${study.study}-${session.participant}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    session.downloaded = true;
    keep(SESSION, session);
    byId("saved").textContent = `Saved as ${link.download}`;
    byId("next").textContent = "Next participant";
  }

  function downloadJson() {
    const { participant, part, answers } = session;
    const content = { study: study.study, part, participant, answers };
    download(JSON.stringify(content, null, 1) + "\n", "application/json", "json");
  }

  function downloadCsv() {
    const { participant, part } = session;
    const rows = session.answers.map((one) =>
      [study.study, part, participant, one.image, one.answer, one.milliseconds].join(","));
    const head = "study,part,participant,image,answer,milliseconds";
    download([head, ...rows, ""].join("\n"), "text/csv", "csv");
  }

  function nextParticipant() {
    if (!session.downloaded && !confirming) {
      confirming = true;
      byId("next").textContent = "Not downloaded yet: discard these answers?";
      return;
    }
    keep(LAST_PART, session.part);
    if (storage) storage.removeItem(SESSION);
    open();
  }

  byId("begin").addEventListener("click", next);
  byId("continue").addEventListener("click", next);
  byId("json").addEventListener("click", downloadJson);
  byId("csv").addEventListener("click", downloadCsv);
  byId("next").addEventListener("click", nextParticipant);
  for (const button of choices) {
    button.addEventListener("click", () => answer(button.dataset.answer));
  }
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const judged = KEYS[event.key.toLowerCase()];
    if (judged) answer(judged);
  });
  window.addEventListener("beforeunload", (event) => {
    if (!storage && session.answers.length && !session.downloaded) event.preventDefault();
  });

  if (!storage) warnOfStorage();
  open();
})();
