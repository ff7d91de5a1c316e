// Asks every two seconds how the action is, and shows the page anew once it has ended.
const watched = document.querySelector("[data-action]");

async function ask() {
  try {
    const answer = await fetch(watched.dataset.action);
    if (!answer.ok || (await answer.json()).finished_at) {
      location.reload();
      return;
    }
  } catch {
    // no connection: ask again
  }
  setTimeout(ask, 2000);
}

setTimeout(ask, 2000);
