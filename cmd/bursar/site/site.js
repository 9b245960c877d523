// The one script of the school. It knows who is here by GET /auth/session, and
// shows what that person may open. It decides nothing: a lesson is served only
// through bursar's gate, and this script shows what the gate answered.
// "No" and "cannot tell" are different here too: an answer that did not come
// takes nothing away from the page.

const courses = {
  "course-one": { role: "Course One", title: "Bread from One Flour", page: "/lessons/one/", price: "$49" },
  "course-two": { role: "Course Two", title: "A Jar, Some Salt", page: "/lessons/two/", price: "$49" },
};
const $ = (selector, root = document) => root.querySelector(selector);
const main = $("main");
const product = main.dataset.lesson; // the course of this page, if it is a lesson page
const door = $("#door");
const here = () => location.pathname + location.search;

// el makes an element. Strings become text, never markup.
function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (k === "onclick") e.addEventListener("click", v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v != null) e.setAttribute(k, v);
  }
  e.append(...children.filter(c => c != null));
  return e;
}
const button = (label, onclick, attrs) => el("button", { type: "button", class: "button go", onclick, ...attrs }, label);
const link = (label, href, attrs) => el("a", { class: "button quiet", href, ...attrs }, label);
const loginURL = signup => "/auth/login?return_to=" + encodeURIComponent(here()) + (signup ? "&screen_hint=signup" : "");

// webURL is href if it is an http(s) address, else nothing: what a server sent
// must not become a script.
function webURL(href) {
  try {
    const u = new URL(href, location.href);
    return u.protocol === "https:" || u.protocol === "http:" ? u.href : "";
  } catch { return ""; }
}

let sayTimer;
function say(text) {
  $("#say").textContent = text;
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => { $("#say").textContent = ""; }, 8000);
}

// ask fetches JSON. It answers {status, body}; status 0 means nobody answered.
// send undefined is a GET, null a POST without a body.
async function ask(path, send) {
  const init = { headers: { Accept: "application/json" }, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(15000) };
  if (send !== undefined) {
    init.method = "POST";
    init.headers["X-CSRF"] = "1";
  }
  if (send) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(send);
  }
  try {
    const r = await fetch(path, init);
    let body = null;
    try { body = await r.json(); } catch { /* no body, or not JSON */ }
    return { status: r.status, ok: r.ok, body, after: Number(r.headers.get("Retry-After")) || 0 };
  } catch {
    return { status: 0, ok: false, body: null, after: 0 };
  }
}
const reason = (r, otherwise) => (r.body && (r.body.error_description || r.body.error)) || otherwise;

// --- what this tab waits for: a course to open after buying, or to close after a refund.
// It is kept in the tab, so it outlives the walk to the login page and back.

let waiting = {};
try { waiting = JSON.parse(sessionStorage.getItem("waiting")) || {}; } catch { /* storage is off: this page only */ }
const giveUp = 15 * 60 * 1000;
function await_(id, open) {
  if (open === undefined) delete waiting[id];
  else waiting[id] = { open, since: Date.now() };
  try { sessionStorage.setItem("waiting", JSON.stringify(waiting)); } catch { /* as above */ }
}
const waitsFor = (id, open) => waiting[id] && waiting[id].open === open;

// --- who is here

let me;           // undefined: not known yet; null: nobody; else the session
let trouble = 0;  // how many looks in a row found no answer
let looking, timer;
const owns = id => !!me && me.roles.includes(courses[id].role);

// look asks who is here and shows what follows from it. One at a time.
function look() {
  clearTimeout(timer);
  looking ||= ask("/auth/session").then(r => {
    looking = undefined;
    if (r.ok && r.body && r.body.subject) settle({ ...r.body, roles: r.body.roles || [] });
    else if (r.status === 401) settle(null);
    else trouble++;
    render();
    timer = setTimeout(look, pause());
  });
  return looking;
}

