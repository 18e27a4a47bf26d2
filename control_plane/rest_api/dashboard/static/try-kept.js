// The photo that is on the page and what was answered, kept in this browser so that a reload shows
// them again. One photo for all tabs, replaced by the next; a browser that keeps nothing (a private
// window, no room) is no error: the page works, and a reload says that the photo is gone.

const DATABASE = "tidegate-try";
const STORE = "kept";
const PHOTO = "photo";
const OUTCOME = "outcome";
const KEEP_MS = 86_400_000; // whoever looks again a day later has the photo at hand, or has no use for it

// In place of whatever is kept. file: at most as large as a photo may be.
export async function keepPhoto(id, file) {
  await within("readwrite", (store) => {
    store.clear();
    store.put({ id, file, at: Date.now() }, PHOTO);
  }).catch(() => {}); // a reload says it
}

// outcome: what was answered to the photo; null while it is asked anew. Apart from the photo, which
// is not written again for it.
export async function keepOutcome(id, outcome) {
  await ifThere(
    (photo) => photo.id === id,
    (store) => (outcome ? store.put(outcome, OUTCOME) : store.delete(OUTCOME)),
  );
}

// The photo and its outcome, or null where it is not kept, or another one is.
export async function keptOf(id) {
  try {
    const [photo, outcome] = await within("readonly", (store) => [store.get(PHOTO), store.get(OUTCOME)]);
    return photo?.id === id ? { file: photo.file, outcome: outcome ?? null } : null;
  } catch {
    return null;
  }
}

// Only this one, and not what another tab has put in its place.
export async function forgetPhoto(id) {
  await ifThere(
    (photo) => photo.id === id,
    (store) => store.clear(),
  );
}

// What nobody will ask for any more.
export async function forgetOld() {
  await ifThere(
    (photo) => photo.at < Date.now() - KEEP_MS,
    (store) => store.clear(),
  );
}

function ifThere(isMeant, change) {
  return within("readwrite", (store) => {
    const asked = store.get(PHOTO);
    asked.onsuccess = () => {
      if (asked.result && isMeant(asked.result)) change(store);
    };
  }).catch(() => {}); // it keeps nothing, so there is nothing to change
}

async function within(mode, work) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asked = work(transaction.objectStore(STORE)) ?? [];
      transaction.oncomplete = () => resolve(asked.map((one) => one.result));
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

function opened() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
