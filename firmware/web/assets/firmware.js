// Shows what a chosen firmware is before it is installed, and sends it in pieces. The file is kept in the browser
// until it is sent, so that a page that is loaded anew goes on where the one before it stopped.

const HEAD_BYTES = 128 * 1024;
const PIECE_BYTES = 512 * 1024;
// Pieces that fail in a row before the upload is given up; a second apart. Update waits for a minute.
const PATIENCE = 40;

const chooser = document.querySelector("form[data-firmware]");
const candidate = document.getElementById("candidate");
const complaint = document.getElementById("complaint");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

for (const part of chooser.querySelectorAll("[data-unscripted]")) part.hidden = true;
chooser.addEventListener("submit", (event) => event.preventDefault());

function complain(words) {
  complaint.textContent = words;
  complaint.hidden = !words;
}

async function tell(path, body) {
  const answer = await fetch(path, {
    method: "POST", body, headers: { "X-Evener-Csrf": chooser.elements.csrf.value }, redirect: "manual", cache: "no-store",
  });
  // The session is over: the page asks to log in.
  if (answer.type === "opaqueredirect" || answer.status === 401) location.reload();
  return answer;
}

async function words(answer) {
  const type = answer.headers.get("content-type") || "";
  if (type.startsWith("application/json")) return (await answer.json()).detail;
  return "The unit refused it. Load the page again and repeat.";
}

// What is kept in the browser: one upload.
function kept(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("evener", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("upload");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("upload", mode);
      const request = act(transaction.objectStore("upload"));
      transaction.oncomplete = () => { opening.result.close(); resolve(request.result); };
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    };
  });
}
// A browser that keeps nothing sends all the same; only a new load ends it then.
const keep = (upload, file) => kept("readwrite", (store) => store.put({ upload, file }, "now")).catch(() => {});
const forget = () => kept("readwrite", (store) => store.clear()).catch(() => {});
const recall = () => kept("readonly", (store) => store.get("now")).catch(() => undefined);

let renewed = 0;
async function renew(now) {
  if (!now && Date.now() - renewed < 300) return;
  renewed = Date.now();
  await refresh();
}

async function send(upload, file, from) {
  let taken = from;
  let failures = 0;
  while (taken < file.size) {
    let answer;
    try {
      answer = await tell(`/firmware/upload/${upload}?offset=${taken}`, file.slice(taken, taken + PIECE_BYTES));
    } catch {
      answer = undefined;
    }
    if (answer?.ok || answer?.status === 409) {
      failures = 0;
      taken = (await answer.json()).taken;
    } else if (answer && answer.status !== 408) {
      // It was refused or ended by somebody; what became of it is on the page.
      break;
    } else {
      failures += 1;
      if (failures > PATIENCE) {
        complain("The unit does not answer any more, so the upload was given up. The running firmware was not touched.");
        break;
      }
      await pause(1000);
    }
    await renew(false);
  }
  await forget();
  if (taken >= file.size) await tell(`/firmware/upload/${upload}/end`);
  await renew(true);
}

async function install(file, override) {
  complain("");
  const answer = await tell(`/firmware/upload?size=${file.size}&even_if_it_failed=${override}`);
  if (!answer.ok) {
    complain(await words(answer));
    return;
  }
  const { upload } = await answer.json();
  await keep(upload, file);
  candidate.replaceChildren();
  chooser.reset();
  await renew(true);
  await send(upload, file, 0);
}

chooser.elements.firmware.addEventListener("change", async () => {
  candidate.replaceChildren();
  complain("");
  const file = chooser.elements.firmware.files[0];
  if (!file) return;
  try {
    const answer = await tell("/firmware/inspect", file.slice(0, HEAD_BYTES));
    if (chooser.elements.firmware.files[0] !== file) return;
    if (!answer.ok) {
      complain(await words(answer));
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    candidate.replaceChildren(...page.body.childNodes);
    const button = candidate.querySelector("[data-install]");
    button?.addEventListener("click", () => {
      button.disabled = true;
      install(file, button.dataset.install === "override").catch(lost);
    });
  } catch {
    lost();
  }
});

function lost() {
  complain("The unit does not answer. Try again in a minute.");
}

// Goes on with the upload of the page that was here before.
const under_way = document.querySelector("[data-upload]");
if (under_way) {
  const one = await recall();
  if (one?.upload === under_way.dataset.upload) {
    await send(one.upload, one.file, Number(under_way.dataset.taken)).catch(lost);
  }
}