// pause says when to look again: each second for half a minute after buying,
// then ever more slowly; often while a lesson is open; hardly ever otherwise.
function pause() {
  if (document.hidden) return 60000; // coming back looks at once
  if (trouble) return Math.min(30000, 1000 * 2 ** trouble);
  const since = Object.values(waiting).map(w => Date.now() - w.since);
  if (since.length) {
    const least = Math.min(...since);
    if (least < 30000) return 1000;
    return Math.min(30000, 1000 + (least - 30000) / 4);
  }
  if (product && me) return 3000;
  return me ? 15000 : 60000;
}

// settle takes in an answer, and tells what has changed since the one before.
function settle(now) {
  const before = me;
  trouble = 0;
  for (const id of Object.keys(waiting)) if (!courses[id] || Date.now() - waiting[id].since > giveUp) await_(id);
  const had = Object.keys(courses).filter(owns);
  me = now;
  for (const [id, c] of Object.entries(courses)) {
    if (owns(id) && (waitsFor(id, true) || (before && !had.includes(id)))) {
      await_(id);
      cheers.push(id);
      say(`${c.title} is open. Welcome in.`);
    } else if (!owns(id) && had.includes(id) && me) {
      await_(id);
      say(`${c.title} is locked again.`);
    } else if (!owns(id) && me && waitsFor(id, false)) {
      await_(id);
    }
  }
  if (before && !me) say("You are logged out.");
  const changed = !before !== !me || had.join() !== Object.keys(courses).filter(owns).join();
  if (changed || before === undefined) purchases();
}

function render() {
  account();
  for (const card of document.querySelectorAll("[data-course]")) course(card);
  if (product) lesson();
  if ("live" in main.dataset && me === null) passGone();
  askToConfirm();
  for (const id of cheers.splice(0)) cheer(id);
}

// shown keeps a part of the page as it is while nothing in it has changed, so
// that looking again never takes the focus away.
function shown(node, key) {
  if (node.dataset.shown === key) return true;
  node.dataset.shown = key;
  return false;
}

function account() {
  const box = $("[data-account]");
  if (me === undefined || shown(box, me ? "as " + (me.name || me.email || me.subject) : "nobody")) return;
  box.dataset.known = "";
  if (me) box.replaceChildren(
    el("span", { class: "who", "data-test": "who", title: me.email || me.subject }, me.name || me.email || me.subject),
    button("Log out", logout, { class: "button quiet small", "data-test": "logout" }));
  else box.replaceChildren(
    link("Sign up", loginURL(true), { class: "button quiet small", "data-test": "signup" }),
    link("Log in", loginURL(), { class: "button go small", "data-test": "login" }));
}

async function logout(ev) {
  ev.currentTarget.disabled = true;
  const r = await ask("/auth/logout", null);
  const to = r.ok && webURL(r.body && r.body.location || "/");
  if (to) {
    for (const id of Object.keys(waiting)) await_(id);
    return location.assign(to);
  }
  const b = $("[data-test=logout]");
  if (b) b.disabled = false;
  if (r.status === 401) return look();
  say("Logging out did not work just now. Please try once more.");
}

// --- the shop

function course(card) {
  const id = card.dataset.course, state = $("[data-state]", card), open = $("[data-open]", card), buy = $("[data-buy]", card);
  const is = owns(id) ? "yours" : waitsFor(id, true) ? "waiting" : "";
  if (shown(card, is + !!me)) return;
  state.dataset.is = is;
  state.textContent = { yours: "Yours", waiting: me ? "Opening…" : "Bought, log in to open" }[is] || "";
  $(".price", card).hidden = buy.hidden = is === "yours";
  open.textContent = is === "yours" ? "Open the lessons" : "Look inside";
  open.className = "button " + (is === "yours" ? "go" : "quiet");
  if (is !== "yours") $(".cheer", card)?.remove();
}

const states = { paid: ["Paid", "good"], refunded: ["Refunded", ""], disputed: ["Disputed", "bad"], partial: ["Partly refunded", "wait"] };

