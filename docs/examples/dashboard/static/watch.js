// Poll the action every two seconds, and reload the page when it has finished.
const watched = document.querySelector("[data-action]");

async function poll() {
  try {
    const response = await fetch(watched.dataset.action);
    if (!response.ok || (await response.json()).finished_at) {
      location.reload();
      return;
    }
  } catch {
    // no connection: try again
  }
  setTimeout(poll, 2000);
}

setTimeout(poll, 2000);