async function purchases() {
  const box = $("[data-purchases]");
  if (!box) return;
  const r = me ? await ask("/shop/purchases") : { ok: true, body: [] };
  if (!r.ok) return;
  const rows = Array.isArray(r.body) ? r.body : [];
  $("#purchases").hidden = !rows.length;
  if (shown(box, JSON.stringify(rows))) return;
  box.replaceChildren(...rows.map(p => {
    const [word, tone] = states[p.state] || [String(p.state), "wait"];
    const at = new Date(p.at), c = courses[p.product];
    return el("li", null,
      el("div", { class: "what" }, el("strong", null, c ? c.title : String(p.name)),
        el("small", null, isNaN(at) ? String(p.name) : `${p.name} · ${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`)),
      el("span", { class: "tag " + tone }, word),
      p.state === "paid" ? button("Give it back", ev => refund(p, ev.currentTarget), { class: "button quiet small", "data-test": "refund-" + p.id, "aria-label": "Give back " + p.name }) : null);
  }));
}

async function refund(p, pressed) {
  pressed.disabled = true;
  const r = await ask("/shop/refund", { sale: p.id });
  if (!r.ok) {
    pressed.disabled = false;
    return say(reason(r, "The shop does not answer. Nothing was changed; please try again."));
  }
  say("Refunded. The lessons close in a moment.");
  if (courses[p.product]) await_(p.product, false);
  await purchases();
  render();
  look();
}

// buy opens the till for one course. It works for somebody who is not logged
// in: the account is made for the address, and the mail is the way in.
function buy(id) {
  const c = courses[id];
  const email = el("input", { id: "buy-email", type: "email", name: "email", required: true, autofocus: true, autocomplete: "email", "data-test": "buy-email", value: me && me.email });
  const fault = el("p", { class: "fault", role: "alert" });
  const pay = el("button", { class: "button go", "data-test": "buy-submit" }, `Pay ${c.price}`);
  const form = el("form", { "data-test": "buy-form" },
    el("p", { class: "eyebrow" }, c.role), el("h2", { id: "till-title", tabindex: "-1" }, c.title),
    el("p", null, "Only pretend: this shop takes no cards and no money moves."),
    el("label", { for: "buy-email" }, "Your e-mail address", email),
    fault,
    el("div", { class: "row" }, pay, button("Not now", () => till.close(), { class: "button quiet" })));
  const till = el("dialog", { "aria-labelledby": "till-title" }, form);
  till.addEventListener("close", () => till.remove());
  form.addEventListener("submit", async ev => {
    ev.preventDefault();
    pay.disabled = true;
    fault.textContent = "";
    const to = email.value.trim();
    const r = await ask("/shop/buy", { product: id, email: to });
    pay.disabled = false;
    if (!r.ok) {
      fault.textContent = reason(r, "The shop does not answer. You have not paid; please try again.");
      return;
    }
    const mine = me && me.email && to.toLowerCase() === me.email.toLowerCase();
    if (mine || !me) await_(id, true);
    if (mine && me.email_verified !== false) {
      till.close();
      say("Thank you! Opening your course…");
    } else mail(till, to, id, mine);
    purchases();
    render();
    look();
  });
  document.body.append(till);
  till.showModal();
}

// mail shows what would be in the buyer's mailbox, once it is there. Who has
// signed up and not confirmed the address (mine) could be anybody: the course
// waits until the mailbox has chosen a new password.
async function mail(till, to, id, mine) {
  const c = courses[id];
  const doors = el("div", { class: "row" }), news = el("p", { role: "status" }, "The letter is on its way…");
  till.replaceChildren(
    el("p", { class: "eyebrow" }, "Thank you"), el("h2", { id: "till-title", tabindex: "-1", "data-test": "buy-done" }, "Check your mail"),
    el("p", null, `${c.title} belongs to `, el("strong", null, to), mine
      ? ". You have not confirmed that address yet, so we have written to it: the link inside chooses a new password, and then the course opens."
      : ". We have written to that address: the link inside chooses the password, and then the course is open."),
    news, doors, el("div", { class: "row" }, button("Close", () => till.close(), { class: "button quiet" })));
  $("#till-title", till).focus();
  for (let n = 0; n < 20 && till.open; n++) {
    if (owns(id)) return till.close(); // confirmed meanwhile
    const href = await letter(to);
    if (href && !(mine && href.includes("/u/email-verification"))) {
      news.textContent = "As this is a demo, here is the mailbox:";
      doors.replaceChildren(link("Open the letter’s link", href, { class: "button go", target: "_blank", rel: "noopener", "data-test": "mail-link" }));
      return;
    }
    await new Promise(done => setTimeout(done, n < 5 ? 500 : 2000));
  }
  news.textContent = "No letter? Then that address has an account already. Log in with it, and the course is there.";
  if (!me) doors.replaceChildren(link("Log in", loginURL(), { class: "button go", "data-test": "login-here" }));
}

// letter is the link in the newest letter to somebody; empty if there is none.
async function letter(to) {
  const r = await ask("/shop/mail?email=" + encodeURIComponent(to));
  return r.ok && r.body && r.body.link ? webURL(r.body.link) : "";
}

// askToConfirm asks who has just signed up to open the letter first: then whatever
// they buy opens at once.
async function askToConfirm() {
  if (!me || !me.email || me.email_verified !== false || me.roles.length || $("#confirm") || sessionStorage.getItem("confirmed") === me.subject) return;
  const bar = el("p", { id: "confirm", class: "note confirm", "data-test": "confirm" }, `Is ${me.email} yours? Open the letter we sent there before you buy. `);
  $("header.top").after(bar);
  const href = await letter(me.email);
  if (!href.includes("/u/email-verification")) return bar.remove();
  const done = () => { sessionStorage.setItem("confirmed", me.subject); bar.remove(); };
  bar.append(link("Open the letter’s link", href, { class: "button quiet", target: "_blank", rel: "noopener", onclick: done, "data-test": "confirm-link" }));
}

// --- the lesson's door

const icons = { lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3M12 15v2", oven: "M4 5h16v15H4zM4 9h16M8 7h.01M11 7h.01M8 17c0-3 2-4 4-4s4 1 4 4z", cloud: "M7 18a4 4 0 0 1 0-8 5 5 0 0 1 9.6 1.5A3.3 3.3 0 0 1 17 18z" };
function icon(name, moving) {
  const ns = "http://www.w3.org/2000/svg", s = document.createElementNS(ns, "svg"), p = document.createElementNS(ns, "path");
  s.setAttribute("viewBox", "0 0 24 24");
  s.setAttribute("class", moving ? "lock spin" : "lock");
  s.setAttribute("aria-hidden", "true");
  p.setAttribute("d", icons[name]);
  s.append(p);
  return s;
}

// closed shows why the lessons are not here. Whoever was reading is led to it.
function closed(why, picture, title, text, ...doors) {
  if (shown(door, why)) return;
  const wasInside = door.contains(document.activeElement), wasOpen = !!$(".lessons", door);
  const h = el("h2", { tabindex: "-1" }, title);
  door.replaceChildren(el("section", { class: "door", "data-test": why === "checking" ? why : "locked", "data-why": why },
    icon(picture, picture === "oven"), h, el("p", { role: "status" }, text), el("div", { class: "row" }, ...doors.filter(Boolean))));
  if (wasInside) h.focus({ preventScroll: !wasOpen });
  if (wasOpen) door.scrollIntoView({ block: "center" });
}

const buyHere = () => button(`Buy for ${courses[product].price}`, () => buy(product), { "data-buy-here": true, "data-test": "buy-" + product });
const loginHere = () => link("Log in", loginURL(), { class: "button go", "data-test": "login-here" });
let fetching = false;

async function lesson() {
  const c = courses[product];
  const isOpen = door.dataset.shown === "open";
  if (me === undefined) {
    if (trouble) unreachable();
    return;
  }
  if (me === null) {
    if (waitsFor(product, true)) return closed("nobody-waiting", "lock", "Bought. Now log in.", "Log in with the address you bought with, and the lessons open right here.", loginHere());
    const ended = isOpen || door.dataset.shown === "ended";
    return closed(ended ? "ended" : "nobody", "lock", ended ? "You have been logged out" : "These lessons have a key",
      ended ? "The lessons are put away until you are back." : `They are for everybody who has bought ${c.title}. Is that you? Then log in.`,
      loginHere(), ended ? null : buyHere());
  }
  if (!owns(product)) {
    if (waitsFor(product, true)) {
      const late = Date.now() - waiting[product].since > 30000;
      return closed(late ? "late" : "waiting", "oven", "Your payment is in", late ? "This takes longer than usual. You need not wait here: it opens by itself, also when you come back later." : "The lessons open right here, in a moment.");
    }
    const back = isOpen || door.dataset.shown === "closed";
    return closed(back ? "closed" : "locked", "lock", back ? "Locked again" : "Almost inside",
      back ? "This course is no longer on your account. Your notes on paper stay yours, and so does what you made." : `Your account is ready; ${c.title} is not on it yet. Buy it, and the lessons open on this page.`, buyHere());
  }
  if (isOpen || fetching) return;
  fetching = true;
  try { await enter(c); } finally { fetching = false; }
}

const unreachable = () => closed("trouble", "cloud", "We cannot check your key just now", "That is our trouble, not yours: nothing you own is lost. This page tries again by itself.", button("Try now", look, { class: "button quiet" }));

// enter fetches the lessons through the gate and shows what it answered.
async function enter(c) {
  let r, text = "";
  try {
    r = await fetch(door.dataset.content, { headers: { Accept: "text/html" }, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(15000) });
    if (r.ok) text = await r.text();
  } catch { return unreachable(); }
  if (!owns(product)) return; // it was taken back while we fetched; the door shows that
  if (r.status === 401 || r.type === "opaqueredirect") return closed("again", "lock", "Please log in once more", "Your visit has ended in the meantime.", loginHere());
  if (r.status === 403) return closed("soon", "oven", "One moment", `${c.title} is on your account, and the door is just hearing of it. This page tries again by itself.`);
  if (!r.ok) return unreachable();
  // Our own page of our own origin: its article is taken over as it is.
  const article = new DOMParser().parseFromString(text, "text/html").querySelector("article.lessons");
  if (!article) return unreachable();
  shown(door, "open");
  const wasInside = door.contains(document.activeElement);
  const open = el("section", { class: "open", "data-test": "unlocked", "aria-label": c.title, tabindex: "-1" }, document.importNode(article, true));
  door.replaceChildren(open);
  if (wasInside) open.focus({ preventScroll: true });
  if (location.hash.length > 1) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  if (cheerWhenOpen) cheer(product);
}

// --- the small celebration

const cheers = [];
let cheerWhenOpen = false;
function cheer(id) {
  const c = courses[id];
  let note;
  if (product === id) {
    const open = $("[data-test=unlocked]", door);
    cheerWhenOpen = !open;
    if (!open) return;
    note = el("p", { class: "cheer", "data-test": "celebration" }, `It is yours. Welcome to ${c.title}.`);
    open.prepend(note);
  } else {
    const body = $(`[data-course=${id}] .body`);
    if (!body) return;
    note = el("p", { class: "cheer", "data-test": "celebration" }, "It is yours. Come in whenever you like.");
    $(".cheer", body)?.remove();
    body.prepend(note);
  }
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (let i = 0; i < 26; i++) {
    const crumb = el("i", { class: "crumb", "aria-hidden": "true" });
    note.append(crumb);
    const x = (Math.random() - .5) * 420, y = -60 - Math.random() * 140;
    crumb.animate([{ transform: "none", opacity: 1 }, { transform: `translate(${x * .8}px, ${y}px) rotate(200deg)`, opacity: 1, offset: .4 }, { transform: `translate(${x}px, ${y + 260}px) rotate(520deg)`, opacity: 0 }],
      { duration: 1500 + Math.random() * 900, easing: "cubic-bezier(.2,.7,.5,1)", fill: "forwards" }).finished.then(() => crumb.remove(), () => {});
  }
}

// --- the live room's pass

let passTimer;
function passGone() {
  clearInterval(passTimer);
  $("#pass").replaceChildren();
}

function claimsOf(token) {
  try {
    const raw = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(raw, ch => ch.charCodeAt(0))));
  } catch { return {}; } // a token need not be readable to be good
}

async function join() {
  const press = $("#join"), text = $("#pass-text"), doors = $("#pass-doors");
  press.disabled = true;
  const r = await ask("/auth/token", { token: "live" });
  press.disabled = false;
  $("#login-here")?.remove();
  if (r.ok && r.body && r.body.token) {
    press.textContent = "Get a fresh pass";
    text.textContent = "Here it is. Whoever holds it is you, so it stays on this page and nowhere else.";
    return pass(r.body);
  }
  passGone();
  switch (r.status) {
    case 401:
      text.textContent = "We make a pass for you as soon as we know who you are.";
      doors.append(link("Log in", loginURL(), { id: "login-here", "data-test": "login-here" }));
      return;
    case 403: text.textContent = "The live room is for learners: any of our courses opens it. Buy one, and ask again here."; return;
    case 429: text.textContent = `That was a little often. Please try again in ${r.after || 60} seconds.`; return;
    case 400: text.textContent = reason(r, "This room gives no passes just now."); return;
    default: text.textContent = "We cannot make passes just now. That is our trouble, not yours; please try again in a moment.";
  }
}

const clock = s => `${Math.floor(s / 3600) ? Math.floor(s / 3600) + ":" : ""}${String(Math.floor(s / 60) % 60).padStart(2, "0")}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

function pass(body) {
  clearInterval(passTimer);
  const claims = claimsOf(body.token), times = ["iat", "nbf", "exp", "auth_time"];
  const life = Number(body.expires_in) || Math.max(0, (claims.exp || 0) - Date.now() / 1000), ends = performance.now() + life * 1000;
  const left = el("strong", { class: "clock", role: "timer", "aria-live": "off", "data-test": "live-clock" }), bar = el("progress", { max: life, "aria-hidden": "true" });
  const ticket = el("section", { class: "ticket", "data-test": "live-token", "aria-label": "Your pass" },
    el("header", null,
      el("p", null, el("small", null, "For"), el("strong", { "data-test": "live-identity" }, String(body.identity || claims.identity || claims.sub || ""))),
      el("p", null, el("small", null, "Wears off in"), left)),
    bar,
    el("dl", { "data-test": "live-claims" }, ...Object.entries(claims).map(([k, v]) => el("div", null, el("dt", null, k),
      el("dd", null, typeof v === "object" ? JSON.stringify(v) : times.includes(k) ? `${v} (${new Date(v * 1000).toLocaleTimeString()})` : String(v))))),
    el("code", { tabindex: "0", "aria-label": "The pass as it is sent", "data-test": "live-raw" }, body.token));
  const tick = () => {
    const s = Math.max(0, (ends - performance.now()) / 1000);
    left.textContent = s ? clock(Math.ceil(s)) : "Expired";
    bar.value = s;
    if (s) return;
    clearInterval(passTimer);
    ticket.classList.add("spent");
    $("#pass-text").textContent = "This pass has worn off. Ask for a fresh one.";
  };
  tick();
  passTimer = setInterval(tick, 1000);
  $("#pass").replaceChildren(ticket);
}

// --- and start

document.addEventListener("click", ev => {
  const b = ev.target.closest("[data-buy]");
  if (b) buy(b.dataset.buy);
  if (ev.target.closest("#join")) join();
});
document.addEventListener("submit", ev => { if (ev.target.matches("[data-scale]")) ev.preventDefault(); });
// The scales in the lessons: each output is so many percent of the weight.
document.addEventListener("input", ev => {
  const form = ev.target.closest("[data-scale]");
  if (!form) return;
  const grams = Number(ev.target.value);
  for (const out of form.querySelectorAll("[data-percent]")) {
    const g = grams * out.dataset.percent / 100;
    out.textContent = grams > 0 ? String(g < 10 ? Math.round(g * 10) / 10 : Math.round(g)) : "–";
  }
});
addEventListener("focus", look);
addEventListener("online", look);
addEventListener("pageshow", ev => { if (ev.persisted) look(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
if (product) closed("checking", "oven", "Looking for your key", "One moment.");
look();
